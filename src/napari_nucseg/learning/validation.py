"""How good a network is on images it does not learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.nuclei.targets import median_diameter
from napari_nucseg.segmentation.segment import segment_steps
from napari_nucseg.segmentation.settings import SegmentationSettings
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model


def score(model: Model, samples: Sequence[Sample], device: Device) -> dict[str, float]:
    """Pooled scores of a model on annotated samples, each at its true median diameter."""
    truth, predicted = [], []
    for sample in samples:
        if sample.labels is None:
            continue
        diameter = median_diameter(sample.labels) or model.card.canonical_diameter_px
        settings = SegmentationSettings(diameter_px=diameter, device=device.name, precision=device.precision)
        predicted.append(drain(segment_steps(sample.image, settings, model)).labels)
        truth.append(sample.labels)
    scores = evaluate(truth, predicted)
    return {"ap50": scores.ap50, "mean_ap": scores.mean_ap, "pixel_accuracy": scores.pixel_accuracy}
