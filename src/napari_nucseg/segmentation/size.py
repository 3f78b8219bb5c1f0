"""How large the nuclei of an image are: the size network's answer on a few crops at several scales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_nucseg.segmentation.rescale import rescale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.network.size_network import SizeArchitecture

VIEW_SCALES = (0.5, 1.0, 2.0)
CROP_PX = 384
CROPS_PER_SCALE = 4
SURE_WITHIN = 0.25  # half width, as a natural log, of what counts as the same diameter for the confidence


@dataclass(frozen=True)
class DiameterEstimate:
    """Median nucleus diameter in pixels of the image, and how much of the evidence agrees with it, 0…1."""

    diameter_px: float
    confidence: float


def estimate_diameter(model: Model, image: NDArray[np.float32], device: Device) -> DiameterEstimate:
    """Estimate the median nucleus diameter of a whole image.

    The size network looks at the most structured crops at half, full and double size. Where it sees nuclei it gives
    a distribution over diameters; all are shifted to the image's own scale and multiplied, each weighted by
    how many nuclei it saw. Without a size network, or where no nucleus is seen, the canonical diameter is
    returned with confidence 0.

    Parameters
    ----------
    model : loaded model.
    image : (3, Y, X) float32, 0…1.
    device : where to run.
    """
    fallback = DiameterEstimate(model.card.canonical_diameter_px, 0.0)
    if model.size_network is None:
        return fallback
    architecture = model.size_network.architecture
    axis = _diameter_axis(architecture)
    evidence = np.zeros(axis.size)
    mass = 0.0
    for scale in VIEW_SCALES:
        for crop in _crops(image, scale):
            density, seen = _look(model, crop, device)
            shifted = np.interp(
                axis, _log_diameters(architecture) - math.log(scale), density, left=0, right=0
            )
            evidence += seen * np.log(shifted + 1e-3)
            mass += seen
    if mass <= 0:
        return fallback
    posterior = np.exp((evidence - evidence.max()) / mass)
    posterior /= posterior.sum()
    centre = float(axis[np.argmax(evidence)])
    near = np.abs(axis - centre) < SURE_WITHIN
    mean = float((axis * posterior)[near].sum() / posterior[near].sum())
    return DiameterEstimate(math.exp(mean), float(posterior[near].sum()))


def _look(model: Model, crop: NDArray[np.float32], device: Device) -> tuple[NDArray[np.float64], float]:
    """One crop's distribution over the diameter classes, and the share of it that nuclei cover."""
    network = model.on(device).size_network
    assert network is not None
    stride = network.architecture.stride_px
    padding = [(0, -n % stride + (2 * stride if n < 2 * stride else 0)) for n in crop.shape[1:]]
    padded = np.pad(crop, ((0, 0), *padding), mode="symmetric")
    with torch.inference_mode(), device.autocast():
        logits = network(torch.from_numpy(padded)[None].to(device.torch))[0].float().cpu()
    seen = torch.sigmoid(logits[0])
    classes = torch.softmax(logits[1:], dim=0)
    total = float(seen.sum())
    density = ((classes * seen).sum((1, 2)) / max(total, 1e-6)).numpy().astype(np.float64)
    return density, float(seen.mean())


def _log_diameters(architecture: SizeArchitecture) -> NDArray[np.float64]:
    return architecture.log_diameters().numpy().astype(np.float64)


def _diameter_axis(architecture: SizeArchitecture) -> NDArray[np.float64]:
    """Natural log of diameters in pixels of the image that any view can tell, finely spaced."""
    centres = _log_diameters(architecture)
    low = centres[0] - math.log(max(VIEW_SCALES))
    high = centres[-1] - math.log(min(VIEW_SCALES))
    return np.arange(low, high, 0.02)


def _crops(image: NDArray[np.float32], scale: float) -> list[NDArray[np.float32]]:
    """Return the crops with most structure, rescaled; the whole image where it is small."""
    side = round(CROP_PX / scale)
    height, width = image.shape[1:]
    starts = [
        np.unique(np.linspace(0, max(0, n - side), max(1, n // side)).astype(int)) for n in (height, width)
    ]
    windows = [image[:, y : y + side, x : x + side] for y in starts[0] for x in starts[1]]
    windows.sort(key=lambda w: -float(w[:, ::4, ::4].std()))
    return [
        rescale(w, (max(1, round(w.shape[1] * scale)), max(1, round(w.shape[2] * scale))))
        for w in windows[:CROPS_PER_SCALE]
    ]
