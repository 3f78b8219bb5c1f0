"""Saves a layer's corrections as a folder, off the GUI thread."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_nucseg._napari.correct_files import collect, mark_saved
from napari_nucseg._napari.correct_subject import corrections_of
from napari_nucseg._napari.work_keeping import keeper_of
from napari_nucseg._napari.workers import Runs
from napari_nucseg.data.correction_set import is_correction_set, save_correction_set, stamp_of
from napari_nucseg.data.set_comparison import holds_labels, holds_other_image
from napari_nucseg.errors import NucSegError, OutputError
from napari_nucseg.jobs.worklist import FILE as WORK_LIST

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import numpy as np

    from napari_nucseg._napari.correct_session import Session
    from napari_nucseg._napari.work_keeping import SetKeeper
    from napari_nucseg.data.correction_set import CorrectionSet


@dataclass(frozen=True, eq=False)
class Saving:
    """A layer's corrections on their way to a folder, and what came of it.

    Where the layer was opened from this folder or saved in it, it is saved ``again``, over the set with the stamp
    ``saved_as``. Where a work list shows the layer, its ``keeper`` writes, unless something newer was written since
    this ``turn``.

    ``stamp`` is that of the set that was written. ``occupied`` says what it would have replaced, so that nothing was
    written; ``aside`` says what the keeper moved away.
    """

    session: Session
    n_edits: int
    folder: Path
    data: np.ndarray
    again: bool = False
    saved_as: bytes | None = None
    occupied: str = ""
    stamp: bytes | None = None
    keeper: SetKeeper | None = None
    turn: int = 0
    aside: str = ""

    @property
    def outdated(self) -> bool:
        """Whether the layer got another array since: a work list went on to the next image."""
        return self.session.subject.layer.data is not self.data


class Saver(QObject):
    """Saves one layer at a time.

    Signals: ``said(str)``; ``failed(str)``; ``saved()``; ``occupied(Saving)`` when nothing was saved because it
    would have replaced what this layer does not know; ``ended()`` whatever came of it.
    """

    said = Signal(str)
    failed = Signal(str)
    saved = Signal()
    occupied = Signal(object)
    ended = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._writing: Writing | None = None
        self._refused: Saving | None = None
        self._runs = Runs(self)
        self._runs.returned.connect(self._written)
        self._runs.failed.connect(self.failed)
        self._runs.ended.connect(self._end)

    @property
    def running(self) -> bool:
        """Whether something is being saved."""
        return self._runs.running

    def start(self, session: Session, folder: Path, *, careful: bool = True) -> None:
        """Save a session's layer as it is now; unless ``careful``, in place of whatever corrections lie there."""
        if self.running:  # another start would drop it
            self.failed.emit("the last save has not ended yet. Save again in a moment.")
            return
        session.look()
        try:
            corrections = collect(session.subject)
        except NucSegError as error:
            self.failed.emit(str(error))
            return
        layer, state = session.subject.layer, corrections_of(session.subject.layer)
        again, keeper = state.folder == folder, keeper_of(layer, folder)
        saving = Saving(
            session,
            session.n_edits,
            folder,
            layer.data,
            again,
            saved_as=state.saved_as if again else None,
            keeper=keeper,
            turn=0 if keeper is None else keeper.turn(),
        )
        self._writing = Writing(saving, corrections, careful=careful)
        self._runs.start(self._writing.steps)
        self.said.emit("Saving …")

    def finish(self) -> None:
        """Bring a save that is running to its end before this returns."""
        if self._writing is not None and self.running:
            self._runs.forget()
            try:
                self._written(self._writing.write())
            except NucSegError as error:
                self.failed.emit(str(error))

    def _written(self, saving: Saving) -> None:
        if saving.occupied:
            self.said.emit("")
            self._refused = saving
            return
        session = saving.session
        session.look()
        if not saving.outdated:  # the folder is not that of the image on show now
            all_of_it = session.n_edits == saving.n_edits
            mark_saved(session.subject.layer, saving.folder, stamp=saving.stamp, all_of_it=all_of_it)
        self.said.emit(f"Saved in {saving.folder}")
        if saving.aside:
            self.failed.emit(saving.aside)
        self.saved.emit()

    def _end(self) -> None:
        self.ended.emit()
        refused, self._refused = self._refused, None
        if refused is not None:  # only now could it be saved after all
            self.occupied.emit(refused)


class Writing:
    """One save, done by whoever comes first: a thread or, where the window is being closed, the GUI itself."""

    def __init__(self, saving: Saving, corrections: CorrectionSet, *, careful: bool) -> None:
        self._saving, self._corrections, self._careful = saving, corrections, careful
        self._lock = threading.Lock()
        self._outcome: Saving | None = None

    def steps(self) -> Generator[None, None, Saving]:
        """Write as a step of slow work."""
        yield
        return self.write()

    def write(self) -> Saving:
        """Write, or wait for who is writing; the outcome is the same for both."""
        with self._lock:
            if self._outcome is None:
                self._outcome = self._write()
            return self._outcome

    def _write(self) -> Saving:
        if self._saving.again:
            _check_there(self._saving.folder)
        if self._saving.keeper is not None:
            return self._write_in_turn(self._saving.keeper)
        if self._careful and (words := self._what_is_lost()):
            return replace(self._saving, occupied=words)
        save_correction_set(self._saving.folder, self._corrections)
        return replace(self._saving, stamp=stamp_of(self._saving.folder))

    def _write_in_turn(self, keeper: SetKeeper) -> Saving:
        """Write between what a work list writes; where that was newer, it is saved already."""
        saving = self._saving
        kept = keeper.write(saving.folder, self._corrections, saving.saved_as, saving.turn)
        if kept is None:
            return replace(saving, stamp=stamp_of(saving.folder))
        return replace(saving, stamp=kept.stamp, aside=kept.words)

    def _what_is_lost(self) -> str:
        """Say which corrections of others would be replaced; empty where there are none."""
        folder, corrections = self._saving.folder, self._corrections
        if holds_other_image(folder, corrections):
            return "corrections of another image, or damaged ones"
        is_known = stamp_of(folder) in (None, self._saving.saved_as)
        if is_known or holds_labels(folder, corrections.labels, corrections.trust):
            return ""
        return "other corrections of this image, perhaps from another window"


def _check_there(folder: Path) -> None:
    """Refuse to make a set anew that is gone, with its drive or under another name; a work list's may be its first."""
    if not is_correction_set(folder) and not os.path.isfile(folder.parent / WORK_LIST):
        raise OutputError(
            f"{folder} no longer holds the corrections. Put them back, or save elsewhere: Save as…"
        )
