"""Random variety for training patches, made a batch at a time on the device that trains.

Geometry is one warp of image and targets together. Only local contrast and compression are left to kornia. All
randomness comes from torch's global generator, so a seeded step is repeatable.
"""

from __future__ import annotations

import kornia.augmentation as K
import torch
from pydantic import Field
from torch import nn

from napari_nucseg.learning.colours import recolour, restain
from napari_nucseg.learning.light import blur, count_photons, dim, noise, shade
from napari_nucseg.learning.ranges import PositiveRange, QualityRange
from napari_nucseg.learning.warping import warp
from napari_nucseg.nuclei.targets import CORE_DISTANCE
from napari_nucseg.refusals import Settings

CORE_SOFTNESS = 0.05  # width in normalised distance over which the core's edge is soft


class AugmentSettings(Settings):
    """How far training patches may stray from the images they were cut from; ``p_…`` says how often."""

    crop_px: int = Field(256, ge=64, description="Side of the squares the network is trained on.")
    scale_jitter: float = Field(0.35, ge=0, description="Half width of the natural log of the random scale.")
    rotate: float = Field(1.0, ge=0, le=1, description="How often patches are turned by any angle.")
    flip: float = Field(0.5, ge=0, le=1, description="How often patches are mirrored along each axis.")
    elastic_px: float = Field(6.0, ge=0, description="Spread of the shifts of an elastic warp.")
    elastic_grid_px: int = Field(48, ge=8, description="Distance over which these shifts change.")
    gamma: PositiveRange = (0.6, 1.6)
    brightness: float = Field(0.15, ge=0, le=1)
    contrast: float = Field(0.35, ge=0, le=1)
    saturation: float = Field(0.3, ge=0, le=1)
    hue: float = Field(0.06, ge=0, le=0.5)
    stain: float = Field(
        0.25, ge=0, description="Spread of random gains in optical density, channel by channel."
    )
    hed: float = Field(
        0.0,
        ge=0,
        description="Spread of the natural log of gains of haematoxylin, eosin and DAB, each its own.",
    )
    shade: float = Field(
        0.5, ge=0, description="Spread of the natural log of a gain that changes slowly across the crop."
    )
    shade_grid_px: int = Field(96, ge=8, description="Distance over which this gain changes.")
    noise: float = Field(0.06, ge=0, description="Largest standard deviation of Gaussian noise.")
    photons: PositiveRange = Field(
        (8.0, 200.0),
        description="Photons in the brightest pixels of fluorescence, of few of which noise is made.",
    )
    dim: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Least gain of fluorescence, as where debris much brighter sets the range.",
    )
    blur_sigma_px: PositiveRange = (0.3, 1.8)
    clahe_clip: PositiveRange = Field(
        (1.0, 4.0), description="Clip limits of local contrast equalisation, in mean bin heights."
    )
    jpeg_quality: QualityRange = Field((40.0, 95.0), description="Qualities of JPEG compression.")
    p_elastic: float = Field(0.0, ge=0, le=1)
    p_shuffle: float = Field(
        0.0, ge=0, le=1, description="Colour channels exchanged: brown stains, other dyes."
    )
    p_shade: float = Field(0.0, ge=0, le=1)
    p_gamma: float = Field(0.5, ge=0, le=1)
    p_color: float = Field(0.4, ge=0, le=1, description="Brightness, contrast, saturation and hue together.")
    p_clahe: float = Field(0.0, ge=0, le=1)
    p_jpeg: float = Field(0.0, ge=0, le=1)
    p_noise: float = Field(0.3, ge=0, le=1)
    p_photons: float = Field(0.0, ge=0, le=1)
    p_dim: float = Field(0.0, ge=0, le=1)
    p_blur: float = Field(0.25, ge=0, le=1)
    p_gray: float = Field(0.15, ge=0, le=1)
    p_invert: float = Field(0.1, ge=0, le=1)


class Augmenter(nn.Module):
    """Turns patch fields (B, 5, P, P) uint8 into images (B, 3, C, C) and targets (B, 3, C, C), float 0…1."""

    def __init__(self, settings: AugmentSettings) -> None:
        super().__init__()
        self.settings = settings
        self.clahe = K.RandomClahe(settings.clahe_clip, p=settings.p_clahe)
        self.jpeg = K.RandomJPEG(settings.jpeg_quality, p=settings.p_jpeg)

    @torch.no_grad()
    def forward(self, fields: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw one random view of every patch of the batch."""
        image, others = self.view(fields)
        foreground, distance = others.unbind(1)
        return image, torch.stack([foreground, distance, core_of(distance)], dim=1)

    @torch.no_grad()
    def view(self, fields: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw one random view of patches (B, 3 + K, P, P) uint8: images (B, 3, C, C) and other fields (B, K, C, C)."""
        s = self.settings
        warped = warp(fields.float() / 255, s)
        image = shade(restain(warped[:, :3], s), s)
        if s.p_clahe:
            image = self.clahe(image)
        image = blur(recolour(image, s), s)
        image = dim(count_photons(noise(image, s), s), s)
        return self.jpeg(image.clamp(0, 1)).clamp(0, 1) if s.p_jpeg else image, warped[:, 3:]


def core_of(distance: torch.Tensor) -> torch.Tensor:
    """Core of nuclei with a soft edge, 0…1, from their normalised distance, of any shape."""
    return ((distance - CORE_DISTANCE) / CORE_SOFTNESS + 0.5).clamp(0, 1)
