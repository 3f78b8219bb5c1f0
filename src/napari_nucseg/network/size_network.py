"""A small network that reads the nucleus diameter off an image, so that the main one can be shown nuclei at its size.

It answers for every cell of a coarse grid: is a nucleus here, and in which diameter class lie the nuclei of this
image. A distribution, unlike a single number, can say "12 or 40, not 25", and distributions of several scales
can be laid over each other.
"""

from __future__ import annotations

import math
from typing import Any

import timm
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn


class SizeArchitecture(BaseModel):
    """Shape of the size network and its diameter classes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str = Field("regnetx_002", description="Backbone by its timm name.")
    stage: int = Field(3, ge=2, le=4, description="Backbone stage read, 3 is stride 16.")
    smallest_px: float = Field(8.0, gt=0, description="Diameter at the centre of the first class.")
    n_classes: int = Field(32, ge=8)
    classes_per_octave: int = Field(8, ge=2, description="Classes between a diameter and its double.")

    @property
    def stride_px(self) -> int:
        """Cells of the answer are this many pixels wide."""
        return int(2 ** (self.stage + 1))

    def log_diameters(self) -> torch.Tensor:
        """Natural log of the diameter at the centre of each class: (n_classes,)."""
        return math.log(self.smallest_px) + torch.arange(self.n_classes) * (
            math.log(2) / self.classes_per_octave
        )


class SizeNetwork(nn.Module):
    """(B, 3, Y, X) image 0…1 to logits (B, 1 + n_classes, Y / stride, X / stride); channel 0: is a nucleus here."""

    def __init__(self, architecture: SizeArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        backbone: Any = timm.create_model(
            architecture.encoder, pretrained=False, features_only=True, out_indices=(architecture.stage,)
        )
        width = backbone.feature_info.channels()[-1]
        self.backbone = backbone
        self.head = nn.Sequential(
            nn.Conv2d(width, 128, 3, padding=1), nn.ReLU(), nn.Conv2d(128, 1 + architecture.n_classes, 1)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits on the coarse grid."""
        logits: torch.Tensor = self.head(self.backbone(image)[-1])
        return logits
