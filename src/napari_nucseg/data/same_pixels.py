"""Images known by their pixels, whatever they are called and wherever they lie."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sha256_of_pixels(planes: NDArray[Any]) -> str:
    """Hash of planes (C, Y, X) in their own units, the same in whatever type; nothing for a blank one."""
    if planes.size == 0:
        return ""
    if not np.fmin.reduce(planes, axis=None) < np.fmax.reduce(planes, axis=None):  # neither looks at NaN
        return ""  # padding of stacks: alike, but no image twice
    digest = hashlib.sha256(str(planes.shape).encode())
    for plane in planes:
        digest.update(np.ascontiguousarray(plane, np.float32).data)
    return digest.hexdigest()
