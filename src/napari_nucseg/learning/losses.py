"""What training makes small: the difference between predicted and target maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from napari_nucseg.network.size_network import SizeArchitecture

DISTANCE_WEIGHT = 2.0
FOREGROUND_EMPHASIS = 3.0  # distance errors inside nuclei count this much more than in the background


def map_losses(logits: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
    """Losses by name for logits and targets, both (B, 3, Y, X) in the order of ``MAP_NAMES``; their sum is minimised.

    Foreground: binary cross-entropy + soft Dice over the batch. Distance: smooth L1, nuclei emphasised.
    Core: binary cross-entropy.
    """
    logits = logits.float()
    foreground, distance, core = targets.unbind(1)
    probability = torch.sigmoid(logits[:, 0])
    overlap = 2 * (probability * foreground).sum() + 1
    dice = 1 - overlap / (probability.sum() + foreground.sum() + 1)
    emphasis = 1 + (FOREGROUND_EMPHASIS - 1) * foreground
    distance_error = F.smooth_l1_loss(logits[:, 1], distance, beta=0.1, reduction="none")
    return {
        "foreground": F.binary_cross_entropy_with_logits(logits[:, 0], foreground) + dice,
        "distance": DISTANCE_WEIGHT * (emphasis * distance_error).mean(),
        "core": F.binary_cross_entropy_with_logits(logits[:, 2], core),
    }


def size_losses(
    logits: torch.Tensor, coverage: torch.Tensor, log_diameter: torch.Tensor, architecture: SizeArchitecture
) -> dict[str, torch.Tensor]:
    """Losses of the size network: where nuclei are, and in which diameter class, asked only where they are.

    Parameters
    ----------
    logits : (B, 1 + n_classes, y, x)
    coverage : (B, y, x) share of each cell that nuclei cover
    log_diameter : (B,) natural log of the median diameter in pixels of the view
    architecture : knows the classes
    """
    logits = logits.float()
    centres = architecture.log_diameters().to(logits.device)
    width = centres[1] - centres[0]
    wanted = log_diameter.clamp(centres[0], centres[-1])
    soft = torch.softmax(-0.5 * ((centres - wanted[:, None]) / width) ** 2, dim=1)
    entropy = -(soft[:, :, None, None] * torch.log_softmax(logits[:, 1:], dim=1)).sum(1)
    return {
        "presence": F.binary_cross_entropy_with_logits(logits[:, 0], coverage),
        "diameter": (entropy * coverage).sum() / coverage.sum().clamp(min=1),
    }
