"""Two models tried on the same images with labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_nucseg.segmentation.segment import make_settings, segment_steps
from napari_nucseg.steps import told_as
from napari_nucseg.teaching.guard import compare
from napari_nucseg.teaching.places import Judged

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np
    from numpy.typing import NDArray

    from napari_nucseg.network.model_file import Model
    from napari_nucseg.segmentation.settings import SegmentationSettings
    from napari_nucseg.teaching.progress import Comparison
    from napari_nucseg.teaching.references import Reference


@dataclass(frozen=True)
class ComparingProgress:
    """The image that is being segmented, and how many are done."""

    done: int
    total: int
    name: str


def compare_models(
    old: Model, new: Model, reference: Reference
) -> Generator[ComparingProgress, None, Comparison]:
    """Segment images with both models, sizes estimated as for a user, and compare; yields as they get on.

    Raises
    ------
    InferenceError
        If a network cannot be run.
    """
    settings = make_settings(axes="SYX")
    judged = []
    for done, page in enumerate(reference.pages):
        progress = ComparingProgress(done, len(reference.pages), page.name)
        assert page.planes is not None
        found = []
        for model in (old, new):
            found.append((yield from _labels(page.planes, settings, model, progress)))
        judged.append(Judged(page.labels, page.taught, *found))
    return compare(reference.name, "held-out", judged)


def _labels(
    planes: NDArray[Any], settings: SegmentationSettings, model: Model, progress: ComparingProgress
) -> Generator[ComparingProgress, None, NDArray[np.int32]]:
    """Segment with one model; yields often, so that it can be stopped."""
    segmentation = yield from told_as(
        segment_steps(planes, settings, model, keep_maps=False), lambda _: progress
    )
    return segmentation.labels
