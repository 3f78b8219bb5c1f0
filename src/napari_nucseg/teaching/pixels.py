"""Pixels as models of one kind want them, held as bytes: a folder of a hundred images fits into memory so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model


@dataclass(frozen=True, eq=False)
class Pixels:
    """What is kept of an image as a network is shown it.

    Attributes
    ----------
    values : (C, Y, X) uint8, C 1 or 3
    filled : (Y, X), where nothing was taken, and nothing is to be found; None where all was
    diameter_px : median of its nuclei: as given, else as the network estimates
    """

    values: NDArray[np.uint8]
    filled: NDArray[np.bool_] | None
    diameter_px: float


def shown_pixels(
    planes: NDArray[np.float32], diameter_px: float | None, base: Model, device: Device
) -> Pixels:
    """Show a whole image as it is shown to the base model where that segments it with the same diameter.

    Parameters
    ----------
    planes : (C, Y, X) in their own units, as ``to_planes`` returns them.
    diameter_px : median nucleus diameter, None where it is not known.
    base : looks where planes may be shown in several ways.
    device : where it looks.
    """
    from napari_nucseg.segmentation.showing import Whole, show  # late: loads torch

    shown = show(Whole.of(planes), diameter_px, base, device)
    return Pixels(np.round(shown.image * 255).astype(np.uint8), shown.filled, shown.diameter_px)


def as_image(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(1 or 3, Y, X) bytes to what a network is shown: (3, Y, X) float32, 0…1."""
    planes = pixels.astype(np.float32) / np.float32(255)
    return np.broadcast_to(planes, (3, *planes.shape[1:])).copy()
