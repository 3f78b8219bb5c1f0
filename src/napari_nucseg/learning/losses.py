"""What training makes small: the difference between predicted and target maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from napari_nucseg.learning.settings import Loss

DISTANCE_WEIGHT = 2.0
FOREGROUND_EMPHASIS = 3.0  # distance errors inside nuclei count this much more than in the background
SEAM_REACH_PX = 3  # gaps up to twice this wide count as part of the clump
SEAM_DEPTH_PX = 5  # how deep inside a clump a pixel must lie to be a seam rather than its rim
SEAM_DISTANCE = 0.4


def map_losses(
    logits: torch.Tensor, targets: torch.Tensor, loss: Loss, where: torch.Tensor | None = None
) -> dict[str, torch.Tensor]:
    """Losses by name for logits and targets, both (B, 3, Y, X) in the order of ``MAP_NAMES``; their sum is minimised.

    ``loss`` names those of foreground and core: ``bce`` (binary cross-entropy), ``dice`` (soft Dice over the batch) or
    ``bce+dice``, their sum. Distance: smooth L1, nuclei emphasised. Pixels where nuclei touch or nearly touch count
    ``1 + seam_weight`` times in all but Dice, the idea of the weight map of Ronneberger et al. 2015,
    10.1007/978-3-319-24574-4_28. ``where`` (B, Y, X) says how much each pixel counts, 0 for not at all; means are
    weighted by it.
    """
    logits = logits.float()
    inside, distance, middle = targets.unbind(1)
    where = torch.ones_like(inside) if where is None else where
    weight = where * (1 + loss.seam_weight * seams(inside, distance)) if loss.seam_weight else where
    n_pixels = where.sum().clamp(min=1e-6)
    emphasis = (1 + (FOREGROUND_EMPHASIS - 1) * inside) * weight
    distance_error = F.smooth_l1_loss(logits[:, 1], distance, beta=0.1, reduction="none")
    return {
        "foreground": _overlap_loss(loss.foreground, logits[:, 0], inside, where, weight),
        "distance": DISTANCE_WEIGHT * (emphasis * distance_error).sum() / n_pixels,
        "core": _overlap_loss(loss.core, logits[:, 2], middle, where, weight),
    }


def _overlap_loss(
    names: str, logits: torch.Tensor, target: torch.Tensor, where: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Sum the named losses of one map (B, Y, X); seams weigh more in ``weight`` than in ``where``."""
    n_pixels = where.sum().clamp(min=1e-6)
    terms = {
        "bce": lambda: F.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum") / n_pixels,
        "dice": lambda: soft_dice(logits, target, where),
    }
    return torch.stack([terms[name]() for name in names.split("+")]).sum()


def soft_dice(logits: torch.Tensor, inside: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """1 - Dice of probabilities over a whole batch (B, Y, X): Milletari et al. 2016, 10.1109/3DV.2016.79."""
    probability = torch.sigmoid(logits)
    overlap = 2 * (where * probability * inside).sum() + 1
    return 1 - overlap / ((where * probability).sum() + (where * inside).sum() + 1)


def seams(foreground: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """Where nuclei touch or leave a narrow gap: (B, Y, X) of 0 and 1.

    Deep inside the clump that remains when narrow gaps are closed, and yet near no nucleus's middle.
    """
    clump = _shrink(_grow(foreground > 0.5, SEAM_REACH_PX), SEAM_REACH_PX + SEAM_DEPTH_PX)
    return clump * (distance < SEAM_DISTANCE)


def _grow(mask: torch.Tensor, reach_px: int) -> torch.Tensor:
    side = 2 * reach_px + 1  # rows, then columns: a square's maximum at a fraction of its cost
    rows = F.max_pool2d(mask.float(), (side, 1), stride=1, padding=(reach_px, 0))
    return F.max_pool2d(rows, (1, side), stride=1, padding=(0, reach_px))


def _shrink(mask: torch.Tensor, reach_px: int) -> torch.Tensor:
    return 1 - _grow(1 - mask, reach_px)
