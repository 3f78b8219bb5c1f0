"""Outlines of nuclei as polygons, which filled give the same pixels again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours, regionprops

from napari_nucseg.nuclei.tidying import close_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

Ring = NDArray[np.float64]
Polygon = list[Ring]


def outlines_of(labels: NDArray[np.integer[Any]]) -> Iterator[tuple[int, list[Polygon]]]:
    """Trace every nucleus, ordered by label.

    Lines run half-way between the centres of pixels inside and outside (marching squares: Lorensen & Cline 1987, in
    2D), so the pixels whose centres a polygon holds are those of the nucleus. Parts that meet at corners only are
    polygons of their own.

    Parameters
    ----------
    labels
        (Y, X) integers, 0 is background.

    Yields
    ------
    label
        Number of the nucleus.
    polygons
        Its parts, each a list of closed rings (N, 2) of x and y in pixels, where 0 is the outer edge of the first
        pixel: the outer ring, counter-clockwise where y points up, then those of holes, clockwise.
    """
    close, numbers = close_numbers(labels)
    for nucleus in regionprops(close):
        parts, n_parts = ndimage.label(nucleus.image)
        corner = np.array(nucleus.bbox[1::-1])
        yield int(numbers[nucleus.label]), [_polygon(parts == part, corner) for part in range(1, n_parts + 1)]


def _polygon(mask: NDArray[np.bool_], corner: NDArray[np.integer[Any]]) -> Polygon:
    """Trace one connected part, the outer ring first; corner is x and y of its box."""
    # the image that is traced has a pixel more on every side, and 0 is the centre of its first one
    rings = find_contours(np.pad(mask, 1).astype(np.uint8), 0.5, fully_connected="low")
    placed = [_without_needless_points(ring[:, ::-1] + corner - 0.5) for ring in rings]
    return sorted(placed, key=lambda ring: -np.ptp(ring, axis=0).prod())


def _without_needless_points(ring: Ring) -> Ring:
    """Leave out points of a closed ring on a straight line between their neighbours."""
    points = ring[:-1]
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    kept = points[turns]
    return np.concatenate([kept, kept[:1]])
