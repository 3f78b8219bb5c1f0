"""What *Fine-tune* does, without its look: list and describe examples, learn, stop, finish, preview."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucseg._napari.teach_drafts import Drafts, describe_steps
from napari_nucseg._napari.teach_examples import Examples, layer_of
from napari_nucseg._napari.teach_folder import discard_run, has_learned, unfinished_run
from napari_nucseg._napari.teach_preview import hide_preview, remove_preview, show_preview, view_of
from napari_nucseg._napari.teach_run import Done, Told, finish_steps, start_steps
from napari_nucseg._napari.workers import Runs

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.utils.events import Event, EventEmitter

    from napari_nucseg._napari.teach_examples import Collected
    from napari_nucseg._napari.teach_preview import PreviewView
    from napari_nucseg.network.model_card import ModelCard
    from napari_nucseg.teaching.job import FinetuneJob

SHOWN_EVERY_S = 0.2
SETTLE_MS = 1200
"""Examples are looked at again when nothing has been painted for so long."""


class TeachController(QObject):
    """Teaches one model at a time.

    Signals: ``listed()`` when other sources are there; ``described(Described)`` with what they offer;
    ``undescribed(str)`` why that is not known; ``told(Told)``; ``done(Done)``; ``stopped(int | None)`` after a
    cancel, with the step it had come to, None where there is nothing to keep; ``failed(str)``;
    ``unfinished(Unfinished | None)``.
    """

    listed = Signal()
    described = Signal(object)
    undescribed = Signal(str)
    told = Signal(object)
    done = Signal(object)
    stopped = Signal(object)
    failed = Signal(str)
    unfinished = Signal(object)

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.examples = Examples(viewer)
        self.collected: tuple[Collected, ...] = ()
        self.collected_pins: tuple[Collected, ...] = ()
        self._viewer = viewer
        self._drafts = tempfile.TemporaryDirectory(prefix="nucseg-", ignore_cleanup_errors=True)
        self._drafted = Drafts(Path(self._drafts.name))
        self._describing, self._running, self._deleting = Runs(self), Runs(self), Runs(self)
        self._known: tuple[str, ...] = ()
        self._folder: Path | None = None
        self._view: PreviewView | None = None
        self._last: Told | None = None
        self._failed = False
        self._next_s = 0.0
        self._describing.returned.connect(self.described)
        self._describing.failed.connect(self.undescribed)
        self._running.progressed.connect(self._follow)
        self._running.returned.connect(self._finish)
        self._running.failed.connect(self._fail)
        self._running.cancelled.connect(self._tell_stopped)
        self._running.ended.connect(self._end)
        self._deleting.ended.connect(self.look_for_unfinished)
        self._deleting.failed.connect(self.failed)
        self._soon = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._soon.timeout.connect(self.refresh)
        self._followed: list[Layer] = []
        viewer.layers.events.inserted.connect(self._layers_changed)
        viewer.layers.events.removed.connect(self._layers_changed)
        viewer.layers.events.reordered.connect(self._later)
        viewer.dims.events.current_step.connect(self._dims_moved)
        self._layers_changed()

    @property
    def running(self) -> bool:
        """Whether a model is learning."""
        return self._running.running

    @property
    def model_name(self) -> str:
        """Name of the model that learns or learned last."""
        return "" if self._folder is None else self._folder.name

    def refresh(self) -> None:
        """Look at all examples again, in the background."""
        self._soon.stop()
        self.listed.emit()
        if self._describing.running:  # one look at a time: folders may be large
            self._soon.start()
            return
        collected = self.collected = self.examples.collect()
        pinned = self.collected_pins = self.examples.collect_pinned()
        known = self._known
        self._describing.start(lambda: describe_steps(collected, pinned, self._drafted, known))

    def teach_from(self, base: ModelCard) -> None:
        """Look at the examples again if the model to teach learned from other images before."""
        if base.learned_images != self._known:
            self._known = base.learned_images
            self._later()

    def start(self, job: FinetuneJob, *, preview: bool) -> None:
        """Teach what the job says from the examples as they are now."""
        examples = tuple(each for each in self.examples.collect() if not each.problem)
        pinned = self.examples.collect_pinned()
        found = (layer_of(self._viewer, source) for source in self.examples.sources)
        layers = [layer for layer in found if layer is not None]
        view = self._view = view_of(self._viewer, layers) if preview else None
        self._run(job.folder, lambda: start_steps(job, examples, pinned, view))

    def finish(self, folder: Path, *, at_once: bool = False) -> None:
        """Go on with a run that was stopped; ``at_once``: keep its best so far and learn no more."""
        if folder != self._folder:
            self._view = None  # another run's
        self._run(folder, lambda: finish_steps(folder, at_once=at_once))

    def cancel(self) -> None:
        """End the child; what it learned until its last checkpoint stays on disk until the user decides."""
        self._running.cancel()

    def discard(self, folder: Path) -> None:
        """Delete what a run left."""
        remove_preview(self._viewer, folder.name)
        self._deleting.start(lambda: _delete(folder))

    def look_for_unfinished(self) -> None:
        """Find the newest run that was stopped and is not being worked on."""
        self.unfinished.emit(unfinished_run())

    def stop(self) -> None:
        """Let go of everything; a run that goes on can be finished later."""
        self._soon.stop()
        for runs in (self._describing, self._running, self._deleting):
            runs.forget()
        hide_preview(self._viewer, self.model_name)
        self._viewer.layers.events.inserted.disconnect(self._layers_changed)
        self._viewer.layers.events.removed.disconnect(self._layers_changed)
        self._viewer.layers.events.reordered.disconnect(self._later)
        self._viewer.dims.events.current_step.disconnect(self._dims_moved)
        self._unfollow()
        self._drafts.cleanup()

    @property
    def _step(self) -> int:
        """Learning steps done, as far as is known."""
        return 0 if self._last is None else self._last.progress.step

    def _run(self, folder: Path, make_steps: Callable[[], Generator[Told | None, None, Done]]) -> None:
        self._folder, self._last = folder, None
        self._running.start(make_steps)
        remove_preview(self._viewer, self.model_name)

    def _follow(self, told: Told | None) -> None:
        now = time.monotonic()
        if told is None or told is self._last or now < self._next_s:
            return  # what is skipped is in the next report too, or in the outcome
        self._next_s = now + SHOWN_EVERY_S
        shown = None if self._last is None else self._last.preview
        self._last = told
        if self._view is not None and told.preview is not None and told.preview is not shown:
            show_preview(self._viewer, self.model_name, self._view, told.preview)
        self.told.emit(told)

    def _finish(self, done: Done) -> None:
        self._next_s = 0.0
        self._follow(done.told)
        self.done.emit(done)

    def _fail(self, message: str) -> None:
        self._failed = True
        self._forget_if_empty()
        self.failed.emit(message)

    def _tell_stopped(self) -> None:
        hide_preview(self._viewer, self.model_name)
        self.stopped.emit(None if self._forget_if_empty() else self._step)

    def _end(self) -> None:
        hide_preview(self._viewer, self.model_name)
        if self._failed:
            self._failed = False
            self.look_for_unfinished()

    def _forget_if_empty(self) -> bool:
        """Delete a run that ended before it learned anything: there is nothing to finish; say whether it was so."""
        folder = self._folder
        if folder is None or has_learned(folder):
            return False
        self.discard(folder)
        return True

    def _layers_changed(self, event: Event | None = None) -> None:
        self._unfollow()
        for layer in self._viewer.layers:
            for emitter in _emitters(layer):
                emitter.connect(self._later)
            self._followed.append(layer)
        self._later()

    def _unfollow(self) -> None:
        for layer in self._followed:
            for emitter in _emitters(layer):
                emitter.disconnect(self._later)
        self._followed = []

    def _dims_moved(self, event: Event | None = None) -> None:
        if any(each.taken_from for each in self.collected):  # the channel on show is another one now
            self._later()

    def _later(self, event: Event | None = None) -> None:
        if not self.running:  # its own preview is a change too
            self._soon.start()


def _delete(folder: Path) -> Generator[None, None, None]:
    yield
    discard_run(folder)


def _emitters(layer: Layer) -> list[EventEmitter]:
    """Events of a layer after which there may be something else to learn."""
    names = ("name", "metadata", "set_data", "labels_update", "visible")
    return [layer.events[name] for name in names if name in layer.events.emitters]
