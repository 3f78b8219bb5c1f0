"""A lock on an open file that ends with the process, however that ends."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from napari_nucseg.errors import OutputError
from napari_nucseg.files import in_words

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

_PAUSE_SECONDS = 0.05
_PATIENCE_SECONDS = 2


def one_at_a_time(lock: Path) -> Generator[None, None, AbstractContextManager[None]]:
    """Wait until no other process has this lock, then return the context in which it is ours.

    The lock is a file that is there as long as somebody has it; missing folders are made. Yields once, where waiting
    takes so long that somebody may wonder.

    Raises
    ------
    OutputError
        If the file cannot be made.
    """
    begun, told = time.monotonic(), False
    while (file := _locked(lock)) is None:
        if not told and time.monotonic() - begun > _PATIENCE_SECONDS:
            told = True
            yield
        time.sleep(_PAUSE_SECONDS)
    return _until_left(file, lock)


def _locked(lock: Path) -> IO[Any] | None:
    """Return the file, open and locked; None where another process has it."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a+b")
    except OSError as error:
        raise OutputError(in_words(error, lock)) from error
    # whoever had it may have deleted the file since we opened it: to lock what has no name keeps nobody out;
    # on Windows, no open file is deleted, be it ours or another's
    if try_lock(file) and (sys.platform == "win32" or _is_at(file, lock)):
        return file
    file.close()
    return None


@contextmanager
def _until_left(file: IO[Any], lock: Path) -> Iterator[None]:
    with file:
        try:
            yield
        finally:
            if sys.platform == "win32":
                file.close()
            with suppress(OSError):
                lock.unlink()


def _is_at(file: IO[Any], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:  # it is gone; of one that another computer deleted, NFS says that it is stale
        return False


def try_lock(file: IO[Any]) -> bool:
    """Lock a file for this open handle until it is closed; False where somebody else has it locked.

    Where the file system knows no locks, as some of clusters, nobody can tell and work must go on: True.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            # a byte far behind the end: locking one of the content would keep others from reading it
            position = file.tell()
            file.seek(2**40)
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            finally:
                file.seek(position)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return not isinstance(error, BlockingIOError | PermissionError)
    return True
