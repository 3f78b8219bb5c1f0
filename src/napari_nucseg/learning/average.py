"""Running average of a network's weights, which is better than any of those it averages."""

from __future__ import annotations

import copy

import torch
from torch import nn


class RunningAverage(nn.Module):
    """Exponential running average that looks back over a tenth of the run at first, so that short runs end in it too.

    The decay of the nth update is (1 + n) / (10 + n), at most ``decay``. torch's own ``AveragedModel`` reads its
    counter off the device four times a step, and each time a GPU waits; this one counts on the CPU.

    Attributes
    ----------
    module : the network with averaged weights and buffers.
    """

    n_averaged: torch.Tensor

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.module = copy.deepcopy(network)
        self.decay = decay
        self.register_buffer("n_averaged", torch.tensor(0))  # stays on the CPU

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take one more state of the network in."""
        n = int(self.n_averaged)
        self.n_averaged += 1
        weight = 1 - min(self.decay, (1 + n) / (10 + n)) if n else 1.0
        own, new = list(self.module.state_dict().values()), list(network.state_dict().values())
        averaged = [i for i, tensor in enumerate(own) if tensor.is_floating_point()]
        torch._foreach_lerp_([own[i] for i in averaged], [new[i] for i in averaged], weight)
        for i in set(range(len(own))).difference(averaged):
            own[i].copy_(new[i])  # counters
