"""Where training starts: random weights, ImageNet's, or those of a model."""

from __future__ import annotations

import copy
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nucseg.errors import TrainingError
from napari_nucseg.learning.job import IMAGENET, RANDOM
from napari_nucseg.network.growing import grow_nested
from napari_nucseg.network.model_file import load_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch

    from napari_nucseg.learning.job import TrainingJob
    from napari_nucseg.network.architectures import Architecture
    from napari_nucseg.network.decoders import SegmentationNetwork
    from napari_nucseg.network.model_card import ModelCard
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.network.size_head import SizeHead

FEWEST_ENCODER_TENSORS = 0.5
"""Share of the encoder's tensors that a model must give; with fewer, another encoder must be meant."""
TO_TAKE_MORE = (
    "The others begin at random and need a longer run. "
    "To take more, leave out 'architecture', or all in it but the kind."
)


@dataclass(frozen=True)
class Origin:
    """Where a network's first weights came from, in words, and hash and name of the model they were taken from.

    Attributes
    ----------
    told : how many of its tensors a model gave, and how it could give more; empty where there is no model
    """

    words: str = "random weights"
    parent_sha256: str | None = None
    parent_name: str = ""
    told: str = ""


def start_from(
    job: TrainingJob, network: SegmentationNetwork, imagenet: Mapping[str, torch.Tensor] | None = None
) -> Origin:
    """Fill a network of random weights, on any device, with those the job starts from.

    ``imagenet`` are those of `imagenet_weights`, where they were fetched already.

    From a model, every tensor is taken whose name and shape fit. A U-Net++ may start from a U-Net with the same
    encoder: where the widths are the same too, it grows out of it, and its deepest head answers as the U-Net does.

    Raises
    ------
    TrainingError
        If ImageNet weights cannot be had, or the model has another encoder.
    ModelFileError
        If there is no such model.
    """
    if job.start == RANDOM:
        return Origin()
    if job.start == IMAGENET:
        network.encoder.load_state_dict(imagenet or imagenet_weights(job.architecture))
        return Origin("an encoder trained on ImageNet, the decoder at random weights")
    model = load_model(job.start)
    weights = network.state_dict()
    fitting = {
        name: value
        for name, value in _weights(model, job.architecture, network).items()
        if name in weights and weights[name].shape == value.shape
    }
    in_encoder = {name for name in weights if name.startswith("encoder.")}
    if len(fitting.keys() & in_encoder) < FEWEST_ENCODER_TENSORS * len(in_encoder):
        theirs, ours = model.card.architecture, job.architecture
        raise TrainingError(
            f"cannot start from model {job.start}: {len(fitting)} of {len(weights)} tensors fit. It has encoder "
            f"{theirs.encoder} of depth {theirs.encoder_depth}, the job {ours.encoder} of depth "
            f"{ours.encoder_depth}. Use the model's encoder, leave out 'architecture', or start from random."
        )
    network.load_state_dict(fitting, strict=False)
    name, n_of = model.card.name, f"{len(fitting)} of {len(weights)} tensors"
    told = f"{n_of} taken from {name}."
    if len(fitting) < len(weights):
        told += f" {TO_TAKE_MORE}"
    return Origin(f"{name} ({n_of})", model.sha256, name, told)


def kept_size_head(job: TrainingJob, start: Model | None, card: ModelCard) -> SizeHead | None:
    """Size head of the model gone on from, where it stays; None where a new one is to be taught, or none at all.

    It stays where its encoder does, and ``size: keep`` makes it stay with an encoder of its own.

    Raises
    ------
    TrainingError
        If it is to be kept, but there is none, or it speaks of another size, encoder or other intensities.
    """
    wanted = job.size == "keep"
    if job.size is None or start is None or not (wanted or job.learn == "decoder"):
        return None
    if start.size_head is None or _read_by_size(start.card) != _read_by_size(card):
        if not wanted:
            return None
        raise TrainingError(
            f"cannot keep the size head of {job.start}: it has none, or other settings of canonical_diameter_px, "
            "normalisation, clahe or the encoder. Leave them out, or leave out 'size'."
        )
    head = copy.deepcopy(start.size_head)
    if job.learn == "all":
        head.encoder = copy.deepcopy(start.size_encoder)
    return head


def _read_by_size(card: ModelCard) -> tuple[object, ...]:
    """All that what a size head reads depends on."""
    shape = card.architecture
    encoder = (shape.encoder, shape.encoder_depth, shape.encoder_widths, shape.encoder_convolutions)
    return (card.canonical_diameter_px, card.normalisation, card.clahe, *encoder)


def _weights(
    model: Model, architecture: Architecture, network: SegmentationNetwork
) -> Mapping[str, torch.Tensor]:
    """Weights of a model; those of a U-Net grown into the U-Net++ that is wanted."""
    theirs = model.card.architecture
    as_unet = architecture.model_copy(update={"kind": "unet", "only_heads": None})
    if architecture.kind == "unetplusplus" and theirs == as_unet:
        here = {name: value.cpu() for name, value in network.decoder.state_dict().items()}
        decoder = grow_nested(model.network.decoder.state_dict(), here, network.feature_channels)
        encoder = model.network.encoder.state_dict()
        return {f"encoder.{k}": v for k, v in encoder.items()} | {
            f"decoder.{k}": v for k, v in decoder.items()
        }
    return model.network.state_dict()


def imagenet_weights(architecture: Architecture) -> Mapping[str, torch.Tensor]:
    """Weights of an encoder that has seen ImageNet, downloaded where they were not before.

    Raises
    ------
    TrainingError
        If they cannot be had.
    """
    from segmentation_models_pytorch.encoders import get_encoder  # it brings timm: as long as torch

    # timm's encoders only want to be told whether, smp's own which.
    weights = True if architecture.encoder.startswith("tu-") else IMAGENET
    try:
        with _silent_hub():
            encoder = get_encoder(architecture.encoder, depth=architecture.encoder_depth, weights=weights)
    except Exception as error:  # hub clients raise errors of many kinds
        why = " ".join(str(error).split()).rstrip(".")
        raise TrainingError(
            f"ImageNet weights of encoder {architecture.encoder} cannot be had: {type(error).__name__}: {why}. "
            "They are downloaded from the Hugging Face hub: check the network and the encoder, or start from "
            "random or from a model."
        ) from error
    state: Mapping[str, torch.Tensor] = encoder.state_dict()
    return state


@contextmanager
def _silent_hub() -> Iterator[None]:
    """Keep the hub's client from telling of each of its many tries; what became of them is said in the end."""
    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
