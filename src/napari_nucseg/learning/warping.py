"""Geometry of random views: images and targets are placed, turned, mirrored, scaled and bent together, in one warp."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from napari_nucseg.learning.augment import AugmentSettings


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
    shifts = smooth_noise(n, 2, settings.crop_px, settings.elastic_grid_px, device)
    return (shifts * settings.elastic_px * 2 / side * bent).permute(0, 2, 3, 1)


def smooth_noise(n: int, channels: int, side: int, grid_px: int, device: torch.device) -> torch.Tensor:
    """Draw standard normal numbers at the knots of a grid, bicubic between them: (N, channels, side, side)."""
    knots = side // grid_px + 3
    noise = torch.randn(n, channels, knots, knots, device=device)
    return F.interpolate(noise, size=(side, side), mode="bicubic", align_corners=True)
