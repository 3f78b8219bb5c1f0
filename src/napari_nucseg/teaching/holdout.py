"""Which corrections are kept aside to check on: about a quarter of the nuclei, whole images or areas where possible.

They are of images that the old model does not know, at most half of these: something new is learned, too. Where only
one area was corrected it is cut in two. No nucleus is ever on both sides; since the planes of a stack show the same
nuclei, as do two pages of the same image, they are held out together, or cut at the same place.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_nucseg.nuclei.pairs import Pairs
from napari_nucseg.teaching.same_images import GAP_PX, near_to, told_apart, units_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.teaching.pages import Page

    Mask = NDArray[np.bool_]
    Masks = tuple[Mask, Mask]

SHARE = 0.25
"""Share of the nuclei to keep aside."""
FEWEST_SHARE, LARGEST_SHARE = 0.12, 0.4
"""Whole images or areas are kept aside where they make up a share between these."""
LARGEST_PART = 0.5
"""Of what may be kept aside, at most this part is; the rest, which may be all that is new, is learned."""
ONE_AREA_DIAMETERS = 1.0
"""Taught pixels nearer to each other than this many diameters belong to one area."""
TYPICAL_PX = 24.0
"""Diameter of a nucleus where nobody knows."""
COUNTED_SHARE = 0.5
"""A nucleus is vouched for where at least this share of its pixels is taught."""


@dataclass(frozen=True)
class _Area:
    """What is taught on a page and lies apart, or on all pages that belong together.

    Attributes
    ----------
    pages : their numbers.
    number : of the area among those of these pages.
    n_nuclei : that a person vouches for in it.
    """

    pages: Sequence[int]
    number: int
    n_nuclei: int


def which_count(labels: NDArray[np.integer], taught: Mask) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Numbers of all nuclei, sorted, and which of them count: at least half of their pixels are taught."""
    pairs = Pairs.of(labels, taught.astype(np.uint8))
    taught_px = np.bincount(pairs.i, pairs.shared_px, pairs.before.size)
    return pairs.before, taught_px >= COUNTED_SHARE * pairs.before_px


def vouched_for(labels: NDArray[np.integer], taught: Mask) -> NDArray[np.int32]:
    """Numbers of the nuclei with at least half of their pixels in the taught area, sorted."""
    numbers, is_counted = which_count(labels, taught)
    return numbers[is_counted].astype(np.int32)


def hold_out(pages: Sequence[Page], known: Collection[str] = ()) -> list[Masks]:
    """Split what is taught on each page into (learned, held out), two (Y, X) masks.

    Pages a user wants checked are held out; where there are such with a nucleus, all others are learned from. Else
    whole pages are held out, or whole areas of pages, or a part of the area with most nuclei; all planes of a stack,
    and all pages of the same image, count as one page, and as one area. What is checked on one page of an image is
    learned on no other. Images that are ``known`` by their hashes, since the old model learned from them, are held out
    only where there are no others; the quarter is of all nuclei, known or not, but at most half of the unknown ones.
    The choice depends on the pages' names and content, not on chance.
    """
    return told_apart(pages, _sides(pages, known))


def _sides(pages: Sequence[Page], known: Collection[str]) -> list[Masks]:
    known = frozenset(known)  # a card may list thousands
    masks = [_all_on_one_side(page, held=page.use == "check") for page in pages]
    counts = [vouched_for(page.labels, page.taught).size for page in pages]
    if any(n and page.use == "check" for n, page in zip(counts, pages, strict=True)):
        return masks
    units = [unit for unit in units_of(pages) if all(pages[i].use == "auto" for i in unit)]
    unknown = [unit for unit in units if not any(pages[i].image_sha256 in known for i in unit)]
    n_all = sum(counts[i] for unit in units for i in unit)
    for some in (unknown, units):
        free = [with_nuclei for unit in some if (with_nuclei := [i for i in unit if counts[i]])]
        named = [(pages[unit[0]].name, sum(counts[i] for i in unit)) for unit in free]
        total = min(n_all, LARGEST_PART / SHARE * sum(n for _, n in named))  # of which the shares are taken
        tried = list(masks)
        if chosen := _choose(named, total):
            for i in (i for k in chosen for i in free[k]):
                tried[i] = _all_on_one_side(pages[i], held=True)
        else:
            _hold_out_areas(pages, free, total, tried)
        if any(vouched_for(page.labels, held).size for page, (_, held) in zip(pages, tried, strict=True)):
            break
    return tried


def _hold_out_areas(
    pages: Sequence[Page], units: Sequence[Sequence[int]], total: float, masks: list[Masks]
) -> None:
    """Hold out some areas of the free pages or, where that gives no fair share, a part of the largest one."""
    numbered = {i: _numbered(pages[i], apart=len(unit) == 1) for unit in units for i in unit}
    areas = [area for unit in units for area in _areas_of(unit, pages, numbered)]
    named = [(f"{pages[area.pages[0]].name} {k}", area.n_nuclei) for k, area in enumerate(areas)]
    chosen = _choose(named, total)
    if not chosen and areas:
        largest = max(areas, key=lambda area: area.n_nuclei)
        if largest.n_nuclei > 1:
            places = [(pages[i], numbered[i] == largest.number) for i in largest.pages]
            parts = _cut(places, round(SHARE * total))
            for i, (page, where), (learned, held) in zip(largest.pages, places, parts, strict=True):
                masks[i] = learned | (page.taught & ~where), held
            return
        chosen = [0] if len(areas) > 1 else []
    for i in dict.fromkeys(i for k in chosen for i in areas[k].pages):
        where = np.isin(numbered[i], [areas[k].number for k in chosen if i in areas[k].pages])
        learned, held = masks[i]
        masks[i] = _apart(pages[i].labels, learned & ~where, held | where)


def _numbered(page: Page, *, apart: bool) -> NDArray[np.int32]:
    """Give each taught pixel of a page, (Y, X), the number of its area: areas that lie ``apart``, or all as one."""
    if not apart:
        return page.taught.astype(np.int32)
    reach = ONE_AREA_DIAMETERS * (page.diameter_px or TYPICAL_PX) / 2
    near = ndimage.distance_transform_edt(~page.taught) <= reach
    numbered: NDArray[np.int32] = ndimage.label(near, np.ones((3, 3)))[0]
    return np.where(page.taught, numbered, 0)


def _areas_of(
    unit: Sequence[int], pages: Sequence[Page], numbered: Mapping[int, NDArray[np.int32]]
) -> list[_Area]:
    """Areas with nuclei of pages that belong together; counted as by ``vouched_for``, but all in one go."""
    counts = np.zeros(1 + max(int(numbered[i].max(initial=0)) for i in unit), int)
    for i in unit:
        pairs = Pairs.of(pages[i].labels, numbered[i])
        counted = pairs.shared_px >= COUNTED_SHARE * pairs.before_px[pairs.i]
        counts += np.bincount(pairs.after[pairs.j[counted]], minlength=counts.size)
    return [_Area(unit, k, int(n)) for k, n in enumerate(counts) if k and n]


def _all_on_one_side(page: Page, *, held: bool) -> Masks:
    nothing = np.zeros(page.taught.shape, bool)
    return (nothing, page.taught) if held else (page.taught, nothing)


def _choose(units: Sequence[tuple[str, int]], total: float) -> list[int]:
    """Choose units, each with a name and its nuclei, that make up a fair share; none where there is no such choice."""
    most = min(LARGEST_SHARE * total, LARGEST_PART * sum(n for _, n in units))
    chosen: list[int] = []
    held = 0
    for k in sorted(range(len(units)), key=lambda k: hashlib.sha256(units[k][0].encode()).digest()):
        n = units[k][1]
        if held < SHARE * total and held + n <= most:
            chosen.append(k)
            held += n
    return chosen if held >= FEWEST_SHARE * total else []


def _cut(places: Sequence[tuple[Page, Mask]], n_held: int) -> list[Masks]:
    """Cut an area across its longer side so that about ``n_held`` of its nuclei, at most half, are held out.

    An area of several pages is cut at the same place in all. What lies near that place is on neither side then: a
    nucleus may lie a little to the left in one plane, and a little to the right in the next.
    """
    everywhere = np.any([area for _, area in places], axis=0)
    rows, columns = (np.flatnonzero(everywhere.any(axis=axis)) for axis in (1, 0))
    axis = 0 if np.ptp(rows) >= np.ptp(columns) else 1
    found = [_places_along(page.labels, area, axis) for page, area in places]
    counted = [
        along[np.isin(numbers, vouched_for(page.labels, area))]
        for (page, area), (numbers, along) in zip(places, found, strict=True)
    ]
    ordered = np.sort(np.concatenate(counted))
    n_held = min(max(1, n_held), len(ordered) // 2)
    line = float(ordered[-n_held - 1] + ordered[-n_held]) / 2
    margin = (places[0][0].diameter_px or TYPICAL_PX) / 2 if len(places) > 1 else 0.0
    if not (ordered <= line - margin).any() or not (ordered > line + margin).any():
        margin = 0.0  # one nucleus through all planes: there is no better cut
    return [
        _split(
            page.labels, area, [numbers[along <= line - margin], numbers[along > line + margin]], axis, line
        )
        for (page, area), (numbers, along) in zip(places, found, strict=True)
    ]


def _places_along(
    labels: NDArray[np.int32], area: Mask, axis: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Numbers of all nuclei in an area, and where their centres lie along an axis."""
    inside = np.where(area, labels, 0)
    numbers = np.unique(inside[inside > 0])
    centres = ndimage.center_of_mass(inside > 0, inside, numbers)
    return numbers, np.array([centre[axis] for centre in centres], float)


def _split(
    labels: NDArray[np.int32], area: Mask, sides: Sequence[NDArray[np.int32]], axis: int, line: float
) -> Masks:
    """Part an area into (learned, held out): nuclei by their numbers, background by the line."""
    place = np.arange(area.shape[axis]).reshape((-1, 1) if axis == 0 else (1, -1))
    free = area & (labels == 0)
    learned = (area & np.isin(labels, sides[0])) | (free & (place < line - GAP_PX))
    held = (area & np.isin(labels, sides[1])) | (free & (place > line + GAP_PX))
    return _apart(labels, learned, held)


def _apart(labels: NDArray[np.int32], learned: Mask, held: Mask) -> Masks:
    """Give every nucleus to one side alone, the one with more of it, and leave a gap of background around it."""
    numbers = np.intersect1d(labels[learned & (labels > 0)], labels[held & (labels > 0)])
    for number in numbers:
        own = labels == number
        loser = learned if (learned & own).sum() < (held & own).sum() else held
        loser &= ~own
    background = labels == 0
    near_held, near_learned = (near_to(mask & ~background) & background for mask in (held, learned))
    return learned & ~near_held, held & ~near_learned
