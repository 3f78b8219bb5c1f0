"""What a hand draws on an image: points, lines and boxes, turned into pixels.

Points are (y, x) in pixels, 0 the centre of the first; shapes are (Y, X).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from skimage.draw import line as line_pixels

from napari_nucseg.errors import EditError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

Box = tuple[slice, slice]
FARTHEST_PX = 1e7


def pixel_at(point: ArrayLike, shape: tuple[int, ...]) -> tuple[int, int]:
    """Row and column of a point.

    Raises
    ------
    EditError
        If it lies outside an image of this shape (Y, X).
    """
    position = as_points(np.asarray(point, float)[np.newaxis], at_least=1)[0]
    y, x = (int(v) for v in np.floor(position + 0.5))
    if not (0 <= y < shape[0] and 0 <= x < shape[1]):
        raise EditError(f"the point ({y}, {x}) lies outside the image of {shape[0]} x {shape[1]} pixels.")
    return y, x


def box_between(corners: ArrayLike, shape: tuple[int, ...]) -> Box:
    """Box of the pixels between two opposite corners, inside an image of this shape (Y, X).

    Raises
    ------
    EditError
        If it holds no pixel.
    """
    points = as_points(corners)
    first = np.clip(np.floor(points.min(axis=0) + 0.5), 0, shape).astype(int)
    stop = np.clip(np.floor(points.max(axis=0) + 0.5) + 1, 0, shape).astype(int)
    if (stop <= first).any():
        raise EditError("what was drawn lies outside the image. Draw it on the image.")
    return slice(int(first[0]), int(stop[0])), slice(int(first[1]), int(stop[1]))


def grown(box: Box, margin_px: int, shape: tuple[int, ...]) -> Box:
    """Box with a margin, as far as the image goes."""
    rows, columns = (
        slice(max(side.start - margin_px, 0), min(side.stop + margin_px, n))
        for side, n in zip(box, shape, strict=True)
    )
    return rows, columns


def as_points(points: ArrayLike, at_least: int = 2) -> NDArray[np.float64]:
    """Read points (N, 2), or say what is wrong with them."""
    array = np.asarray(points, float)
    if (
        array.ndim != 2
        or array.shape[1] != 2
        or len(array) < at_least
        or not (np.abs(array) < FARTHEST_PX).all()
    ):
        raise EditError(
            f"got points of shape {array.shape}: {at_least} or more finite points (y, x) are needed."
        )
    return array


def extended(points: NDArray[np.float64], by_px: float) -> NDArray[np.float64]:
    """Lengthen a line at both ends, in the direction of its last step there."""
    points = points[np.r_[True, np.hypot(*np.diff(points, axis=0).T) > 1e-3]]
    if len(points) < 2:
        return points
    first, last = (points[0] - points[1], points[-1] - points[-2])
    before = points[0] + by_px * first / np.linalg.norm(first)
    after = points[-1] + by_px * last / np.linalg.norm(last)
    return np.vstack([before, points, after])


def pixels_along(
    points: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pixels under a line, in its order, those outside the image left out."""
    corners = np.floor(points + 0.5).astype(int)
    segments = [line_pixels(*a, *b) for a, b in pairwise(corners)]
    ys, xs = (np.concatenate([s[axis] for s in segments] or [corners[:, axis]]) for axis in (0, 1))
    inside = (ys >= 0) & (ys < shape[0]) & (xs >= 0) & (xs < shape[1])
    return ys[inside], xs[inside]


def pixels_inside(outline: NDArray[np.float64], shape: Iterable[int]) -> NDArray[np.bool_]:
    """Mask, of this shape (Y, X), of the pixels that an outline encloses: those right of an odd number of its edges.

    Row by row: to ask for every pixel where all corners are takes minutes on a large image.
    """
    height, width = shape
    crossed = np.zeros((height, width + 1), np.uint8)
    for (y0, x0), (y1, x1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        first, stop = np.clip(np.ceil(sorted((y0, y1))), 0, height).astype(int)
        rows = np.arange(first, stop)
        columns = np.ceil(x0 + (rows - y0) * (x1 - x0) / (y1 - y0)) if rows.size else rows
        crossed[rows, np.clip(columns, 0, width).astype(int)] ^= 1
    return np.bitwise_xor.accumulate(crossed, axis=1)[:, :-1].astype(bool)


def places_in(
    ys: NDArray[np.intp], xs: NDArray[np.intp], box: Box
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places in a box of those of some pixels that lie in it."""
    rows, columns = box
    kept = (ys >= rows.start) & (ys < rows.stop) & (xs >= columns.start) & (xs < columns.stop)
    return ys[kept] - rows.start, xs[kept] - columns.start
