"""From labels to what the network learns: foreground, distance and core.

All three are scalar fields that warp with the image, so they are computed once per image on its own grid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_nucseg.nuclei.tidying import close_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAP_NAMES = ("foreground", "distance", "core")
"""Order of the maps along the first axis, for targets and predictions alike."""

CORE_DISTANCE = 0.5
"""Normalised distance above which a pixel belongs to the core of its nucleus."""

FEW_NUCLEI = 10


def distance_map(labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Distance to the nearest pixel outside the own nucleus, divided by that nucleus's largest distance.

    The image's edge does not count as outside: a nucleus cut by it keeps rising towards the edge, as it would
    if the image went on.

    Parameters
    ----------
    labels : (Y, X) integer array, 0 is background.

    Returns
    -------
    (Y, X) float32, 0 in the background and up to 1 inside each nucleus.
    """
    distance = np.zeros(labels.shape, np.float32)
    labels, _ = close_numbers(labels)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        window = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
        inside = labels[window] == number
        depth = ndimage.distance_transform_edt(inside) if not inside.all() else np.ones(inside.shape)
        distance[window][inside] = (depth / depth.max())[inside]
    return distance


def make_targets(labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Compute all maps of a (Y, X) label image: (3, Y, X) float32 in the order of ``MAP_NAMES``."""
    distance = distance_map(labels)
    return np.stack([labels > 0, distance, distance > CORE_DISTANCE]).astype(np.float32)


def median_diameter(labels: NDArray[np.integer]) -> float | None:
    """Median diameter in pixels of circles with the areas of the nuclei off the border; of all where those are few.

    Returns None where there is no nucleus.
    """
    numbers, areas = np.unique(labels[labels != 0], return_counts=True)
    edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    whole = ~np.isin(numbers, edges)
    chosen = areas[whole] if whole.sum() >= FEW_NUCLEI else areas
    return float(np.median(np.sqrt(4 * chosen / np.pi))) if chosen.size else None
