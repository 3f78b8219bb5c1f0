"""What training makes small: the difference between predicted and target maps."""

from __future__ import annotations

import torch
from torch.nn import functional as F

DISTANCE_WEIGHT = 2.0
FOREGROUND_EMPHASIS = 3.0  # distance errors inside nuclei count this much more than in the background


SEAM_REACH_PX = 3  # gaps up to twice this wide count as part of the clump
SEAM_DEPTH_PX = 5  # how deep inside a clump a pixel must lie to be a seam rather than its rim
SEAM_DISTANCE = 0.4


def map_losses(
    logits: torch.Tensor, targets: torch.Tensor, *, seam_weight: float = 0.0
) -> dict[str, torch.Tensor]:
    """Losses by name for logits and targets, both (B, 3, Y, X) in the order of ``MAP_NAMES``; their sum is minimised.

    Foreground: binary cross-entropy + soft Dice over the batch. Distance: smooth L1, nuclei emphasised.
    Core: binary cross-entropy. Pixels where nuclei touch or nearly touch count ``1 + seam_weight`` times, the idea
    of the weight map of Ronneberger et al. 2015, 10.1007/978-3-319-24574-4_28.
    """
    logits = logits.float()
    foreground, distance, core = targets.unbind(1)
    weight = 1 + seam_weight * seams(foreground, distance)
    probability = torch.sigmoid(logits[:, 0])
    overlap = 2 * (probability * foreground).sum() + 1
    dice = 1 - overlap / (probability.sum() + foreground.sum() + 1)
    emphasis = (1 + (FOREGROUND_EMPHASIS - 1) * foreground) * weight
    distance_error = F.smooth_l1_loss(logits[:, 1], distance, beta=0.1, reduction="none")
    return {
        "foreground": F.binary_cross_entropy_with_logits(logits[:, 0], foreground, weight) + dice,
        "distance": DISTANCE_WEIGHT * (emphasis * distance_error).mean(),
        "core": F.binary_cross_entropy_with_logits(logits[:, 2], core, weight),
    }


def seams(foreground: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """Where nuclei touch or leave a narrow gap: (B, Y, X) of 0 and 1.

    Deep inside the clump that remains when narrow gaps are closed, and yet near no nucleus's middle.
    """
    clump = _shrink(_grow(foreground > 0.5, SEAM_REACH_PX), SEAM_REACH_PX + SEAM_DEPTH_PX)
    return clump * (distance < SEAM_DISTANCE)


def _grow(mask: torch.Tensor, reach_px: int) -> torch.Tensor:
    return F.max_pool2d(mask.float(), 2 * reach_px + 1, stride=1, padding=reach_px)


def _shrink(mask: torch.Tensor, reach_px: int) -> torch.Tensor:
    return 1 - _grow(1 - mask, reach_px)
