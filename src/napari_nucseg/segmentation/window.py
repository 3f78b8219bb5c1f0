"""A region of an image with the surroundings that its labels depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from napari_nucseg.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SURROUNDINGS = 4.0
"""Around a region, this many nucleus diameters are decoded too, so that nuclei across its edge come out whole."""

Region = tuple[slice, slice]
Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Window:
    """Rows and columns to read, and those of them to keep."""

    read: Region
    kept: Region

    @classmethod
    def around(cls, region: Region | None, shape: tuple[int, int], halo_px: int, step_px: int = 1) -> Window:
        """Take a region of an image of a (Y, X) shape, plus a halo; None is the whole image.

        What is read starts and ends on multiples of ``step_px``, or at the image's end. For the network that is its
        stride in image pixels: it sees the same pixels in another way when they are shifted by less.

        Raises
        ------
        ImageError
            If the region holds no pixel of the image.
        """
        if region is None:
            region = (slice(0, shape[0]), slice(0, shape[1]))
        limits = [s.indices(n)[:2] for s, n in zip(region, shape, strict=True)]
        if any(stop <= start for start, stop in limits):
            raise ImageError(
                f"the region {region} holds no pixel of the {shape[1]} x {shape[0]} px image. Draw another."
            )
        read = [
            (max(0, a - halo_px) // step_px * step_px, min(n, -(-(b + halo_px) // step_px) * step_px))
            for (a, b), n in zip(limits, shape, strict=True)
        ]
        kept = [slice(a - start, b - start) for (a, b), (start, _) in zip(limits, read, strict=True)]
        return cls((slice(*read[0]), slice(*read[1])), (kept[0], kept[1]))

    @classmethod
    def for_nuclei(cls, region: Region | None, shape: tuple[int, int], diameter_px: float) -> Window:
        """Take a region, or the whole image, with the surroundings that nuclei of a diameter need.

        Raises
        ------
        ImageError
            As ``around``.
        """
        return cls.around(region, shape, round(SURROUNDINGS * diameter_px))

    @property
    def origin(self) -> tuple[int, int]:
        """First row and column read."""
        return self.read[0].start, self.read[1].start

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns read."""
        return self.read[0].stop - self.read[0].start, self.read[1].stop - self.read[1].start

    def scaled_shape(self, scale: float) -> tuple[int, int]:
        """Shape of what is read at another scale, at least one pixel."""
        return max(1, round(self.shape[0] * scale)), max(1, round(self.shape[1] * scale))

    def crop(self, array: NDArray[Scalar]) -> NDArray[Scalar]:
        """Cut the kept part out of an array (…, Y, X) over what was read."""
        return array[..., self.kept[0], self.kept[1]]
