"""How large the nuclei of an image are: what the size head reads in a few views, sharpened by measuring.

The head tells the size from features, at scales far off too; it never sees its own findings confirmed. At the scale it
names, nuclei are segmented in two views and measured. Where that agrees, the answer lies half-way: what is measured is
more exact on images like those it was taught, what is read on others, and their errors have little in common.
Where the head's readings contradict each other, that is done first at several sizes around the reading, and the answers
averaged. Each counts the more, the better the network agrees with itself there: large nuclei seen too near fall to
pieces, and their predicted distance maps are not those of the pieces. The best fit alone is too blunt a guide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage

from napari_nucseg.network.predict import TilePlan, predict_steps
from napari_nucseg.nuclei.decoding import decode
from napari_nucseg.nuclei.targets import distance_map
from napari_nucseg.segmentation.size_views import VIEW_PX, at_scale, square, structured_windows, summaries
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model

    # Maps (3, Y, X) and the labels (Y, X) decoded from them.
    _View = tuple[NDArray[np.float32], NDArray[np.int32]]

FIRST_SCALES = (0.25, 0.5, 1.0, 2.0)
CLOSEST_SCALE = 4.0
"""Looked at, too, where nuclei may be small; large ones it shows in parts, which tells less of their size."""
SECOND_SCALES = (0.8, 1.25)  # around the first estimate
VIEWS_A_SCALE = 2
AGREES_WITHIN = 0.3  # natural log
FEW_NUCLEI = 5
UNSURE = 0.85
"""Share of the evidence that must agree, else the size is settled by what is found at several."""
SETTLING = (-0.6, -0.3, 0.0, 0.3, 0.6, 0.9)
"""Sizes tried then: natural logs relative to what was read."""
FIT_SPREAD = 0.1
"""How much better maps must fit for a size to count e times as much."""


@dataclass(frozen=True)
class DiameterEstimate:
    """Median nucleus diameter in pixels of the image, and how much of the evidence agrees with it, 0…1."""

    diameter_px: float
    confidence: float


@dataclass(frozen=True)
class _Readings:
    """What the head reads in several views: natural log of the diameter in image pixels, and weights."""

    log_diameter: NDArray[np.float64]
    weight: NDArray[np.float64]

    def plus(self, other: _Readings) -> _Readings:
        return _Readings(
            np.concatenate([self.log_diameter, other.log_diameter]),
            np.concatenate([self.weight, other.weight]),
        )

    def median(self) -> float:
        return _weighted_median(self.log_diameter, self.weight)

    def agreeing_with(self, log_diameter: float) -> float:
        near = np.abs(self.log_diameter - log_diameter) < AGREES_WITHIN
        return float(self.weight[near].sum() / self.weight.sum())


def estimate_diameter(model: Model, image: NDArray[np.float32], device: Device) -> DiameterEstimate:
    """Estimate the median nucleus diameter of a whole image.

    The size head reads two views at each of four scales, at a fifth where nuclei may be small, then again
    around its first answer; the median weighted by its certainty is taken half-way to what is measured at that
    scale. Where readings disagree widely, sizes around it are tried, and the answers averaged by how well maps and
    nuclei agree. A model without a size head answers with its canonical diameter and confidence 0.

    Parameters
    ----------
    model : loaded model.
    image : (3, Y, X) float32, 0…1.
    device : where to run.
    """
    if model.size_head is None:
        return DiameterEstimate(model.card.canonical_diameter_px, 0.0)
    canonical = model.card.canonical_diameter_px
    readings = _read(model, image, FIRST_SCALES, device)
    if readings.median() < math.log(canonical) or readings.agreeing_with(readings.median()) < UNSURE:
        readings = readings.plus(_read(model, image, [CLOSEST_SCALE], device))
    first = canonical / math.exp(readings.median())
    readings = readings.plus(_read(model, image, [first * scale for scale in SECOND_SCALES], device))
    read = readings.median()
    if readings.agreeing_with(read) < UNSURE:
        read = _settled(model, image, read, device)
    measured = _measured(*_seen_at(model, image, read, device))
    best = read if measured is None or abs(measured - read) >= AGREES_WITHIN else (read + measured) / 2
    return DiameterEstimate(math.exp(best), readings.agreeing_with(best))


def _read(model: Model, image: NDArray[np.float32], scales: Iterable[float], device: Device) -> _Readings:
    """Let the size head look at the most structured windows at several scales."""
    assert model.size_head is not None
    views = [(s, w) for s in scales for w in structured_windows(image, s, VIEWS_A_SCALE)]
    squares = [square(at_scale(window, scale)) for scale, window in views]
    with torch.inference_mode():
        size, uncertainty = model.size_head(summaries(model.on(device).size_encoder, squares, device))
    apparent = size.double().numpy() + math.log(model.card.canonical_diameter_px)
    offsets = np.log([scale for scale, _ in views])
    return _Readings(apparent - offsets, np.exp(-uncertainty.double().numpy()))


def _settled(model: Model, image: NDArray[np.float32], read: float, device: Device) -> float:
    """Natural log of the diameter: mean over sizes around ``read``, each half-way to what is measured at it.

    Weights are exponentials of the fit of maps and nuclei, as in a Boltzmann distribution.
    """
    answers, fits = [], []
    for tried in (read + shift for shift in SETTLING):
        views, scale = _seen_at(model, image, tried, device)
        measured = _measured(views, scale)
        answers.append(tried if measured is None else (tried + measured) / 2)
        fits.append(_consistency(views))
    return float(np.average(answers, weights=np.exp(np.array(fits) / FIT_SPREAD)))


def _consistency(views: Iterable[_View]) -> float:
    """How well predicted distances fit the nuclei decoded from them: soft IoU (Ruzicka) of both maps, 0…1."""
    both = either = 0.0
    for maps, labels in views:
        distance, inside = distance_map(labels), (labels > 0) | (maps[0] > 0.5)
        both += float(np.minimum(maps[1], distance)[inside].sum())
        either += float(np.maximum(maps[1], distance)[inside].sum())
    return both / max(either, 1.0)


def _measured(views: Iterable[_View], scale: float) -> float | None:
    """Natural log of the median diameter, in image pixels, of what was found at a scale; None where nothing was."""
    diameters, certainties = [], []
    for maps, labels in views:
        index = np.flatnonzero(_whole(labels)) + 1
        areas = np.bincount(labels.ravel(), minlength=int(labels.max(initial=0)) + 1)[index]
        diameters.append(np.sqrt(4 * areas / math.pi) / scale)
        certainties.append(np.asarray(ndimage.mean(2 * maps[0] - 1, labels, index)).clip(0))
    found, weights = np.concatenate(diameters), np.concatenate(certainties)
    return math.log(_weighted_median(found, weights)) if weights.sum() > 0 else None


def _seen_at(
    model: Model, image: NDArray[np.float32], log_diameter: float, device: Device
) -> tuple[list[_View], float]:
    """Segment the most structured windows at the scale for a diameter; return them and the scale."""
    scale = model.card.canonical_diameter_px / math.exp(log_diameter)
    views = []
    for window in structured_windows(image, scale, VIEWS_A_SCALE):
        maps = drain(predict_steps(model, at_scale(window, scale), TilePlan(device, VIEW_PX, 1))).maps
        views.append((maps, decode(maps, diameter_px=model.card.canonical_diameter_px, judge=model.judge)))
    return views, scale


def _whole(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether each nucleus 1…n keeps clear of the edge; where few do, all count."""
    inside = np.ones(int(labels.max(initial=0)) + 1, bool)
    inside[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = False
    return inside[1:] if inside[1:].sum() >= FEW_NUCLEI else np.ones_like(inside[1:])


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
