"""Which corrections are kept aside to check on: about a quarter of the nuclei, whole images or areas where possible.

Where only one area was corrected it is cut in two. No nucleus is ever on both sides.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_nucseg.teaching.pages import Page

    Mask = NDArray[np.bool_]
    Masks = tuple[Mask, Mask]

SHARE = 0.25
"""Share of the nuclei to keep aside."""
FEWEST_SHARE, LARGEST_SHARE = 0.12, 0.4
"""Whole images or areas are kept aside where they make up a share between these."""
ONE_AREA_DIAMETERS = 1.0
"""Taught pixels nearer to each other than this many diameters belong to one area."""
TYPICAL_PX = 24.0
"""Diameter of a nucleus where nobody knows."""
GAP_PX = 3
"""Background that near to the cut, or to a nucleus of the other side, belongs to neither side."""
COUNTED_SHARE = 0.5
"""A nucleus is vouched for where at least this share of its pixels is taught."""


def vouched_for(labels: NDArray[np.integer], taught: Mask) -> NDArray[np.int32]:
    """Numbers of the nuclei with at least half of their pixels in the taught area, sorted."""
    numbers, taught_px = np.unique(labels[taught & (labels > 0)], return_counts=True)
    areas_px = np.unique(labels[np.isin(labels, numbers)], return_counts=True)[1]
    return numbers[taught_px >= COUNTED_SHARE * areas_px].astype(np.int32)


def hold_out(pages: Sequence[Page]) -> list[Masks]:
    """Split what is taught on each page into (learned, held out), two (Y, X) masks.

    Pages a user wants checked are held out; where there are such with a nucleus, all others are learned from. Else
    whole pages are held out, or whole areas of pages, or a part of the area with most nuclei. The choice depends on
    the pages' names and content, not on chance.
    """
    masks = [_all_on_one_side(page, held=page.use == "check") for page in pages]
    counts = [vouched_for(page.labels, page.taught).size for page in pages]
    if any(n and page.use == "check" for n, page in zip(counts, pages, strict=True)):
        return masks
    free = [i for i, page in enumerate(pages) if page.use == "auto" and counts[i]]
    chosen = _choose([(pages[i].name, counts[i]) for i in free])
    if chosen:
        for i in (free[k] for k in chosen):
            masks[i] = _all_on_one_side(pages[i], held=True)
        return masks
    _hold_out_areas(pages, free, masks)
    return masks


def _hold_out_areas(pages: Sequence[Page], free: Sequence[int], masks: list[Masks]) -> None:
    """Hold out some areas of the free pages or, where that gives no fair share, a part of the largest one."""
    areas = [(i, area, vouched_for(pages[i].labels, area).size) for i in free for area in _areas(pages[i])]
    areas = [(i, area, n) for i, area, n in areas if n]
    chosen = _choose([(f"{pages[i].name} {k}", n) for k, (i, _, n) in enumerate(areas)])
    total = sum(n for _, _, n in areas)
    if not chosen and areas:
        i, area, n = max(areas, key=lambda found: found[2])
        if n > 1:
            masks[i] = _without(pages[i].taught & ~area, *_cut(pages[i].labels, area, round(SHARE * total)))
            return
        chosen = [0] if len(areas) > 1 else []
    for i, area, _ in (areas[k] for k in chosen):
        learned, held = masks[i]
        masks[i] = _apart(pages[i].labels, learned & ~area, held | area)


def _all_on_one_side(page: Page, *, held: bool) -> Masks:
    nothing = np.zeros(page.taught.shape, bool)
    return (nothing, page.taught) if held else (page.taught, nothing)


def _without(others: Mask, learned: Mask, held: Mask) -> Masks:
    """Add the areas that are not cut to those that are learned."""
    return learned | others, held


def _choose(units: Sequence[tuple[str, int]]) -> list[int]:
    """Choose units, each with a name and its nuclei, that make up a fair share; none where there is no such choice."""
    total = sum(n for _, n in units)
    chosen: list[int] = []
    held = 0
    for k in sorted(range(len(units)), key=lambda k: hashlib.sha256(units[k][0].encode()).digest()):
        n = units[k][1]
        if held < SHARE * total and held + n <= LARGEST_SHARE * total:
            chosen.append(k)
            held += n
    return chosen if held >= FEWEST_SHARE * total else []


def _areas(page: Page) -> list[Mask]:
    """Areas of a page that lie apart, as masks."""
    reach = ONE_AREA_DIAMETERS * (page.diameter_px or TYPICAL_PX) / 2
    near = ndimage.distance_transform_edt(~page.taught) <= reach
    numbered, n = ndimage.label(near, np.ones((3, 3)))
    return [(numbered == k) & page.taught for k in range(1, n + 1)]


def _cut(labels: NDArray[np.int32], area: Mask, n_held: int) -> Masks:
    """Cut an area across its longer side so that about ``n_held`` of its nuclei, at most half, are held out."""
    numbers = vouched_for(labels, area)
    rows, columns = (np.flatnonzero(area.any(axis=axis)) for axis in (1, 0))
    axis = 0 if np.ptp(rows) >= np.ptp(columns) else 1
    inside = np.where(area, labels, 0)
    every = np.unique(inside)[1:] if (inside == 0).any() else np.unique(inside)
    along = np.array([centre[axis] for centre in ndimage.center_of_mass(inside > 0, inside, every)])
    ordered = np.sort(along[np.isin(every, numbers)])
    n_held = min(max(1, n_held), len(ordered) // 2)
    line = (ordered[-n_held - 1] + ordered[-n_held]) / 2
    held_nuclei = np.isin(inside, every[along > line])
    place = np.arange(area.shape[axis]).reshape((-1, 1) if axis == 0 else (1, -1))
    free = area & (inside == 0)
    learned = ((inside > 0) & ~held_nuclei) | (free & (place < line - GAP_PX))
    held = held_nuclei | (free & (place > line + GAP_PX))
    return _apart(labels, learned, held)


def _apart(labels: NDArray[np.int32], learned: Mask, held: Mask) -> Masks:
    """Give every nucleus to one side alone, the one with more of it, and leave a gap of background around it."""
    numbers = np.intersect1d(labels[learned & (labels > 0)], labels[held & (labels > 0)])
    for number in numbers:
        own = labels == number
        loser = learned if (learned & own).sum() < (held & own).sum() else held
        loser &= ~own
    background = labels == 0
    near_held, near_learned = (_near(mask & ~background) & background for mask in (held, learned))
    return learned & ~near_held, held & ~near_learned


def _near(mask: Mask) -> Mask:
    return ndimage.binary_dilation(mask, iterations=GAP_PX)
