"""The networks: U-Net and U-Net++ built with segmentation-models-pytorch, always from random weights.

Weights come from model files; nothing here reaches out to a network.
"""

from __future__ import annotations

from typing import Literal

import segmentation_models_pytorch as smp
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn

from napari_nucseg.errors import SettingsError
from napari_nucseg.nuclei.targets import MAP_NAMES

_DISTANCE = MAP_NAMES.index("distance")


class Architecture(BaseModel):
    """Shape of a network; with it and the weights a model can be rebuilt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["unet", "unetplusplus"] = "unet"
    encoder: str = Field("tu-regnetx_006", description="Encoder by its segmentation-models-pytorch name.")
    encoder_depth: int = Field(4, ge=3, le=5, description="Halvings of resolution.")
    decoder_channels: tuple[int, ...] = Field((128, 64, 32, 16), description="Widths from coarse to fine.")

    @model_validator(mode="after")
    def _one_width_a_level(self) -> Architecture:
        if len(self.decoder_channels) != self.encoder_depth:
            raise ValueError(
                f"got {len(self.decoder_channels)} decoder widths for depth {self.encoder_depth}: give one a level"
            )
        return self

    @property
    def stride_px(self) -> int:
        """Sides of input images must be multiples of this, in pixels."""
        return 2**self.encoder_depth


def build_network(architecture: Architecture) -> nn.Module:
    """Build a network with random weights: (B, 3, Y, X) float to (B, 3 maps, Y, X) logits.

    Raises
    ------
    SettingsError
        If segmentation-models-pytorch does not know the encoder, or not at this depth.
    """
    family = {"unet": smp.Unet, "unetplusplus": smp.UnetPlusPlus}[architecture.kind]
    try:
        network = family(
            encoder_name=architecture.encoder,
            encoder_depth=architecture.encoder_depth,
            encoder_weights=None,
            decoder_channels=architecture.decoder_channels,
            in_channels=3,
            classes=len(MAP_NAMES),
        )
    except (KeyError, ValueError, RuntimeError) as error:
        raise SettingsError(
            f"cannot build {architecture.kind} with encoder {architecture.encoder!r} at depth "
            f"{architecture.encoder_depth}: {error}. Use an encoder name of segmentation-models-pytorch."
        ) from error
    assert isinstance(network, nn.Module)
    return network


def activate(logits: torch.Tensor) -> torch.Tensor:
    """Turn logits (…, 3, Y, X) into maps 0…1: probabilities, and the distance clipped."""
    maps = torch.sigmoid(logits)
    maps[..., _DISTANCE, :, :] = logits[..., _DISTANCE, :, :].clamp(0, 1)
    return maps
