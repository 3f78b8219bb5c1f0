"""From maps to labels, locally: a pixel's label depends only on maps within ``REACH_PX`` of it.

Every foreground pixel points at its best neighbour, the one with the highest distance; following the pointers
climbs to the middle of a nucleus. Pixels that reach the same core make up one nucleus. Paths have a bounded length and
cores a bounded size, so a window of an image with ``REACH_PX`` around it decodes to exactly the nuclei of the
whole image; a judge that joins pieces looks three neighbours farther. Large images and live sliders rest on this.
Nuclei too large for that are decoded on a grid of a few pixels, which lies on the same pixels in every window.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field
from scipy import ndimage
from skimage.measure import label as label_regions

from napari_nucseg.nuclei.climbing import CLIMB_PX, climb
from napari_nucseg.nuclei.coarse_grid import CoarseGrid
from napari_nucseg.nuclei.cores import FINE, MAX_CORE_PX, PLAIN, find_cores
from napari_nucseg.nuclei.judging import judged
from napari_nucseg.nuclei.tidying import (
    fill_holes,
    in_reading_order,
    keep_areas,
    renamed,
    trimmed,
    without_border,
)
from napari_nucseg.refusals import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucseg.nuclei.cores import Splitting
    from napari_nucseg.nuclei.judging import Judge

    Place = tuple[int, int]

LARGEST_PX = 112
"""Median diameter up to which every pixel is decoded; larger nuclei are decoded on a coarser grid."""
PLAIN_FOREGROUND = 0.5
"""Threshold at which a judge chooses, however high the one for outlines."""
REACH_PX = 3 * (2 * CLIMB_PX + MAX_CORE_PX)
"""On a coarser grid as many of its squares."""
SMALLEST_SHARE = 0.05
"""Default minimum area, as a share of the area of a nucleus of median diameter."""


class DecodingSettings(Settings):
    """Choices that turn maps into labels; changing them never runs the network again."""

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
        description="Smaller objects are dropped. Unless set: a twentieth of the area of a nucleus of the "
        "diameter in use.",
    )
    certainty: float = Field(
        0.2,
        ge=0,
        le=0.95,
        title="Certainty",
        description="How sure the model must be that something is a nucleus. Lower keeps more that is doubtful; 0: "
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
    cores = find_cores(np.where(mask, core, 0), height, sensitivity, splitting, diameter_px, origin)
    labels = climb(mask, height, cores)
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
