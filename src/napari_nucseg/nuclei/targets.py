"""From labels to what the network learns: foreground, distance and core.

All three are scalar fields that warp with the image, so they are computed once per image on its own grid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

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
    for label, box in _boxes(labels):
        window = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
        inside = labels[window] == label
        depth = ndimage.distance_transform_edt(inside) if not inside.all() else np.ones(inside.shape)
        distance[window][inside] = (depth / depth.max())[inside]
    return distance


def make_targets(labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Compute all maps of a (Y, X) label image: (3, Y, X) float32 in the order of ``MAP_NAMES``."""
    distance = distance_map(labels)
    return np.stack([labels > 0, distance, distance > CORE_DISTANCE]).astype(np.float32)


def equivalent_diameters(labels: NDArray[np.integer], *, off_border: bool = False) -> NDArray[np.float64]:
    """Diameters in pixels of circles with the nuclei's areas, optionally without nuclei touching the edge."""
    values, areas = np.unique(labels, return_counts=True)
    keep = values != 0
    if off_border:
        edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        keep &= ~np.isin(values, edges)
    return np.sqrt(4 * areas[keep] / np.pi)


def median_diameter(labels: NDArray[np.integer]) -> float | None:
    """Median equivalent diameter in pixels of the nuclei off the border; of all where those are few.

    Returns None where there is no nucleus.
    """
    diameters = equivalent_diameters(labels, off_border=True)
    if diameters.size < FEW_NUCLEI:
        diameters = equivalent_diameters(labels)
    return float(np.median(diameters)) if diameters.size else None


def _boxes(labels: NDArray[np.integer]) -> list[tuple[int, tuple[slice, slice]]]:
    """Label values present and their bounding boxes; large and gappy numbering costs nothing."""
    values, dense = np.unique(labels, return_inverse=True)
    dense = dense.reshape(labels.shape)
    offset = 0 if values.size and values[0] == 0 else 1
    boxes = ndimage.find_objects(dense + offset)
    present = values[values != 0]
    return [(int(v), box) for v, box in zip(present, boxes, strict=True) if box is not None]
