"""What *Work through a folder* does: open images one after the other, keep what was done, segment the rest."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucseg._napari.work_background import WorkBackground
from napari_nucseg._napari.work_layers import WorkLayers
from napari_nucseg._napari.work_saving import WorkSaving
from napari_nucseg._napari.work_steps import Refused, open_image
from napari_nucseg._napari.workers import Runs
from napari_nucseg.data.correction_set import is_correction_set
from napari_nucseg.errors import NucSegError, OutputError
from napari_nucseg.jobs.work_item import Status
from napari_nucseg.jobs.work_outcomes import all_done_in_words, with_outcomes, with_sets_found
from napari_nucseg.jobs.work_sets import begin_anew
from napari_nucseg.jobs.worklist import WorkList, open_worklist

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari.components import ViewerModel

    from napari_nucseg._napari.work_keeping import Kept
    from napari_nucseg._napari.work_steps import Opened
    from napari_nucseg.jobs.work_outcomes import Outcome

AUTOSAVE_MS = 15_000


class WorkController(QObject):
    """Works through one list: that of a dock that was closed, until another is opened.

    Signals: ``changed()`` when the list is to be shown again; ``shown(str)`` with the name of the image on show;
    ``refused(Refused)`` where its corrections do not fit it; ``set_aside(str)`` with what became of another window's,
    if any; ``said(str)``; ``failed(str)``; ``progressed(WorkProgress)`` and ``segmented(str)`` of what was segmented.
    """

    changed = Signal()
    shown = Signal(str)
    refused = Signal(object)
    set_aside = Signal(str)
    said = Signal(str)
    failed = Signal(str)
    progressed = Signal(object)
    segmented = Signal(str)

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.worklist: WorkList | None
        self._layers, self.worklist = WorkLayers.left_in(viewer) or (WorkLayers(viewer), None)
        self._saving = WorkSaving(self._layers, self)
        self._unsaved = False  # that something could not be saved is still to be read
        self._wanted = ""  # name of the image that is to be on show next
        self._place = ""  # name of the image that was opened last or could not be: Next goes on from it
        self._lock = threading.Lock()  # an image is either opened or segmented, both in threads
        self._opening = Runs(self)
        self._background = WorkBackground(self._free, self)
        self._opening.returned.connect(self._show)
        self._opening.failed.connect(self._enter_unreadable)
        self._opening.ended.connect(self._opening_ended)
        self._saving.saved.connect(self._saved)
        self._saving.failed.connect(self._cannot_save)
        self._background.progressed.connect(self.progressed)
        self._background.found.connect(self._enter_outcomes)
        self._background.failed.connect(self.failed)
        self._background.ended.connect(self._segmentation_ended)
        self._autosave = QTimer(self, interval=AUTOSAVE_MS)
        self._autosave.timeout.connect(self._save_soon)
        self._autosave.start()

    @property
    def segmenting(self) -> bool:
        """Whether the remaining images are being segmented."""
        return self._background.running

    @property
    def busy(self) -> bool:
        """Whether an image is being opened or saved."""
        return self._opening.running or self._saving.running

    def open(self, source: Path, output: Path) -> WorkList | None:
        """Open the list of a folder or dataset and show the image that was worked on last; None where it cannot be.

        What cannot be saved in the list before goes along into one of the same dataset, its image with it.
        """
        refusal = self._try_to_save()
        try:
            worklist = open_worklist(source, output)
            if refusal is not None and not self._list.is_elsewhere(worklist):
                raise refusal
            worklist = worklist.save()
            if refusal is not None:
                worklist = self._take_along(worklist)
        except NucSegError as error:
            self.failed.emit(str(error))
            return None
        if self.segmenting:  # what it finishes belongs to the other list
            self._background.forget()
            self.segmented.emit("")
        self._opening.forget()
        self._saving.forget()
        with self._saving.keeper.alone():  # an autosave that waits belongs to the other list
            self.worklist, self._place = worklist, ""
        if refusal is None:
            self._layers.put_away()  # no stroke on the image of one list may be kept in another
        else:
            self._keep_list()
        self.changed.emit()
        if (name := self._list.step(0) or self._list.step()) is not None:
            self.show(name)
        return worklist

    def go(self, by: int) -> None:
        """Show the image so many after the one that was asked for last, whether it could be opened or not."""
        name = None if self.worklist is None else self.worklist.step(by, self._place)
        if name is None:
            self.said.emit("This is the last image." if by > 0 else "This is the first image.")
        else:
            self.show(name)

    def show(self, name: str) -> None:
        """Keep what was done and show another image."""
        if self.worklist is None or not self.save():
            return
        worklist = self.worklist
        self._wanted = name
        if name == worklist.current and self._layers.shown:  # its layers are newer than what is in its folder
            self._opening.forget()
            self._place = name
            self.shown.emit(name)
            return
        self._opening.start(lambda: open_image(worklist, name, self._lock))
        self.said.emit(f"Opening {name} …")

    def begin_anew(self, name: str) -> None:
        """Move an image's corrections out of the way and show it as if nobody had worked on it."""
        try:
            with self._saving.keeper.alone():
                worklist = begin_anew(self._list, name)
        except OutputError as error:
            self.failed.emit(str(error))
            return
        self._change_list(worklist)
        self.show(name)

    def mark_done(self) -> None:
        """Mark the current image as done, keep it whatever was changed, and show the next that is not."""
        if not self._layers.can_be_kept:
            self.failed.emit("no nuclei are on show. Click the image in the list, then mark it as done.")
            return
        if not self.save(always=True, status=Status.DONE):
            return
        if (name := self._list.next_undone()) is None:
            self.said.emit(all_done_in_words(self._list))
        else:
            self.show(name)

    def save(self, *, always: bool = False, status: Status = Status.IN_WORK) -> bool:
        """Keep what was done on the current image, now; False where that is impossible."""
        refusal = self._try_to_save(always=always, status=status)
        if refusal is not None:
            self._cannot_save(str(refusal))
        return refusal is None

    def segment_remaining(self) -> None:
        """Segment all images nobody worked on, in the background; the one on show is left to the user."""
        worklist = self._list
        if worklist.current:
            worklist = worklist.with_status(worklist.current, Status.IN_WORK)
        self._background.start(worklist)

    def cancel(self) -> None:
        """Stop segmenting after the step it is at; what is finished stays."""
        self._background.cancel()

    def stop(self) -> None:
        """Keep what was done and let go; the next dock goes on with it."""
        self._autosave.stop()
        self.save()
        self._layers.leave(self.worklist)
        for runs in (self._opening, self._saving, self._background):
            runs.forget()

    @property
    def _list(self) -> WorkList:
        """The list, for all that happens only while one is open."""
        if self.worklist is None:
            raise RuntimeError("no list of images is open")
        return self.worklist

    @contextmanager
    def _free(self, name: str) -> Iterator[bool]:
        """Whether an image is neither on show nor about to be; it is not opened meanwhile. Called from a thread."""
        with self._lock:
            yield name not in (self._list.current, self._wanted)

    def _try_to_save(self, *, always: bool = False, status: Status = Status.IN_WORK) -> NucSegError | None:
        """Keep what was done on the current image; give what is in the way, if anything is."""
        corrections = self._layers.as_they_are()
        if self.worklist is None or (corrections is None and not always):
            return None
        folder = self.worklist.folder_of(self.worklist.current)
        if corrections is None and not is_correction_set(folder):
            corrections = self._layers.as_shown
        try:
            self.set_aside.emit(self._saving.now(folder, corrections))
            self._enter(self.worklist.with_status(self.worklist.current, status))
        except NucSegError as error:
            return error
        return None

    def _take_along(self, worklist: WorkList) -> WorkList:
        """Keep what was done on the current image in another list; never over what that has of it already."""
        name = self._list.current
        worklist = worklist.at(name).with_status(name, Status.IN_WORK)
        folder = worklist.folder_of(name)
        if is_correction_set(folder):
            raise OutputError(f"{folder} holds other corrections of this image. Choose another folder.")
        self.set_aside.emit(self._saving.now(folder, self._layers.as_they_are()))
        return worklist

    def _show(self, opened: Opened | Refused) -> None:
        if isinstance(opened, Refused):
            self._mark_unreadable(opened.name, opened.reason)
            self.refused.emit(opened)
            return
        if not self.save():  # what was painted while it was read
            return
        self._place = name = opened.name
        self.worklist = self._list.at(name).opened(name)
        folder = self._list.folder_of(name)
        self._saving.keeper.show(folder, opened.stamp)
        self._layers.show(opened.corrections, folder, opened.stamp)
        self.shown.emit(name)
        self._keep_list()
        self.changed.emit()

    def _enter_unreadable(self, message: str) -> None:
        self._mark_unreadable(self._wanted, message)
        self.failed.emit(message)
        if not self._layers.can_be_kept and (name := self._list.step(1, self._place)) is not None:
            self.set_aside.emit(message)  # the viewer is empty: it is to be read beside the next one
            self.show(name)

    def _mark_unreadable(self, name: str, message: str) -> None:
        """Mark the image that was to be shown; the one on show stays, and *Next* goes on from the one that failed."""
        self._place = name
        status = self._list.item(name).status
        self._change_list(self._list.with_status(name, status, message, unreadable=True))

    def _opening_ended(self) -> None:
        """Let go of an image that could not be opened, or not be shown; one on show is the list's current one."""
        self._wanted = ""

    def _save_soon(self) -> None:
        if self.worklist is not None and self.worklist.current:
            self._saving.soon(self.worklist.folder_of(self.worklist.current))

    def _saved(self, kept: Kept | None) -> None:
        if kept is None:
            return
        if self._unsaved:
            self._unsaved = False
            self.said.emit("What could not be saved before is saved now.")
        self.set_aside.emit(kept.words)
        if kept.folder == self._list.folder_of(self._list.current):
            self._layers.kept(kept.corrections, kept.folder, kept.stamp)
            self._enter(self._list.with_status(self._list.current, Status.IN_WORK))

    def _enter_outcomes(self, outcomes: tuple[Outcome, ...]) -> None:
        self._change_list(with_outcomes(self._list, outcomes))

    def _segmentation_ended(self) -> None:
        self._change_list(with_sets_found(self._list))
        self.segmented.emit(self._background.in_words(self._list))

    def _change_list(self, worklist: WorkList) -> None:
        if worklist != self.worklist:
            self._enter(worklist)

    def _enter(self, worklist: WorkList) -> None:
        self.worklist = worklist
        self._keep_list()
        self.changed.emit()

    def _keep_list(self) -> None:
        try:
            self.worklist = self._list.save()
        except NucSegError as error:
            self._cannot_save(str(error))

    def _cannot_save(self, message: str) -> None:
        self._unsaved = True
        self.failed.emit(message)
