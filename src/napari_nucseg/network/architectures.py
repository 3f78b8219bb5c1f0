"""The networks: U-Net and U-Net++ built with segmentation-models-pytorch, always from random weights.

Weights come from model files; nothing here reaches out to a network. What networks are built of is imported where one
is: it takes as long as torch, and models are listed and chosen without.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_nucseg.errors import SettingsError
from napari_nucseg.network.forking import work_on_after_a_fork
from napari_nucseg.nuclei.targets import MAP_NAMES

if TYPE_CHECKING:
    from napari_nucseg.network.decoders import SegmentationNetwork

PLAIN = "plain"
"""Name of our own encoder beside those of segmentation-models-pytorch."""
_DISTANCE = MAP_NAMES.index("distance")


class Architecture(BaseModel):
    """Shape of a network; with it and the weights a model can be rebuilt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["unet", "unetplusplus"] = "unet"
    encoder: str = Field(
        "tu-regnetx_006", description="Encoder by its segmentation-models-pytorch name, or plain."
    )
    encoder_depth: int = Field(4, ge=2, le=5, description="Halvings of resolution.")
    decoder_channels: tuple[int, ...] = Field((128, 64, 32, 16), description="Widths from coarse to fine.")
    full_size_channels: int = Field(
        0, ge=0, le=64, description="Width of a skip connection from the image itself; 0 for none."
    )
    only_heads: tuple[int, ...] | None = Field(
        None, description="Heads of a U-Net++ to build, counted from 1, the shallowest; all by default."
    )
    encoder_widths: tuple[int, ...] = Field(
        (16, 32, 64, 128, 256),
        description="Widths of the plain encoder's levels, from the image's size down.",
    )
    encoder_convolutions: tuple[int, ...] = Field(
        (2, 2, 2, 2, 2), description="Convolutions in each level of the plain encoder."
    )

    @model_validator(mode="after")
    def _one_width_a_level(self) -> Architecture:
        if len(self.decoder_channels) != self.encoder_depth:
            raise ValueError(
                f"got {len(self.decoder_channels)} decoder widths for depth {self.encoder_depth}: give one a level"
            )
        levels = {len(self.encoder_widths), len(self.encoder_convolutions)}
        if self.encoder == PLAIN and levels != {self.encoder_depth + 1}:
            raise ValueError(
                f"got {len(self.encoder_widths)} encoder_widths and {len(self.encoder_convolutions)} "
                f"encoder_convolutions for depth {self.encoder_depth}: give one a level, {self.encoder_depth + 1}"
            )
        if min(*self.encoder_widths, *self.encoder_convolutions, *self.decoder_channels) < 1:
            raise ValueError("got a width or a number of convolutions below 1")
        return self

    @model_validator(mode="after")
    def _heads_exist(self) -> Architecture:
        there, named = self._all_heads, self.only_heads
        if named is not None and (not named or named != tuple(n for n in there if n in named)):
            raise ValueError(f"got only_heads {named}: name some of {there}, in this order")
        return self

    @property
    def _all_heads(self) -> tuple[int, ...]:
        return (1,) if self.kind == "unet" else tuple(range(1, self.encoder_depth))

    @property
    def heads(self) -> tuple[int, ...]:
        """Numbers of the heads: one for U-Net; for U-Net++ one a node of the finest nested row, or ``only_heads``."""
        return self.only_heads or self._all_heads

    def completed_from(self, model: Architecture) -> Architecture:
        """Shape with what was not named when it was made taken from a model's: all of it, but for another encoder.

        Heads are those of the model only where kind and depth are.

        Raises
        ------
        pydantic.ValidationError
            If what was named does not go with the rest: widths for another depth.
        """
        named = {name: getattr(self, name) for name in self.model_fields_set}
        if named.get("encoder", model.encoder) != model.encoder:
            return self
        whole = {**model.model_dump(), **named}
        if (whole["kind"], whole["encoder_depth"]) != (model.kind, model.encoder_depth):
            whole["only_heads"] = named.get("only_heads")
        return Architecture.model_validate(whole)

    def up_to_head(self, head: int) -> Architecture:
        """Shape of the smaller U-Net++ that is all that ``head``, counted from 1, needs."""
        depth = head + 1
        levels = {
            "encoder_depth": depth,
            "decoder_channels": self.decoder_channels[-depth:],
            "encoder_widths": self.encoder_widths[: depth + 1],
            "encoder_convolutions": self.encoder_convolutions[: depth + 1],
            "only_heads": (head,),
        }
        return self.model_copy(update=levels)

    @property
    def stride_px(self) -> int:
        """Sides of input images must be multiples of this, in pixels."""
        return 2**self.encoder_depth


def build_network(architecture: Architecture) -> SegmentationNetwork:
    """Build a network with random weights: (B, 3, Y, X) float to (B, 3 maps, Y, X) logits.

    It is in float32 on the CPU, whatever the defaults are that were set for torch.

    Parameters
    ----------
    architecture : its shape.

    Raises
    ------
    SettingsError
        If segmentation-models-pytorch does not know the encoder, or not at this depth.
    """
    work_on_after_a_fork()
    with torch.device("cpu"):
        return _network(architecture).float()


def _network(architecture: Architecture) -> SegmentationNetwork:
    from napari_nucseg.network.decoders import NestedDecoder, SegmentationNetwork, UnetDecoder

    try:
        encoder = build_encoder(architecture)
    except (KeyError, ValueError, RuntimeError) as error:
        why = _why_unknown(architecture.encoder) or f"{error}. Use another depth or encoder."
        raise SettingsError(
            f"cannot build {architecture.kind} with encoder {architecture.encoder!r} at depth "
            f"{architecture.encoder_depth}: {why}"
        ) from error
    shape = (
        encoder.out_channels,
        architecture.decoder_channels,
        architecture.full_size_channels,
        len(MAP_NAMES),
    )
    if architecture.kind == "unet":
        return SegmentationNetwork(encoder, UnetDecoder(*shape))
    return SegmentationNetwork(encoder, NestedDecoder(*shape, architecture.heads))


def check_network(architecture: Architecture) -> None:
    """Refuse a network that cannot be built, or not be run on images of any size, as some encoders cannot.

    Raises
    ------
    SettingsError
        With the encoder's own words.
    """
    network, side = build_network(architecture).eval(), 4 * architecture.stride_px
    try:
        with torch.inference_mode():
            network.heads(torch.zeros(1, 3, side, side, dtype=torch.float32, device="cpu"))
    except Exception as error:  # encoders raise errors of many kinds
        raise SettingsError(
            f"encoder {architecture.encoder!r} cannot be run on an image of {side} x {side} px: {error} "
            "Use one that takes images of any size, such as tu-regnetx_006, or plain."
        ) from error


def build_encoder(architecture: Architecture) -> Any:  # smp is not typed
    """Build the encoder of a network alone, with random weights: (B, 3, Y, X) float to features, the image first."""
    depth = architecture.encoder_depth
    if architecture.encoder == PLAIN:
        from napari_nucseg.network.plain import PlainEncoder

        return PlainEncoder(architecture.encoder_widths, architecture.encoder_convolutions, depth)
    from segmentation_models_pytorch.encoders import get_encoder  # it brings timm: as long as torch

    return get_encoder(architecture.encoder, depth=depth, weights=None)


def _why_unknown(encoder: str) -> str:
    """Name encoders close to one that does not exist; empty for one that does."""
    import timm
    from segmentation_models_pytorch.encoders import get_encoder_names

    known = [PLAIN, *get_encoder_names(), *(f"tu-{name}" for name in timm.list_models())]
    if encoder.split(".")[0] in known:  # timm's may have their pretraining's name after a dot
        return ""
    close = difflib.get_close_matches(encoder.lower(), known, n=4)
    near = f"Close to it: {', '.join(close)}. " if close else ""
    return (
        f"there is no such encoder. {near}Use plain, an encoder name of segmentation-models-pytorch such as resnet18, "
        "or one of timm with tu- before it, such as tu-regnetx_006."
    )


def activate(logits: torch.Tensor) -> torch.Tensor:
    """Turn logits (…, 3, Y, X) into maps 0…1: probabilities, and the distance clipped."""
    maps = torch.sigmoid(logits)
    maps[..., _DISTANCE, :, :] = logits[..., _DISTANCE, :, :].clamp(0, 1)
    return maps
