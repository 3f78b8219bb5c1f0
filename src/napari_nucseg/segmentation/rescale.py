"""Resize images to the network's scale and maps back to the image's."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from napari_nucseg.network.tiling import of_each_plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALE_LIMITS = (0.03, 4.0)
"""From image to network pixels, in use and in training."""
CLOSE_ENOUGH = 0.12  # as a natural log: the network is trained on a wider spread, and resizing blurs

GRID_PX = 128
"""At every scale in use as many network pixels are a whole number of image pixels: a part of an image that begins on
such a line is seen as it is within the whole."""


def rescale(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize (C, Y, X) to a new (Y, X) shape, linearly and without aliasing."""
    if image.shape[1:] == shape:
        return image
    batch = torch.from_numpy(np.ascontiguousarray(image))[None]
    resized = F.interpolate(batch, size=shape, mode="bilinear", antialias=True, align_corners=False)
    return np.asarray(resized[0].numpy())


def resample(image: NDArray[np.float32], scale: float, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize (C, Y, X) by a factor from its first pixel on, linearly and without aliasing, to a (Y, X) shape.

    Where the shape reaches beyond the image, that is continued by its last pixels.
    """
    if scale == 1 and image.shape[1:] == shape:
        return image
    return of_each_plane(image, partial(_resampled, scale=scale, shape=shape))


def _resampled(image: NDArray[np.float32], scale: float, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize plane by plane: what is padded and resized on the way needs the memory of one."""
    missing = [
        (0, max(0, math.ceil(n / scale) + 1 - have)) for n, have in zip(shape, image.shape[1:], strict=True)
    ]
    resized = np.empty((len(image), *shape), np.float32)
    for number, plane in enumerate(image):
        padded = torch.from_numpy(np.pad(plane, missing, mode="edge"))[None, None]
        whole = F.interpolate(
            padded, scale_factor=scale, mode="bilinear", antialias=True, recompute_scale_factor=False
        )
        resized[number] = whole[0, 0, : shape[0], : shape[1]].numpy()
    return resized


def allowed_scale(scale: float) -> float:
    """Take the factor from image to network pixels that is nearest to a wanted one."""
    return float(np.clip(scale, *SCALE_LIMITS))


def network_scale(diameter_px: float, canonical_px: float) -> tuple[float, str]:
    """Choose the factor from image to network pixels, and say in words where it had to be limited."""
    wanted = canonical_px / diameter_px
    scale = allowed_scale(wanted)
    note = ""
    if scale != wanted:
        sizes = " to ".join(f"{canonical_px / s:.0f}" for s in reversed(SCALE_LIMITS))
        note = (
            f"The model takes nuclei of {sizes} px, not of {diameter_px:.0f} px: "
            "it looked as near to that size as it can. Check the diameter, or choose another model."
        )
    return (1.0 if abs(np.log(scale)) < CLOSE_ENOUGH else on_grid(scale)), note


def on_grid(scale: float) -> float:
    """Take the factor next to a wanted one at which ``GRID_PX`` network pixels are a whole number of image pixels."""
    return GRID_PX / max(1, round(GRID_PX / scale))
