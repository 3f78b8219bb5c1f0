"""A grid of squares, each a few pixels wide, that lies on the same pixels in a window and in the whole image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Side:
    """Squares along one side of a window.

    Attributes
    ----------
    first : number of the first square, counted from the whole image's first
    middles : the pixel that stands for each square
    square : which square, counted from ``first``, each pixel lies in
    """

    first: int
    middles: Ints
    square: Ints

    @classmethod
    def of(cls, n_pixels: int, start: int, side_px: int) -> _Side:
        numbers, square = np.unique(np.arange(start, start + n_pixels) // side_px, return_inverse=True)
        middles = (numbers * side_px + side_px // 2 - start).clip(0, n_pixels - 1)
        return cls(int(numbers[0]), middles, square)


@dataclass(frozen=True)
class CoarseGrid:
    """Squares of a window of an image, by rows and columns."""

    rows: _Side
    columns: _Side

    @classmethod
    def over(cls, shape: tuple[int, ...], origin: tuple[int, int], side_px: int) -> CoarseGrid:
        """Lay squares over a window of a (Y, X) shape whose first pixel is ``origin`` of the whole image."""
        return cls(*(_Side.of(n, start, side_px) for n, start in zip(shape, origin, strict=True)))

    @property
    def origin(self) -> tuple[int, int]:
        """Row and column of the first square in the whole image."""
        return self.rows.first, self.columns.first

    def thin(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Keep one pixel a square of maps (C, Y, X)."""
        return maps[:, self.rows.middles[:, None], self.columns.middles]

    def spread(self, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        """Give all pixels of a square (Y, X) the square's label."""
        return labels[self.rows.square[:, None], self.columns.square]
