"""How well outlines lie on the edges of an image: also where they are moved, grown or shrunk.

The measure of a nucleus is the mean, over its outline, of the image's slope across it, in units of the typical slope
nearby. It is about 1 to 3 where a person drew what is there, and about 0 for an outline put anywhere: slopes of all
directions cancel out along a closed line. Nuclei may be brighter or darker than what is around them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SMALLEST_PX = 12
"""Area of a nucleus from which on it has an outline worth a look."""
_MOST_NUCLEI = 300
_SMOOTHING = 0.06  # of a diameter: slopes are those of nuclei, not of noise
_FLOOR = 0.25  # of the image's typical slope: empty background is not made to look like nuclei
_SEEN_SHARE = 0.6  # of an outline that must lie in the image


@dataclass(frozen=True, eq=False)
class Outline:
    """Outline of a nucleus.

    Attributes
    ----------
    points
        (K, 2) rows and columns of its pixels.
    normals
        (K, 2) unit vectors that point outwards.
    centre
        (y, x) of the nucleus.
    radius_px
        Of the circle with its area.
    """

    points: Floats
    normals: Floats
    centre: Floats
    radius_px: float


class Edges:
    """Slopes of an image, (2, Y, X), in units of the typical slope nearby.

    Parameters
    ----------
    pixels
        (C, Y, X); channels are averaged.
    diameter_px
        Of the nuclei.
    """

    def __init__(self, pixels: NDArray[Any], diameter_px: float) -> None:
        grey = pixels.astype(np.float32).mean(axis=0)
        sigma = max(1.0, _SMOOTHING * diameter_px)
        slopes = np.stack([ndimage.gaussian_filter(grey, sigma, order=order) for order in ((1, 0), (0, 1))])
        power = (slopes**2).sum(axis=0)
        nearby = np.sqrt(ndimage.uniform_filter(power, int(2 * diameter_px) | 1).clip(0))
        self._slopes = slopes / np.maximum(nearby, _FLOOR * np.sqrt(power.mean()) + 1e-9)

    def across(self, points: Floats, normals: Floats) -> Floats:
        """Descent of brightness outwards at points (…, K, 2) with normals (K, 2); NaN outside the image."""
        place = np.round(points).astype(int)
        height, width = self._slopes.shape[1:]
        y, x = place[..., 0], place[..., 1]
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        slope = self._slopes[:, y.clip(0, height - 1), x.clip(0, width - 1)]
        return np.where(inside, -(slope[0] * normals[:, 0] + slope[1] * normals[:, 1]), np.nan)


def mean_seen(values: Floats) -> Floats:
    """Mean over an outline (…, K) -> (…); 0, as for an outline anywhere, where too little of it lies in the image."""
    seen = np.isfinite(values)
    total = np.where(seen, values, 0).sum(axis=-1)
    return np.where(seen.mean(axis=-1) >= _SEEN_SHARE, total / np.maximum(seen.sum(axis=-1), 1), 0.0)


def outlines(labels: NDArray[np.integer[Any]], numbers: NDArray[np.integer[Any]]) -> list[Outline]:
    """Outlines of some nuclei of a label image (Y, X); of very many, every so many-th.

    The image's edge belongs to no outline.
    """
    values, dense = np.unique(labels, return_inverse=True)
    boxes = ndimage.find_objects(dense.reshape(labels.shape) + 1)
    chosen = numbers[:: -(-len(numbers) // _MOST_NUCLEI) or 1]
    positions = np.searchsorted(values, chosen)
    each = [_outline(labels, n, boxes[i]) for n, i in zip(chosen, positions, strict=True)]
    return [outline for outline in each if outline is not None]


def _outline(labels: NDArray[np.integer[Any]], number: int, box: tuple[slice, slice]) -> Outline | None:
    margin = 3
    y0, x0 = (max(side.start - margin, 0) for side in box)
    own = labels[y0 : box[0].stop + margin, x0 : box[1].stop + margin] == number
    edge = own & ~ndimage.binary_erosion(own, border_value=1)
    if own.sum() < SMALLEST_PX or not edge.any() or min(own.shape) < 2:
        return None
    smooth = ndimage.gaussian_filter(own.astype(np.float32), margin / 2, mode="nearest")
    gradient = np.stack(np.gradient(smooth), axis=-1)[edge]
    normals = -gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-9)
    offset = np.array([y0, x0])
    centre = np.argwhere(own).mean(axis=0) + offset
    return Outline(np.argwhere(edge) + offset, normals, centre, float(np.sqrt(own.sum() / np.pi)))
