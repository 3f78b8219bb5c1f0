"""The training loop: a generator of progress that returns the finished model file."""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_nucseg.errors import TrainingError
from napari_nucseg.learning.augment import Augmenter
from napari_nucseg.learning.checkpoint import load_checkpoint, save_checkpoint
from napari_nucseg.learning.examples import hold_back, load_samples
from napari_nucseg.learning.losses import map_losses
from napari_nucseg.learning.patches import pack_patches
from napari_nucseg.learning.validation import score
from napari_nucseg.network.architectures import build_network
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.halo import measure_halo
from napari_nucseg.network.model_file import SUFFIX, Model, ModelCard, save_model

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.learning.job import TrainingJob
    from napari_nucseg.learning.patches import PatchBank
    from napari_nucseg.network.device import Device

    Steps = Generator["TrainingProgress", None, nn.Module]


HALO_VIEWS = 16
"""Patches the halo is measured on."""


@dataclass(frozen=True)
class TrainingProgress:
    """State after a step.

    Attributes
    ----------
    step, total : steps done, and in all; step 0 while images are read
    losses : by name
    seconds : since the first step of this process
    scores : on held-back images, at the steps that validate
    message : what a user should know
    """

    step: int
    total: int
    losses: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    scores: Mapping[str, float] = field(default_factory=dict)
    message: str = ""

    @property
    def loss(self) -> float:
        """Sum of the losses."""
        return sum(self.losses.values())


def train_steps(job: TrainingJob, *, resume: bool = False) -> Generator[TrainingProgress, None, Path]:
    """Train a model on the job's data; yields after every step and returns the path of the model file.

    A checkpoint is written every ``job.checkpoint_seconds``. Each step draws its randomness from the seed and its
    own number, so a resumed run takes the very steps an unbroken one would have taken.

    Raises
    ------
    TrainingError
        If there is nothing to train on, the loss is not finite, or a checkpoint does not fit the job.
    """
    device = choose_device(job.device, job.precision)
    broken: list[str] = []
    yield TrainingProgress(0, job.steps, message="Reading the images.")
    samples = load_samples(job, lambda name, error: broken.append(f"{name}: {error}"))
    learned, held_back = hold_back(samples, job.validation_share)
    bank = pack_patches(learned, canonical_diameter_px=job.canonical_diameter_px, patch_px=job.patch_px)
    for message in broken:
        yield TrainingProgress(0, job.steps, message=f"Left out {message}")
    found = f"{len(bank)} patches from {len(learned)} images; {len(held_back)} images held back."
    yield TrainingProgress(0, job.steps, message=found)
    job.folder.mkdir(parents=True, exist_ok=True)
    network = yield from _Run(job, bank, device, held_back).steps(resume=resume)
    card = make_card(job).model_copy(update={"halo_px": _halo(job, network.cpu(), bank)})
    figures = score(_as_model(card, network), held_back, device) if held_back else {}
    path = job.folder / f"{job.name}{SUFFIX}"
    save_model(path, card.model_copy(update={"figures": figures}), network)
    return path


def _halo(job: TrainingJob, network: nn.Module, bank: PatchBank) -> int:
    every = -(-len(bank) // HALO_VIEWS)
    views = [fields[:3].float().div(255).numpy() for fields in bank.fields[::every]]
    return measure_halo(network, views, job.architecture.stride_px)


def make_card(job: TrainingJob) -> ModelCard:
    """Describe the model a job makes."""
    done = f"{job.steps} steps of {job.batch_size} crops of {job.augment.crop_px} px"
    return ModelCard(
        name=job.name,
        title=job.title or job.name,
        description=job.description,
        architecture=job.architecture,
        canonical_diameter_px=job.canonical_diameter_px,
        licence=job.licence,
        training_data=job.training_data,
        history=(f"{date.today()}: trained from random weights, {done}",),
    )


class _Run:
    """One training run: network, running average, optimizer and files."""

    def __init__(
        self, job: TrainingJob, bank: PatchBank, device: Device, held_back: Sequence[Sample] = ()
    ) -> None:
        torch.manual_seed(job.seed)
        self.job, self.device, self.held_back = job, device, held_back
        self.network = build_network(job.architecture).to(device.torch).to(memory_format=torch.channels_last)
        self.average = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(job.average_decay), use_buffers=True
        )
        self.augmenter = Augmenter(job.augment)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=job.learning_rate, weight_decay=job.weight_decay, fused=True
        )
        self.scaler = torch.amp.GradScaler(device.kind, enabled=device.precision == "float16")
        self.fields = bank.fields.to(device.torch)
        self.weights = bank.sampling_weights(job.kind_weights)
        self.checkpoint = job.folder / "checkpoint.safetensors"

    def steps(self, *, resume: bool) -> Steps:
        """Train to the end and return the averaged network."""
        step = self._resume() if resume else 0
        started = saved = time.monotonic()
        while step < self.job.steps:
            losses = self._step(step)
            step += 1
            last = step == self.job.steps
            scores = self._validate() if step % self.job.validate_every == 0 and not last else {}
            if last or time.monotonic() - saved > self.job.checkpoint_seconds:
                save_checkpoint(self.checkpoint, step, self._modules, self.optimizer, self._identity)
                saved = time.monotonic()
            progress = TrainingProgress(step, self.job.steps, losses, time.monotonic() - started, scores)
            _log(self.job.folder / "log.csv", progress)
            yield progress
        network = self.average.module
        assert isinstance(network, nn.Module)
        return network.eval()

    def _step(self, step: int) -> dict[str, float]:
        """One optimisation step on a freshly drawn batch."""
        torch.manual_seed(self.job.seed * 1_000_003 + step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.job.learning_rate_at(step)
        chosen = torch.multinomial(self.weights, self.job.batch_size, replacement=True)
        self.network.train()
        image, targets = self.augmenter(self.fields[chosen.to(self.fields.device)])
        with self.device.autocast():
            logits = self.network(image.contiguous(memory_format=torch.channels_last))
        losses = map_losses(logits, targets, seam_weight=self.job.seam_weight)
        loss = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss became {float(loss)} at step {step}. Lower the learning rate and resume."
            )
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.job.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update_parameters(self.network)
        return {name: float(value.detach()) for name, value in losses.items()}

    def _validate(self) -> dict[str, float]:
        if not self.held_back:
            return {}
        model = _as_model(make_card(self.job), self.average.module.eval())
        return score(model, self.held_back, self.device)

    def _resume(self) -> int:
        if not self.checkpoint.exists():
            return 0
        return load_checkpoint(self.checkpoint, self._modules, self.optimizer, self._identity)

    @property
    def _modules(self) -> dict[str, nn.Module]:
        return {"network": self.network, "average": self.average}

    @property
    def _identity(self) -> str:
        """Settings that decide the result, as JSON; where it runs and what it is called do not."""
        return self.job.model_dump_json(
            exclude={
                "output",
                "checkpoint_seconds",
                "validate_every",
                "device",
                "precision",
                "title",
                "description",
            }
        )


def _as_model(card: ModelCard, network: nn.Module) -> Model:
    """Wrap a network in memory as a model."""
    return Model(card, network, Path(card.name), "")


def _log(path: Path, progress: TrainingProgress) -> None:
    """Append to the run's CSV log every ten steps and whenever it was scored."""
    if progress.step % 10 and not progress.scores:
        return
    new = not path.exists()
    with path.open("a", newline="", encoding="utf8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "seconds", *progress.losses, "ap50", "mean_ap"])
        numbers = [f"{v:.4f}" for v in (progress.seconds, *progress.losses.values())]
        writer.writerow([progress.step, *numbers, *(progress.scores.get(k, "") for k in ("ap50", "mean_ap"))])
