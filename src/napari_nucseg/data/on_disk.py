"""Arrays too large for memory: each lies in a file that nobody sees, and that is gone with it.

What is read or written of one passes through memory, which the system takes back when it needs it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.errors import ImageError
from napari_nucseg.files import FULL, check_writable

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

LARGEST_IN_MEMORY_PX = 1 << 28
"""Rows times columns; an image in colours takes up to 18 bytes for each while it is segmented."""
_NAME = ".nucseg-scratch"
_CHUNK_BYTES = 1 << 26


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether an image of so many rows and columns is one for the disk."""
    return shape[0] * shape[1] > LARGEST_IN_MEMORY_PX


def lies_on_disk(array: Any) -> bool:
    """Whether it is, or is a part of, what ``zeros_on_disk`` made; other arrays mapped into memory are not."""
    return isinstance(array, np.memmap) and str(array.filename or "").endswith(_NAME)


def zeros_on_disk(shape: tuple[int, ...], dtype: DTypeLike, folder: Path) -> NDArray[Any]:
    """Make an array of zeros in a folder, which is made where it is missing.

    Raises
    ------
    ImageError
        If there is not as much space.
    OutputError
        If nothing can be written there.
    """
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    check_writable([folder / _NAME])
    folder.mkdir(parents=True, exist_ok=True)
    if n_bytes > shutil.disk_usage(folder).free:
        raise _no_space(n_bytes, folder)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=_NAME) as file:
            _allocate(file, n_bytes)
            return np.memmap(file, dtype, "r+", shape=shape)
    except OSError as error:
        if error.errno not in FULL:  # a quota is told then only
            raise
        raise _no_space(n_bytes, folder) from error


def zeros_beside(array: NDArray[Any], shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Make an array of zeros where another one lies: on disk, in the same folder, or in memory.

    Raises
    ------
    ImageError, OutputError
        As ``zeros_on_disk``.
    """
    if isinstance(array, np.memmap) and lies_on_disk(array):
        assert array.filename is not None
        return zeros_on_disk(shape, dtype, Path(array.filename).parent)
    return np.zeros(shape, dtype)


def _no_space(n_bytes: int, folder: Path) -> ImageError:
    return ImageError(
        f"an image of so many pixels is worked on in files, and one of {n_bytes / 1e9:,.1f} GB does not fit on the "
        f"disk of {folder}: free some space, or choose a folder on another disk"
    )


def _allocate(file: IO[bytes], n_bytes: int) -> None:
    """Take the space on the disk at once: where that is full, writing to mapped memory would end the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, n_bytes)
        return
    for start in range(0, n_bytes, _CHUNK_BYTES):
        file.write(bytes(min(_CHUNK_BYTES, n_bytes - start)))
    file.flush()
