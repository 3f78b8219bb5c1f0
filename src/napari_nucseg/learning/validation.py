"""How good a network is on images it does not learn from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.errors import TrainingError
from napari_nucseg.learning.loss_reader import BURST
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.nuclei.targets import median_diameter
from napari_nucseg.segmentation.segment import segment_steps
from napari_nucseg.segmentation.settings import SegmentationSettings
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.segmentation.result import Segmentation

LEVELS = 1 << 16


def score(
    model: Model, samples: Sequence[Sample], device: Device, *, native: bool = False
) -> dict[str, float]:
    """Pooled scores of a model on annotated samples, each at its true median diameter, or at its own scale.

    ``ap50`` and ``mean_ap`` count nuclei. The others look at the foreground's probability in the pixels of all images
    together, as networks that give a mask alone are judged: ``pixel_accuracy`` is the share of pixels rightly above
    ½ or not, ``pixel_iou`` the Jaccard index TP / (TP + FP + FN) of those above, ``auc`` the area under the ROC curve.
    Without samples there are no scores, and no ``auc`` where all pixels are inside, or none.
    """
    labelled = (sample for sample in samples if sample.labels is not None)
    return score_found((sample, predict(model, sample, device, native=native)) for sample in labelled)


def score_found(every: Iterable[tuple[Sample, Segmentation]]) -> dict[str, float]:
    """Scores, as above, of what was found on annotated samples."""
    truth, predicted, pixels = [], [], Pixels()
    for sample, found in every:
        assert sample.labels is not None
        pixels.add(found.maps[0], sample.labels > 0)
        predicted.append(found.labels)
        truth.append(sample.labels)
    if not truth:
        return {}
    scores = evaluate(truth, predicted)
    figures = {
        "ap50": scores.ap50,
        "mean_ap": scores.mean_ap,
        "pixel_accuracy": pixels.accuracy,
        "pixel_iou": pixels.iou,
        "auc": pixels.auc,
    }
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def predict(model: Model, sample: Sample, device: Device, *, native: bool = False) -> Segmentation:
    """Segment a sample, in one view, at its true median diameter or, ``native``, at the image's own scale.

    Raises
    ------
    TrainingError
        If what the network answers are no numbers.
    """
    diameter = None if native or sample.labels is None else median_diameter(sample.labels)
    settings = SegmentationSettings(
        diameter_px=diameter or model.card.canonical_diameter_px,
        views="plain",
        device=device.name,
        precision=device.precision,
    )
    found = drain(segment_steps(sample.image, settings, model))
    if not np.isfinite(found.maps).all():
        raise TrainingError(f"the network's answers became no numbers. {BURST}")
    return found


class Pixels:
    """Histograms of the probabilities inside and outside of nuclei, over any number of images."""

    def __init__(self) -> None:
        self._counts = np.zeros((2, LEVELS), np.int64)

    def add(self, probability: NDArray[np.floating], inside: NDArray[np.bool_]) -> None:
        """Count the pixels of one more image."""
        levels = np.round(np.clip(probability, 0, 1) * (LEVELS - 1)).astype(np.int64)
        for row, where in enumerate((~inside, inside)):
            self._counts[row] += np.bincount(levels[where], minlength=LEVELS)

    @property
    def accuracy(self) -> float:
        """Share of pixels whose probability is above ½ inside, and is not outside."""
        right = self._counts[1, LEVELS // 2 :].sum() + self._counts[0, : LEVELS // 2].sum()
        return float(right / self._counts.sum())

    @property
    def iou(self) -> float:
        """Jaccard index of the pixels above ½ and those inside; 1 where both are none."""
        above, inside = self._counts[:, LEVELS // 2 :].sum(axis=1), self._counts[1].sum()
        union = above[0] + inside
        return float(above[1] / union) if union else 1.0

    @property
    def auc(self) -> float:
        """Area under the ROC curve: how often a pixel inside is given more probability than one outside.

        AUC = P(inside > outside) + ½ P(inside = outside), the Mann-Whitney statistic over the product of the counts
        (Hanley and McNeil 1982, 10.1148/radiology.143.1.7063747). Probabilities are compared in steps of 1/65535; NaN
        where all pixels are on one side.
        """
        outside, inside = self._counts.astype(np.float64)
        pairs = outside.sum() * inside.sum()
        if not pairs:
            return float("nan")
        below = np.cumsum(outside) - outside
        return float((inside * (below + outside / 2)).sum() / pairs)
