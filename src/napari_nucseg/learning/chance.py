"""Random numbers for a batch of images (B, …), one an image: (B, 1, 1, 1), on the device where the batch lies.

All come from torch's global generator, so that a seeded step is repeatable.
"""

from __future__ import annotations

import torch


def some(images: torch.Tensor, p: float) -> torch.Tensor:
    """Choose each image with probability ``p``."""
    return _uniform(images) < p


def between(images: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Draw uniformly."""
    return low + (high - low) * _uniform(images)


def log_between(images: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Draw numbers above 0 whose logarithm is uniform."""
    return low * (high / low) ** _uniform(images)


def _uniform(images: torch.Tensor) -> torch.Tensor:
    return torch.rand(len(images), 1, 1, 1, device=images.device)
