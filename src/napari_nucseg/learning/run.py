"""The training loop itself: network, running average, optimizer and checkpoints, a step at a time."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_nucseg.errors import NucSegError, OutputError
from napari_nucseg.files import in_words
from napari_nucseg.learning.augment import Augmenter
from napari_nucseg.learning.average import RunningAverage
from napari_nucseg.learning.checkpoint import load_checkpoint, save_checkpoint
from napari_nucseg.learning.early_stop import BestSoFar
from napari_nucseg.learning.loss_reader import LossReader
from napari_nucseg.learning.losses import map_losses
from napari_nucseg.learning.place import CHECKPOINT
from napari_nucseg.learning.progress import TrainingProgress
from napari_nucseg.learning.start import Origin, start_from
from napari_nucseg.network.architectures import build_network
from napari_nucseg.network.decoders import SegmentationNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from numpy.typing import NDArray

    from napari_nucseg.learning import settings
    from napari_nucseg.learning.job import TrainingJob
    from napari_nucseg.learning.patches import PatchBank
    from napari_nucseg.network.device import Device

    Watch = Callable[[SegmentationNetwork], "tuple[Mapping[str, float], NDArray[Any] | None]"]
    Steps = Generator[TrainingProgress, None, SegmentationNetwork]


class Run:
    """One training run.

    Parameters
    ----------
    job : what to do.
    bank : patches to learn from.
    device : where to.
    watch : scores a network and draws a sample of what it finds; called every ``job.validation.every`` steps.
    imagenet : weights of the encoder to start from, where they were fetched already.
    identity : what a checkpoint must have been made with to be gone on from, as ``identity`` says it.

    Attributes
    ----------
    origin : where the first weights came from, known once the first step is done.
    steps_done : so far, by earlier processes too.
    scores : of the network that ``steps`` returns; empty where nobody scored it.
    """

    def __init__(
        self,
        job: TrainingJob,
        bank: PatchBank,
        device: Device,
        watch: Watch | None = None,
        imagenet: Mapping[str, torch.Tensor] | None = None,
        identity: str = "{}",
    ) -> None:
        torch.manual_seed(job.seed)
        self.job, self.device, self.watch = job, device, watch
        self._imagenet, self._identity = imagenet, identity
        self.network = build_network(job.architecture).to(device.torch).to(memory_format=torch.channels_last)
        self.average = RunningAverage(self.network, job.optimizer.average_decay)
        self.best = BestSoFar(job.early_stop, self.average.module) if job.early_stop else None
        self.network.encoder.requires_grad_(job.learn == "all")
        learning = self.network if job.learn == "all" else self.network.decoder
        self.optimizer = make_optimizer(job.optimizer, learning)
        self.scaler = torch.amp.GradScaler(device.kind, enabled=device.precision == "float16")
        self.augmenter = Augmenter(job.augment)
        self.fields = bank.fields.to(device.torch)
        self.weights = bank.sampling_weights(job.kind_weights, job.crowding).float().to(device.torch)
        self.losses = LossReader(device)
        self.total = job.total_steps(len(bank))
        every = job.validation.every
        self.every = job.epoch_steps(len(bank)) if every == "epoch" else every
        self.checkpoint = job.folder / CHECKPOINT
        self.origin, self.steps_done, self._seconds = Origin(), 0, 0.0
        self.scores: Mapping[str, float] = {}

    def steps(self, *, resume: bool) -> Steps:
        """Train to the end and return the averaged network, the best one where training may stop early.

        Closed before, it leaves a checkpoint of the last step.
        """
        self.steps_done = step = self._resume() if resume else self._begin()
        if self.origin.told and not resume:
            yield TrainingProgress(step, self.total, message=self.origin.told)
        if self._done:
            yield TrainingProgress(step, self.total, message=f"The run has finished already: {step} steps.")
        try:
            yield from self._to_the_end()
        except GeneratorExit:
            with suppress(NucSegError):  # the checkpoint before stays
                self.losses.read(wait=True)
                self._save(self.steps_done)
            raise
        if self.best and self.best.scores:
            if words := self.best.words(self.steps_done, early=self.steps_done < self.total):
                yield TrainingProgress(self.steps_done, self.total, message=words)
            return _evaluating(self.best.network)
        return _evaluating(self.average.module)

    def _to_the_end(self) -> Generator[TrainingProgress, None, None]:
        saved = time.monotonic()
        started = saved - self._seconds
        while not self._done:
            step = self.steps_done
            self._step(step)
            self.steps_done = step = step + 1
            looks, due = self._done or step % self.every == 0, self._done or self._due(saved)
            losses = self.losses.read(wait=looks or due)  # no network that has burst is looked at
            scores, picture = self._look() if looks else ({}, None)
            self._seconds = time.monotonic() - started
            if due or self._done:
                self._save(step)
                saved = time.monotonic()
            rate = self._learning_rate(step - 1)
            yield TrainingProgress(
                step, self.total, losses, self._seconds, scores, learning_rate=rate, picture=picture
            )

    @property
    def kept_step(self) -> int:
        """After which step the weights were those of the network that ``steps`` returns."""
        return self.best.step if self.best and self.best.scores else self.steps_done

    @property
    def _done(self) -> bool:
        return self.steps_done >= self.total or bool(self.best and self.best.done)

    def _step(self, step: int) -> None:
        """One optimisation step on a freshly drawn batch; nothing in it waits for the device."""
        torch.manual_seed(self.job.seed * 1_000_003 + step)
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate(step)
        chosen = torch.multinomial(self.weights, self.job.batch_size, replacement=True)
        self.network.train()
        self.network.encoder.train(self.job.learn == "all")
        image, targets = self.augmenter(self.fields[chosen])
        with self.device.autocast():
            heads = self.network.heads(image.contiguous(memory_format=torch.channels_last))
        losses = supervise(heads, targets, self.job.loss)
        loss = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.job.optimizer.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update(self.network)
        self.losses.take(step, losses)

    def _learning_rate(self, step: int) -> float:
        return self.job.optimizer.learning_rate * self.job.schedule.factor_at(step, self.total)

    def _look(self) -> tuple[Mapping[str, float], NDArray[Any] | None]:
        """Score the averaged network."""
        if self.watch is None:
            return {}, None
        network = _evaluating(self.average.module)
        scores, picture = self.watch(network)
        if self.best and scores:
            self.best.see(network, scores, self.steps_done)
        self.scores = self.best.scores if self.best else scores
        return scores, picture

    def _begin(self) -> int:
        self._forget()
        self.origin = start_from(self.job, self.network, self._imagenet)
        self.average.module.load_state_dict(self.network.state_dict())
        return 0

    def _forget(self) -> None:
        """Delete the checkpoint of an earlier run of this name: what is resumed from now on is this one."""
        try:
            if self.checkpoint.exists():
                self.checkpoint.unlink()
        except OSError as error:
            raise OutputError(in_words(error, self.checkpoint)) from error

    def _resume(self) -> int:
        state = load_checkpoint(self.checkpoint, self._modules, self.optimizer, self._identity)
        self.origin, self.scores = Origin(**state["origin"]), state["scores"]
        self.scaler.load_state_dict(state["scaler"])
        self._seconds = float(state.get("seconds", 0))  # older ones do not say
        if self.best:
            self.best.restore({"step": state["step"], **state["best"]})  # as above
        return int(state["step"])

    def _save(self, step: int) -> None:
        state = {
            "step": step,
            "seconds": self._seconds,
            "origin": vars(self.origin),
            "scores": dict(self.scores),
            "scaler": self.scaler.state_dict(),
            "best": self.best.state if self.best else None,
        }
        save_checkpoint(self.checkpoint, state, self._modules, self.optimizer, self._identity)

    def _due(self, saved: float) -> bool:
        return time.monotonic() - saved > self.job.checkpoint_seconds

    @property
    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {"network": self.network, "average": self.average}
        return modules | ({"best": self.best.network} if self.best else {})


def _evaluating(network: object) -> SegmentationNetwork:
    assert isinstance(network, SegmentationNetwork)  # torch's wrappers forget what they hold
    return network.eval()


def supervise(
    heads: torch.Tensor, targets: torch.Tensor, loss: settings.Loss, where: torch.Tensor | None = None
) -> dict[str, torch.Tensor]:
    """Losses by name, averaged over the heads: deep supervision where there are several.

    Parameters
    ----------
    heads : (heads, B, 3, Y, X) logits.
    targets : (B, 3, Y, X).
    loss : which.
    where : (B, Y, X) how much each pixel counts; None for all alike.
    """
    each = [map_losses(head, targets, loss, where) for head in heads]
    return {name: torch.stack([losses[name] for losses in each]).mean() for name in each[0]}


def make_optimizer(chosen: settings.Optimizer, network: nn.Module) -> torch.optim.Optimizer:
    """Build the optimizer; ``adam`` adds weight decay to the gradient, ``adamw`` takes it off the weights."""
    kind = torch.optim.AdamW if chosen.kind == "adamw" else torch.optim.Adam
    return kind(
        network.parameters(),
        lr=chosen.learning_rate,
        weight_decay=chosen.weight_decay,
        amsgrad=chosen.kind == "adam-amsgrad",
        fused=True,
    )
