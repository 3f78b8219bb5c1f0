"""Two models tried on the same images with labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nucseg.segmentation.segment import make_settings, segment_steps
from napari_nucseg.steps import drain
from napari_nucseg.teaching.guard import Judged, compare

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_nucseg.network.model_file import Model
    from napari_nucseg.teaching.progress import Comparison
    from napari_nucseg.teaching.references import Reference


@dataclass(frozen=True)
class ComparingProgress:
    """An image that comes next, and how many are done."""

    done: int
    total: int
    name: str


def compare_models(
    old: Model, new: Model, reference: Reference
) -> Generator[ComparingProgress, None, Comparison]:
    """Segment images with both models, sizes estimated as for a user, and compare; yields before each image.

    Raises
    ------
    InferenceError
        If a network cannot be run.
    """
    settings = make_settings(axes="CYX")
    judged = []
    for done, page in enumerate(reference.pages):
        yield ComparingProgress(done, len(reference.pages), page.name)
        assert page.planes is not None
        found = (drain(segment_steps(page.planes, settings, model)).labels for model in (old, new))
        judged.append(Judged(page.labels, page.taught, *found))
    return compare(reference.name, "held-out", judged)
