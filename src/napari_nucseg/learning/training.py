"""The training loop: a generator of progress that returns the finished model file."""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_nucseg.errors import TrainingError
from napari_nucseg.learning.augment import Augmenter
from napari_nucseg.learning.checkpoint import load_checkpoint, save_checkpoint
from napari_nucseg.learning.losses import map_losses
from napari_nucseg.network.architectures import build_network
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import SUFFIX, ModelCard, save_model

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from napari_nucseg.learning.job import TrainingJob
    from napari_nucseg.learning.patches import PatchBank
    from napari_nucseg.network.device import Device


@dataclass(frozen=True)
class TrainingProgress:
    """State after a step; ``scores`` is filled at the steps that validate."""

    step: int
    total: int
    losses: Mapping[str, float]
    seconds: float
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def loss(self) -> float:
        """Sum of the losses."""
        return sum(self.losses.values())


def train_steps(
    job: TrainingJob, bank: PatchBank, validation: PatchBank | None = None, *, resume: bool = False
) -> Generator[TrainingProgress, None, Path]:
    """Train a network on patches; yields after every step and returns the path of the model file.

    A checkpoint is written every ``job.checkpoint_seconds``. Each step draws its randomness from the seed and its
    own number, so a resumed run takes the very steps an unbroken one would have taken.

    Raises
    ------
    TrainingError
        If there are no patches, the loss is not finite, or a checkpoint does not fit the job.
    """
    if not len(bank):
        raise TrainingError("there are no annotated patches to train on: check the data paths, index and split.")
    run = _Run(job, choose_device(job.device, job.precision))
    step = run.resume() if resume else 0
    weights = bank.sampling_weights(job.kind_weights)
    fields = bank.fields.to(run.device.torch)
    started = saved = time.monotonic()
    while step < job.steps:
        losses = run.step(step, fields, weights)
        step += 1
        due = step % job.validate_every == 0 or step == job.steps
        scores = run.validate(validation) if due and validation is not None and len(validation) else {}
        progress = TrainingProgress(step, job.steps, losses, time.monotonic() - started, scores)
        run.log(progress)
        if time.monotonic() - saved > job.checkpoint_seconds or step == job.steps:
            run.save(step)
            saved = time.monotonic()
        yield progress
    return run.finish(scores)


class _Run:
    """Network, running average, optimizer and files of one training run."""

    def __init__(self, job: TrainingJob, device: Device) -> None:
        torch.manual_seed(job.seed)
        self.job = job
        self.device = device
        self.network = build_network(job.architecture).to(device.torch, memory_format=torch.channels_last)
        self.average = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(job.average_decay), use_buffers=True
        )
        self.augmenter = Augmenter(job.augment)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=job.learning_rate, weight_decay=job.weight_decay, fused=True
        )
        self.scaler = torch.amp.GradScaler(device.kind, enabled=device.precision == "float16")
        self.checkpoint = job.folder / "checkpoint.safetensors"

    def step(self, step: int, fields: torch.Tensor, weights: torch.Tensor) -> dict[str, float]:
        """One optimisation step on a freshly drawn batch."""
        torch.manual_seed(self.job.seed * 1_000_003 + step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.job.learning_rate_at(step)
        chosen = torch.multinomial(weights, self.job.batch_size, replacement=True)
        image, targets = self.augmenter(fields[chosen.to(fields.device)])
        self.network.train()
        with self.device.autocast():
            logits = self.network(image.contiguous(memory_format=torch.channels_last))
        losses = map_losses(logits, targets)
        loss = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss became {float(loss)} at step {step}. Lower the learning rate and resume.")
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.job.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update_parameters(self.network)
        return {name: float(value.detach()) for name, value in losses.items()}

    def validate(self, bank: PatchBank) -> dict[str, float]:
        """Score the averaged network on patches it does not learn from."""
        from napari_nucseg.learning.validation import score_patches

        return score_patches(self.average.module, bank, self.device, self.job.batch_size)

    def resume(self) -> int:
        """Continue from the checkpoint; 0 where there is none."""
        if not self.checkpoint.exists():
            return 0
        return load_checkpoint(self.checkpoint, self._modules, self.optimizer, self._identity)

    def save(self, step: int) -> None:
        """Write the checkpoint."""
        save_checkpoint(self.checkpoint, step, self._modules, self.optimizer, self._identity)

    def log(self, progress: TrainingProgress) -> None:
        """Append a line to the run's CSV log every ten steps and whenever it was scored."""
        if progress.step % 10 and not progress.scores:
            return
        path = self.job.folder / "log.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        with path.open("a", newline="", encoding="utf8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "seconds", *progress.losses, "ap50", "mean_ap"])
            numbers = [progress.seconds, *progress.losses.values()]
            scores = [progress.scores.get(k) for k in ("ap50", "mean_ap")]
            writer.writerow([progress.step, *(f"{v:.4f}" for v in numbers), *scores])

    def finish(self, scores: Mapping[str, float]) -> Path:
        """Write the averaged network as a model file."""
        job = self.job
        card = ModelCard(
            name=job.name,
            title=job.title or job.name,
            description=job.description,
            architecture=job.architecture,
            canonical_diameter_px=job.canonical_diameter_px,
            licence=job.licence,
            training_data=job.training_data,
            figures=dict(scores),
            history=(f"{date.today()}: {job.steps} steps of {job.batch_size} crops of {job.augment.crop_px} px",),
        )
        path = job.folder / f"{job.name}{SUFFIX}"
        save_model(path, card, self.average.module)
        return path

    @property
    def _modules(self) -> dict[str, nn.Module]:
        return {"network": self.network, "average": self.average}

    @property
    def _identity(self) -> str:
        """Settings that decide the result, as JSON; where it is written and how often does not."""
        return self.job.model_dump_json(exclude={"output", "checkpoint_seconds", "device", "precision", "title"})
