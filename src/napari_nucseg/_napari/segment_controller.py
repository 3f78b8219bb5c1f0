"""What happens when *Segment nuclei* is clicked: ask about edits, run, put the result into a layer, tell.

Knows the viewer and the layers, not the widget's look. One controller per widget.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from napari.utils import progress as activity_progress
from qtpy.QtCore import QObject, Signal

from napari_nucseg._napari.camera import corners_in_view, shows_y_and_x
from napari_nucseg._napari.drawing import REGION_LAYER, last_shape
from napari_nucseg._napari.edits_question import EditsChoice, ask_about_edits
from napari_nucseg._napari.image_layout import channels_last, image_data, show_channel
from napari_nucseg._napari.layer_state import is_work_on
from napari_nucseg._napari.planes import PlaneLayout, layout_of
from napari_nucseg._napari.regions import Region, region_from_outline, region_in_view
from napari_nucseg._napari.results import (
    adopt_result,
    forget_reviewed,
    has_work,
    layer_for,
    new_result_layer,
    takes_nuclei,
)
from napari_nucseg._napari.segment_job import JobProgress, JobResult, SegmentJob, run_job
from napari_nucseg._napari.workers import Runs
from napari_nucseg.errors import ImageError, NucSegError

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Literal

    from napari.components import ViewerModel
    from napari.layers import Image, Labels

    from napari_nucseg._napari.planes import PlaneIndex
    from napari_nucseg.segmentation.settings import SegmentationSettings

    Where = Literal["image", "view", "drawn"]

PERCENT = 100


@dataclass(frozen=True, eq=False)
class Request:
    """What the user asked for.

    Attributes
    ----------
    image
        The layer to segment.
    channel_axis
        Its axis that holds channels, None where there is none.
    settings
        All choices of the form.
    where
        Whole image, what is in view, or the drawn region.
    all_planes
        All slices of a stack, or the one in view.
    remark
        What is to be said of the choice of axes and channel, with the result.
    """

    image: Image
    channel_axis: int | None
    settings: SegmentationSettings
    where: Where = "image"
    all_planes: bool = False
    remark: str = ""


@dataclass(frozen=True, eq=False)
class _Place:
    """Where a result goes: into a layer, whose edits it may have to keep, or into a new one; nuclei of this image."""

    image: Image
    target: Labels | None
    keep_edits: bool


class SegmentController(QObject):
    """Runs requests.

    Signals: ``started()``, ``progressed(JobProgress)``, ``done(layer, JobResult)``, ``failed(str)``,
    ``cancelled()`` and, after any of the last three, ``ended()``; ``adding(bool)`` before and after a layer is added.
    """

    started = Signal()
    progressed = Signal(object)
    done = Signal(object, object)
    failed = Signal(str)
    cancelled = Signal()
    ended = Signal()
    adding = Signal(bool)

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._activity: activity_progress | None = None
        self._runs = Runs(self)
        self._runs.progressed.connect(self._show_progress)
        self._runs.returned.connect(self._deliver)
        self._runs.failed.connect(self.failed)
        self._runs.cancelled.connect(self.cancelled)
        self._runs.ended.connect(self._end)

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._runs.running

    def start(self, request: Request) -> None:
        """Run a request; one under way is given up for it."""
        try:
            job = make_job(self._viewer, request)
        except NucSegError as error:
            self.failed.emit(str(error))
            return
        place = self._ask_where_to(request.image, job)
        if place is None:
            return
        # napari's progress handles waiting events (another click, an older run's end): it comes before all else
        activity = activity_progress(total=PERCENT, desc=f"Segmenting {request.image.name}")
        self._close_activity()
        self._activity = activity
        self._runs.start(lambda: _run(job, place))
        self.started.emit()

    def cancel(self) -> None:
        """Stop at the next tile; of a stack, the slices that are done are kept, and nothing else is changed."""
        self._runs.cancel()

    def shut(self) -> None:
        """Stop and say nothing more."""
        self._runs.forget()
        self._close_activity()

    def _ask_where_to(self, image: Image, job: SegmentJob) -> _Place | None:
        """Place for the result; None where the user thought better of it."""
        target = layer_for(self._viewer, image, job.layout)
        if target is None or not has_work(target, list(job.planes)):
            return _Place(image, target, keep_edits=True)
        choice = ask_about_edits(target.name, new_layer=not is_work_on(target, image))
        if choice is EditsChoice.CANCEL:
            return None
        target = None if choice is EditsChoice.NEW_LAYER else target
        return _Place(image, target, keep_edits=choice is EditsChoice.KEEP)

    def _show_progress(self, progress: JobProgress) -> None:
        self.progressed.emit(progress)
        # last: napari handles waiting events here, the run's end may be among them
        if self._activity is not None:
            self._activity.update(round(progress.fraction * PERCENT) - self._activity.n)

    def _deliver(self, outcome: tuple[_Place, JobResult]) -> None:
        place, result = outcome
        if image_data(place.image) is not result.job.data:  # a work list went on
            self.failed.emit(
                "the layer shows another image now: nothing was changed. Click Segment nuclei again."
            )
            return
        try:
            layer = self._put(place, result)
        except NucSegError as error:
            self.failed.emit(str(error))
            return
        self.done.emit(layer, result)

    def _put(self, place: _Place, result: JobResult) -> Labels:
        image, target = place.image, place.target
        still_there = target in self._viewer.layers
        if target is None or not still_there or not takes_nuclei(target, result.job.layout):
            target = new_result_layer(image, result)
            self.adding.emit(True)
            self._viewer.add_layer(target)
            self.adding.emit(False)
            if image in self._viewer.layers:
                show_channel(self._viewer, target, image)
        else:
            adopt_result(target, image, result, keep=place.keep_edits)
            if not place.keep_edits:
                forget_reviewed(self._viewer, target, result)
        return target

    def _end(self) -> None:
        self._close_activity()
        self.ended.emit()

    def _close_activity(self) -> None:
        if self._activity is not None:
            self._activity.close()
            self._activity = None


def _run(job: SegmentJob, place: _Place) -> Generator[JobProgress, None, tuple[_Place, JobResult]]:
    """Run a job; give along where its result goes."""
    return place, (yield from run_job(job))


def make_job(viewer: ViewerModel, request: Request) -> SegmentJob:
    """Turn a request into a job: layout, planes, region.

    Raises
    ------
    ImageError
        If the image is empty, its channels come last, or the view or drawing shows no part of it.
    """
    image = request.image
    data = image_data(image)
    layout = layout_of(data, rgb=image.rgb, channel_axis=request.channel_axis)
    if 0 in layout.shape:
        raise ImageError(f"the image {image.name!r} is empty (shape {layout.shape}). Choose another layer.")
    if refusal := channels_last(image):
        raise ImageError(refusal)
    planes = tuple(layout.planes()) if request.all_planes else (visible_plane(viewer, image, layout),)
    has_channels = layout.rgb or layout.channel_axis is not None
    channel = request.settings.channel if has_channels else None
    settings = request.settings.model_copy(update={"axes": layout.plane_axes, "channel": channel})
    return SegmentJob(data, layout, planes, settings, _region(viewer, request, layout), request.remark)


def visible_plane(viewer: ViewerModel, image: Image, layout: PlaneLayout) -> PlaneIndex:
    """Index of the plane that the viewer's sliders show."""
    return layout.nearest(tuple(image.world_to_data(viewer.dims.point)))


def _region(viewer: ViewerModel, request: Request, layout: PlaneLayout) -> Region | None:
    if request.where == "image":
        return None
    if request.where == "view":
        if not shows_y_and_x(viewer):
            raise ImageError(
                "the current view must show Y and X in 2D. Switch to the 2D view, or choose Whole image."
            )
        return region_in_view(corners_in_view(viewer, request.image), layout.plane_shape)
    return _drawn_region(viewer, request.image, layout)


def _drawn_region(viewer: ViewerModel, image: Image, layout: PlaneLayout) -> Region:
    shapes = viewer.layers[REGION_LAYER] if REGION_LAYER in viewer.layers else None
    if shapes is None or (drawn := last_shape(shapes)) is None:
        raise ImageError("no region is drawn yet. Click Draw, then drag a rectangle over the nuclei.")
    vertices, kind = drawn
    leading = (0,) * (image.ndim - 2)
    in_image = [image.world_to_data((*leading, *shapes.data_to_world(v)[-2:]))[-2:] for v in vertices]
    return region_from_outline(np.array(in_image), kind, layout.plane_shape)
