"""How large the nuclei of an image are: the scale at which the network recognises them best.

The network is trained on nuclei of one size. Shown an image at several scales, it finds whole, certain nuclei of that
size at the right one; enlarged too much it sees fragments it is unsure of, reduced too much it sees specks. No scale
is trusted for what it finds on its own: large nuclei break into pieces that would confirm a wrong guess.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_nucseg.network.predict import TilePlan, predict_steps
from napari_nucseg.nuclei.decoding import decode
from napari_nucseg.segmentation.rescale import rescale
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model

VIEW_SCALES = (0.25, 0.5, 1.0, 2.0)
CROP_PX = 256
CROPS_PER_VIEW = 2
SPREAD = 0.4  # natural log; nuclei this much off the canonical size still are convincing evidence
AGREES_WITHIN = 0.3  # natural log; evidence this close to the estimate counts for the confidence
FEW_NUCLEI = 5


@dataclass(frozen=True)
class DiameterEstimate:
    """Median nucleus diameter in pixels of the image, and how much of the evidence agrees with it, 0…1."""

    diameter_px: float
    confidence: float


@dataclass(frozen=True)
class _Findings:
    """Nuclei seen in one view: diameters in image pixels, certainty 0…1, evidence for this view's scale."""

    diameter_px: NDArray[np.float64]
    certainty: NDArray[np.float64]
    evidence: NDArray[np.float64]


def estimate_diameter(model: Model, image: NDArray[np.float32], device: Device) -> DiameterEstimate:
    """Estimate the median nucleus diameter of a whole image.

    A few crops are segmented at four scales. A nucleus is evidence for a scale by its share of the area, its
    certainty, and how near the canonical diameter it appears. The scale with most evidence gives a first
    estimate, a last look at exactly that scale the final one. Where nothing is found the canonical diameter is
    returned with confidence 0.

    Parameters
    ----------
    model : loaded model.
    image : (3, Y, X) float32, 0…1.
    device : where to run.
    """
    views = [_look(model, image, scale, device) for scale in VIEW_SCALES]
    best = max(views, key=lambda view: view.evidence.sum())
    canonical = model.card.canonical_diameter_px
    if not best.evidence.sum() > 0:
        return DiameterEstimate(canonical, 0.0)
    first = _weighted_median(best.diameter_px, best.evidence / best.diameter_px**2)
    final = _look(model, image, canonical / first, device)
    diameter = first
    if final.evidence.sum() > 0:
        diameter = _weighted_median(final.diameter_px, final.certainty)
    pooled = _Findings(
        *(np.concatenate([getattr(v, f) for v in views]) for f in _Findings.__dataclass_fields__)
    )
    agrees = np.abs(np.log(pooled.diameter_px / diameter)) < AGREES_WITHIN
    return DiameterEstimate(diameter, float(pooled.evidence[agrees].sum() / pooled.evidence.sum()))


def _look(model: Model, image: NDArray[np.float32], scale: float, device: Device) -> _Findings:
    """Segment the most structured crops at a scale and measure what is found."""
    found = [_measure(model, crop, scale, device) for crop in _crops(image, scale)]
    return _Findings(
        *(np.concatenate([getattr(f, name) for f in found]) for name in _Findings.__dataclass_fields__)
    )


def _measure(model: Model, crop: NDArray[np.float32], scale: float, device: Device) -> _Findings:
    """Diameters, certainties and evidence of the nuclei in a crop at network scale."""
    maps = drain(predict_steps(model, crop, TilePlan(device, CROP_PX, 1))).maps
    canonical = model.card.canonical_diameter_px
    labels = decode(maps, diameter_px=canonical)
    areas = np.bincount(labels.ravel())[1:].astype(np.float64)
    index = np.arange(1, areas.size + 1)
    foreground, distance, _ = maps
    certainty = np.asarray(ndimage.mean(2 * foreground - 1, labels, index)) * ndimage.maximum(
        distance, labels, index
    )
    apparent = np.sqrt(4 * areas / math.pi)
    likely = np.exp(-0.5 * (np.log(apparent / canonical) / SPREAD) ** 2)
    evidence = areas / labels.size * certainty**2 * likely
    whole = _off_border(labels)
    if whole.sum() < FEW_NUCLEI:
        whole[:] = True
    return _Findings((apparent / scale)[whole], certainty[whole], evidence[whole])


def _off_border(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether each nucleus 1…n keeps clear of the edge."""
    inside = np.ones(int(labels.max(initial=0)) + 1, bool)
    inside[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = False
    return inside[1:]


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _crops(image: NDArray[np.float32], scale: float) -> list[NDArray[np.float32]]:
    """Return the crops with most structure, rescaled; the whole image where it is small."""
    side = math.ceil(CROP_PX / scale)
    starts = [np.unique(np.linspace(0, max(0, n - side), -(-n // side)).astype(int)) for n in image.shape[1:]]
    windows = [image[:, y : y + side, x : x + side] for y in starts[0] for x in starts[1]]
    windows.sort(key=lambda w: -float(w[:, ::4, ::4].std()))
    return [
        rescale(w, (max(1, round(w.shape[1] * scale)), max(1, round(w.shape[2] * scale))))
        for w in windows[:CROPS_PER_VIEW]
    ]
