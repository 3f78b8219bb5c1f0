"""Segment the planes of one image layer: a generator like those below, with planes counted. No Qt."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg._napari.failure import NO_MEMORY, sentence
from napari_nucseg._napari.torch_import import make_torch_safe
from napari_nucseg.errors import ImageError, NucSegError
from napari_nucseg.steps import Cancelled, told_as

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from numpy.typing import NDArray

    from napari_nucseg._napari.planes import PlaneIndex, PlaneLayout
    from napari_nucseg._napari.regions import Box, Region
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.segmentation.segment import Progress, Segmentation
    from napari_nucseg.segmentation.settings import SegmentationSettings

STAGES = {
    "normalise": ("Reading intensities", 0.0, 0.03),
    "size": ("Estimating nucleus size", 0.03, 0.12),
    "network": ("Finding nuclei", 0.12, 0.95),
    "decode": ("Outlining nuclei", 0.95, 1.0),
}
"""Stages in words, and the share of a plane's time that is behind when they begin and end."""
MARGIN_PX = 128


@dataclass(frozen=True, eq=False)
class SegmentJob:
    """What to segment.

    Attributes
    ----------
    data
        The layer's array, read one plane at a time.
    layout
        How its axes are read.
    planes
        Which planes, in this order.
    settings
        Settings for each plane; axes and channel fit ``layout``.
    region
        Part of the plane; None for all of it.
    remark
        What is to be said of the choice of axes and channel.
    """

    data: Any
    layout: PlaneLayout
    planes: tuple[PlaneIndex, ...]
    settings: SegmentationSettings
    region: Region | None = None
    remark: str = ""


@dataclass(frozen=True)
class JobProgress:
    """How far a job is: a fraction from 0 to 1 and what it does, in words."""

    fraction: float
    message: str


@dataclass(frozen=True, eq=False)
class JobResult:
    """Segmentations by plane, at least one, the model that made them, and what stopped the run, if not a cancel."""

    job: SegmentJob
    planes: Mapping[PlaneIndex, Segmentation]
    model: Model
    problem: str = ""

    @property
    def cut_short(self) -> str:
        """What a run that was stopped got done, and why it was, in words; empty where it came to its end."""
        n_done, n_all = len(self.planes), len(self.job.planes)
        kept = f"{n_done} of {n_all} slices are done and kept."
        if n_done == n_all:
            return ""
        return f"{sentence(self.problem.rstrip('.'))}. {kept}" if self.problem else f"Cancelled: {kept}"


def run_job(job: SegmentJob) -> Generator[JobProgress, None, JobResult]:
    """Segment plane by plane. Stopped by a cancel or an error, it returns the planes that are done, if there are any.

    Raises
    ------
    ImageError, InferenceError, ModelFileError, SettingsError
        As ``segment_steps``; of a stack, the message names the plane.
    """
    yield JobProgress(0.0, "Loading the network")
    # torch takes seconds to import: here, in the worker's thread, and not with the window
    make_torch_safe()
    from napari_nucseg.network.model_file import load_model
    from napari_nucseg.segmentation.segment import model_for

    model: Model | None = None
    if len(job.planes) > 1:
        model = model_for(_readable(job), job.settings)
    done: dict[PlaneIndex, Segmentation] = {}
    problem = ""
    for number, index in enumerate(job.planes):
        try:
            with _naming_the_slice(job, index):
                done[index] = yield from _run_plane(job, model, number, index)
        except (Cancelled, NucSegError, MemoryError) as stop:
            if not done:
                raise
            if not isinstance(stop, Cancelled):
                problem = NO_MEMORY if isinstance(stop, MemoryError) else str(stop)
            break
    model = model or load_model(done[job.planes[0]].model.path)
    return JobResult(job, done, model, problem)


def _readable(job: SegmentJob) -> Iterator[NDArray[Any]]:
    """Planes that can be read; segmenting the others says why they cannot."""
    for index in job.planes:
        with suppress(ImageError):
            yield job.layout.read(job.data, index)


@contextmanager
def _naming_the_slice(job: SegmentJob, index: PlaneIndex) -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        if len(job.planes) == 1:
            raise
        raise ImageError(f"slice {', '.join(map(str, index))}: {error}") from error


def _run_plane(
    job: SegmentJob, model: Model | None, number: int, index: PlaneIndex
) -> Generator[JobProgress, None, Segmentation]:
    from napari_nucseg.segmentation.segment import segment_steps

    plane = job.layout.read(job.data, index)
    steps = segment_steps(plane, job.settings, model, region=_work_box(job))
    return (yield from told_as(steps, lambda step: _in_job(step, number, len(job.planes))))


def _in_job(progress: Progress, number: int, total: int) -> JobProgress:
    message, start, end = STAGES[progress.stage]
    within = start + (end - start) * progress.done / progress.total
    if total > 1:
        message = f"Slice {number + 1} of {total}: {message[0].lower()}{message[1:]}"
    return JobProgress((number + within) / total, message)


def _work_box(job: SegmentJob) -> Box | None:
    """Box the network works on: the region and a margin, so that nuclei on its outline are found whole."""
    if job.region is None:
        return None
    given = job.settings.given_diameter_px
    margin = MARGIN_PX if given is None else max(1, round(2 * given))
    rows, columns = (
        slice(max(side.start - margin, 0), min(side.stop + margin, length))
        for side, length in zip(job.region.box, job.layout.plane_shape, strict=True)
    )
    return rows, columns


def prediction_on_plane(segmentation: Segmentation, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Labels int32 of a whole plane (Y, X), 0 outside the part that was segmented."""
    if segmentation.region is None:
        return segmentation.labels
    labels = np.zeros(shape, np.int32)
    labels[segmentation.region] = segmentation.labels
    return labels
