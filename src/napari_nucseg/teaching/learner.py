"""The learning itself: a decoder that takes in corrections a step at a time, and is held to what it knew.

The encoder stays as it is, with all normalisation statistics: so the size head, which reads the encoder's features,
sees what it always saw. It is the smaller part of the work, too: a sixth of a bundled U-Net's multiplications.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_nucseg.errors import TrainingError
from napari_nucseg.learning.augment import Augmenter
from napari_nucseg.learning.checkpoint import load_checkpoint, save_checkpoint
from napari_nucseg.learning.run import supervise
from napari_nucseg.learning.settings import Loss
from napari_nucseg.network.decoders import SegmentationNetwork
from napari_nucseg.teaching.ground import draw
from napari_nucseg.teaching.plan import VARIETY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.teaching.ground import Ground
    from napari_nucseg.teaching.plan import Plan

LOSS = Loss(core="bce+dice")
"""Cores are few pixels: by cross-entropy alone few nuclei leave their probability below ½ for long."""
GRADIENT_CLIP = 1.0
FEWEST_PX = 2_000
"""Taught pixels of a step that count in full; fewer count as a share of this, so that no single pixel shouts."""
LARGEST_PULL = 0.5
MOST_IMPORTANT = 10.0
"""Importance above this counts as this much, in multiples of the mean."""


class Learner:
    """A run of fine-tuning, without files and without looking at images whole.

    Parameters
    ----------
    base : model to start from; never changed.
    own, replayed : what to cut patches of.
    plan : steps, rates and weights.
    device : where to learn.
    seed : of all randomness.

    Attributes
    ----------
    step : steps done.
    """

    def __init__(
        self,
        base: Model,
        own: Sequence[Ground],
        replayed: Sequence[Ground],
        plan: Plan,
        device: Device,
        seed: int,
    ) -> None:
        self.plan, self.device, self.seed, self.step = plan, device, seed, 0
        self.own, self.replayed = own, replayed
        self.encoder = base.on(device).network.encoder
        self.decoder = copy.deepcopy(base.on(device).network.decoder).eval()
        self.average = AveragedModel(
            self.decoder, multi_avg_fn=get_ema_multi_avg_fn(plan.average_decay), use_buffers=False
        )
        self.best = copy.deepcopy(self.decoder)
        self._base = [p.detach().clone() for p in self.decoder.parameters()]
        self._importance = _importance(base, self.decoder)
        self._optimizer = torch.optim.AdamW(self.decoder.parameters(), plan.learning_rate, weight_decay=0.0)
        self._scaler = torch.amp.GradScaler(device.kind, enabled=device.precision == "float16")
        self._augmenter = Augmenter(VARIETY.model_copy(update={"crop_px": plan.crop_px}))

    def network(self, decoder: nn.Module) -> SegmentationNetwork:
        """Put a decoder on the base's encoder."""
        return SegmentationNetwork(self.encoder, decoder).eval()  # type: ignore[arg-type]

    @property
    def averaged(self) -> SegmentationNetwork:
        """The network as it is now."""
        return self.network(self.average.module)

    def keep(self) -> None:
        """Take the averaged weights for the best so far."""
        self.best.load_state_dict(self.average.module.state_dict())

    def blended(self, share: float) -> SegmentationNetwork:
        """Return the base's weights with a share of the way to the best ones."""
        decoder = copy.deepcopy(self.best)
        with torch.no_grad():
            for p, base in zip(decoder.parameters(), self._base, strict=True):
                p.copy_(torch.lerp(base, p, share))
        return self.network(decoder)

    def learn(self) -> dict[str, float]:
        """Take one step and return the losses.

        Raises
        ------
        TrainingError
            If the loss is no number any more.
        """
        torch.manual_seed(self.seed * 1_000_003 + self.step)
        rate = self.plan.rate_at(self.step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        image, targets, where = self._batch()
        with torch.no_grad(), self.device.autocast():
            features = self.encoder(image.contiguous(memory_format=torch.channels_last))
        with self.device.autocast():
            heads = self.decoder(features)
        losses = supervise(heads, targets, LOSS, where)
        self._optimizer.zero_grad()
        self._scaler.scale(torch.stack(list(losses.values())).sum()).backward()
        self._scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(self.decoder.parameters(), GRADIENT_CLIP)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._pull_back(rate)
        self.average.update_parameters(self.decoder)
        self.step += 1
        return self._told(losses)

    def save(self, path: Path, state: Mapping[str, Any], identity: str) -> None:
        """Write a checkpoint that ``resume`` goes on from."""
        state = {**state, "step": self.step, "scaler": self._scaler.state_dict()}
        save_checkpoint(path, state, self._modules, self._optimizer, identity)

    def resume(self, path: Path, identity: str) -> dict[str, Any]:
        """Take up a checkpoint and return the state that was saved with it.

        Raises
        ------
        TrainingError
            If it is damaged, or of a run with other settings or examples.
        """
        state = load_checkpoint(path, self._modules, self._optimizer, identity)
        self.step = int(state["step"])
        self._scaler.load_state_dict(state["scaler"])
        return state

    @property
    def _modules(self) -> dict[str, nn.Module]:
        return {"decoder": self.decoder, "average": self.average, "best": self.best}

    def _batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Draw images (B, 3, C, C), targets (B, 3, C, C), and how much each pixel counts (B, C, C)."""
        random = np.random.default_rng((self.seed, self.step))
        n_replayed = self.plan.replayed if self.replayed else 0
        patches = [draw(self.own, self.plan.crops - n_replayed, self.plan.patch_px, random)]
        if n_replayed:
            patches.append(draw(self.replayed, n_replayed, self.plan.patch_px, random))
        fields = torch.cat(patches).to(self.device.torch)
        image, others = self._augmenter.view(fields)
        taught, held = others[:, 3], others[:, 4]
        is_own = (torch.arange(len(fields), device=fields.device) < len(patches[0])).view(-1, 1, 1)
        where = _share(taught)
        where = where + self.plan.hold_at(self.step) * _share(held * is_own)
        where = where + self.plan.replay * _share(held * ~is_own)
        return image, others[:, :3], where * where.numel()

    def _pull_back(self, rate: float) -> None:
        """Draw each weight back to the base's by its importance; in the mean by ``plan.pull`` over the run."""
        mean_rate = self.plan.learning_rate / 2
        a_step = self.plan.pull * rate / mean_rate / self.plan.steps
        if not a_step:
            return
        with torch.no_grad():
            for p, base, importance in zip(
                self.decoder.parameters(), self._base, self._importance, strict=True
            ):
                p.lerp_(base, (a_step * importance).clamp(max=LARGEST_PULL).expand_as(p))

    def _told(self, losses: dict[str, torch.Tensor]) -> dict[str, float]:
        values = torch.stack(list(losses.values())).tolist()
        if not all(map(math.isfinite, values)):
            raise TrainingError(
                f"the loss became {sum(values)} at step {self.step}: the examples or the learning rate are off. "
                "Lower the learning rate, or look at the examples."
            )
        return dict(zip(losses, values, strict=True))


def _share(weights: torch.Tensor) -> torch.Tensor:
    """Scale weights (B, Y, X) so that they add up to 1, or to less where hardly a pixel has one."""
    return weights / weights.sum().clamp(min=FEWEST_PX)


def _importance(base: Model, decoder: nn.Module) -> list[torch.Tensor]:
    """Return the importance of each parameter of the decoder, to be broadcast over it; 1 where it is not known."""
    known = base.importance or {}
    found = []
    for name, p in decoder.named_parameters():
        channels = known.get(f"decoder.{name}", torch.ones(len(p))).clamp(max=MOST_IMPORTANT)
        found.append(channels.to(p.device).view(-1, *[1] * (p.dim() - 1)))
    return found
