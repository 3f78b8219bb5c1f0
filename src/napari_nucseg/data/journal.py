"""An append-only file of edits, from which labels come back after a crash, ``kill -9`` included.

The first records hold the arrays (labels, trust map, prediction) as they were; every edit adds one as large as the
rectangle it changed. A tail that was torn by a crash is recognised and left out. See ``journal_format``.

A record is handed to the operating system before :meth:`Journal.record` returns: a killed process loses nothing of it.
A power cut may lose what the system had not written yet.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from platformdirs import user_data_path

from napari_nucseg.data.file_lock import try_lock
from napari_nucseg.data.journal_format import (
    MAGIC,
    JournalHeader,
    Part,
    framed,
    packed,
    packed_whole,
    read_records,
    unpack,
)
from napari_nucseg.errors import JournalError, OutputError
from napari_nucseg.files import named_folder, sweep, written_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Arrays = Mapping[Part, NDArray[Any]]

__all__ = [
    "Journal",
    "JournalHeader",
    "Part",
    "Replayed",
    "abandoned_journals",
    "fingerprint",
    "journal_dir",
    "replay",
]

SUFFIX = ".nucsegjournal"
JOURNAL_VARIABLE = "NUCSEG_JOURNAL"
KEPT_DAYS = 60
COMPACT_FROM_BYTES = 32_000_000
COMPACT_AT_GROWTH = 4
_FINGERPRINT_BYTES = 8_000_000


@dataclass(frozen=True, eq=False)
class Replayed:
    """What a journal holds.

    Attributes
    ----------
    header
        What it belongs to.
    labels, trust, prediction
        The arrays with all edits; no prediction where none was kept.
    n_edits
        Whole records after those of the start.
    lost_bytes
        Length of a torn tail.
    """

    header: JournalHeader
    labels: NDArray[Any]
    trust: NDArray[np.uint8]
    prediction: NDArray[Any] | None
    n_edits: int
    lost_bytes: int


def journal_dir() -> Path:
    """Folder of all journals; the environment variable overrides the system's place."""
    return named_folder(
        JOURNAL_VARIABLE, lambda: user_data_path("napari-nucseg", appauthor=False) / "journals"
    )


def fingerprint(array: NDArray[Any]) -> str:
    """Hash of an array's shape, type and pixels; of a large one, evenly spaced rows stand for all."""
    rows = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
    step = max(1, rows.nbytes // _FINGERPRINT_BYTES)
    digest = hashlib.sha256(f"{array.shape} {array.dtype.str}".encode())
    digest.update(np.ascontiguousarray(rows[::step]).tobytes())
    return digest.hexdigest()


class Journal:
    """An open journal that is written to. At most one process has it open.

    Make one with :meth:`create`, or go on with an older one with :meth:`resume`.
    """

    def __init__(self, path: Path, file: IO[bytes], header: JournalHeader, compact_at: int) -> None:
        self.path = path
        self.header = header
        self._file = file
        self._end = file.seek(0, os.SEEK_END)
        self._compact_at = compact_at

    @classmethod
    def create(cls, path: str | Path, header: JournalHeader, arrays: Arrays) -> Journal:
        """Start a journal with the arrays as they are before the first edit.

        Parameters
        ----------
        path
            File to make; its folder is made too.
        header
            What the journal belongs to; ``has_prediction`` is taken from the arrays.
        arrays
            The labels at least, and what there is of trust map and prediction, all of one shape.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        path = Path(path)
        header = header.model_copy(update={"has_prediction": Part.PREDICTION in arrays})
        with written_whole(path, JOURNAL_VARIABLE) as part, part.open("wb") as file:
            file.write(MAGIC + framed(header.model_dump_json().encode()))
            for payload in packed_whole(header, arrays):
                file.write(framed(payload))
            file.write(framed(b""))  # an empty record: from here on, records are edits
        return cls.take(path, header)

    @classmethod
    def resume(cls, path: str | Path) -> tuple[Journal, Replayed]:
        """Open a journal to go on with it; a torn tail is cut off.

        Raises
        ------
        JournalError
            If it cannot be read, or another process has it open.
        """
        path = Path(path)
        replayed = replay(path)
        journal = cls.take(path, replayed.header)
        journal._truncate(journal._end - replayed.lost_bytes)
        return journal, replayed

    @classmethod
    def take(cls, path: Path, header: JournalHeader) -> Journal:
        """Open a journal whose header is known; a JournalError where it is gone, or another process has it open."""
        try:
            file = path.open("r+b", buffering=0)
        except OSError as error:
            raise JournalError(f"{path} cannot be opened: {error.strerror or error}") from error
        if not try_lock(file):
            file.close()
            raise JournalError(f"{path} is in use by another window of napari. Close that one first.")
        size = path.stat().st_size
        return cls(path, file, header, max(COMPACT_FROM_BYTES, COMPACT_AT_GROWTH * size))

    def record(self, part: Part, offset: tuple[int, ...], block: NDArray[Any]) -> None:
        """Append a changed rectangle: its first pixel and its new content.

        Raises
        ------
        OutputError
            If it cannot be written (the disk is full); the journal then ends with the record before.
        """
        record = framed(packed(part, offset, self.header.typed(part, block)))
        try:
            self._file.seek(self._end)
            written = self._file.write(record)
            if written != len(record):
                raise OSError(f"only {written} of {len(record)} bytes were written")
        except OSError as error:
            with suppress(OSError):  # the drive is gone: the next record is written where this one began
                self._truncate(self._end)
            raise OutputError(
                f"the journal {self.path} cannot be written: {error.strerror or error}. Free some space."
            ) from error
        self._end += len(record)

    @property
    def wants_compaction(self) -> bool:
        """Whether the file has grown to several times its size at the start."""
        return self._end > self._compact_at

    def compact(self, arrays: Arrays) -> None:
        """Write the file anew with the arrays as they are now.

        Raises
        ------
        OutputError
            If it cannot be written (the disk is full); the old one stays, and is gone on with.
        JournalError
            If that cannot be opened either; the journal is then closed.
        """
        self.close()  # some systems replace no open file
        try:
            self._go_on_as(Journal.create(self.path, self.header, arrays))
        except OutputError:
            self._go_on_as(Journal.take(self.path, self.header))
            raise

    def _go_on_as(self, fresh: Journal) -> None:
        self._file, self._end, self._compact_at = fresh._file, fresh._end, fresh._compact_at

    def close(self) -> None:
        """Let go of the file; it stays."""
        self._file.close()

    def discard(self) -> None:
        """Close and delete the file, unless another program holds it."""
        self.close()
        with suppress(OSError):  # if it stays, its edits are offered once more
            self.path.unlink(missing_ok=True)

    def _truncate(self, size: int) -> None:
        self._file.truncate(size)
        self._end = size


def replay(path: str | Path) -> Replayed:
    """Read a journal to its last whole record.

    Raises
    ------
    JournalError
        If it is no journal, of a newer version, or broken before its first edit.
    """
    header, records = read_records(Path(path))
    arrays: dict[Part, NDArray[Any]] = {
        Part.LABELS: np.zeros(header.shape, header.dtype),
        Part.TRUST: np.zeros(header.shape, np.uint8),
    }
    if header.has_prediction:
        arrays[Part.PREDICTION] = np.zeros(header.shape, header.dtype)
    is_started, n_edits, lost_bytes = False, 0, 0
    for payload in records:
        if isinstance(payload, int):
            lost_bytes = payload
        elif not payload:
            is_started = True
        else:
            unpack(payload, arrays, path)
            n_edits += is_started
    if not is_started:
        raise JournalError(f"{path} ends before its first edit: nothing can be restored from it.")
    return Replayed(
        header, arrays[Part.LABELS], arrays[Part.TRUST], arrays.get(Part.PREDICTION), n_edits, lost_bytes
    )


def read_header(path: str | Path) -> JournalHeader:
    """Read what a journal belongs to, and nothing else.

    Raises
    ------
    JournalError
        If it is no journal, or of a newer version.
    """
    header, records = read_records(Path(path))
    records.close()
    return header


def abandoned_journals(folder: Path | None = None) -> list[tuple[Path, JournalHeader]]:
    """Find journals that no process has open, the newest first; those older than ``KEPT_DAYS`` are deleted.

    So is what killed processes left half-written.
    """
    found = []
    oldest = datetime.now().astimezone() - timedelta(days=KEPT_DAYS)
    folder = folder or journal_dir()
    sweep(folder, SUFFIX)
    for path in folder.glob(f"*{SUFFIX}") if folder.is_dir() else ():
        try:
            with path.open("r+b") as file:
                if not try_lock(file):
                    continue
                header = read_header(path)
            if header.started < oldest:
                path.unlink()
            else:
                found.append((path, header))
        except (OSError, JournalError):  # gone meanwhile, or damaged: nothing to offer
            continue
    return sorted(found, key=lambda pair: pair[1].started, reverse=True)
