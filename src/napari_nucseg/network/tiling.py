"""Where tiles lie and how their answers are blended: one dimension at a time, then the product.

Tiles overlap by twice the halo and a ramp. Over the ramp one tile fades into the next, so that weights add up to one
at every pixel and no pixel is taken from within a halo of a tile's edge, unless that is the image's edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

RAMP_PX = 16


@dataclass(frozen=True)
class Segment:
    """A tile's extent along one axis and the weight of its answer there, (stop − start,) float32."""

    start: int
    stop: int
    weight: NDArray[np.float32]


@dataclass(frozen=True)
class Tile:
    """A rectangle of the padded image, with its blending weights."""

    rows: Segment
    columns: Segment

    @property
    def box(self) -> tuple[slice, slice]:
        """Slices of the padded image that the network reads."""
        return slice(self.rows.start, self.rows.stop), slice(self.columns.start, self.columns.stop)

    @property
    def weight(self) -> NDArray[np.float32]:
        """(Y, X) weights; those of all tiles add up to one."""
        return np.outer(self.rows.weight, self.columns.weight)


def padded_length(length: int, stride: int) -> int:
    """Smallest multiple of the stride, at least two strides, that holds ``length``."""
    return max(2, -(-length // stride)) * stride


def pad_to_stride(image: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
    """Mirror an image (C, Y, X) beyond its last row and column until its sides have ``padded_length``.

    It is copied only where something is missing, equal planes that share their memory as one.
    """
    padding = [(0, padded_length(n, stride) - n) for n in image.shape[1:]]
    if not any(missing for _, missing in padding):
        return image
    return of_each_plane(image, lambda planes: np.pad(planes, ((0, 0), *padding), mode="symmetric"))


def of_each_plane(
    image: NDArray[np.float32], change: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Change planes (C, Y, X); of a grey image shown as three, one that stands for all, it is done once."""
    if image.strides[0] != 0:
        return change(image)
    changed = change(image[:1])
    return np.broadcast_to(changed, (len(image), *changed.shape[1:]))


def plan_axis(length: int, tile: int, halo: int, stride: int) -> list[Segment]:
    """Cover an axis whose length is a multiple of the stride with equal segments that start on the stride.

    There are as many as segments of ``tile`` pixels would need, and they are no longer than that many have to be; but
    never shorter than twice their overlap, below which most of the work would be done over and over.
    """
    overlap = 2 * halo + RAMP_PX
    least = padded_length(2 * overlap, stride)
    tile = max(tile // stride * stride, least)
    if length <= tile:
        return [Segment(0, length, np.ones(length, np.float32))]
    n = len(_starts(length, tile, overlap, stride))
    while tile > least and len(_starts(length, tile - stride, overlap, stride)) == n:
        tile -= stride
    starts = _starts(length, tile, overlap, stride)
    fades = [_fade_in(length, left + tile, right) for left, right in pairwise(starts)]
    rising = [np.ones(length, np.float32), *fades]
    falling = [*(1 - f for f in fades), np.ones(length, np.float32)]
    weights = [up * down for up, down in zip(rising, falling, strict=True)]
    return [Segment(s, s + tile, w[s : s + tile]) for s, w in zip(starts, weights, strict=True)]


def _starts(length: int, tile: int, overlap: int, stride: int) -> list[int]:
    """First pixels of the fewest tiles of one size that cover an axis and overlap enough."""
    step = (tile - overlap) // stride * stride
    return [*range(0, length - tile, step), length - tile]


def plan_tiles(shape: tuple[int, int], tile: int, halo: int, stride: int) -> list[Tile]:
    """Tiles of a padded image whose sides are multiples of the stride, in reading order, all of one shape."""
    axes = [plan_axis(n, tile, halo, stride) for n in shape]
    return [Tile(rows, columns) for rows, columns in product(*axes)]


def batches(tiles: list[Tile], size: int) -> Iterator[list[Tile]]:
    """Consecutive groups of at most ``size`` tiles."""
    for start in range(0, len(tiles), size):
        yield tiles[start : start + size]


def _fade_in(length: int, left_stop: int, right_start: int) -> NDArray[np.float32]:
    """Weight of the right one of two neighbours: 0, a ramp in the middle of their overlap, 1."""
    middle = (left_stop + right_start) / 2
    position = np.arange(length) + 0.5
    return np.clip((position - middle) / RAMP_PX + 0.5, 0, 1).astype(np.float32)
