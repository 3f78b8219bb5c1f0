"""How much what a network has learned depends on each of its channels: what fine-tuning must not wear away.

The diagonal of the empirical Fisher information, as in elastic weight consolidation (Kirkpatrick et al. 2017,
10.1073/pnas.1611835114): squared gradients of the loss, one image at a time. Kept as one number an output channel,
which is small enough for a model file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_nucseg.learning.augment import core_of
from napari_nucseg.learning.losses import map_losses
from napari_nucseg.learning.settings import Loss

if TYPE_CHECKING:
    from napari_nucseg.network.decoders import SegmentationNetwork
    from napari_nucseg.network.device import Device

VIEWS = 24
"""Patches that the gradients are taken on."""
LIMITS = (1e-3, 1e3)
"""Of the stored numbers, whose mean is 1: so that float16 holds them."""


def measure_importance(
    network: SegmentationNetwork, fields: torch.Tensor, device: Device
) -> dict[str, torch.Tensor]:
    """Measure the importance of each output channel of each parameter.

    Parameters
    ----------
    network : trained network, on ``device``; it is put in evaluation mode and not changed.
    fields : (N, 5, P, P) uint8 patches at the network's scale; up to ``VIEWS`` of them, evenly spaced, are used.
    device : where the network is.

    Returns
    -------
    importance
        By the parameter's name, (channels,) float32 on the CPU; the mean over all weights is 1.
    """
    chosen = fields[:: max(1, -(-len(fields) // VIEWS))].to(device.torch)
    parameters = dict(network.named_parameters())
    squares = {name: torch.zeros(len(p), device=p.device) for name, p in parameters.items()}
    network.eval()
    for patch in chosen.split(1):
        image, foreground, distance = patch.float().div(255).split((3, 1, 1), dim=1)
        targets = torch.cat([foreground, distance, core_of(distance)], dim=1)
        losses = map_losses(network(image), targets, Loss())
        loss = torch.stack(list(losses.values())).sum()
        # a shallow use of a deep encoder leaves layers without a part in it: their gradient is 0
        gradients = torch.autograd.grad(loss, list(parameters.values()), materialize_grads=True)
        for name, gradient in zip(parameters, gradients, strict=True):
            squares[name] += gradient.square().reshape(len(gradient), -1).mean(1)
    total = sum(float(squares[name].mean()) * p.numel() for name, p in parameters.items())
    mean = total / sum(p.numel() for p in parameters.values()) or 1.0
    return {name: (square / mean).clamp(*LIMITS).cpu() for name, square in squares.items()}
