"""A nucleus from one click: the basin of the maps that the click lies in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

from napari_nucseg.errors import EditError
from napari_nucseg.nuclei.edit import Edit, check_labels, first_free_number
from napari_nucseg.nuclei.strokes import grown, pixel_at

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

NEAR_PX = 2
"""A click counts for the best pixel this near to it."""
FAINTEST = 0.05
"""Foreground probability at a click below which the network sees nothing there."""
REACH_DIAMETERS = 1.5
"""A nucleus ends at this many diameters from the click at the latest."""
SMALLEST_SHARE = 0.05
"""Smaller than this share of a median nucleus's area is a speck."""
PEAK_DEPTH = 0.1
"""A hill of the distance map is a nucleus of its own where the way to the next higher one dips by this."""


def add_at(
    labels: NDArray[np.integer[Any]],
    maps: NDArray[np.float32],
    point: ArrayLike,
    *,
    diameter_px: float,
    first_free: int | None = None,
) -> Edit:
    """Add the nucleus that the maps show at a point, although decoding left it out.

    The foreground around the click is taken down to half of its probability there, at most ½; the distance map's
    basin around the click is the nucleus. Pixels of other nuclei are left to them.

    Parameters
    ----------
    labels
        (Y, X) integers.
    maps
        (3, Y, X) foreground, distance and core, as the network predicted them.
    point
        (y, x) in pixels.
    diameter_px
        Median nucleus diameter in pixels.
    first_free
        Number of the new nucleus; found in ``labels`` where None.

    Raises
    ------
    EditError
        If there is a nucleus already, or the maps show nothing there.
    """
    check_labels(labels)
    if maps.shape != (3, *labels.shape):
        raise EditError(f"got maps of shape {maps.shape} for labels of shape {labels.shape}. Segment again.")
    y, x = pixel_at(point, labels.shape)
    if labels[y, x] > 0:
        raise EditError(f"this is nucleus {labels[y, x]} already. Click on the background.")
    reach_px = max(round(REACH_DIAMETERS * diameter_px), 4)
    box = grown((slice(y, y + 1), slice(x, x + 1)), reach_px, labels.shape)
    click = y - box[0].start, x - box[1].start
    # NumPy would wrap a number around that labels of eight bits do not hold
    old = labels[box].astype(np.int32)
    foreground, distance, _ = maps[:, box[0], box[1]]
    basin = _basin(np.where(old == 0, foreground, 0), distance, click, reach_px)
    smallest_px = max(4, SMALLEST_SHARE * np.pi / 4 * diameter_px**2)
    if basin.sum() < smallest_px:
        raise EditError(f"only {int(basin.sum())} free pixels look like a nucleus. Draw its outline instead.")
    number = first_free_number(labels) if first_free is None else first_free
    return Edit(box, np.where(basin, number, old), f"Added nucleus {number}.")


def _basin(
    foreground: NDArray[np.float32], distance: NDArray[np.float32], click: tuple[int, int], reach_px: int
) -> NDArray[np.bool_]:
    """Pixels of the hill of the distance map that a click lies on, without holes."""
    ys, xs = np.ogrid[: foreground.shape[0], : foreground.shape[1]]
    away = np.hypot(ys - click[0], xs - click[1])
    near = np.where(away <= NEAR_PX, foreground, 0)
    evidence = float(np.nan_to_num(near.max()))
    if evidence < FAINTEST:
        raise EditError(
            f"the network sees no nucleus here. Its probability is {evidence:.2f}: draw the outline instead."
        )
    start = np.unravel_index(np.nanargmax(near), near.shape)
    mask = (foreground > min(0.5, evidence / 2)) & (away <= reach_px)
    parts, _ = ndimage.label(mask)
    body = parts == parts[start]
    height = ndimage.gaussian_filter(distance, 1)
    hills = watershed(-height, _peaks(height, body), mask=body)
    basin = hills == hills[start]
    return ndimage.binary_fill_holes(basin) & (foreground > 0)


def _peaks(height: NDArray[np.float32], body: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Give the tops of hills that stand out by ``PEAK_DEPTH`` of the highest a number each; ripples have none."""
    from skimage.morphology import h_maxima  # late: it is needed for this tool alone

    inside = np.where(body, height, 0)
    tops = h_maxima(inside, PEAK_DEPTH * max(float(inside.max()), 1e-6))
    peaks, n_peaks = ndimage.label(tops & body, np.ones((3, 3)))
    return peaks if n_peaks else body.astype(np.int32)
