"""One head of a U-Net++ as a network of its own: what *fast* quality runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_nucseg.network.architectures import build_network

if TYPE_CHECKING:
    from napari_nucseg.network.architectures import Architecture
    from napari_nucseg.network.decoders import SegmentationNetwork


def network_of_head(
    network: SegmentationNetwork, architecture: Architecture, head: int
) -> SegmentationNetwork:
    """Cut out of a trained U-Net++ what one head needs: fewer nested nodes, and an encoder that ends earlier.

    Parameters
    ----------
    network : the whole network; its weights are copied.
    architecture : shape of the whole network.
    head : which head, counted from 1, the shallowest.

    Returns
    -------
    network
        On the CPU, in evaluation mode, of the shape ``architecture.up_to_head(head)``. It answers exactly as that
        head of the whole network does.
    """
    small = build_network(architecture.up_to_head(head))
    weights = network.state_dict()
    small.load_state_dict({name: weights[name] for name in small.state_dict()})
    return small.to(memory_format=torch.channels_last).eval()
