"""Other colours for a batch of images, each image its own: all that can be written as a matrix over three channels.

Stains mix in optical density, light adds up in intensity; in either a change of colours is one matrix an image, so
that any number of them costs one product. Nothing here waits for the device.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from skimage.color import hed_from_rgb, rgb_from_hed
from torch.nn import functional as F

from napari_nucseg.learning.chance import between, some

if TYPE_CHECKING:
    from napari_nucseg.learning.augment import AugmentSettings

STAIN_VECTORS = (hed_from_rgb, rgb_from_hed)
LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey: ITU-R BT.601."""
DARKEST = 1 / 255


def restain(image: torch.Tensor, settings: AugmentSettings) -> torch.Tensor:
    """Scale optical densities by random gains, channel by channel and stain by stain: other labs, dyes, exposure.

    (B, 3, Y, X), 0…1, to the same. Stains are separated and put together again by the vectors of Ruifrok & Johnston
    2001. Grey images stay as they are.
    """
    stain, hed = settings.stain, settings.hed
    if not (stain or hed):
        return image
    n, device = image.shape[0], image.device
    to_stains, to_colours = (torch.as_tensor(m, dtype=image.dtype, device=device) for m in STAIN_VECTORS)
    mix = (to_stains * torch.exp(hed * torch.randn(n, 1, 3, device=device))) @ to_colours
    mix = mix * torch.exp(stain * torch.randn(n, 1, 3, device=device))
    density = -torch.log(image + DARKEST)
    restained = torch.exp(-_mixed(density, mix.transpose(1, 2))).clamp(0, 1)
    gray = (image[:, :1] == image[:, 1:]).flatten(1).all(1).view(-1, 1, 1, 1)
    return torch.where(gray, image, restained)


def recolour(image: torch.Tensor, settings: AugmentSettings) -> torch.Tensor:
    """Change gamma, brightness, contrast, saturation and hue, exchange channels, make grey and invert: (B, 3, Y, X).

    Saturation is the distance from grey, hue an angle about the grey axis; both leave grey images grey.
    """
    s = settings
    gamma = torch.where(some(image, s.p_gamma), between(image, *s.gamma), 1.0)
    image = image.clamp(0, 1).pow(gamma)
    coloured = some(image, s.p_color)
    shift = coloured * between(image, -s.brightness, s.brightness)
    matrix = _where(some(image, s.p_shuffle), _exchange(image))
    matrix = _where(coloured, _jiggle(image, s)) @ matrix
    matrix = _where(some(image, s.p_gray), _to_gray(image.device)) @ matrix
    sign = 1 - 2 * some(image, s.p_invert).float()
    shift = sign * shift + (1 - sign) / 2  # an inverted intensity is 1 less it
    return (_mixed(image, sign[:, 0] * matrix) + shift).clamp(0, 1)


def _jiggle(image: torch.Tensor, settings: AugmentSettings) -> torch.Tensor:
    """Random contrast, saturation and hue as one matrix, (N, 3, 3)."""
    s, device = settings, image.device
    contrast, saturation = (
        between(image, 1 - spread, 1 + spread)[:, 0] for spread in (s.contrast, s.saturation)
    )
    gray = _to_gray(device)
    saturated = saturation * (torch.eye(3, device=device) - gray) + gray
    return contrast * _turned(between(image, -s.hue, s.hue)[:, 0]) @ saturated


def _turned(turns: torch.Tensor) -> torch.Tensor:
    """Rotate colours about the grey axis, (N, 1, 1) turns to (N, 3, 3), by Rodrigues' formula."""
    device = turns.device
    mean = torch.full((3, 3), 1 / 3, device=device)
    across = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / math.sqrt(3)
    angle = 2 * math.pi * turns
    return mean + torch.cos(angle) * (torch.eye(3, device=device) - mean) + torch.sin(angle) * across


def _exchange(image: torch.Tensor) -> torch.Tensor:
    """Put the channels into a random order, (N, 3, 3)."""
    return F.one_hot(torch.rand(len(image), 3, device=image.device).argsort(1), 3).float()


def _to_gray(device: torch.device) -> torch.Tensor:
    return torch.tensor(LUMINANCE, device=device).expand(3, 3)


def _where(chosen: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Take the matrix for chosen images (N, 1, 1, 1), and for the others that which changes nothing: (N, 3, 3)."""
    return torch.where(chosen[:, 0], matrix, torch.eye(3, device=matrix.device))


def _mixed(image: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Multiply each pixel's channels (N, 3, Y, X) by its image's matrix (N, 3, 3)."""
    return torch.bmm(matrix, image.flatten(2)).view_as(image)
