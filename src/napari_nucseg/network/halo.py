"""How far a trained network really looks: measured, since weights use less than the theoretical field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_nucseg.network.architectures import activate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucseg.network.decoders import SegmentationNetwork

TOLERANCE = 0.02  # largest change of a map value that still counts as none
LARGEST_HALO_PX = 128
VIEW_PX = 384
"""Side with room for the largest halo all around the middle: without, all there is would seem to be enough."""


def measure_halo(network: SegmentationNetwork, images: list[NDArray[np.float32]], stride_px: int) -> int:
    """Smallest context in pixels, a multiple of the stride, without which maps stay within ``TOLERANCE``.

    The middle of each image is predicted with the whole image around it and with less and less of it. All but
    one in a thousand map values of every head must stay within the tolerance; so do those of their mean then.

    Parameters
    ----------
    network : on the CPU, in evaluation mode.
    images : (3, Y, X) float32 at the network's scale, sides a multiple of the stride, ``VIEW_PX`` or more.
    stride_px : the network's stride.
    """
    halo = stride_px
    for image in images:
        whole = _maps(network, image)
        while halo < LARGEST_HALO_PX and _change(network, image, whole, halo, stride_px) > TOLERANCE:
            halo += stride_px
    return halo


def _change(
    network: SegmentationNetwork,
    image: NDArray[np.float32],
    whole: NDArray[np.float32],
    halo: int,
    stride: int,
) -> float:
    """Largest change but one in a thousand in the middle when only a halo around it is seen."""
    starts = [(n // stride - 4) // 2 * stride for n in image.shape[1:]]
    inner = [(start, start + 4 * stride) for start in starts]
    window = tuple(slice(max(0, a - halo), b + halo) for a, b in inner)
    kept = tuple(slice(a - w.start, b - w.start) for (a, b), w in zip(inner, window, strict=True))
    part = _maps(network, image[:, window[0], window[1]])[..., kept[0], kept[1]]
    middle = whole[..., slice(*inner[0]), slice(*inner[1])]
    return float(np.quantile(np.abs(part - middle), 0.999))


def _maps(network: SegmentationNetwork, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Predict the maps (heads, 3, Y, X) of every head."""
    with torch.inference_mode():
        batch = torch.from_numpy(image[np.newaxis]).contiguous(memory_format=torch.channels_last)
        maps: NDArray[np.float32] = activate(network.heads(batch))[:, 0].numpy()
    return maps
