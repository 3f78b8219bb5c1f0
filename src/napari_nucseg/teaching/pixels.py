"""Pixels as models of one kind want them, held as bytes: a folder of a hundred images fits into memory so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    diameter_px : median of its nuclei: as known, else as it was given to segment, else as the network estimates
    """

    values: NDArray[np.uint8]
    filled: NDArray[np.bool_] | None
    diameter_px: float


def shown_pixels(
    planes: NDArray[Any],
    diameter_px: float | None,
    base: Model,
    device: Device,
    given_px: float | None = None,
) -> Pixels:
    """Show a whole image as it is shown to the base model where that segments it.

    Which of several ways it is shown in may depend on the diameter, and whoever segments an image seldom knows that
    of its nuclei: with it the old model could be compared as nobody has seen it.

    Parameters
    ----------
    planes : (C, Y, X) in their own units, as ``to_planes`` returns them.
    diameter_px : median nucleus diameter, None where it is not known.
    base : looks where planes may be shown in several ways.
    device : where it looks.
    given_px : diameter that was given to segment it, None where it is estimated.
    """
    from napari_nucseg.segmentation.showing import Whole, show, show_the_only_way  # late: loads torch

    whole, shown = Whole.of(planes), None
    if diameter_px is not None and given_px is None:  # an estimate takes long: none where it decides nothing
        shown = show_the_only_way(whole, diameter_px, base, device)
    shown = shown or show(whole, given_px, base, device)
    pixels = np.round(shown.picture.scaled() * 255).astype(np.uint8)
    return Pixels(pixels, shown.filled, diameter_px or shown.diameter_px)


def as_image(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(1 or 3, Y, X) bytes to what a network is shown: (3, Y, X) float32, 0…1."""
    planes = pixels.astype(np.float32) / np.float32(255)
    return np.broadcast_to(planes, (3, *planes.shape[1:])).copy()
