"""Label images put in order: small regions dropped, holes filled, numbers in reading order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.measure import label as label_regions

from napari_nucseg.strips import strips

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


CHUNK_PX = 1 << 16
"""Pixels looked up at once: NumPy copies the labels it looks up by to int64, and these copies stay in the cache."""


def renamed(
    labels: NDArray[np.integer], names: NDArray[np.integer], out: NDArray[np.int32] | None = None
) -> NDArray[np.int32]:
    """Give every pixel of label n the name ``names[n]``; in ``out``, which may be the labels."""
    names, result = names.astype(np.int32), np.empty(labels.shape, np.int32) if out is None else out
    n_rows = max(1, CHUNK_PX // max(1, labels.shape[1]))
    for start in range(0, labels.shape[0], n_rows):
        rows = slice(start, start + n_rows)
        np.take(names, labels[rows], out=result[rows], mode="clip")  # "raise" would copy once more
    return result


def close_numbers(labels: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Renumber nuclei without gaps where numbers go beyond the number of pixels, as those of other programs may.

    Looking nuclei up by number takes memory for every number up to the highest.

    Returns
    -------
    labels
        The same nuclei in the same order.
    numbers
        The old number of each new one, ``numbers[new]``.
    """
    if labels.dtype != np.int32:
        labels = labels.astype(np.int64, copy=False)
    highest = int(labels.max(initial=0))
    if highest <= labels.size:
        return labels, np.arange(highest + 1)
    numbers, close = np.unique(np.append(labels.clip(0), 0), return_inverse=True)
    return close[:-1].reshape(labels.shape), numbers


def trimmed(labels: NDArray[np.int32], inside: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Keep of each nucleus the largest 4-connected region that lies inside a mask."""
    left = np.where(inside, labels, 0)
    parts, n = label_regions(left, connectivity=1, background=0, return_num=True)
    area, whole = np.bincount(parts.ravel(), minlength=n + 1), np.zeros(n + 1, np.int64)
    whole[parts.ravel()] = left.ravel()
    largest = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    order = np.argsort(area, kind="stable")  # the largest is written last
    largest[whole[order]] = order
    return np.where(largest[whole[parts]] == parts, left, 0).astype(np.int32)


def keep_areas(labels: NDArray[np.int32], smallest_px: int) -> NDArray[np.int32]:
    """Drop regions smaller than an area."""
    keep = np.bincount(labels.ravel()) >= smallest_px
    return _only(labels, keep)


def fill_holes(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give a nucleus everything it encloses, smaller nuclei included; only those with a hole are touched."""
    with_holes = np.flatnonzero(_hole_counts(labels) > 0)
    if not with_holes.size:
        return labels
    filled = labels.copy()
    boxes = ndimage.find_objects(labels)
    for label in sorted(with_holes, key=lambda i: -_extent(boxes[i - 1])):
        window = filled[boxes[label - 1]]
        window[ndimage.binary_fill_holes(window == label)] = label
    return filled


def _extent(box: tuple[slice, slice]) -> int:
    return (box[0].stop - box[0].start) * (box[1].stop - box[1].start)


def _hole_counts(labels: NDArray[np.int32]) -> Ints:
    """Count the holes of every connected region at once: 1 minus its Euler number.

    A background that leaks out through a corner only is a hole, as for ``ndimage.binary_fill_holes``. The Euler number
    then is pixels − adjacent pairs + full 2x2 squares − 2x2 squares with one diagonal alone (Gray 1971).
    """
    n, width = int(labels.max()) + 1, labels.shape[1] + 2
    padded = np.pad(labels, 1)
    later = padded[1:-1, 2:], padded[2:, 1:-1], padded[2:, 2:]  # to the right, below, and both
    within = np.logical_and.reduce([labels == neighbour for neighbour in later])
    pixels = np.flatnonzero(np.pad((labels > 0) & ~within, 1))  # within a region: 1 - 2 pairs + 1 square is 0
    flat = padded.ravel()
    own = flat[pixels]
    same = {step: flat[pixels + step] == own for step in (1, width, width + 1, -width, 1 - width)}
    pairs = same[1].astype(np.int64) + same[width]
    square = same[1] & same[width] & same[width + 1]
    falling = same[width + 1] & ~same[1] & ~same[width]
    rising = same[1 - width] & ~same[-width] & ~same[1]
    euler = np.bincount(own, 1 - pairs + square - falling - rising, minlength=n)
    holes = np.where(np.bincount(own, minlength=n) > 0, 1 - euler, 0).astype(np.int64)
    holes[0] = 0
    return holes


def without_border(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Drop nuclei that touch the edge of the array."""
    edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    keep = np.ones(int(labels.max()) + 1, bool)
    keep[edges] = False
    return _only(labels, keep)


def _only(labels: NDArray[np.int32], keep: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Drop the labels n whose ``keep[n]`` is false."""
    return renamed(labels, np.where(keep, np.arange(keep.size), 0))


def in_reading_order(labels: NDArray[np.int32], out: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
    """Renumber to 1…n by first pixel; in ``out``, which may be the labels."""
    names, n = np.zeros(int(labels.max(initial=0)) + 1, np.int32), 0
    for rows in strips(labels.shape):
        strip = labels[rows]
        starts = strip > 0  # only where a row enters a nucleus can its first pixel be
        starts[:, 1:] &= strip[:, 1:] != strip[:, :-1]
        values, first = np.unique(strip[starts], return_index=True)
        new = values[np.argsort(first)]
        new = new[names[new] == 0]
        names[new] = np.arange(n + 1, n + 1 + new.size)
        n += new.size
    return renamed(labels, names, out)


def areas_of(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Area in pixels of each number from 1, 0 where it is missing; of labels (…, Y, X)."""
    areas = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    for plane in labels.reshape(-1, *labels.shape[-2:]):
        for rows in strips(labels.shape):  # NumPy copies what it counts to int64
            areas += np.bincount(plane[rows].ravel(), minlength=areas.size)
    return areas[1:]
