import pytest
import torch

from napari_nucseg.network.architectures import Architecture, build_network
from napari_nucseg.network.model_file import ModelCard, load_model, save_model


@pytest.fixture(scope="session")
def small_model(tmp_path_factory):
    """Return a real network with random weights: fast, and good enough for everything but accuracy."""
    torch.manual_seed(1)
    architecture = Architecture(encoder="tu-regnetx_002", encoder_depth=3, decoder_channels=(16, 8, 8))
    card = ModelCard(
        name="small", title="Small", architecture=architecture, canonical_diameter_px=24, halo_px=32
    )
    path = tmp_path_factory.mktemp("models") / "small.safetensors"
    save_model(path, card, build_network(architecture))
    return load_model(path)
