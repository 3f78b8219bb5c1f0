"""Random variety for training patches, made a batch at a time on the device that trains.

Geometry is one warp of image and targets together; intensities are changed by kornia. All randomness comes from
torch's global generator, so a seeded step is repeatable.
"""

from __future__ import annotations

import math

import kornia.augmentation as K
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn
from torch.nn import functional as F

from napari_nucseg.nuclei.targets import CORE_DISTANCE

CORE_SOFTNESS = 0.05  # width in normalised distance over which the core's edge is soft


class AugmentSettings(BaseModel):
    """How far training patches may stray from the images they were cut from; ``p_…`` says how often."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop_px: int = Field(256, ge=64, description="Side of the squares the network is trained on.")
    scale_jitter: float = Field(0.35, ge=0, description="Half width of the natural log of the random scale.")
    rotate: float = Field(1.0, ge=0, le=1, description="How often patches are turned by any angle.")
    flip: float = Field(0.5, ge=0, le=1, description="How often patches are mirrored along each axis.")
    elastic_px: float = Field(6.0, ge=0, description="Spread of the shifts of an elastic warp.")
    elastic_grid_px: int = Field(48, ge=8, description="Distance over which these shifts change.")
    gamma: tuple[float, float] = (0.6, 1.6)
    brightness: float = Field(0.15, ge=0, le=1)
    contrast: float = Field(0.35, ge=0, le=1)
    saturation: float = Field(0.3, ge=0, le=1)
    hue: float = Field(0.06, ge=0, le=0.5)
    stain: float = Field(
        0.25, ge=0, description="Spread of random gains in optical density, channel by channel."
    )
    shade: float = Field(
        0.5, ge=0, description="Spread of the natural log of a gain that changes slowly across the crop."
    )
    shade_grid_px: int = Field(96, ge=8, description="Distance over which this gain changes.")
    noise: float = Field(0.06, ge=0, description="Largest standard deviation of Gaussian noise.")
    blur_sigma_px: tuple[float, float] = (0.3, 1.8)
    clahe_clip: tuple[float, float] = Field(
        (1.0, 4.0), description="Clip limits of local contrast equalisation, in mean bin heights."
    )
    jpeg_quality: tuple[float, float] = Field((40.0, 95.0), description="Qualities of JPEG compression.")
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
    p_blur: float = Field(0.25, ge=0, le=1)
    p_gray: float = Field(0.15, ge=0, le=1)
    p_invert: float = Field(0.1, ge=0, le=1)


class Augmenter(nn.Module):
    """Turns patch fields (B, 5, P, P) uint8 into images (B, 3, C, C) and targets (B, 3, C, C), float 0…1."""

    def __init__(self, settings: AugmentSettings) -> None:
        super().__init__()
        self.settings = settings
        s = settings
        steps = (
            (s.p_shuffle, K.RandomChannelShuffle(p=s.p_shuffle)),
            (s.p_clahe, K.RandomClahe(s.clahe_clip, p=s.p_clahe)),
            (s.p_gamma, K.RandomGamma(gamma=s.gamma, gain=(1.0, 1.0), p=s.p_gamma)),
            (s.p_color, K.ColorJiggle(s.brightness, s.contrast, s.saturation, s.hue, p=s.p_color)),
            (s.p_blur, K.RandomGaussianBlur((7, 7), s.blur_sigma_px, p=s.p_blur)),
            (s.p_gray, K.RandomGrayscale(p=s.p_gray)),
            (s.p_invert, K.RandomInvert(p=s.p_invert)),
        )
        self.intensity = K.ImageSequential(*(step for p, step in steps if p > 0))
        self.jpeg = K.RandomJPEG(s.jpeg_quality, p=s.p_jpeg)

    @torch.no_grad()
    def forward(self, fields: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw one random view of every patch of the batch."""
        image, others = self.view(fields)
        foreground, distance = others.unbind(1)
        return image, torch.stack([foreground, distance, core_of(distance)], dim=1)

    @torch.no_grad()
    def view(self, fields: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw one random view of patches (B, 3 + K, P, P) uint8: images (B, 3, C, C) and other fields (B, K, C, C)."""
        warped = warp(fields.float() / 255, self.settings)
        image = self._add_noise(self._recolour(self._shade(self._restain(warped[:, :3]))))
        return self._compress(image) if self.settings.p_jpeg else image, warped[:, 3:]

    def _recolour(self, image: torch.Tensor) -> torch.Tensor:
        return self.intensity(image).clamp(0, 1) if len(self.intensity) else image

    def _compress(self, image: torch.Tensor) -> torch.Tensor:
        return self.jpeg(image.clamp(0, 1)).clamp(0, 1)

    def _restain(self, image: torch.Tensor) -> torch.Tensor:
        """Scale each channel's optical density by a random gain: other stains, other dyes, other exposure."""
        spread = self.settings.stain
        if not spread:
            return image
        gains = torch.exp(spread * torch.randn(image.shape[0], 3, 1, 1, device=image.device))
        gray = (image[:, :1] == image[:, 1:]).flatten(1).all(1).view(-1, 1, 1, 1)
        gains = torch.where(gray, torch.ones_like(gains), gains)  # grey images stay grey
        return (image + 1 / 255).pow(gains).clamp(0, 1)

    def _shade(self, image: torch.Tensor) -> torch.Tensor:
        """Weaken nuclei here and strengthen them there: by their light, or by what they absorb of a bright field."""
        s = self.settings
        if not s.p_shade:
            return image
        n, _, side, _ = image.shape
        shaded = torch.rand(n, 1, 1, 1, device=image.device) < s.p_shade
        gain = torch.exp(s.shade * _smooth_noise(n, 1, side, s.shade_grid_px, image.device) * shaded)
        bright = image.mean(dim=(1, 2, 3), keepdim=True) > 0.5
        return torch.where(bright, 1 - (1 - image) * gain, image * gain).clamp(0, 1)

    def _add_noise(self, image: torch.Tensor) -> torch.Tensor:
        n = image.shape[0]
        noisy = torch.rand(n, device=image.device) < self.settings.p_noise
        sigma = noisy * torch.rand(n, device=image.device) * self.settings.noise
        return image + torch.randn_like(image[:, :1]) * sigma.view(-1, 1, 1, 1)


def core_of(distance: torch.Tensor) -> torch.Tensor:
    """Core of nuclei with a soft edge, 0…1, from their normalised distance, of any shape."""
    return ((distance - CORE_DISTANCE) / CORE_SOFTNESS + 0.5).clamp(0, 1)


def warp(fields: torch.Tensor, settings: AugmentSettings) -> torch.Tensor:
    """Cut a randomly placed, turned, mirrored, scaled and bent square out of each patch.

    (B, K, P, P) to (B, K, C, C), all fields alike.
    """
    n, n_fields, side, _ = fields.shape
    device, crop_px = fields.device, settings.crop_px
    scale = torch.exp(settings.scale_jitter * (2 * torch.rand(n, device=device) - 1))
    turned = torch.rand(n, device=device) < settings.rotate
    angle = 2 * math.pi * torch.rand(n, device=device) * turned
    mirror = 1 - 2 * (torch.rand(n, 2, device=device) < settings.flip).float()
    cos, sin = torch.cos(angle), torch.sin(angle)
    rotation = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    reach = crop_px / side / scale  # half side of the crop in the patch's own -1…1 coordinates
    room = (1 - reach).clamp(min=0).unsqueeze(-1)
    shift = room * (2 * torch.rand(n, 2, device=device) - 1)
    linear = rotation * mirror.unsqueeze(1) * reach.view(-1, 1, 1)
    theta = torch.cat([linear, shift.unsqueeze(-1)], dim=-1)
    grid = F.affine_grid(theta, [n, n_fields, crop_px, crop_px], align_corners=False)
    if settings.p_elastic:
        grid = grid + _bend(n, side, settings, device)
    return F.grid_sample(fields, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _bend(n: int, side: int, settings: AugmentSettings, device: torch.device) -> torch.Tensor:
    """Smooth random shifts (B, C, C, 2) in a patch's own coordinates, for some of the patches.

    Added to the grid of the other warps, so pixels are interpolated once; kornia's elastic transform would do it
    a second time, and blur a field of noise at full size for it.
    """
    bent = torch.rand(n, 1, 1, 1, device=device) < settings.p_elastic
    shifts = _smooth_noise(n, 2, settings.crop_px, settings.elastic_grid_px, device)
    return (shifts * settings.elastic_px * 2 / side * bent).permute(0, 2, 3, 1)


def _smooth_noise(n: int, channels: int, side: int, grid_px: int, device: torch.device) -> torch.Tensor:
    """Draw standard normal numbers at the knots of a grid, bicubic between them: (N, channels, side, side)."""
    knots = side // grid_px + 3
    noise = torch.randn(n, channels, knots, knots, device=device)
    return F.interpolate(noise, size=(side, side), mode="bicubic", align_corners=True)
