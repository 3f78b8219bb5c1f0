"""A lock on an open file that ends with the process, however that ends."""

from __future__ import annotations

import sys
from typing import IO, Any


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
