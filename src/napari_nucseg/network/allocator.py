"""Memory that learning frees and asks for again at once."""

from __future__ import annotations

import ctypes
import platform

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h
LARGEST_BLOCK = 2**28  # bytes; larger ones go back to the system when freed
KEPT = 2**29  # bytes free at the heap's end; more goes back


def reuse_freed_memory() -> bool:
    """Let the C library keep what is freed for what is asked for next, for the rest of the process.

    A step of learning frees and asks for the same few hundred megabytes. Handed back to the system, each page of them
    is cleared and mapped again at every step, a sixth of the time on a CPU. Tensors on a GPU are not concerned.

    Returns
    -------
    Whether the C library is one that can (glibc).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return bool(library.mallopt(MMAP_THRESHOLD, LARGEST_BLOCK) and library.mallopt(TRIM_THRESHOLD, KEPT))
