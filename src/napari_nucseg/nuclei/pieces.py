"""What objects in maps look like, as numbers that also hold for the union of any two that touch.

All that is measured are sums over pixels and over the links between neighbouring pixels, and maxima. Those of a union
are those of its parts, less what lay between them, so thousands of unions cost no look at the image. Nothing looks
farther than one pixel beyond an object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.nuclei.targets import MAP_NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Maps = NDArray[np.float32]
    Ints = NDArray[np.int64]

OUTSIDE = -1
"""Label of what lies beyond the array."""
SURE = 0.8
"""Foreground probability of pixels that hardly anybody would dispute."""
SUMS = (
    "area",
    *MAP_NAMES,
    "distance²",
    "sure",
    "y",
    "x",
    "yy",
    "xx",
    "yx",
    "cut",
    "ground",
    "beyond",
    "slope",
)
SEAM = ("links", *MAP_NAMES)
"""Of links between two objects: their number, and sums of the lower value across each."""
FEATURES = (
    "log_area",  # beside a nucleus of the median diameter
    "foreground",
    "distance",
    "core",
    "distance_spread",
    "sure",
    "highest_foreground",
    "highest_distance",
    "highest_core",
    "roundness",  # area over that of the ellipse of the same second moments
    "axis_ratio",
    "rim",  # links to the ground and to other objects, beside the root of the area
    "touching",  # share of these that lead to other objects
    "seam_foreground",
    "seam_distance",
    "seam_core",
    "beyond",  # foreground of the ground next to the object
    "slope",  # distance of the object next to the ground
    "cut",  # pixels at the array's edge, beside the root of the area
)


@dataclass(frozen=True, eq=False)
class Pieces:
    """Objects 1…n of an image, measured.

    Attributes
    ----------
    sums : (n, len(SUMS))
    seams : (n, len(SEAM)), with all other objects together
    peaks : (n, 3), maxima of the maps
    pairs : (m, 2), rows of objects that touch, the lower first
    between : (m, len(SEAM)), the seam of each pair
    """

    sums: Floats
    seams: Floats
    peaks: Floats
    pairs: Ints
    between: Floats

    def __len__(self) -> int:
        return len(self.sums)

    def unions(self) -> Pieces:
        """Measure the union of each pair, (m,); it has no pairs of its own."""
        a, b = self.pairs.T
        return Pieces(
            self.sums[a] + self.sums[b],
            self.seams[a] + self.seams[b] - 2 * self.between,
            np.maximum(self.peaks[a], self.peaks[b]),
            np.zeros((0, 2), np.int64),
            np.zeros((0, len(SEAM))),
        )

    def joined(self, chosen: Ints) -> tuple[Pieces, Ints]:
        """Join some of the pairs, no object in two of them: the objects then, and the new row of each old one."""
        a, b = self.pairs[chosen].T
        first = np.arange(len(self))
        first[b] = a
        kept, row = np.unique(first, return_inverse=True)
        sums, seams, peaks = self.sums.copy(), self.seams.copy(), self.peaks.copy()
        unions = self.unions()
        sums[a], seams[a], peaks[a] = unions.sums[chosen], unions.seams[chosen], unions.peaks[chosen]
        pairs, between = _gathered(row[self.pairs], self.between, len(kept))
        return Pieces(sums[kept], seams[kept], peaks[kept], pairs, between), row

    def features(self, diameter_px: float) -> Floats:
        """Describe each object by the ``FEATURES`` (n, K), beside nuclei of a median diameter."""
        sums = dict(zip(SUMS, self.sums.T, strict=True))
        seam = dict(zip(SEAM, self.seams.T, strict=True))
        highest = dict(zip(MAP_NAMES, self.peaks.T, strict=True))
        area, ground, touching = sums["area"], np.maximum(sums["ground"], 1), np.maximum(seam["links"], 1)
        mean = {name: sums[name] / area for name in ("foreground", "distance", "core", "distance²", "sure")}
        links, root = sums["ground"] + seam["links"], np.sqrt(area)
        roundness, axis_ratio = _shape(sums)
        described = {
            "log_area": np.log(area / (np.pi / 4 * diameter_px**2)),
            **mean,
            "distance_spread": np.sqrt(np.maximum(mean["distance²"] - mean["distance"] ** 2, 0)),
            **{f"highest_{name}": values for name, values in highest.items()},
            "roundness": roundness,
            "axis_ratio": axis_ratio,
            "rim": links / root,
            "touching": seam["links"] / np.maximum(links, 1),
            **{f"seam_{name}": seam[name] / touching for name in MAP_NAMES},
            "beyond": sums["beyond"] / ground,
            "slope": sums["slope"] / ground,
            "cut": sums["cut"] / root,
        }
        return np.stack([described[name] for name in FEATURES], axis=1)


def measure_pieces(
    labels: NDArray[np.int32], maps: NDArray[np.float32], origin: tuple[int, int] = (0, 0)
) -> Pieces:
    """Measure the objects of an image.

    Parameters
    ----------
    labels : (Y, X), objects 1…n without gaps.
    maps : (3, Y, X) float32, 0…1, in the order of ``MAP_NAMES``.
    origin : where the arrays' first pixel lies in the whole image, where they are a window of one.
    """
    pixels = _Pixels(labels, maps, origin)
    foreground, distance, core = pixels.maps
    y, x = pixels.position
    inside = [
        np.ones(pixels.n),
        foreground,
        distance,
        core,
        distance.astype(np.float64) ** 2,
        foreground > SURE,
        y,
        x,
        y * y,
        x * x,
        y * x,
    ]
    sums = [pixels.sum(values) for values in inside]
    rim = np.zeros((4, pixels.n_objects))
    pairs, between = [np.zeros((0, 2), np.int64)], [np.zeros((0, len(SEAM)))]
    for step in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        own, other, here, there = pixels.links(*step)
        ground, touching = other == 0, other > own
        values = (other == OUTSIDE, ground, ground * there[0], ground * here[1])
        rim += [np.bincount(own - 1, v, pixels.n_objects) for v in values]
        pairs.append(np.stack([own[touching], other[touching]], 1).astype(np.int64) - 1)
        lower = np.minimum(here[:, touching], there[:, touching])
        between.append(np.stack([np.ones(lower.shape[1]), *lower], 1))
    found, seam = _gathered(np.concatenate(pairs), np.concatenate(between), pixels.n_objects)
    seams = np.zeros((pixels.n_objects, len(SEAM)))
    for side in found.T:
        np.add.at(seams, side, seam)
    peaks = np.stack([pixels.highest(values) for values in pixels.maps], 1).astype(np.float64)
    return Pieces(np.stack([*sums, *rim], 1), seams, peaks, found, seam)


class _Pixels:
    """The pixels of all objects, one object after the other, each in reading order; ``maps`` (3, P) are theirs."""

    def __init__(self, labels: NDArray[np.int32], maps: NDArray[np.float32], origin: tuple[int, int]) -> None:
        padded = np.pad(labels, 1, constant_values=OUTSIDE)
        self._labels, self._maps = padded.ravel(), maps.reshape(len(maps), -1)
        self._width, self._origin = padded.shape[1], origin
        places = np.flatnonzero(self._labels > 0)
        self._places: Ints = places[np.argsort(self._labels[places], kind="stable")]
        self.own: NDArray[np.int32] = self._labels[self._places]
        self._starts = np.flatnonzero(np.diff(self.own, prepend=0))
        self.n, self.n_objects = self._places.size, self._starts.size
        self.maps = self._at(self._places)
        self._rim = np.flatnonzero(_meets_another(padded).ravel()[self._places])

    @property
    def position(self) -> tuple[Floats, Floats]:
        """Row and column of each pixel in the whole image."""
        y, x = np.divmod(self._places, self._width)
        return y - 1.0 + self._origin[0], x - 1.0 + self._origin[1]

    def links(self, dy: int, dx: int) -> tuple[NDArray[np.int32], NDArray[np.int32], Maps, Maps]:
        """Labels here and one step away, where they differ, and the maps (3, L) here and there.

        What the maps are beyond the array has no meaning.
        """
        step = dy * self._width + dx
        rim = self._rim[self._labels[self._places[self._rim] + step] != self.own[self._rim]]
        there = self._places[rim] + step
        return self.own[rim], self._labels[there], self.maps[:, rim], self._at(there)

    def sum(self, values: NDArray[np.generic]) -> Floats:
        """Sum of each object, (n,)."""
        return np.add.reduceat(values.astype(np.float64), self._starts) if self.n else np.zeros(0)

    def highest(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maximum of each object, (n,)."""
        return np.maximum.reduceat(values, self._starts) if self.n else np.zeros(0, np.float32)

    def _at(self, places: Ints) -> Maps:
        """Take the maps (3, L) at places in the padded labels; the maps are not, which would take much memory."""
        y, x = np.divmod(places, self._width)
        unpadded = np.clip((y - 1) * (self._width - 2) + x - 1, 0, self._maps.shape[1] - 1)
        return np.stack([values[unpadded] for values in self._maps])


def _meets_another(padded: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether one of a pixel's four neighbours has another label; the frame counts as a neighbour alone."""
    inner, meets = padded[1:-1, 1:-1], np.zeros(padded.shape, bool)
    for other in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        meets[1:-1, 1:-1] |= inner != other
    return meets


def _gathered(pairs: Ints, values: Floats, n: int) -> tuple[Ints, Floats]:
    """Sum what belongs to the same two of n objects; pairs of an object with itself are left out."""
    pairs = np.sort(pairs, axis=1)
    apart = pairs[:, 0] != pairs[:, 1]
    keys, index = np.unique(pairs[apart] @ np.array([n, 1]), return_inverse=True)
    total = np.zeros((len(keys), values.shape[1]))
    np.add.at(total, index, values[apart])
    return np.stack(np.divmod(keys, max(n, 1)), 1), total


def _shape(sums: dict[str, Floats]) -> tuple[Floats, Floats]:
    """Area over that of the ellipse with the same second moments, and the ratio of this ellipse's axes: (n,) each.

    A pixel's own extent counts (1/12 along each axis), so that a line one pixel wide has an area.
    """
    y, x, yy, xx, yx = (sums[name] / sums["area"] for name in ("y", "x", "yy", "xx", "yx"))
    vertical, horizontal, slant = yy - y**2 + 1 / 12, xx - x**2 + 1 / 12, yx - y * x
    middle, reach = (vertical + horizontal) / 2, np.hypot((vertical - horizontal) / 2, slant)
    longer, shorter = middle + reach, np.maximum(middle - reach, 1 / 12)
    return sums["area"] / (4 * np.pi * np.sqrt(longer * shorter)), np.sqrt(shorter / longer)
