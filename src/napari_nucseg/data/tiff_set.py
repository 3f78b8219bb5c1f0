"""TIFF files of a set, by OME or Micro-Manager, each of which leads to all others: what lies in one of them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tifffile import TiffFile, TiffFrame, TiffPage, TiffPageSeries

_OF_SETS = ("ome", "mmstack")
"""Kinds of images whose planes tifffile gathers from all files of a set."""


@contextmanager
def open_tiff(file: IO[bytes]) -> Iterator[TiffFile]:
    """Open a TIFF, without its OME metadata where these tell of nothing but other files."""
    import tifffile  # late: it is only needed where a TIFF is met

    with tifffile.TiffFile(file) as tiff:
        if not tiff.series or images_in(tiff):
            yield tiff
            return
    file.seek(0)
    with tifffile.TiffFile(file, is_ome=False) as tiff:
        yield tiff


def images_in(tiff: TiffFile) -> list[TiffPageSeries]:
    """Images of which a file holds at least a plane; tifffile gives those of the whole set."""
    return [
        series
        for series in tiff.series
        if series.kind not in _OF_SETS or any(_is_in(page, tiff) for page in series)
    ]


def planes_in(tiff: TiffFile, series: TiffPageSeries) -> tuple[TiffPageSeries, str]:
    """Return the part of one of its images that a file holds, and a note where that is not all of it.

    The part is a box along the axes of planes. Planes in it that are elsewhere, or nowhere, are black.
    """
    if series.kind not in _OF_SETS or all(_is_in(page, tiff) for page in series):
        return series, ""
    import tifffile

    shape, held = series.shape, np.array([_is_in(page, tiff) for page in series])
    n_walked = 1 + int(np.searchsorted(np.cumprod(shape), held.size))  # the axes after these are a page's
    walked = held.reshape(shape[:n_walked])
    box = tuple(slice(where.min(), where.max() + 1) for where in np.nonzero(walked))
    numbers = np.arange(held.size).reshape(walked.shape)[box]
    # what has one plane is no axis, as in a whole set
    kept = [axis for axis, length in enumerate(numbers.shape) if length > 1]
    part = tifffile.TiffPageSeries(
        [series[number] if held[number] else None for number in numbers.flat],
        (*(numbers.shape[axis] for axis in kept), *shape[n_walked:]),
        series.dtype,
        "".join(series.axes[axis] for axis in kept) + series.axes[n_walked:],
        parent=tiff,
        kind=series.kind,
    )
    return part, _what_is_held(int(held.sum()), held.size, numbers.size)


def _what_is_held(n_held: int, n_named: int, n_read: int) -> str:
    black = f" Missing among them, and black: {n_read - n_held}." if n_read > n_held else ""
    return (
        f"The file holds {n_held} of the {n_named} planes that its metadata tell of; only these were read.{black} "
        "Where the others lie in other files of a set, save it as one file to have them together, in Fiji for instance."
    )


def _is_in(page: TiffPage | TiffFrame | None, tiff: TiffFile) -> bool:
    if page is None:
        return False
    # A file that does not bear the mark its own metadata give it is opened a second time, as if it were another.
    return page.parent is tiff or _place(page.parent) == _place(tiff)


def _place(tiff: TiffFile) -> str:
    return os.path.realpath(tiff.filehandle.path)
