"""How good a network is on images it does not learn from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.nuclei.targets import median_diameter
from napari_nucseg.segmentation.segment import segment_steps
from napari_nucseg.segmentation.settings import SegmentationSettings
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    ``ap50`` and ``mean_ap`` count nuclei. The others look at pixels of all images together: ``pixel_accuracy`` is
    the share of pixels rightly in or out of nuclei, ``pixel_iou`` the Jaccard index of the foreground,
    TP / (TP + FP + FN), both of the final labels; ``auc`` is that of the foreground's probability (`roc_auc`).
    Without samples there are no scores, and no ``auc`` where all pixels are inside, or none.
    """
    truth, predicted, ranks = [], [], _Ranks()
    for sample in samples:
        if sample.labels is None:
            continue
        found = predict(model, sample, device, native=native)
        ranks.add(found.maps[0], sample.labels > 0)
        predicted.append(found.labels)
        truth.append(sample.labels)
    if not truth:
        return {}
    scores = evaluate(truth, predicted)
    counts = scores.counts.pool()
    union = counts.foreground_true + counts.foreground_pred - counts.foreground_both
    figures = {
        "ap50": scores.ap50,
        "mean_ap": scores.mean_ap,
        "pixel_accuracy": scores.pixel_accuracy,
        "pixel_iou": float(counts.foreground_both / union) if union else 1.0,
        "auc": ranks.auc,
    }
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def predict(model: Model, sample: Sample, device: Device, *, native: bool = False) -> Segmentation:
    """Segment a sample at its true median diameter or, ``native``, at the image's own scale."""
    diameter = None if native or sample.labels is None else median_diameter(sample.labels)
    settings = SegmentationSettings(
        diameter_px=diameter or model.card.canonical_diameter_px,
        device=device.name,
        precision=device.precision,
    )
    return drain(segment_steps(sample.image, settings, model))


def roc_auc(probability: NDArray[np.floating], inside: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a pixel inside is given more probability than one outside.

    AUC = P(inside > outside) + ½ P(inside = outside), the Mann-Whitney statistic over the product of the counts
    (Hanley and McNeil 1982, 10.1148/radiology.143.1.7063747). Probabilities, 0…1, are compared in steps of 1/65535;
    NaN where all pixels are on one side.

    Examples
    --------
    >>> import numpy as np
    >>> roc_auc(np.array([0.9, 0.6, 0.6, 0.1]), np.array([True, True, False, False]))
    0.875
    """
    ranks = _Ranks()
    ranks.add(probability, inside)
    return ranks.auc


class _Ranks:
    """Histograms of the probabilities inside and outside of nuclei, over any number of images."""

    def __init__(self) -> None:
        self._counts = np.zeros((2, LEVELS), np.int64)

    def add(self, probability: NDArray[np.floating], inside: NDArray[np.bool_]) -> None:
        levels = np.round(np.clip(probability, 0, 1) * (LEVELS - 1)).astype(np.int64)
        for row, where in enumerate((~inside, inside)):
            self._counts[row] += np.bincount(levels[where], minlength=LEVELS)

    @property
    def auc(self) -> float:
        outside, inside = self._counts.astype(np.float64)
        pairs = outside.sum() * inside.sum()
        if not pairs:
            return float("nan")
        below = np.cumsum(outside) - outside
        return float((inside * (below + outside / 2)).sum() / pairs)
