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
    """How far training patches may stray from the images they were cut from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop_px: int = Field(256, ge=64, description="Side of the squares the network is trained on.")
    scale_jitter: float = Field(0.35, ge=0, description="Half width of the natural log of the random scale.")
    rotate: bool = True
    gamma: tuple[float, float] = (0.6, 1.6)
    brightness: float = Field(0.15, ge=0, le=1)
    contrast: float = Field(0.35, ge=0, le=1)
    saturation: float = Field(0.3, ge=0, le=1)
    hue: float = Field(0.06, ge=0, le=0.5)
    stain: float = Field(
        0.25, ge=0, description="Spread of random gains in optical density, channel by channel."
    )
    noise: float = Field(0.06, ge=0, description="Largest standard deviation of Gaussian noise.")
    blur_sigma_px: tuple[float, float] = (0.3, 1.8)
    p_noise: float = Field(0.3, ge=0, le=1)
    p_blur: float = Field(0.25, ge=0, le=1)
    p_color: float = Field(0.4, ge=0, le=1)
    p_gray: float = Field(0.15, ge=0, le=1)
    p_invert: float = Field(0.1, ge=0, le=1)


class Augmenter(nn.Module):
    """Turns patch fields (B, 5, P, P) uint8 into images (B, 3, C, C) and targets (B, 3, C, C), float 0…1."""

    def __init__(self, settings: AugmentSettings) -> None:
        super().__init__()
        self.settings = settings
        s = settings
        self.intensity = K.ImageSequential(
            K.RandomGamma(gamma=s.gamma, gain=(1.0, 1.0), p=0.5),
            K.ColorJiggle(s.brightness, s.contrast, s.saturation, s.hue, p=s.p_color),
            K.RandomGaussianBlur((7, 7), s.blur_sigma_px, p=s.p_blur),
            K.RandomGrayscale(p=s.p_gray),
            K.RandomInvert(p=s.p_invert),
        )

    @torch.no_grad()
    def forward(self, fields: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw one random view of every patch of the batch."""
        warped = warp(fields.float() / 255, self.settings)
        image, foreground, distance = warped[:, :3], warped[:, 3], warped[:, 4]
        core = ((distance - CORE_DISTANCE) / CORE_SOFTNESS + 0.5).clamp(0, 1)
        targets = torch.stack([foreground, distance, core], dim=1)
        image = self.intensity(self._restain(image)).clamp(0, 1)
        return self._add_noise(image), targets

    def _restain(self, image: torch.Tensor) -> torch.Tensor:
        """Scale each channel's optical density by a random gain: other stains, other dyes, other exposure."""
        spread = self.settings.stain
        gains = torch.exp(spread * torch.randn(image.shape[0], 3, 1, 1, device=image.device))
        gray = (image[:, :1] == image[:, 1:]).flatten(1).all(1).view(-1, 1, 1, 1)
        gains = torch.where(gray, torch.ones_like(gains), gains)  # grey images stay grey
        return (image + 1 / 255).pow(gains).clamp(0, 1)

    def _add_noise(self, image: torch.Tensor) -> torch.Tensor:
        n = image.shape[0]
        noisy = torch.rand(n, device=image.device) < self.settings.p_noise
        sigma = noisy * torch.rand(n, device=image.device) * self.settings.noise
        return image + torch.randn_like(image[:, :1]) * sigma.view(-1, 1, 1, 1)


def warp(fields: torch.Tensor, settings: AugmentSettings) -> torch.Tensor:
    """Cut a randomly placed, turned, mirrored and scaled square out of each patch: (B, K, P, P) to (B, K, C, C)."""
    n, n_fields, side, _ = fields.shape
    device, crop_px = fields.device, settings.crop_px
    scale = torch.exp(settings.scale_jitter * (2 * torch.rand(n, device=device) - 1))
    angle = 2 * math.pi * torch.rand(n, device=device) * settings.rotate
    mirror = 1 - 2 * torch.randint(0, 2, (n,), device=device).float()
    cos, sin = torch.cos(angle), torch.sin(angle)
    linear = torch.stack([torch.stack([cos * mirror, -sin], -1), torch.stack([sin * mirror, cos], -1)], -2)
    reach = crop_px / side / scale  # half side of the crop in the patch's own -1…1 coordinates
    room = (1 - reach).clamp(min=0).unsqueeze(-1)
    shift = room * (2 * torch.rand(n, 2, device=device) - 1)
    theta = torch.cat([linear * reach.view(-1, 1, 1), shift.unsqueeze(-1)], dim=-1)
    grid = F.affine_grid(theta, [n, n_fields, crop_px, crop_px], align_corners=False)
    return F.grid_sample(fields, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
