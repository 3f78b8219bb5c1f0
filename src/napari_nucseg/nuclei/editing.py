"""What a person does to nuclei: split, merge, delete, outline, fill. Each gives an :class:`Edit`.

Nothing here changes an array that is passed in. An edit is as large as the nuclei it is about, never as the image, so
that it can be one undo step and one record of the journal. Points are (y, x) in pixels, 0 the centre of the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.morphology import disk
from skimage.segmentation import watershed

from napari_nucseg.errors import EditError
from napari_nucseg.nuclei.edit import (
    Edit,
    box_of,
    check_labels,
    first_free_number,
    mostly_in,
    nucleus_at,
    present,
)
from napari_nucseg.nuclei.strokes import (
    as_points,
    box_between,
    extended,
    grown,
    pixel_at,
    pixels_along,
    pixels_inside,
    places_in,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Labels = NDArray[np.integer[Any]]

OVERSHOOT_PX = 3.0
"""A drawn line is taken to be this much longer at both ends: nobody hits an edge to the pixel."""
SMALLEST_PIECE_PX = 4
SMALLEST_PIECE_SHARE = 0.03
"""A line that cuts off less than this of a nucleus only grazed it."""
WIDEST_BRIDGE_PX = 20
WIDEST_HOLE_PX = 64


def split_by_line(labels: Labels, path: ArrayLike, *, first_free: int | None = None) -> Edit:
    """Cut every nucleus that a drawn line crosses from edge to edge.

    The largest piece keeps the number, the others get free ones; no pixel becomes background.

    Parameters
    ----------
    labels
        (Y, X) integers.
    path
        (N, 2) corners of the line, N ≥ 2.
    first_free
        Number for the first new nucleus; found in ``labels`` where None.

    Raises
    ------
    EditError
        If no nucleus is crossed.
    """
    check_labels(labels)
    ys, xs = pixels_along(extended(as_points(path), OVERSHOOT_PX), labels.shape)
    numbers = present(labels[ys, xs])
    if not numbers.size:
        raise EditError("the line crosses no nucleus. Draw it across the nucleus that is to be split.")
    box = box_of(labels, numbers)
    old = labels[box]
    new = old.astype(np.int32)
    line = np.zeros(old.shape, bool)
    line[places_in(ys, xs, box)] = True
    free = first_free_number(labels) if first_free is None else first_free
    n_before = free
    for number in numbers:
        for body in _bodies_under(old == number, line):
            free = _cut(new, body, line, free)
    if free == n_before:
        raise EditError("the line ends inside the nucleus. Draw it from outside to outside, across it.")
    n_pieces = free - n_before + present(old[new != old]).size
    return Edit(box, new, f"Split into {n_pieces} nuclei.")


def merge_along(labels: Labels, path: ArrayLike) -> Edit:
    """Make one nucleus of all that a dragged path touches; it gets the number of the first.

    A gap between them is bridged by background pixels; other nuclei stay as they are.

    Raises
    ------
    EditError
        If the path touches fewer than two nuclei, or a gap is wider than ``WIDEST_BRIDGE_PX``.
    """
    check_labels(labels)
    ys, xs = pixels_along(as_points(path), labels.shape)
    along = labels[ys, xs]
    _, first = np.unique(along, return_index=True)
    numbers = along[np.sort(first)]
    numbers = numbers[numbers > 0]
    if numbers.size < 2:
        raise EditError("the path touches fewer than two nuclei. Drag from one nucleus into the next.")
    between, gap_px = _gaps(along)
    if gap_px > WIDEST_BRIDGE_PX:
        raise EditError(
            f"the gap is {gap_px} px wide. Up to {WIDEST_BRIDGE_PX} px are bridged: "
            "paint the part between the nuclei first."
        )
    radius = gap_px // 2 + 1
    box = grown(box_of(labels, numbers), radius + 1, labels.shape)
    old = labels[box]
    union = np.isin(old, numbers)
    if gap_px and ndimage.label(union)[1] > 1:
        road = np.zeros(old.shape, bool)
        road[places_in(ys[between], xs[between], box)] = True
        union |= _bridge(union, road, radius) & (old == 0)
    new = np.where(union, numbers[0], old).astype(np.int32)
    return Edit(box, new, f"Merged {numbers.size} nuclei.")


def delete_at(labels: Labels, point: ArrayLike) -> Edit:
    """Delete the nucleus at a point.

    Raises
    ------
    EditError
        If there is none.
    """
    return _delete(labels, np.array([nucleus_at(labels, point)]))


def delete_in_box(labels: Labels, corners: ArrayLike) -> Edit:
    """Delete every nucleus that lies in a box with at least half of its pixels; corners are (2, 2) points.

    Raises
    ------
    EditError
        If there is none.
    """
    check_labels(labels)
    chosen = mostly_in(labels, labels[box_between(corners, labels.shape)])
    if not chosen.size:
        raise EditError("no nucleus lies mostly inside the box. Drag a larger one, or click on a nucleus.")
    return _delete(labels, chosen)


def add_outline(
    labels: Labels, outline: ArrayLike, *, overwrite: bool = False, first_free: int | None = None
) -> Edit:
    """Make a nucleus of what an outline encloses, (N, 2) points, N ≥ 3.

    Pixels of other nuclei are left to them unless ``overwrite``; of what then falls apart, the largest part is taken.

    Raises
    ------
    EditError
        If the outline encloses next to no free pixel.
    """
    check_labels(labels)
    corners = as_points(outline, at_least=3)
    box = grown(box_between([corners.min(axis=0), corners.max(axis=0)], labels.shape), 1, labels.shape)
    # NumPy would wrap a number around that labels of eight bits do not hold
    old = labels[box].astype(np.int32)
    inside = pixels_inside(corners - [side.start for side in box], old.shape)
    if not overwrite:
        inside &= old == 0
    inside = _largest_part(inside)
    if inside.sum() < SMALLEST_PIECE_PX:
        raise EditError(
            "the outline encloses no free pixel. Draw around a place without nuclei, or allow overwriting."
        )
    number = first_free_number(labels) if first_free is None else first_free
    return Edit(box, np.where(inside, number, old), f"Added nucleus {number}.")


def fill_holes_at(labels: Labels, point: ArrayLike) -> Edit:
    """Fill the holes of the nucleus at a point, or the hole that the point lies in.

    Nuclei inside a hole stay. A hole that is reached from outside by corners only counts as closed.

    Raises
    ------
    EditError
        If there is nothing to fill.
    """
    check_labels(labels)
    y, x = pixel_at(point, labels.shape)
    number = int(labels[y, x])
    if number <= 0:
        return _fill_hole(labels, y, x)
    box = box_of(labels, np.array([number]))
    old = labels[box]
    holes = ndimage.binary_fill_holes(old == number) & (old == 0)
    if not holes.any():
        raise EditError(f"nucleus {number} has no holes.")
    return Edit(box, np.where(holes, number, old).astype(np.int32), f"Filled {int(holes.sum())} pixels.")


def _bodies_under(nucleus: NDArray[np.bool_], line: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Give the connected parts of a nucleus that a line touches; labels from elsewhere may lie in several places."""
    parts, _ = ndimage.label(nucleus)
    return [parts == part for part in present(parts[line])]


def _cut(new: NDArray[np.int32], body: NDArray[np.bool_], line: NDArray[np.bool_], free: int) -> int:
    """Give the pieces of a body numbers of their own, in place; return the next free number.

    The line is 8-connected and pieces are 4-connected, so no piece leaks through it.
    """
    pieces, _ = ndimage.label(body & ~line)
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    sizeable = np.flatnonzero(areas >= max(SMALLEST_PIECE_PX, SMALLEST_PIECE_SHARE * body.sum()))
    if sizeable.size < 2:
        return free
    seeds = np.where(np.isin(pieces, sizeable), pieces, 0)
    whole = watershed(np.zeros(body.shape, np.uint8), seeds, mask=body)
    for piece in sizeable[np.argsort(-areas[sizeable], kind="stable")][1:]:
        new[whole == piece] = free
        free += 1
    return free


def _gaps(along: Labels) -> tuple[NDArray[np.bool_], int]:
    """Which places of a path are background between two nuclei, and the longest such gap in pixels."""
    on = np.flatnonzero(along > 0)
    between = np.zeros(along.shape, bool)
    between[on[0] : on[-1]] = True
    between &= along == 0
    return between, int(np.diff(on).max()) - 1


def _bridge(union: NDArray[np.bool_], road: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Close the gap around a road between two nuclei as wide as they face each other there."""
    padded = np.pad(union, radius)
    closed = ndimage.binary_closing(padded, disk(radius))[radius:-radius, radius:-radius]
    near = ndimage.distance_transform_edt(~road) <= 2 * radius + 1
    return road | (closed & near)


def _delete(labels: Labels, numbers: NDArray[Any]) -> Edit:
    box = box_of(labels, numbers)
    old = labels[box]
    words = f"nucleus {numbers[0]}" if numbers.size == 1 else f"{numbers.size} nuclei"
    return Edit(box, np.where(np.isin(old, numbers), 0, old).astype(np.int32), f"Deleted {words}.")


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, n_parts = ndimage.label(mask)
    if n_parts < 2:
        return mask
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    return parts == areas.argmax()


def _fill_hole(labels: Labels, y: int, x: int) -> Edit:
    """Fill the background around a pixel where one nucleus encloses it."""
    box = grown((slice(y, y + 1), slice(x, x + 1)), WIDEST_HOLE_PX, labels.shape)
    old = labels[box]
    parts, _ = ndimage.label(old == 0)
    hole = parts == parts[y - box[0].start, x - box[1].start]
    edges = np.concatenate([hole[0], hole[-1], hole[:, 0], hole[:, -1]])
    around = present(old[ndimage.binary_dilation(hole) & ~hole])
    if edges.any() or around.size != 1:
        raise EditError("there is no nucleus and no hole here. Click on a nucleus with holes.")
    new = np.where(hole, around[0], old).astype(np.int32)
    return Edit(box, new, f"Filled {int(hole.sum())} pixels of nucleus {around[0]}.")
