"""From maps to labels, locally: a pixel's label depends only on maps within ``REACH_PX`` of it.

Every foreground pixel points at its best neighbour, the one with the highest distance; following the pointers
climbs to the middle of a nucleus. Pixels that reach the same core make up one nucleus. Paths have a bounded length and
cores a bounded size, so a window of an image with ``REACH_PX`` around it decodes to exactly the nuclei of the
whole image; a judge that joins pieces looks three neighbours farther. Large images and live sliders rest on this.
Nuclei too large for that are decoded on a grid of a few pixels, which lies on the same pixels in every window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage
from skimage.measure import label as label_regions

from napari_nucseg.nuclei.coarse_grid import CoarseGrid
from napari_nucseg.nuclei.judging import judged
from napari_nucseg.nuclei.tidying import (
    fill_holes,
    in_reading_order,
    keep_areas,
    renamed,
    trimmed,
    without_border,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_nucseg.nuclei.judging import Judge

    Ints = NDArray[np.int64]
    Place = tuple[int, int]

DOUBLINGS = 6
CLIMB_PX = 2**DOUBLINGS
"""Longest way a pixel climbs: enough for nuclei twice as large as the median, whose cores begin 56 px from the rim."""
LARGEST_PX = 112
"""Median diameter up to which every pixel is decoded; larger nuclei are decoded on a coarser grid."""
MAX_CORE_PX = 128
"""Cores wider than this are no nuclei: they are cut along a grid of this spacing."""
PLAIN_FOREGROUND = 0.5
"""Threshold at which a judge chooses, however high the one for outlines."""
PLAIN_CORE = 0.5
"""Probability from which a core is one, however high the sensitivity."""
SPLITTING_STEP = 0.1
"""Cores are looked at again at levels above the sensitivity, in such steps."""
LEAP_PX = 2
"""A peak outside any core may be a ripple: from there one look this far around finds the real slope."""
CHUNK = 1 << 14
"""Pixels looked around from at once: their neighbours' heights stay in the processor's cache."""
REACH_PX = 3 * (2 * CLIMB_PX + MAX_CORE_PX)
"""On a coarser grid as many of its squares."""
SMALLEST_SHARE = 0.05
"""Default minimum area, as a share of the area of a nucleus of median diameter."""


@dataclass(frozen=True)
class Splitting:
    """How readily cores fall apart.

    Attributes
    ----------
    span : how far above the sensitivity they are looked at again
    smallest : area of a piece that may become a core of its own at the default sensitivity of ½, in squared diameters
    """

    span: float
    smallest: float


PLAIN = Splitting(span=0.3, smallest=0.09)
FINE = Splitting(span=0.4, smallest=0.02)
"""Into pieces rather too small, where a judge joins those that belong together."""


class DecodingSettings(BaseModel):
    """Choices that turn maps into labels; changing them never runs the network again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    foreground_threshold: float = Field(
        0.5,
        ge=0.05,
        le=0.95,
        title="Threshold",
        description="Pixels above this probability belong to a nucleus. Lower finds fainter nuclei.",
    )
    core_threshold: float = Field(
        0.5,
        ge=0.05,
        le=0.95,
        title="Split sensitivity",
        description="Higher cuts touching nuclei apart more readily, lower keeps them together.",
    )
    min_area_px: int | None = Field(
        None,
        ge=0,
        title="Minimum area (px)",
        description="Smaller objects are dropped. Empty: a twentieth of a nucleus of the diameter in use.",
    )
    certainty: float = Field(
        0.2,
        ge=0,
        le=0.95,
        title="Certainty",
        description="How likely a nucleus must be right, as the model judges it. Lower keeps more that is doubtful; 0: "
        "thresholds alone decide. Models without a judge of nuclei take no notice of it.",
    )
    exclude_border: bool = Field(
        False, title="Drop nuclei at the border", description="Remove nuclei that touch the image's edge."
    )

    def smallest_area_px(self, diameter_px: float) -> int:
        """Minimum area in pixels for nuclei of a median diameter."""
        return _usual_area_px(diameter_px) if self.min_area_px is None else self.min_area_px


def decode(
    maps: NDArray[np.float32],
    settings: DecodingSettings | None = None,
    *,
    diameter_px: float = 24.0,
    origin: Place = (0, 0),
    judge: Judge | None = None,
) -> NDArray[np.int32]:
    """Turn maps into labels.

    Parameters
    ----------
    maps : (3, Y, X) float32
        Foreground probability, normalised distance and core probability, each 0…1.
    settings : thresholds and filters.
    diameter_px : median nucleus diameter in pixels, for the default minimum area.
    origin : where the maps' first pixel lies in the whole image, where they are a window of one.
    judge : who says how likely an object is a nucleus, for ``settings.certainty``; without, thresholds alone decide.

    Returns
    -------
    (Y, X) int32 labels 1…n in reading order of their first pixels, each one 4-connected region without holes.
    """
    settings, side_px = settings or DecodingSettings(), math.ceil(diameter_px / LARGEST_PX)
    if side_px <= 1:
        return _decode(maps, settings, diameter_px, origin, judge)
    grid = CoarseGrid.over(maps.shape[1:], origin, side_px)
    smallest = {"min_area_px": settings.smallest_area_px(diameter_px) // side_px**2}
    settings = settings.model_copy(update=smallest)
    return grid.spread(_decode(grid.thin(maps), settings, diameter_px / side_px, grid.origin, judge))


def _decode(
    maps: NDArray[np.float32],
    settings: DecodingSettings,
    diameter_px: float,
    origin: Place,
    judge: Judge | None,
) -> NDArray[np.int32]:
    """Decode nuclei of at most ``LARGEST_PX``; parameters and answer are those of ``decode``."""
    foreground = maps[0]
    if judge is None or not settings.certainty:
        labels = _regions(maps, settings, diameter_px, origin, PLAIN)
    else:
        labels = propose(maps, settings, diameter_px=diameter_px, origin=origin)
        labels = judged(labels, maps, judge, settings.certainty, diameter_px=diameter_px, origin=origin)
        labels = fill_holes(labels)
        if settings.foreground_threshold > PLAIN_FOREGROUND:
            labels = fill_holes(trimmed(labels, foreground > settings.foreground_threshold))
        labels = keep_areas(labels, settings.smallest_area_px(diameter_px))
    if settings.exclude_border:
        labels = without_border(labels)
    return in_reading_order(labels)


def _usual_area_px(diameter_px: float) -> int:
    """Minimum area in pixels where the user sets none."""
    return max(1, round(SMALLEST_SHARE * math.pi / 4 * diameter_px**2))


def propose(
    maps: NDArray[np.float32], settings: DecodingSettings, *, diameter_px: float, origin: Place = (0, 0)
) -> NDArray[np.int32]:
    """Cut maps into pieces rather too small and too many, for a judge to choose from: labels (Y, X) 1…n.

    Foreground that leads to no core is a piece as well. A threshold above ½ only trims what is chosen, and a larger
    minimum area only drops of it, afterwards.
    """
    threshold = min(settings.foreground_threshold, PLAIN_FOREGROUND)
    smallest_px = min(settings.smallest_area_px(diameter_px), _usual_area_px(diameter_px))
    settings = settings.model_copy(update={"foreground_threshold": threshold, "min_area_px": smallest_px})
    return in_reading_order(_regions(maps, settings, diameter_px, origin, FINE))


def _regions(
    maps: NDArray[np.float32],
    settings: DecodingSettings,
    diameter_px: float,
    origin: Place,
    splitting: Splitting,
) -> NDArray[np.int32]:
    """One 4-connected region without holes for each core, none too small."""
    foreground, distance, core = maps
    mask = foreground > settings.foreground_threshold
    height = _smooth(distance)
    sensitivity = settings.core_threshold
    cores = _find_cores(np.where(mask, core, 0), height, sensitivity, splitting, diameter_px, origin)
    labels = _climb(mask, height, cores)
    if splitting is FINE:
        labels = _with_strays(labels, mask)
    labels = label_regions(labels, connectivity=1, background=0)
    labels = keep_areas(labels, settings.smallest_area_px(diameter_px))
    return fill_holes(labels)


def _with_strays(labels: NDArray[np.int32], mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Give foreground that climbs to no core numbers of its own, unless it is too wide for a core."""
    strays, n = ndimage.label(mask & (labels == 0))
    narrow = [max(s.stop - s.start for s in box) <= MAX_CORE_PX for box in ndimage.find_objects(strays)]
    first = int(labels.max(initial=0)) + 1
    names = np.concatenate([[0], np.where(narrow, first + np.arange(n), 0)])
    return labels + renamed(strays, names)


def _smooth(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Flatten single-pixel ripples: ¼, ½, ¼ along both axes, in an order that is the same in a window."""
    padded = np.pad(distance, 1, mode="edge")
    rows = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    smooth = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4
    return smooth.astype(np.float32, copy=False)


def _find_cores(
    core: NDArray[np.float32],
    height: NDArray[np.float32],
    sensitivity: float,
    splitting: Splitting,
    diameter_px: float,
    origin: Place,
) -> NDArray[np.int32]:
    """Find the cores, and split those that fall apart into sizeable ones at higher levels.

    A core is never lost to splitting: where fewer than two sizeable pieces are left at a level, it stays as it is.
    """
    lowest = min(sensitivity, PLAIN_CORE)
    cores = _label_cores(core > lowest, origin)
    places = np.flatnonzero(cores > 0)
    evidence = np.zeros_like(core)
    evidence.ravel()[places] = (core.ravel()[places] + height.ravel()[places]) / 2
    n_levels = round((sensitivity + splitting.span - lowest) / SPLITTING_STEP)
    smallest_px = splitting.smallest * 2 * (1 - sensitivity) * diameter_px**2
    core_of = cores.ravel()[places]
    for level in range(1, n_levels + 1):
        pieces, _ = ndimage.label(evidence > lowest + level * SPLITTING_STEP)
        core_of = _split(core_of, pieces.ravel()[places], smallest_px)
    cores.ravel()[places] = core_of
    return cores


def _split(core_of: NDArray[np.int32], piece_of: NDArray[np.int32], smallest_px: float) -> NDArray[np.int32]:
    """Replace each core by its pieces above a level where two or more of them are large enough.

    Of all pixels of cores, one after the other: the core, and the piece or 0; returned: the core then, 0 for what is
    left over.
    """
    sizeable = np.bincount(piece_of, minlength=1) >= smallest_px
    sizeable[0] = False
    parent = np.zeros(sizeable.size, np.int32)
    parent[piece_of] = core_of
    n_cores = int(core_of.max(initial=0))
    splits = np.bincount(parent[sizeable], minlength=n_cores + 1) >= 2
    if not splits.any():
        return core_of
    pieces = np.where(sizeable, n_cores + np.arange(sizeable.size), 0).astype(np.int32)
    return np.where(splits[core_of], pieces[piece_of], core_of)


def _label_cores(core: NDArray[np.bool_], origin: Place) -> NDArray[np.int32]:
    """Give connected cores numbers; wide ones are first cut along lines that are fixed in the whole image."""
    cores, n = ndimage.label(core)
    boxes = ndimage.find_objects(cores)
    wide = [i for i in range(n) if max(s.stop - s.start for s in boxes[i]) > MAX_CORE_PX]
    if not wide:
        return cores
    core = core.copy()
    for index in wide:
        rows, columns = (_cut_lines(s, o) for s, o in zip(boxes[index], origin, strict=True))
        core[boxes[index]] &= (cores[boxes[index]] != index + 1) | ~(rows[:, None] | columns)
    return ndimage.label(core)[0]


def _cut_lines(side: slice, origin: int) -> NDArray[np.bool_]:
    """Mark where one side of a wide core is cut; a side that is short enough is not."""
    position = np.arange(side.start + origin, side.stop + origin)
    return (position % MAX_CORE_PX == 0) & (position.size > MAX_CORE_PX)


def _climb(
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
