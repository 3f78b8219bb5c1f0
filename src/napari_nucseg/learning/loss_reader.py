"""Read losses off the device that trains without making it wait.

A GPU works through a queue. Whoever asks for a number waits until the queue is empty, and then the GPU waits for the
next step to be queued. So the numbers of a step are asked for as it is queued, and read when the next one is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_nucseg.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_nucseg.network.device import Device

BURST = "Use another name, or delete the run's folder, and lower the learning rate."


@dataclass(frozen=True)
class _Losses:
    """Losses of one step on their way to the CPU."""

    step: int
    names: tuple[str, ...]
    values: torch.Tensor
    arrived: torch.cuda.Event | None


class LossReader:
    """Losses of the latest step that is done: on a GPU one behind the step just queued."""

    def __init__(self, device: Device) -> None:
        self._queues = device.kind == "cuda"
        self._latest: _Losses | None = None
        self._before: _Losses | None = None

    def take(self, step: int, losses: Mapping[str, torch.Tensor]) -> None:
        """Ask for the losses of a step just queued."""
        values = torch.stack(list(losses.values())).detach().to("cpu", non_blocking=self._queues)
        arrived = torch.cuda.Event() if self._queues else None
        if arrived is not None:
            arrived.record()
        self._before, self._latest = self._latest, _Losses(step, tuple(losses), values, arrived)

    def read(self, *, wait: bool) -> dict[str, float]:
        """Return losses by name: of the step before where a GPU works at the latest, unless ``wait``.

        Raises
        ------
        TrainingError
            If one is not finite.
        """
        lagging = self._queues and not wait and self._before is not None
        losses = self._before if lagging else self._latest
        if losses is None:
            return {}
        if losses.arrived is not None:
            losses.arrived.synchronize()
        values = losses.values.tolist()
        if not all(map(math.isfinite, values)):
            raise TrainingError(f"the loss became {sum(values)} at step {losses.step}. {BURST}")
        return dict(zip(losses.names, values, strict=True))
