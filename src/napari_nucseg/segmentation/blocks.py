"""A large image in blocks: maps of one at a time are in memory, and together their labels are those of the whole.

A block is looked at with the surroundings that its nuclei depend on. The first block that a nucleus reaches into brings
all of it; those after find it there already.
"""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.on_disk import zeros_beside
from napari_nucseg.nuclei.targets import MAP_NAMES
from napari_nucseg.nuclei.tidying import in_reading_order, renamed, trimmed
from napari_nucseg.segmentation.window import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_WHOLE_PX = 1 << 26
"""Pixels, of the image or of the network, whichever are more, up to which it stays whole where its maps are kept."""
BLOCK_PX = 4096
"""Side of a block at most, in pixels of the image or of the network, whichever are more. What would be two stays whole
where maps are not kept."""
FEWEST_DIAMETERS = 16
"""Side of a block at least: much smaller, and most of what is looked at is surroundings."""


def in_blocks(
    whole: Window, shape: tuple[int, int], diameter_px: float, scale: float, *, keep_maps: bool
) -> list[Window]:
    """Divide a window into those to be segmented one after the other, or leave it whole.

    Parameters
    ----------
    whole : what is to be segmented of an image, with its surroundings.
    shape : rows and columns of the image.
    diameter_px : median nucleus diameter in image pixels.
    scale : from image to network pixels.
    keep_maps : whether maps of all of it are wanted: then only a very large one is divided.
    """
    finer = max(1.0, scale)
    if math.prod(whole.shape) * finer**2 <= (LARGEST_WHOLE_PX if keep_maps else 2 * BLOCK_PX**2):
        return [whole]
    side_px = max(BLOCK_PX / finer, FEWEST_DIAMETERS * diameter_px)
    sides = [
        _parts(read.start + kept.start, read.start + kept.stop, side_px)
        for read, kept in zip(whole.read, whole.kept, strict=True)
    ]
    return [Window.for_nuclei((rows, columns), shape, diameter_px) for rows, columns in product(*sides)]


def _parts(start: int, stop: int, side_px: float) -> list[slice]:
    """Divide a part of an axis into equal parts of at most a length."""
    edges = np.linspace(start, stop, math.ceil((stop - start) / side_px) + 1).astype(int).tolist()
    return [slice(a, b) for a, b in pairwise(edges)]


class Mosaic:
    """Labels of all that a window reads of an image, on request maps too, put together from blocks.

    Labels lie where the image's planes do, on disk or in memory.

    Attributes
    ----------
    maps : (3, Y, X) float32, of no pixel where they are not kept
    """

    def __init__(self, whole: Window, planes: NDArray[Any], *, keep_maps: bool) -> None:
        self.maps = np.zeros((len(MAP_NAMES), *(whole.shape if keep_maps else (0, 0))), np.float32)
        self._whole = whole
        self._labels = zeros_beside(planes, whole.shape, np.int32)
        self._n = 0

    def add(self, labels: NDArray[np.int32], maps: NDArray[np.float32], block: Window) -> None:
        """Add what was found in all that a block reads: of nuclei 1…n, those that reach into what it keeps.

        A nucleus of which more than half is taken already was brought by an earlier block.

        Parameters
        ----------
        labels : (Y, X), numbered from 1 without gaps.
        maps : (3, Y, X).
        block : one of those the window was divided into.
        """
        rows, columns = (
            slice(read.start - first, read.stop - first)
            for read, first in zip(block.read, self._whole.origin, strict=True)
        )
        if self.maps.size:
            self.maps[:, rows, columns] = maps
        there = self._labels[rows, columns]
        n = int(labels.max(initial=0)) + 1
        taken_px, area_px = (
            np.bincount(labels[there > 0], minlength=n),
            np.bincount(labels.ravel(), minlength=n),
        )
        reaches_in = np.bincount(block.crop(labels).ravel(), minlength=n) > 0
        is_new = reaches_in & (2 * taken_px <= area_px)
        is_new[0] = False
        new = renamed(labels, np.where(is_new, self._n + np.cumsum(is_new), 0))
        if (is_new & (taken_px > 0)).any():
            new = trimmed(new, there == 0)
        np.copyto(there, new, where=(new > 0) & (there == 0))
        self._n += int(np.count_nonzero(is_new))

    def labels(self) -> NDArray[np.int32]:
        """(Y, X) int32, numbered in reading order, of what the window keeps; no block can be added any more."""
        kept = np.ascontiguousarray(self._whole.crop(self._labels))
        return in_reading_order(kept, out=kept)
