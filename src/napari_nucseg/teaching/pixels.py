"""Pixels as models of one kind want them, held as bytes: a folder of a hundred images fits into memory so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.data.burned_in import without_marks
from napari_nucseg.data.familiar import appearances
from napari_nucseg.data.intensity import IntensityRange, equalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model


def normalised(
    planes: NDArray[np.float32], diameter_px: float | None, base: Model, device: Device
) -> NDArray[np.uint8]:
    """Show whole planes (C, Y, X), in their own units, as the base model segments them: 0…255.

    Parameters
    ----------
    planes : as ``to_planes`` returns them.
    diameter_px : median nucleus diameter, None where it is not known.
    base : chooses where planes may be shown in several ways.
    device : where it looks.
    """
    from napari_nucseg.segmentation.showing import choose  # late: loads torch

    look = choose(appearances(without_marks(planes)), diameter_px, base, device)
    image = IntensityRange.of(look.planes, *base.card.normalisation).apply(look.planes)
    return np.round((equalise(image) if base.card.clahe else image) * 255).astype(np.uint8)


def as_image(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(1 or 3, Y, X) bytes to what a network is shown: (3, Y, X) float32, 0…1."""
    planes = pixels.astype(np.float32) / np.float32(255)
    return np.broadcast_to(planes, (3, *planes.shape[1:])).copy()
