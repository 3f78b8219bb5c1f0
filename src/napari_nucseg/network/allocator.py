"""Memory that networks free and ask for again at once."""

from __future__ import annotations

import ctypes
import platform

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h
LARGEST_BLOCK = 2**28  # bytes; larger ones go back to the system when freed
KEPT = 2**29  # bytes free at the heap's end; more goes back


def reuse_freed_memory() -> None:
    """Let the C library keep what is freed for what is asked for next, for the rest of the process.

    A step of learning, and a tile of a large image, frees and asks for the same few hundred megabytes. Handed back to
    the system, each page of them is cleared and mapped again every time, a sixth to a third of the time on a CPU.
    Tensors on a GPU are not concerned, nor are other C libraries than glibc.
    """
    if library := _glibc():
        library.mallopt(MMAP_THRESHOLD, LARGEST_BLOCK)
        library.mallopt(TRIM_THRESHOLD, KEPT)


def hand_back_freed_memory() -> None:
    """Give the system all pages that hold nothing any more, where the C library can: when a job is done."""
    if library := _glibc():
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
