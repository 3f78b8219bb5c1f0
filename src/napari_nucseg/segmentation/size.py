"""How large the nuclei of an image are: what the size head reads in a few views, sharpened by measuring.

The head tells the size from features, at scales far off too; it never sees its own findings confirmed. At the scale it
names, nuclei are segmented in four views and measured. Where that agrees, the answer lies half-way: what is measured is
more exact on images like those it was taught, what is read on others, and their errors have little in common.
Where the head's readings contradict each other, nuclei are measured at several sizes around the reading first, and the
answers averaged. Each counts the more, the surer the network is of what it finds there and the better it agrees with
itself: large nuclei seen too near fall to pieces, and their predicted distance maps are not those of the pieces. The
best size alone is too blunt a guide.
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
    from napari_nucseg.segmentation.picture import Picture

    # Maps (3, Y, X) and the labels (Y, X) decoded from them.
    _View = tuple[NDArray[np.float32], NDArray[np.int32]]

FIRST_SCALES = (0.25, 0.5, 1.0, 2.0)
CLOSEST_SCALE = 4.0
"""Looked at, too, where nuclei may be small; large ones it shows in parts, which tells less of their size."""
SECOND_SCALES = (0.8, 1.25)  # around the first estimate
VIEWS_A_SCALE = 2
VIEWS_MEASURED = 4
AGREES_WITHIN = 0.3  # natural log
LOW = 0.1
FEW_NUCLEI = 5
UNSURE = 0.9
"""Share of the evidence that must agree, else the size is settled by what is found at several."""
SETTLING = (-0.6, -0.3, 0.0, 0.3, 0.6, 0.9)
"""Sizes tried then: natural logs relative to what was read, as far as readings reach."""
TAIL = 0.05
"""Share of the evidence on either side that is passed over in saying how far readings reach."""
REACH = 0.3
"""How far beyond that a size is still tried, as a natural log."""
TRUST_SPREAD = 0.07
"""How much more what is found must be trusted for a size to count e times as much."""


@dataclass(frozen=True)
class DiameterEstimate:
    """Median nucleus diameter in pixels of the image, and how much of the evidence agrees with it, 0…1.

    A tenth of the evidence says that nuclei are smaller than ``low_px``.
    """

    diameter_px: float
    confidence: float
    low_px: float


@dataclass(frozen=True)
class _Readings:
    """What the head reads in several views.

    Attributes
    ----------
    log_diameter : natural log of the diameter in image pixels
    weight : inverse square of the scale of the error that the head expects
    """

    log_diameter: NDArray[np.float64]
    weight: NDArray[np.float64]

    def plus(self, other: _Readings) -> _Readings:
        return _Readings(
            np.concatenate([self.log_diameter, other.log_diameter]),
            np.concatenate([self.weight, other.weight]),
        )

    def median(self) -> float:
        return self.quantile(0.5)

    def quantile(self, share: float) -> float:
        return _weighted_quantile(self.log_diameter, self.weight, share)

    def sizes_to_try(self) -> list[float]:
        """Sizes around the median, as far as the readings reach."""
        low, high = self.quantile(TAIL) - REACH, self.quantile(1 - TAIL) + REACH
        return [size for size in (self.median() + shift for shift in SETTLING) if low <= size <= high]

    def agreeing_with(self, log_diameter: float) -> float:
        near = np.abs(self.log_diameter - log_diameter) < AGREES_WITHIN
        return float(self.weight[near].sum() / self.weight.sum())


@dataclass(frozen=True)
class _Nuclei:
    """Nuclei found in several views: diameters in image pixels, and how sure the network is of each, 0…1."""

    diameter_px: NDArray[np.float64]
    certainty: NDArray[np.float64]

    def median(self) -> float | None:
        """Natural log of the diameter; None where nothing was found."""
        if not self.certainty.sum() > 0:
            return None
        return math.log(_weighted_quantile(self.diameter_px, self.certainty, 0.5))

    def mean_certainty(self) -> float:
        return float(self.certainty.mean()) if self.certainty.size else 0.0


def estimate_diameter(model: Model, picture: Picture, device: Device) -> DiameterEstimate:
    """Estimate the median nucleus diameter of a whole image.

    The size head reads two views at each of four scales, at a fifth where nuclei may be small, then again
    around its first answer; the median weighted by its certainty is taken half-way to what is measured at that
    scale. Where readings disagree widely, sizes around it are tried, and what is measured at each averaged by how far
    it can be trusted. A model without a size head answers with its canonical diameter and confidence 0.

    Parameters
    ----------
    model : loaded model.
    picture : the image.
    device : where to run.
    """
    if model.size_head is None:
        known_px = model.card.canonical_diameter_px
        return DiameterEstimate(known_px, 0.0, known_px)
    canonical = model.card.canonical_diameter_px
    readings = _read(model, picture, FIRST_SCALES, device)
    if readings.median() < math.log(canonical) or readings.agreeing_with(readings.median()) < UNSURE:
        readings = readings.plus(_read(model, picture, [CLOSEST_SCALE], device))
    first = canonical / math.exp(readings.median())
    readings = readings.plus(_read(model, picture, [first * scale for scale in SECOND_SCALES], device))
    read = readings.median()
    if readings.agreeing_with(read) < UNSURE:
        read = _settled(model, picture, readings.sizes_to_try(), device)
    measured = _whole_nuclei(*_seen_at(model, picture, read, device)).median()
    best = read if measured is None or abs(measured - read) >= AGREES_WITHIN else (read + measured) / 2
    return DiameterEstimate(math.exp(best), readings.agreeing_with(best), math.exp(readings.quantile(LOW)))


def trust_in(model: Model, picture: Picture, diameter_px: float, device: Device) -> float:
    """How far what a model finds in an image at a size can be trusted, 0…2.

    The sum of how well maps and nuclei fit each other and of the mean certainty of the nuclei; 0 where there are none.
    """
    return _measured(model, picture, math.log(diameter_px), device)[1]


def _read(model: Model, picture: Picture, scales: Iterable[float], device: Device) -> _Readings:
    """Let the size head look at the most structured windows at several scales."""
    assert model.size_head is not None
    views = [(s, w) for s in scales for w in structured_windows(picture, s, VIEWS_A_SCALE)]
    squares = [square(at_scale(window, scale)) for scale, window in views]
    with torch.inference_mode():
        size, uncertainty = model.size_head(summaries(model.on(device).size_encoder, squares, device))
    apparent = size.double().numpy() + math.log(model.card.canonical_diameter_px)
    offsets = np.log([scale for scale, _ in views])
    return _Readings(apparent - offsets, np.exp(-2 * uncertainty.double().numpy()))


def _settled(model: Model, picture: Picture, sizes: Iterable[float], device: Device) -> float:
    """Natural log of the diameter: mean of what is measured at several sizes, natural logs as well.

    Weights are exponentials of how far what is found can be trusted, as in a Boltzmann distribution: of the fit of maps
    and nuclei, and of the mean certainty of the nuclei.
    """
    answers, trust = [], []
    for tried in sizes:
        measured, trusted = _measured(model, picture, tried, device)
        answers.append(tried if measured is None else measured)
        trust.append(trusted)
    return float(np.average(answers, weights=np.exp(np.array(trust) / TRUST_SPREAD)))


def _measured(
    model: Model, picture: Picture, log_diameter: float, device: Device
) -> tuple[float | None, float]:
    """Natural log of the diameter measured at a size, None where nothing is found, and how far it can be trusted."""
    views, scale = _seen_at(model, picture, log_diameter, device)
    nuclei = _whole_nuclei(views, scale)
    return nuclei.median(), _consistency(views) + nuclei.mean_certainty()


def _consistency(views: Iterable[_View]) -> float:
    """How well predicted distances fit the nuclei decoded from them: soft IoU (Ruzicka) of both maps, 0…1."""
    both = either = 0.0
    for maps, labels in views:
        distance, inside = distance_map(labels), (labels > 0) | (maps[0] > 0.5)
        both += float(np.minimum(maps[1], distance)[inside].sum())
        either += float(np.maximum(maps[1], distance)[inside].sum())
    return both / max(either, 1.0)


def _whole_nuclei(views: Iterable[_View], scale: float) -> _Nuclei:
    """Diameters in image pixels of the nuclei found whole in views at a scale, and how sure the network is of each."""
    diameters, certainties = [], []
    for maps, labels in views:
        index = np.flatnonzero(_whole(labels)) + 1
        areas = np.bincount(labels.ravel())[index]
        diameters.append(np.sqrt(4 * areas / math.pi) / scale)
        certainties.append(np.asarray(ndimage.mean(2 * maps[0] - 1, labels, index)).clip(0))
    return _Nuclei(np.concatenate(diameters), np.concatenate(certainties))


def _seen_at(
    model: Model, picture: Picture, log_diameter: float, device: Device
) -> tuple[list[_View], float]:
    """Segment the most structured windows at the scale for a diameter; return them and the scale."""
    scale = model.card.canonical_diameter_px / math.exp(log_diameter)
    views = []
    for window in structured_windows(picture, scale, VIEWS_MEASURED):
        maps = drain(predict_steps(model, at_scale(window, scale), TilePlan(device, VIEW_PX, 1))).maps
        views.append((maps, decode(maps, diameter_px=model.card.canonical_diameter_px, judge=model.judge)))
    return views, scale


def _whole(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether each nucleus 1…n keeps clear of the edge; where few do, all count."""
    inside = np.ones(int(labels.max(initial=0)) + 1, bool)
    inside[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = False
    return inside[1:] if inside[1:].sum() >= FEW_NUCLEI else np.ones_like(inside[1:])


def _weighted_quantile(values: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] * share)])
