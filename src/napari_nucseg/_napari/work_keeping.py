"""Writes the corrections of the image that a work list shows; never over newer ones, or what another window wrote."""

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

    from napari.layers import Labels

    from napari_nucseg.data.correction_set import CorrectionSet

KEPT_BY = "napari-nucseg-kept-by"
"""Metadata key of the Labels layer of a work list: its ``SetKeeper``, and the layer's ``unique_id``."""


@dataclass(frozen=True, eq=False)
class Kept:
    """Corrections that are safe in a folder, in a set with this ``stamp``.

    ``aside`` is where the set was moved that another window had written there.
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
    """Writes one set after the other, none over a newer one; knows what was on disk when it last showed or wrote it."""

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._seen = self._written = 0
        self._known: tuple[Path, bytes | None] | None = None

    @property
    def folder(self) -> Path | None:
        """Folder of the image on show."""
        return None if self._known is None else self._known[0]

    def turn(self) -> int:
        """Return the number of a copy that is to be written: once one with a higher number is, it is outdated."""
        self._seen += 1
        return self._seen

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Context in which nothing is written; what waits to be written is outdated afterwards."""
        with self._writing:
            self._written = self.turn()
            yield

    def show(self, folder: Path, stamp: bytes | None) -> None:
        """Remember what was shown: the set that had this stamp, or none."""
        with self._writing:
            self._known = folder, stamp

    def write(
        self, folder: Path, corrections: CorrectionSet, saved_as: bytes | None, turn: int
    ) -> Kept | None:
        """Write a set; None, and nothing is written, where a newer one is there.

        ``saved_as`` is the stamp of the set that the same layer was read from or saved in, perhaps by *Correct nuclei*:
        it may be replaced.

        Raises
        ------
        CorrectionSetError, OutputError
            If it cannot be written.
        """
        with self._writing:
            return None if turn < self._written else self._write(folder, corrections, saved_as, turn)

    def write_newest(self, folder: Path, corrections: CorrectionSet, saved_as: bytes | None) -> Kept:
        """Write a set that is newer than all others, as :meth:`write` does."""
        with self._writing:
            return self._write(folder, corrections, saved_as, self.turn())

    def _write(self, folder: Path, corrections: CorrectionSet, saved_as: bytes | None, turn: int) -> Kept:
        self._written = turn
        known = {saved_as} if self._known is None or self._known[0] != folder else {saved_as, self._known[1]}
        aside = keep(folder, corrections, known)
        stamp = stamp_of(folder)
        self._known = folder, stamp
        return Kept(corrections, folder, stamp, aside)


def keeper_of(layer: Labels, folder: Path) -> SetKeeper | None:
    """Who writes a layer into a folder: the work list that shows it and keeps it there; None where none does."""
    keeper, owner = layer.metadata.get(KEPT_BY, (None, None))  # a copy of the layer is not the list's
    return keeper if owner == layer.unique_id and keeper.folder == folder else None
