"""Segments the images of a work list that nobody worked on, in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_nucseg._napari.work_steps import segment
from napari_nucseg._napari.workers import Runs
from napari_nucseg.jobs.work_outcomes import segmented_in_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from napari_nucseg.jobs.work_outcomes import Outcome
    from napari_nucseg.jobs.work_segmentation import WorkProgress
    from napari_nucseg.jobs.worklist import WorkList


class WorkBackground(QObject):
    """At most one run over a list; the list itself is another's.

    Signals: ``progressed(WorkProgress)``; ``found(tuple)`` of the outcomes that are new; ``failed(str)``; last and
    always ``ended()``, unless it was forgotten.
    """

    progressed = Signal(object)
    found = Signal(object)
    failed = Signal(str)
    ended = Signal()

    def __init__(
        self, free: Callable[[str], AbstractContextManager[bool]], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._names: tuple[str, ...] = ()
        self._outcomes: tuple[Outcome, ...] = ()
        self._has_failed = False
        self._free = free
        self._runs = Runs(self)
        self._runs.progressed.connect(self._enter_progress)
        self._runs.returned.connect(self._enter)
        self._runs.failed.connect(self._fail)
        self._runs.ended.connect(self.ended)

    @property
    def running(self) -> bool:
        """Whether a run has not ended."""
        return self._runs.running

    def in_words(self, worklist: WorkList) -> str:
        """Say what came of the last run, by its list as it is now; empty where it failed, which was said already."""
        return "" if self._has_failed else segmented_in_words(worklist, self._names, self._outcomes)

    def start(self, worklist: WorkList) -> None:
        """Segment what remains of a list."""
        self._names = tuple(item.name for item in worklist.remaining)
        self._outcomes, self._has_failed = (), False
        self._runs.start(lambda: segment(worklist, self._free))

    def cancel(self) -> None:
        """Stop after the step it is at; what is finished stays."""
        self._runs.cancel()

    def forget(self) -> None:
        """Stop, and hear no more of it."""
        self._runs.forget()

    def _enter_progress(self, progress: WorkProgress) -> None:
        self._enter(progress.outcomes)
        self.progressed.emit(progress)

    def _enter(self, outcomes: tuple[Outcome, ...]) -> None:
        """Tell each outcome once: what a person does with an image afterwards counts."""
        new, self._outcomes = outcomes[len(self._outcomes) :], outcomes
        self.found.emit(new)

    def _fail(self, message: str) -> None:
        self._has_failed = True
        self.failed.emit(message)
