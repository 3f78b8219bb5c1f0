"""How good a network is on patches it does not learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_nucseg.network.architectures import activate
from napari_nucseg.nuclei.decoding import decode
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.nuclei.targets import make_targets

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from napari_nucseg.learning.patches import PatchBank
    from napari_nucseg.network.device import Device


def predict_patches(network: nn.Module, bank: PatchBank, device: Device, batch_size: int) -> NDArray[np.float32]:
    """Maps of all patches: (N, 3, P, P) float32, 0…1."""
    network.eval()
    maps = []
    with torch.inference_mode():
        for fields in bank.fields.split(batch_size):
            image = fields[:, :3].to(device.torch).float() / 255
            with device.autocast():
                logits = network(image.contiguous(memory_format=torch.channels_last))
            maps.append(activate(logits.float()).cpu().numpy())
    return np.concatenate(maps)
