import numpy as np
import pytest
import torch

from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.network.architectures import Architecture, build_network
from napari_nucseg.network.model_card import ModelCard
from napari_nucseg.network.model_file import load_model, save_model

SMALL = Architecture(encoder="tu-regnetx_002", encoder_depth=3, decoder_channels=(16, 8, 8))


def _saved(folder, architecture, name):
    """Model file of a network with random weights whose normalisation layers have seen nuclei.

    Fast, and good enough for everything but accuracy: its maps follow the image.
    """
    torch.manual_seed(1)
    network = build_network(architecture).train()
    image = synthetic_fluorescence((192, 192), seed=9).image.astype(np.float32) / 255
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # what one look at the image says
    with torch.no_grad():
        network(torch.from_numpy(np.repeat(image[None, None], 3, axis=1)))
        for part, weight in network.named_parameters():
            if "head" in part:
                weight *= 8  # certain answers, so that there are nuclei to be found
    card = ModelCard(
        name=name, title=name.title(), architecture=architecture, canonical_diameter_px=24, halo_px=48
    )
    save_model(folder / f"{name}.safetensors", card, network)
    return load_model(folder / f"{name}.safetensors")


@pytest.fixture(scope="session")
def small_model(tmp_path_factory):
    """Return a small U-Net."""
    return _saved(tmp_path_factory.mktemp("models"), SMALL, "small")


@pytest.fixture(scope="session")
def nested_model(tmp_path_factory):
    """Return a small U-Net++ with three heads."""
    nested = Architecture(
        kind="unetplusplus",
        encoder="tu-regnetx_002",
        encoder_depth=4,
        decoder_channels=(16, 12, 8, 8),
        full_size_channels=4,
    )
    return _saved(tmp_path_factory.mktemp("models"), nested, "nested")
