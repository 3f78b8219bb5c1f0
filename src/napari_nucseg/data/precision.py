"""Pixels whose contrast float32 cannot hold: large whole numbers over an offset, and extreme float64."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.thinned import thinned

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_LEVELS = 4096
"""Steps of float32 that the range of intensities needs to be told apart well."""
EXTREME = 1e30
"""Intensities beyond it, or all below its inverse, are brought near 1: sums of them would leave float32."""


def within_float32(planes: NDArray[Any]) -> NDArray[Any]:
    """Return planes (C, Y, X) whose contrast outlives float32: brought to about 0…1 where it would not, else as given.

    NaN and infinities stay. Types of up to 16 bit and float32 itself are never looked at.
    """
    if planes.dtype == np.float32 or planes.dtype.itemsize < 4:
        return planes
    low, high = _range(planes)
    largest = max(abs(low), abs(high))
    if largest == 0 or low == high:
        return planes
    _, exponent = math.frexp(largest)
    bottom, top = math.ldexp(low, -exponent), math.ldexp(high, -exponent)  # −1…1, exactly
    if 1 / EXTREME < largest < EXTREME and top - bottom > LEAST_LEVELS * np.finfo(np.float32).eps:
        return planes
    with np.errstate(over="ignore"):
        return ((np.ldexp(planes.astype(np.float64), -exponent) - bottom) / (top - bottom)).astype(np.float32)


def _range(planes: NDArray[Any]) -> tuple[float, float]:
    """Lowest and highest intensity in most pixels: hot and dead ones count only where all others are alike."""
    for pixels, percentiles in ((thinned(planes), (0.5, 99.95)), (planes, (0, 100))):
        finite = pixels[np.isfinite(pixels)].astype(np.float64)
        if finite.size and (ends := np.percentile(finite, percentiles, method="nearest"))[0] < ends[1]:
            return float(ends[0]), float(ends[1])
    return 0.0, 0.0
