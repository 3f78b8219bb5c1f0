"""What is learned from a patch: the maps at the canonical scale, or the diameter at any scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import torch
from torch.nn import functional as F

from napari_nucseg.learning.augment import Augmenter, random_scales
from napari_nucseg.learning.losses import map_losses, size_losses
from napari_nucseg.network.architectures import build_network
from napari_nucseg.network.size_network import SizeNetwork

if TYPE_CHECKING:
    from torch import nn

    from napari_nucseg.learning.job import TrainingJob
    from napari_nucseg.network.device import Device


class Task(Protocol):
    """A network and the losses it is trained with."""

    name: str
    steps: int

    @property
    def network(self) -> nn.Module:
        """Module that is trained."""
        ...

    def losses(self, fields: torch.Tensor, device: Device) -> dict[str, torch.Tensor]:
        """Losses by name for a batch of patch fields (B, 5, P, P) uint8."""
        ...


class MapTask:
    """Foreground, distance and core at the canonical scale."""

    name = "maps"

    def __init__(self, job: TrainingJob) -> None:
        self.steps = job.steps
        self.network = build_network(job.architecture)
        self._augmenter = Augmenter(job.augment)

    def losses(self, fields: torch.Tensor, device: Device) -> dict[str, torch.Tensor]:
        """Losses of one random view of every patch."""
        image, targets = self._augmenter(fields)
        with device.autocast():
            logits = self.network(image.contiguous(memory_format=torch.channels_last))
        return map_losses(logits, targets)


class SizeTask:
    """Diameter of the nuclei in views at any scale.

    All views of a batch come from one narrow band of scales, and the crop follows it, so that small scales need
    little mirroring beyond the patch: seams would give the scale away.
    """

    name = "size"
    scale_span = (0.33, 4.0)
    band = 0.2
    crop_limits_px = (128, 320)

    def __init__(self, job: TrainingJob) -> None:
        self.steps = job.size_steps
        self.network = SizeNetwork(job.size_architecture)
        self._augmenter = Augmenter(job.augment)
        self._canonical_px = job.canonical_diameter_px

    def losses(self, fields: torch.Tensor, device: Device) -> dict[str, torch.Tensor]:
        """Losses of one random view of every patch."""
        low, high = (math.log(s) for s in self.scale_span)
        centre = math.exp(low + (high - low) * float(torch.rand(())))
        scale = centre * random_scales(fields.shape[0], self.band, fields.device)
        image, targets = self._augmenter.view(fields, scale, self._crop_px(centre, fields.shape[-1]))
        with device.autocast():
            logits = self.network(image.contiguous(memory_format=torch.channels_last))
        coverage = F.adaptive_avg_pool2d(targets[:, 0], logits.shape[-2:])
        log_diameter = torch.log(scale * self._canonical_px)
        return size_losses(logits, coverage, log_diameter, self.network.architecture)

    def _crop_px(self, scale: float, patch_px: int) -> int:
        stride = self.network.architecture.stride_px
        smallest, largest = self.crop_limits_px
        return min(max(round(scale * patch_px), smallest), largest) // stride * stride
