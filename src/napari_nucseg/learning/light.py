"""Other light for a batch of images, each image its own: shading, blur, noise, few photons, little of the range.

Fluorescence is told by its dark ground. Nothing here waits for the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from napari_nucseg.learning.chance import between, log_between, some
from napari_nucseg.learning.warping import smooth_noise

if TYPE_CHECKING:
    from napari_nucseg.learning.augment import AugmentSettings

BLUR_REACH_PX = 3


def shade(image: torch.Tensor, settings: AugmentSettings) -> torch.Tensor:
    """Weaken nuclei here and strengthen them there: by their light, or by what they absorb of a bright field."""
    s = settings
    if not s.p_shade:
        return image
    n, _, side, _ = image.shape
    smooth = smooth_noise(n, 1, side, s.shade_grid_px, image.device)
    gain = torch.exp(s.shade * smooth * some(image, s.p_shade))
    return torch.where(_dark(image), image * gain, 1 - (1 - image) * gain).clamp(0, 1)


def blur(image: torch.Tensor, settings: AugmentSettings) -> torch.Tensor:
    """Blur some images by a Gaussian."""
    s = settings
    if not s.p_blur:
        return image
    n, channels, *_ = image.shape
    sigma = between(image, *s.blur_sigma_px).view(n, 1)
    offset = torch.arange(-BLUR_REACH_PX, BLUR_REACH_PX + 1, device=image.device)
    weights = torch.exp(-0.5 * (offset / sigma) ** 2)
    weights = torch.where(some(image, s.p_blur).view(n, 1), weights, (offset == 0).float())
    weights = (weights / weights.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    planes = F.pad(image, [BLUR_REACH_PX] * 4, mode="reflect").flatten(0, 1).unsqueeze(0)
    for shape in ((1, -1), (-1, 1)):
        planes = F.conv2d(planes, weights.view(n * channels, 1, *shape), groups=n * channels)
    return planes.view_as(image)


def noise(image: torch.Tensor, settings: AugmentSettings) -> torch.Tensor:
    """Add Gaussian noise to some images, the same to all channels."""
    if not settings.p_noise:
        return image
    sigma = between(image, 0, settings.noise)
    return image + torch.randn_like(image[:, :1]) * sigma * some(image, settings.p_noise)


def count_photons(image: torch.Tensor, settings: AugmentSettings) -> torch.Tensor:
    """Make the light of some dark-ground images arrive in few photons, some in pixels twice as wide."""
    s = settings
    if not s.p_photons:
        return image
    size = image.shape[2:]
    light = image.mean(dim=1, keepdim=True).clamp(0, 1)
    if torch.rand(()) < 0.5:  # as of a camera's pixels twice as wide
        light = F.avg_pool2d(light, 2)
    peak = log_between(image, *s.photons)
    counted = F.interpolate(torch.poisson(light * peak) / peak - light, size=size, mode="bilinear")
    return (image + counted * (some(image, s.p_photons) & _dark(image))).clamp(0, 1)


def dim(image: torch.Tensor, settings: AugmentSettings) -> torch.Tensor:
    """Leave some dark-ground images only a part of the range, as where debris much brighter sets it."""
    s = settings
    if not s.p_dim:
        return image
    gain = log_between(image, s.dim, 1.0)
    return torch.where(some(image, s.p_dim) & _dark(image), image * gain, image)


def _dark(image: torch.Tensor) -> torch.Tensor:
    """Which images of a batch shine on a dark ground, (B, 1, 1, 1)."""
    return image.mean(dim=(1, 2, 3), keepdim=True) < 0.5
