"""Pixels to judge an image by where looking at all of them would take long."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_LOOKED_AT = 500
Scalar = TypeVar("Scalar", bound=np.generic)


def thinned(pixels: NDArray[Scalar]) -> NDArray[Scalar]:
    """Rows and columns of (…, Y, X) at even distances: about ``MOST_LOOKED_AT`` of the longer side, or all."""
    step = max(1, max(pixels.shape[-2:]) // MOST_LOOKED_AT)
    return pixels[..., ::step, ::step]
