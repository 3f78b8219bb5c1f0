"""Writes the corrections of the image on show: at once, or in a thread; never over what another window wrote."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nucseg.data.correction_set import stamp_of
from napari_nucseg.jobs.work_sets import keep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_nucseg.data.correction_set import CorrectionSet


@dataclass(frozen=True, eq=False)
class Kept:
    """Corrections that are safe in a folder, in a set with this ``stamp``.

    ``aside`` is where the set of another window is that lay there.
    """

    corrections: CorrectionSet
    folder: Path
    stamp: bytes | None
    aside: Path | None = None

    @property
    def words(self) -> str:
        """Say what became of the other window's set; empty where there was none."""
        if self.aside is None:
            return ""
        return (
            f"another window had saved “{self.corrections.name}” since it was shown here. What you did here is saved "
            f"now; the other is kept in {self.aside}: open it with Open… of Correct nuclei."
        )


class SetKeeper:
    """One write after the other, and what it was that lay on disk when it was shown or written last."""

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._turn = 0
        self._known: tuple[Path, bytes | None] | None = None

    @property
    def turn(self) -> int:
        """Number that a write which shall wait is given: once another came first, it is outdated."""
        return self._turn

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Context in which nothing is written; what waits to be written is outdated afterwards."""
        with self._writing:
            self._turn += 1
            yield

    def show(self, folder: Path, stamp: bytes | None) -> None:
        """Remember what was shown: the set that had this stamp, or none."""
        with self._writing:
            self._known = folder, stamp

    def write(
        self, folder: Path, corrections: CorrectionSet, saved_as: bytes | None = None, turn: int | None = None
    ) -> Kept | None:
        """Write a set; None, and nothing is written, where its turn is over.

        ``saved_as`` is the stamp of a set that was read or saved of the same layer, perhaps by *Correct nuclei*.

        Raises
        ------
        CorrectionSetError, OutputError
            If it cannot be written.
        """
        with self._writing:
            if turn not in (None, self._turn):
                return None
            self._turn += 1
            known = (
                {saved_as} if self._known is None or self._known[0] != folder else {saved_as, self._known[1]}
            )
            aside = keep(folder, corrections, known)
            stamp = stamp_of(folder)
            self._known = folder, stamp
        return Kept(corrections, folder, stamp, aside)
