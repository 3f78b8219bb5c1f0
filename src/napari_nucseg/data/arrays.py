"""What is passed as an image, brought into memory: NumPy's arrays, and those that are read only then (dask, zarr …)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.counted import listed
from napari_nucseg.data.on_disk import lies_on_disk
from napari_nucseg.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_MOST_NAMED = 5


def in_memory(image: Any) -> NDArray[Any]:
    """Take an array, a masked one and what we put on disk as it is, or read what can become one.

    Raises
    ------
    ImageError
        If it is none, saying what to pass instead, or its pixels cannot be read.
    """
    if isinstance(image, np.ma.MaskedArray) or lies_on_disk(image):
        return image
    if words := _what_instead(image):
        raise ImageError(words)
    with told_where_unreadable():
        try:
            return np.asarray(image)
        except ValueError as error:
            if hasattr(image, "dtype"):
                raise
            raise ImageError(
                f"got what is no image ({error}): rows, columns and channels of equal length are allowed"
            ) from error
        except (RuntimeError, TypeError) as error:
            if not hasattr(
                image, "detach"
            ):  # of torch's tensors nothing is broken: they say themselves what to do
                raise
            raise ImageError(f"got a tensor that NumPy cannot read: {error}") from error


@contextmanager
def told_where_unreadable() -> Iterator[None]:
    """Turn what goes wrong where pixels are read, from a drive that is gone or a broken chunk, into an ``ImageError``.

    Too little memory is none.
    """
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # whatever reads them raises nearly anything
        raise ImageError(
            f"the image could not be read: {str(error) or type(error).__name__}. "
            "Check that its file is whole and its drive is there."
        ) from error


def _what_instead(image: Any) -> str:
    """Say what to pass instead of a path, a group of arrays or a pyramid; nothing of what may be an array."""
    if isinstance(image, str | os.PathLike):
        return (
            f"got a path, {os.fspath(image)!r}, where an image is needed: read it first, e.g. with "
            "sample = napari_nucseg.open_dataset(path)[0], and pass sample.image, axes=sample.metadata['axes']"
        )
    if hasattr(image, "keys") and not hasattr(image, "__array__"):
        names = sorted(map(str, image.keys()))
        held, first = listed(names, _MOST_NAMED) or "empty", (names or ["0"])[0]
        return f"got a group of arrays ({held}): choose one of them, e.g. group[{first!r}]"
    shapes = [getattr(level, "shape", ()) for level in image] if isinstance(image, Sequence) else []
    if len(set(shapes)) > 1 and all(len(shape) > 1 for shape in shapes):
        sizes = listed([str(shape) for shape in shapes], _MOST_NAMED)
        return f"got {len(shapes)} arrays of several sizes ({sizes}), as of a pyramid: pass its first level, image[0]"
    return ""
