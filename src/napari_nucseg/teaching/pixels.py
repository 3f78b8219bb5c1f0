"""Pixels as models of one kind want them, held as bytes: a folder of a hundred images fits into memory so."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.data.familiar import familiar
from napari_nucseg.data.intensity import IntensityRange, equalise

if TYPE_CHECKING:
    from numpy.typing import NDArray


def normalised(
    planes: NDArray[np.float32], percentiles: tuple[float, float], *, clahe: bool
) -> NDArray[np.uint8]:
    """Normalise whole planes (C, Y, X) in their own units, as a model's card says: 0…255."""
    planes, _ = familiar(planes)
    image = IntensityRange.of(planes, *percentiles).apply(planes)
    return np.round((equalise(image) if clahe else image) * 255).astype(np.uint8)


def sha256_of_pixels(planes: NDArray[np.float32]) -> str:
    """Hash of planes (C, Y, X) in their own units: the same for the same image, wherever it lies."""
    digest = hashlib.sha256(str(planes.shape).encode())
    digest.update(np.ascontiguousarray(planes).data)
    return digest.hexdigest()


def as_image(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(1 or 3, Y, X) bytes to what a network is shown: (3, Y, X) float32, 0…1."""
    planes = pixels.astype(np.float32) / np.float32(255)
    return np.broadcast_to(planes, (3, *planes.shape[1:])).copy()
