"""Uphill over a distance map: every pixel points at its highest neighbour, which leads to the middle of a nucleus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

DOUBLINGS = 6
CLIMB_PX = 2**DOUBLINGS
"""Longest way a pixel climbs: enough for nuclei twice as large as the median, whose cores begin 56 px from the rim."""
LEAP_PX = 2
"""A peak outside any core may be a ripple: from there one look this far around finds the real slope."""
CHUNK = 1 << 14
"""Pixels looked around from at once: their neighbours' heights stay in the processor's cache."""


def climb(
    mask: NDArray[np.bool_], height: NDArray[np.float32], cores: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Give every pixel of the mask the number of the core at the end of its climb, 0 where it finds none."""
    padded = np.pad(mask, LEAP_PX)
    heights = np.where(padded, np.pad(height, LEAP_PX), -np.inf).ravel()
    labels = np.pad(cores, LEAP_PX).ravel()
    climbers = np.flatnonzero(padded.ravel() & (labels == 0))
    best = _best_around(heights, climbers, padded.shape[1], 1)
    peaks = np.flatnonzero(best == climbers)
    best[peaks] = _best_around(heights, climbers[peaks], padded.shape[1], LEAP_PX)
    n = climbers.size
    station = labels + np.int32(n)  # climbers are stations 0…n-1, then come the cores, where a climb ends
    station[climbers] = np.arange(n)
    pointer = np.concatenate([station[best], n + np.arange(int(cores.max(initial=0)) + 1, dtype=np.int32)])
    for _ in range(DOUBLINGS):
        pointer = pointer[pointer]
    labels[climbers] = np.maximum(pointer[:n] - n, 0)
    return labels.reshape(padded.shape)[LEAP_PX:-LEAP_PX, LEAP_PX:-LEAP_PX]


def _best_around(heights: NDArray[np.float32], pixels: Ints, width: int, radius: int) -> Ints:
    """Flat index of the highest pixel within a radius of each; ties go to the first in reading order.

    Flat order within the small square around a pixel is the order of global coordinates, whatever the window.
    """
    reach = range(-radius, radius + 1)
    steps = [dy * width + dx for dy in reach for dx in reach]
    where = np.empty_like(pixels)
    for start in range(0, pixels.size, CHUNK):
        some = slice(start, start + CHUNK)
        where[some] = _best_of(heights, pixels[some], steps)
    return where


def _best_of(heights: NDArray[np.float32], pixels: Ints, steps: Iterable[int]) -> Ints:
    """Flat index of the highest pixel one of these steps away; ties go to the first step."""
    best, where = np.full(pixels.size, -np.inf, np.float32), pixels.copy()
    for step in steps:
        candidate = pixels + step
        value = heights[candidate]
        np.copyto(where, candidate, where=value > best)
        np.maximum(best, value, out=best)
    return where
