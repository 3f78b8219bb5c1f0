"""What training makes small: the difference between predicted and target maps."""

from __future__ import annotations

import torch
from torch.nn import functional as F

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
