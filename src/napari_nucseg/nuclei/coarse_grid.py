"""A grid of squares, each a few pixels wide, that lies on the same pixels in a window and in the whole image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CoarseGrid:
    """Squares of a window of an image.

    Attributes
    ----------
    origin : row and column of the first square, counted in squares from the whole image's first
    middles : rows and columns of the pixels that stand for their squares
    squares : which row and column of squares, counted from ``origin``, each row and column of pixels lies in
    """

    origin: tuple[int, int]
    middles: tuple[Ints, Ints]
    squares: tuple[Ints, Ints]

    @classmethod
    def over(cls, shape: tuple[int, ...], origin: tuple[int, int], side_px: int) -> CoarseGrid:
        """Lay squares over a window of a (Y, X) shape whose first pixel is ``origin`` of the whole image."""
        rows, columns = (_along(n, start, side_px) for n, start in zip(shape, origin, strict=True))
        return cls(*zip(rows, columns, strict=True))

    def thin(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Keep one pixel a square of maps (C, Y, X)."""
        rows, columns = self.middles
        return maps[:, rows[:, None], columns]

    def spread(self, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        """Give all pixels of a square (Y, X) the square's label."""
        rows, columns = self.squares
        return labels[rows[:, None], columns]


def _along(n_pixels: int, start: int, side_px: int) -> tuple[int, Ints, Ints]:
    """Return the number of the first square, the middle of each, and which one each pixel lies in, along an axis."""
    numbers, square = np.unique(np.arange(start, start + n_pixels) // side_px, return_inverse=True)
    middles = (numbers * side_px + side_px // 2 - start).clip(0, n_pixels - 1)
    return int(numbers[0]), middles, square
