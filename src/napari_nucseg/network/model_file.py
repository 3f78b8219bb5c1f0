"""One model, one file: weights in safetensors with a JSON card in its header. Nothing is ever unpickled."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

import napari_nucseg.network.decoders  # noqa: F401  # takes long, and how long a model takes to load is told
from napari_nucseg.errors import ModelFileError, SettingsError
from napari_nucseg.files import file_sha256, written_whole
from napari_nucseg.network.architectures import build_encoder, build_network
from napari_nucseg.network.choices import AUTO, read_choices
from napari_nucseg.network.heads import network_of_head
from napari_nucseg.network.installed import ModelInfo, automatic_model, find_model, list_models
from napari_nucseg.network.model_card import HEADER_KEY, ModelCard, read_card
from napari_nucseg.network.size_head import SizeHead, n_summaries
from napari_nucseg.nuclei.judging import Judge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from napari_nucseg.network.architectures import Architecture
    from napari_nucseg.network.decoders import SegmentationNetwork
    from napari_nucseg.network.device import Device

GROUPS = ("network", "size", "importance", "judge")
"""Groups of tensors that a file may hold, by the first part of their names.

The network; its size head, with an encoder of its own where it needs one; how important each output channel of each of
the network's parameters is; and who judges the nuclei found in its maps.
"""


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded model, ready to run; shared between callers, so never changed in place."""

    card: ModelCard
    network: SegmentationNetwork
    path: Path
    sha256: str
    size_head: SizeHead | None = None
    importance: Mapping[str, torch.Tensor] | None = None
    """(channels,) for each parameter of the network, by its name; None where nobody measured it."""
    judge: Judge | None = None
    """Who tells how likely a nucleus found in this model's maps is right; None where nobody was taught to."""
    _elsewhere: dict[str, Model] = field(default_factory=dict)
    _heads: dict[int, Model] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Model {self.card.name}: {self.card.architecture.kind} in {self.path}>"

    def on(self, device: Device) -> Model:
        """Return this model on the CPU, or its copy on an accelerator; the copy is kept for the next call."""
        if device.kind == "cpu":
            return self
        if device.name not in self._elsewhere:
            network, head = copy.deepcopy((self.network, self.size_head))
            if head is not None and head.encoder is not None:
                head.encoder.to(device.torch)  # what it makes of the features runs on the CPU
            self._elsewhere[device.name] = replace(self, network=network.to(device.torch), size_head=head)
        return self._elsewhere[device.name]

    @property
    def size_encoder(self) -> nn.Module:
        """Return the encoder whose features tell the nucleus size: the network's, or that of the size head's own."""
        own = self.size_head.encoder if self.size_head is not None else None
        return self.network.encoder if own is None else own

    def fast(self) -> Model:
        """Return what runs in fast quality: a U-Net++ cut down to one head, kept for the next call; else itself."""
        architecture = self.card.architecture
        if len(architecture.heads) == 1:
            return self
        head = self.card.fast_head or architecture.heads[-2]
        if head not in self._heads:
            card = self.card.model_copy(
                update={"architecture": architecture.up_to_head(head), "fast_head": None}
            )
            network = network_of_head(self.network, architecture, head)
            self._heads[head] = replace(
                self, card=card, network=network, size_head=None, importance=None, _elsewhere={}, _heads={}
            )
        return self._heads[head]

    @property
    def info(self) -> ModelInfo:
        """Return the description without the weights."""
        return ModelInfo(self.card.name, self.path, self.card)


def load_model(name_or_path: str | Path = "auto", *, fluorescence: bool = False) -> Model:
    """Load a model by name or path; the last few stay in memory until their file changes.

    Parameters
    ----------
    name_or_path : name of an installed model, path of a model file, or ``auto``. If that is a default of the user's
        own whose weights are damaged, it is passed over.
    fluorescence : what ``auto`` is to be good at: light on a dark ground alone, or any image.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, made by a newer version, or is not ours.
    """
    path = find_model(name_or_path, fluorescence=fluorescence).resolve()
    try:
        return _load(path, path.stat().st_mtime_ns)
    except ModelFileError:
        others = [model for model in list_models() if model.path.resolve() != path]
        other = automatic_model(others, fluorescence=fluorescence)
        if str(name_or_path) != AUTO or read_choices().latest is None or other is None:
            raise
        return load_model(other.path)


def save_model(
    path: Path,
    card: ModelCard,
    network: nn.Module,
    size_head: SizeHead | None = None,
    importance: Mapping[str, torch.Tensor] | None = None,
    judge: Judge | None = None,
) -> None:
    """Write a model file in float16, whole or not at all; tensors too large for that stay as they are."""
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    if size_head is not None:
        tensors |= {f"size.{k}": v for k, v in size_head.state_dict().items()}
    tensors |= {f"importance.{k}": v for k, v in (importance or {}).items()}
    if judge is not None:
        tensors |= {f"judge.{k}": torch.from_numpy(v) for k, v in judge.tensors().items()}
    content = save({k: _compact(v) for k, v in tensors.items()}, {HEADER_KEY: card.model_dump_json()})
    with written_whole(path) as part:
        part.write_bytes(content)


def _compact(tensor: torch.Tensor) -> torch.Tensor:
    """Round to float16; running variances, of large features, may go beyond its range and are left as they are."""
    tensor = tensor.detach().cpu().contiguous()
    rounded = tensor.half() if tensor.is_floating_point() else tensor
    return rounded if rounded.isfinite().equal(tensor.isfinite()) else tensor


@lru_cache(maxsize=4)
def _load(path: Path, _modified_ns: int) -> Model:
    card = read_card(path)
    try:
        # the model is kept, for callers under other defaults too
        with torch.device("cpu"):
            with safe_open(path, framework="pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}
            _check_groups(tensors, path)
            network = build_network(card.architecture)
            _fill(network, _part(tensors, "network."))
            size_head = _size_head(card.architecture, network, _part(tensors, "size."))
            importance = _importance(network, _part(tensors, "importance."))
            judge = _judge(_part(tensors, "judge."))
    except (SafetensorError, OSError, RuntimeError, ValueError, SettingsError) as error:
        raise ModelFileError(
            f"the weights of {path} do not fit its card: {error}. Get the file again, or choose another model."
        ) from error
    return Model(card, network, path, file_sha256(path), size_head, importance, judge)


def _size_head(
    architecture: Architecture, network: SegmentationNetwork, tensors: dict[str, torch.Tensor]
) -> SizeHead | None:
    if not tensors:
        return None
    encoder = build_encoder(architecture) if _part(tensors, "encoder.") else None
    head = SizeHead(n_summaries(network.feature_channels), encoder)
    _fill(head, tensors)
    return head


def _importance(
    network: SegmentationNetwork, tensors: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor] | None:
    if not tensors:
        return None
    wanted = {name: (len(p),) for name, p in network.named_parameters()}
    if {name: tuple(t.shape) for name, t in tensors.items()} != wanted:
        raise RuntimeError("the importance of channels is not that of this network")
    return {name: tensor.float().nan_to_num(1.0) for name, tensor in tensors.items()}


def _judge(tensors: dict[str, torch.Tensor]) -> Judge | None:
    return Judge.of_tensors({k: v.double().numpy() for k, v in tensors.items()}) if tensors else None


def _check_groups(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    if unknown := sorted({name.partition(".")[0] for name in tensors} - set(GROUPS)):
        raise ModelFileError(
            f"{path} holds tensors of {', '.join(unknown)} besides {', '.join(GROUPS)}: it was made by a newer "
            "version, or is not one of our models. Update napari-nucseg, or get the file again."
        )


def _part(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _fill(network: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Load half-precision weights into a network, in float32 and the layout that is fast for convolutions."""
    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise RuntimeError(f"tensor {name} holds NaN or infinity")
    shapes, wanted = ({k: v.shape for k, v in each.items()} for each in (tensors, network.state_dict()))
    if shapes != wanted:  # torch's own words would list every tensor
        raise RuntimeError("the tensors have other names or shapes than those of the network")
    network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    network.float().to(memory_format=torch.channels_last).eval()
