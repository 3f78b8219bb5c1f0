"""Intensity normalisation whose constants are taken once for a whole image.

Tiles and crops get the constants passed in, so neighbouring tiles never disagree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.exposure import equalize_adapthist

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_SAMPLED_PIXELS = 1_000_000
SAMPLE_PX = 64
CLAHE_TILES = 8
CLAHE_CLIP = 4 / 256


@dataclass(frozen=True)
class IntensityRange:
    """Intensities that become 0 and 1, in the image's own units."""

    low: float
    high: float

    @classmethod
    def of(
        cls, image: NDArray[Any], low_percentile: float = 0.5, high_percentile: float = 99.95
    ) -> IntensityRange:
        """Take the range of a (C, Y, X) image in any units; hot and dead pixels and non-finite values do not count.

        A 3x3 median filter removes single hot pixels before the percentiles are taken; all channels share one
        range, which keeps the hue of stained tissue. Large images are sampled all over.
        """
        samples = _samples(image)
        finite = np.concatenate([_without_hot_pixels(s) for s in samples])
        if finite.size == 0:
            return cls(0.0, 0.0)
        low, high = np.percentile(finite, (low_percentile, high_percentile))
        if high <= low:  # nearly constant: any contrast left is in fewer pixels than the percentiles see
            low, high = float(finite.min()), float(finite.max())
        return cls(float(low), float(high))

    @property
    def is_empty(self) -> bool:
        """Whether nothing lies between both: the image is constant."""
        return not self.high > self.low

    def apply(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Map the range to 0…1 and clip to it; non-finite pixels become 0, a constant image becomes 0."""
        if self.is_empty:
            return np.zeros(image.shape, np.float32)
        scaled = image - np.float32(self.low)
        scaled /= np.float32(self.high - self.low)  # from here on in place: images are large
        np.clip(scaled, 0, 1, out=scaled)
        scaled[np.isnan(scaled)] = 0
        return scaled.astype(np.float32, copy=False)


def equalise(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Equalise contrast locally (CLAHE: Zuiderveld 1994, Graphics Gems IV): (C, Y, X), 0…1, to the same.

    As OpenCV does it by habit: 8 x 8 tiles an image, histograms of 256 bins clipped at four times their mean. Of
    colours only the value (of HSV) is changed, so the hue of stained tissue stays. A constant image stays as it is.
    """
    if not float(image.max(initial=0)) > float(image.min(initial=1)):
        return image
    tile = tuple(max(1, -(-n // CLAHE_TILES)) for n in image.shape[1:])
    pixels = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
    equal = equalize_adapthist(pixels, kernel_size=tile, clip_limit=CLAHE_CLIP, nbins=256)
    planes = equal[np.newaxis] if len(image) == 1 else np.moveaxis(equal, -1, 0)
    return np.ascontiguousarray(planes, dtype=np.float32)


def _without_hot_pixels(image: NDArray[Any]) -> NDArray[np.float32]:
    """Finite pixels (N,) of (C, Y, X), median-filtered; others would be in no order with them."""
    image = image.astype(np.float32, copy=False)
    known = np.isfinite(image)
    if not known.all():
        image = np.where(known, image, np.median(image[known]) if known.any() else 0)
    return ndimage.median_filter(image, size=(1, 3, 3))[known]


def _samples(image: NDArray[Any]) -> list[NDArray[Any]]:
    """Whole image where it is small, else squares at even distances down and across it."""
    height, width = image.shape[1:]
    if height * width <= MAX_SAMPLED_PIXELS:
        return [image]
    n = MAX_SAMPLED_PIXELS / SAMPLE_PX**2
    n_rows = min(-(-height // SAMPLE_PX), max(1, round(math.sqrt(n * height / width))))
    n_columns = min(-(-width // SAMPLE_PX), max(1, round(n / n_rows)))
    rows, columns = _starts(height, n_rows), _starts(width, n_columns)
    return [image[:, y : y + SAMPLE_PX, x : x + SAMPLE_PX] for y in rows for x in columns]


def _starts(length: int, n: int) -> NDArray[np.intp]:
    """Where squares begin that lie in the middle of the ``n`` parts of an axis."""
    middles = (np.arange(n) + 0.5) * length / n
    return (middles - SAMPLE_PX / 2).clip(0, max(0, length - SAMPLE_PX)).astype(np.intp)
