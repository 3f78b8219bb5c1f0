"""What all tests share: where the real data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DEFAULT_TEST_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real microscopy images (or NUCSEG_TEST_DATA); tests skip where it is absent."""
    folder = Path(os.environ.get("NUCSEG_TEST_DATA", DEFAULT_TEST_DATA))
    if not (folder / "index.csv").is_file():
        pytest.skip(f"real test data is not at {folder}: set NUCSEG_TEST_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``tiny.safetensors``: a real model file of a small network with random weights.

    For tests of what surrounds a network; what it finds means nothing.
    """
    import torch

    from napari_nucseg.network.architectures import Architecture, build_network
    from napari_nucseg.network.model_file import ModelCard, save_model

    torch.manual_seed(0)
    architecture = Architecture(encoder="tu-regnetx_002", encoder_depth=3, decoder_channels=(16, 8, 8))
    card = ModelCard(name="tiny", title="Tiny", architecture=architecture, canonical_diameter_px=24)
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "tiny.safetensors", card, build_network(architecture))
    return folder


@pytest.fixture
def tiny_model(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a small untrained model that is installed for the test."""
    monkeypatch.setenv("NUCSEG_MODELS", str(tiny_models))
    return "tiny"
