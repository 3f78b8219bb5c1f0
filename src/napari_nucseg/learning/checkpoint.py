"""Training state on disk: safetensors and JSON, replaced atomically, so that ``kill -9`` costs minutes, not the run."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from napari_nucseg.errors import TrainingError
from napari_nucseg.files import written_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import nn
    from torch.optim import Optimizer

_BY_CONTENT = {
    "start": "weights to start from (start)",
    "examples": "images or labels to learn from",
    "held_back": "images or labels held back to score on",
}
"""Parts of a job that are compared by a hash, in words."""


def save_checkpoint(
    path: Path, state: Mapping[str, Any], modules: dict[str, nn.Module], optimizer: Optimizer, job: str
) -> None:
    """Write modules, optimizer and plain ``state``; ``job`` is kept so that a run goes on with its own settings.

    Raises
    ------
    OutputError
        If the disk is full or does not let us write; the checkpoint before stays whole.
    """
    tensors = {f"{name}.{k}": v for name, module in modules.items() for k, v in module.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in moments.items()}
    content = save(
        {k: v.detach().cpu().contiguous() for k, v in tensors.items()},
        {"state": json.dumps(state), "job": job},
    )
    with written_whole(path) as part:
        part.write_bytes(content)


def load_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimizer: Optimizer, job: str
) -> dict[str, Any]:
    """Fill modules and optimizer from a checkpoint and return its plain state.

    Raises
    ------
    TrainingError
        If the file is damaged or belongs to a run with other settings.
    """
    with _opened(path) as (file, header):
        tensors = {key: file.get_tensor(key) for key in file.keys()}
        state: dict[str, Any] = json.loads(header["state"])
        saved = json.loads(header["job"])
    _check_same_job(saved, json.loads(job), path)
    for name, module in modules.items():
        module.load_state_dict(_part(tensors, f"{name}."))
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _part(tensors, "optimizer.").items():
        index, field = key.split(".", 1)
        moments.setdefault(int(index), {})[field] = _laid_out_like(parameters[int(index)], value)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return state


def job_of(path: Path) -> dict[str, Any]:
    """Return the settings that a checkpoint was made with, as they were given to :func:`save_checkpoint`.

    Raises
    ------
    TrainingError
        If the file is damaged.
    """
    with _opened(path) as (_, header):
        settings: dict[str, Any] = json.loads(header["job"])
    return settings


def check_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Compare ``settings`` alone with those of a checkpoint, before what takes long is done for it.

    Raises
    ------
    TrainingError
        If the file is damaged or belongs to a run with other settings.
    """
    saved = job_of(path)
    _check_same_job({name: saved.get(name) for name in settings}, settings, path)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, dict[str, str]]]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file, file.metadata() or {}
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise TrainingError(
            f"the checkpoint {path} is damaged ({error}). Delete it to start again."
        ) from error


def _laid_out_like(parameter: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Give a moment the memory layout of its parameter: fused optimizers walk both in memory order."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value


def _check_same_job(saved: Mapping[str, Any], current: Mapping[str, Any], path: Path) -> None:
    old, new = _flat(saved), _flat(current)
    changed = sorted(k for k in {*old, *new} if old.get(k) != new.get(k))
    if not changed:
        return
    settings = ", ".join(name for name in changed if name not in _BY_CONTENT)
    others = [f"settings ({settings})"] if settings else []
    others += [words for name, words in _BY_CONTENT.items() if name in changed]
    raise TrainingError(
        f"{path} was made with other {', and other '.join(others)}. Restore them, or use another name."
    )


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name settings within settings in full, such as ``optimizer.learning_rate``."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        inner = _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        flat |= inner
    return flat


def _part(tensors: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
