"""What was drawn into an image or around it: borders, scale bars, blocks, text, rows and columns without data.

It holds one value exactly, the image's largest or smallest, has straight edges and ends at once. Counted among the
intensities it leaves little of the range to the nuclei.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_nucseg.data.thinned import thinned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SMALLEST_PX = 100
"""Area from which on a rectangle is no saturated nucleus."""
SMALLEST_BAR_PX = 40
"""The same where it is ``SLIM`` times as long as wide."""
SLIM = 5
SIDE_PX = 10
"""The longer side of such rectangles is at least as long."""
STEP = 0.25
"""Share of the contrast by which what lies around differs, for ``MOST`` of it."""
MOST = 0.75
EMPTY = 0.2
"""How far a smallest value lies below all others, as a share of their range, to stand for no data; black does not."""
LEVELS = 6
"""Fewest values of all else: masks have fewer."""
THIN_PX = 4
"""Side of a square that nuclei hold and strokes of letters do not."""
BRIGHTER = 0.25
"""By how much letters outshine all that is not thin, as a share of its contrast; others do no harm."""
AROUND = np.ones((3, 3), bool)


def burned_in(planes: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Which pixels (Y, X) of an image were drawn, not taken; None where there are none.

    They are strips along the image's edges and rectangles: on a dark ground white or of a pure colour, on a bright one
    black, on any of a smallest value far from all others. With a bright or a black one, letters far brighter or darker
    than the image are, too.

    Parameters
    ----------
    planes : (C, Y, X) in any units.
    """
    finite: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(planes))
    drawn, has_bright, has_black = np.zeros(finite.shape, bool), False, False
    for colour, is_smallest in _extremes(planes, finite):
        flat = (planes == colour).all(axis=0)
        if np.count_nonzero(flat) < SMALLEST_BAR_PX or not _may_hold_marks(flat):
            continue
        apart = _apart(planes, colour)
        gap = _gap(apart, finite & ~flat) if is_smallest else None
        step = gap or _step(apart, finite & ~flat)
        if step is None:
            continue
        marks = _straight(flat, apart > step)
        drawn |= marks
        if gap is None and marks.any():
            has_bright, has_black = has_bright or not is_smallest, has_black or is_smallest
    if has_bright:
        drawn |= _letters(_brightest(planes), drawn, finite)
    if has_black:
        drawn |= _black_letters(_brightest(planes), drawn, finite)
    return drawn if drawn.any() else None


def _extremes(planes: NDArray[Any], finite: NDArray[np.bool_]) -> Iterator[tuple[NDArray[Any], bool]]:
    """Colours (C, 1, 1) whose channels are all as large or small as any, and whether it is the smallest of them."""
    known = planes if finite.all() else planes[:, finite]
    if known.size == 0 or not (low := known.min()) < (high := known.max()):
        return
    for channels in product((low, high), repeat=len(planes)):
        yield np.array(channels, planes.dtype)[:, None, None], all(channel == low for channel in channels)


def _apart(planes: NDArray[Any], colour: NDArray[Any]) -> NDArray[Any]:
    """How far each pixel (Y, X) is from a colour, in the channel where it is farthest; bytes stay bytes."""
    if planes.dtype.kind != "u":
        planes, colour = planes.astype(np.float32, copy=False), colour.astype(np.float32)
    apart = np.zeros(planes.shape[1:], planes.dtype)
    for plane, value in zip(planes, colour.ravel(), strict=True):
        np.maximum(apart, np.maximum(plane, value) - np.minimum(plane, value), out=apart)
    return apart


def _brightest(planes: NDArray[Any]) -> NDArray[np.float32]:
    brightest: NDArray[np.float32] = planes.max(axis=0).astype(np.float32)
    return brightest


def _may_hold_marks(flat: NDArray[np.bool_]) -> bool:
    """Whether what is flat can hold a strip or a rectangle, for little: nearly all images end here.

    A strip fills an edge. Every rectangle is two pixels wide and ``SIDE_PX`` long, so every other line shows that.
    """
    if any(edge.all() for edge in (flat[0], flat[-1], flat[:, 0], flat[:, -1])):
        return True
    return _has_run(flat[::2]) or _has_run(flat[:, ::2].T)


def _has_run(lines: NDArray[np.bool_]) -> bool:
    """Whether ``SIDE_PX`` pixels one after the other are set in a line."""
    length = 1
    while length < SIDE_PX:
        more = min(length, SIDE_PX - length)
        lines = lines[:, :-more] & lines[:, more:]
        length += more
    return bool(lines.any())


def _gap(apart: NDArray[Any], others: NDArray[np.bool_]) -> float | None:
    """Half of how far all others are from a smallest colour that stands for no data; None where it does not."""
    seen = _some(apart, others)
    if seen is None:
        return None
    farthest, gap = float(seen.max()), float(seen.min())
    if gap > EMPTY * (farthest - gap):  # of all pixels it is no larger
        gap = float(np.min(apart, where=others, initial=apart.dtype.type(farthest)))
    return gap / 2 if gap > EMPTY * (farthest - gap) else None


def _step(apart: NDArray[Any], others: NDArray[np.bool_]) -> float | None:
    """How far pixels around a mark are from its colour at least; None where others are too near, or are fewer."""
    seen = _some(apart, others)
    if seen is None or np.count_nonzero(others) <= others.size // 2:
        return None
    median, farthest = np.percentile(seen, (50, 99))
    return STEP * float(farthest) if median > 0.5 * farthest else None


def _some(apart: NDArray[Any], others: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """Distances of enough of the other pixels; None where they have a few values, as masks do."""
    seen = thinned(apart)[thinned(others)].astype(np.float32)
    return seen if len(np.unique(seen)) >= LEVELS else None


def _straight(flat: NDArray[np.bool_], differs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find strips along the edges and rectangles of what is flat, where what lies around differs."""
    strips = _strips(flat)
    marks = strips if strips.any() and _ends_at_once(strips, differs) else np.zeros_like(flat)
    regions, _ = ndimage.label(flat & ~marks, AROUND)
    for number, box in enumerate(ndimage.find_objects(regions), 1):
        short, long = sorted(side.stop - side.start for side in box)
        least = SMALLEST_BAR_PX if short > 1 and long >= SLIM * short else SMALLEST_PX
        if short == 1 or short * long < least or not (regions[box] == number).all():
            continue
        near = tuple(slice(max(0, side.start - 4), side.stop + 4) for side in box)
        if _ends_at_once(regions[near] == number, differs[near]):
            marks[box] = True
    return marks


def _strips(flat: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark rows and columns that are flat from end to end, from each edge of the image to the first that is not."""
    strips = np.zeros_like(flat)
    for across in (strips, strips.T):
        lines: NDArray[np.bool_] = np.logical_and.reduce(flat, axis=1 if across is strips else 0)
        from_start, from_end = np.logical_and.accumulate(lines), np.logical_and.accumulate(lines[::-1])[::-1]
        across[from_start | from_end] = True
    return strips


def _ends_at_once(mark: NDArray[np.bool_], differs: NDArray[np.bool_]) -> bool:
    """Whether most of what lies two and three pixels from it differs; nearer there may be a smoothed edge."""
    edge = ndimage.binary_dilation(mark, AROUND)
    ring = ndimage.binary_dilation(edge, AROUND, iterations=2) & ~edge
    return bool(ring.any() and differs[ring].mean() > MOST)


def _letters(
    brightest: NDArray[np.float32], drawn: NDArray[np.bool_], finite: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Find strokes far brighter than all that holds a square, nearly as bright as what is drawn, and their edges."""
    others, white = finite & ~drawn, brightest[drawn].max()
    darkest = brightest[others].min()
    plane = np.where(others, brightest, darkest)
    thickest = ndimage.grey_opening(plane, (THIN_PX, THIN_PX)).max()
    return _edged(plane > (thickest + white) / 2, plane > thickest + BRIGHTER * (thickest - darkest))


def _black_letters(
    brightest: NDArray[np.float32], drawn: NDArray[np.bool_], finite: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Find strokes nearly as black as what is drawn, and their edges, where the image is hardly anywhere so dark."""
    black = brightest[drawn].min()
    darkest = np.percentile(brightest[finite & ~drawn], 1)
    if darkest - black < STEP * (np.median(brightest[finite]) - black):
        return np.zeros_like(drawn)
    return _edged(brightest < (3 * black + darkest) / 4, brightest < (black + darkest) / 2)


def _edged(sure: NDArray[np.bool_], strokes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark strokes that are surely letters somewhere, and their edges."""
    letters = ndimage.binary_propagation(sure & strokes, AROUND, strokes)
    edged: NDArray[np.bool_] = ndimage.binary_dilation(letters, AROUND)
    return edged
