"""Importance: a number a channel, larger where the answer depends on it, kept in the model file."""

import torch

from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.learning.importance import measure_importance
from napari_nucseg.learning.patches import pack_patches
from napari_nucseg.network.architectures import Architecture, build_network
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_card import ModelCard
from napari_nucseg.network.model_file import load_model, save_model

PLAIN = Architecture(
    encoder="plain",
    encoder_depth=2,
    encoder_widths=(8, 8, 8),
    encoder_convolutions=(1, 1, 1),
    decoder_channels=(8, 8),
    full_size_channels=4,
)


def test_a_channel_that_nothing_depends_on_is_unimportant_and_the_file_keeps_it(tmp_path):
    torch.manual_seed(0)
    network = build_network(PLAIN)
    with torch.no_grad():
        network.decoder.head[0].weight[:, 3] = 0  # nobody listens to the last block's channel 3
    card = ModelCard(name="plain", title="", architecture=PLAIN, canonical_diameter_px=24)
    before = {name: p.clone() for name, p in network.named_parameters()}
    device = choose_device("cpu", "float32")
    samples = [synthetic_fluorescence((96, 96), seed=i) for i in range(2)]
    bank = pack_patches(samples, canonical_diameter_px=24, patch_px=64, normalisation=card.normalisation)
    importance = measure_importance(network, bank.fields, device)
    assert importance.keys() == before.keys()
    assert all(torch.equal(p, before[name]) for name, p in network.named_parameters())
    last = importance["decoder.blocks.1.conv2.0.weight"]
    assert last[3] == last.min() < last.max() / 10
    save_model(tmp_path / "plain.safetensors", card, network, importance=importance)
    loaded = load_model(tmp_path / "plain.safetensors")
    torch.testing.assert_close(loaded.importance, importance, rtol=1e-3, atol=1e-3)
    save_model(tmp_path / "old.safetensors", card, network)
    assert load_model(tmp_path / "old.safetensors").importance is None
