"""What happens with a new model: it is taken up as the default, and an image is segmented with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_nucseg._napari.segment_job import run_job
from napari_nucseg._napari.teach_examples import active_first
from napari_nucseg._napari.teach_resegment import job_for, put_around_reviewed
from napari_nucseg._napari.torch_import import make_torch_safe
from napari_nucseg._napari.workers import Runs
from napari_nucseg.errors import ImageError, NucSegError
from napari_nucseg.steps import told_as

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_nucseg._napari.segment_job import JobProgress, JobResult, SegmentJob


class Uptake(QObject):
    """Takes one model up at a time.

    Signals: ``taken(name)``; ``said(str)``; ``resegmented(str)`` with what came of it; ``failed(str)``.
    """

    taken = Signal(object)
    said = Signal(object)
    resegmented = Signal(str)
    failed = Signal(str)

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._using, self._segmenting = Runs(self), Runs(self)
        self._using.returned.connect(self.taken)
        self._segmenting.progressed.connect(self.said)
        self._segmenting.returned.connect(self._put)
        for runs in (self._using, self._segmenting):
            runs.failed.connect(self.failed)

    def use(self, name: str) -> None:
        """Make a model the one that *Automatic* stands for."""
        self._using.start(lambda: _prefer(name))

    def resegment(self, layers: Sequence[Labels], name: str) -> None:
        """Segment the image that is active, or of the active layer, else of the first that has one, with a model."""
        try:
            layer = self._choose(layers)
            job = job_for(self._viewer, layer, name)
        except NucSegError as error:
            self.failed.emit(str(error))
            return
        self._segmenting.start(lambda: _segment(layer, job))

    def stop(self) -> None:
        """Let go."""
        self._using.forget()
        self._segmenting.forget()

    def _choose(self, layers: Sequence[Labels]) -> Labels:
        if not layers:
            raise ImageError(
                "there are no corrected nuclei in this window. Use Segment nuclei for other images."
            )
        return active_first(self._viewer, layers)[0].layer

    def _put(self, outcome: tuple[Labels, JobResult]) -> None:
        layer, result = outcome
        if layer not in self._viewer.layers:
            self.failed.emit("the layer is gone: nothing was changed.")
            return
        try:
            put_around_reviewed(self._viewer, layer, result)
        except NucSegError as error:
            self.failed.emit(str(error))
            return
        if result.cut_short:
            self.failed.emit(result.cut_short)
            return
        self.resegmented.emit(
            f"“{layer.name}” was segmented again. Nuclei you reviewed or changed stay as they were."
        )


def _segment(layer: Labels, job: SegmentJob) -> Generator[str, None, tuple[Labels, JobResult]]:
    """Segment a layer's image, in words; give the layer along with the outcome."""
    result = yield from told_as(run_job(job), lambda progress: _in_words(layer, progress))
    return layer, result


def _in_words(layer: Labels, progress: JobProgress) -> str:
    return f"Segmenting “{layer.name}”: {progress.message[0].lower()}{progress.message[1:]} …"


def _prefer(name: str) -> Generator[None, None, str]:
    yield
    make_torch_safe()
    from napari_nucseg.network.preferred import prefer_model

    prefer_model(name)
    return name
