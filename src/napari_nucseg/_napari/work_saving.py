"""Keeps what was done on the image of a work list: at once, or soon, in a thread."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_nucseg._napari.correct_files import counts_of
from napari_nucseg._napari.workers import Runs

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_nucseg._napari.work_keeping import Kept
    from napari_nucseg._napari.work_layers import WorkLayers
    from napari_nucseg.data.correction_set import CorrectionSet


class WorkSaving(QObject):
    """Writes what the layers show, one write after the other.

    Signals, of writes in a thread: ``saved(Kept | None)``, None where a newer one came first, or ``failed(str)``.
    """

    saved = Signal(object)
    failed = Signal(str)

    def __init__(self, layers: WorkLayers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.keeper = layers.keeper
        self._layers = layers
        self._runs = Runs(self)
        self._runs.returned.connect(self.saved)
        self._runs.failed.connect(self.failed)

    @property
    def running(self) -> bool:
        """Whether something is being written in a thread."""
        return self._runs.running

    def forget(self) -> None:
        """Hear no more of what is being written."""
        self._runs.forget()

    def now(self, folder: Path, corrections: CorrectionSet | None) -> str:
        """Write, where there is anything, before this returns; say what became of another window's set, if any.

        Raises
        ------
        CorrectionSetError, OutputError
            If it cannot be written.
        """
        if corrections is None:
            return ""
        kept = self.keeper.write_newest(folder, with_counts(corrections), self._layers.saved_as)
        self._layers.kept(kept.corrections, folder, kept.stamp)
        return kept.words

    def soon(self, folder: Path) -> None:
        """Write in a thread what was changed since the last time, if anything was and nothing is being written."""
        corrections = self._layers.as_they_are()
        if corrections is None or self.running:
            return
        turn, saved_as = self.keeper.turn(), self._layers.saved_as

        def write() -> Generator[None, None, Kept | None]:
            yield
            return self.keeper.write(folder, with_counts(corrections), saved_as, turn)

        self._runs.start(write)


def with_counts(corrections: CorrectionSet) -> CorrectionSet:
    """Corrections with the numbers that a list of sets shows."""
    counts = counts_of(corrections.labels, corrections.trust, corrections.prediction)
    return replace(corrections, counts=counts)
