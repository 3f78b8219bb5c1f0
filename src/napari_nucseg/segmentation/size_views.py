"""Views of an image: square windows at a scale, as the size head sees them."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_nucseg.network.size_head import summarise
from napari_nucseg.segmentation.rescale import rescale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import nn

    from napari_nucseg.network.device import Device
    from napari_nucseg.segmentation.picture import Picture

VIEW_PX = 256
BATCH = 8
MOST_A_SIDE = 128
"""Windows looked at down and across: of a large image they leave gaps."""


def structured_windows(picture: Picture, scale: float, n: int) -> list[NDArray[np.float32]]:
    """Choose the ``n`` windows, (3, Y, X), with most structure among those that tile a picture at a scale.

    A window shows ``VIEW_PX`` network pixels, or the whole image where that is less.
    """
    side = math.ceil(VIEW_PX / scale)
    starts = [
        np.unique(np.linspace(0, max(0, length - side), min(-(-length // side), MOST_A_SIDE)).astype(int))
        for length in picture.shape
    ]
    corners = sorted(product(*starts), key=lambda corner: -_structure(picture, corner, side))
    return [picture.read(*(slice(start, start + side) for start in corner)) for corner in corners[:n]]


def _structure(picture: Picture, corner: tuple[int, ...], side: int) -> float:
    """Contrast in a window, seen in every fourth row and column."""
    return float(picture.scaled(*(slice(start, start + side, 4) for start in corner)).std())


def at_scale(window: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Rescale a (C, Y, X) window to ``VIEW_PX`` a side at most, so that the network sees it in one piece."""
    height, width = (min(VIEW_PX, max(1, round(n * scale))) for n in window.shape[1:])
    return rescale(window, (height, width))


def square(view: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mirror a (C, Y, X) view to ``VIEW_PX`` a side."""
    missing = [(0, VIEW_PX - n) for n in view.shape[1:]]
    return np.ascontiguousarray(np.pad(view, ((0, 0), *missing), mode="symmetric"))


def summaries(encoder: nn.Module, views: Sequence[NDArray[np.float32]], device: Device) -> torch.Tensor:
    """Summarise what an encoder sees in square views: (N, D) float32 on the CPU."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(views), BATCH):
            batch = torch.from_numpy(np.stack(views[start : start + BATCH])).to(device.torch)
            with device.autocast():
                features = encoder(batch.contiguous(memory_format=torch.channels_last))
            found.append(summarise(features).cpu())
    return torch.cat(found)
