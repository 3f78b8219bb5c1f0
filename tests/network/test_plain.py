"""The plain encoder beside those of segmentation-models-pytorch."""

import pytest
import torch

from napari_nucseg.errors import SettingsError
from napari_nucseg.learning.job import make_job
from napari_nucseg.network.architectures import Architecture, build_network
from napari_nucseg.network.heads import network_of_head

PLAIN = {
    "encoder": "plain",
    "encoder_depth": 3,
    "encoder_widths": (4, 6, 8, 10),
    "encoder_convolutions": (1, 2, 3, 2),
    "decoder_channels": (8, 6, 4),
}


def test_features_start_with_the_image_and_halve_from_level_to_level():
    encoder = build_network(Architecture(**PLAIN)).encoder
    image = torch.rand(1, 3, 32, 48)
    features = encoder(image)
    assert features[0] is image
    assert [f.shape[1] for f in features] == encoder.out_channels == [3, 6, 8, 10]
    assert [f.shape[2:] for f in features] == [(32 >> i, 48 >> i) for i in range(4)]


def test_it_has_the_convolutions_asked_for():
    encoder = build_network(Architecture(**PLAIN)).encoder
    assert sum(isinstance(m, torch.nn.Conv2d) for m in encoder.modules()) == 1 + 2 + 3 + 2


@pytest.mark.parametrize("head", [1, 2])
def test_a_head_needs_the_shallower_encoder_alone(head):
    nested = Architecture(kind="unetplusplus", **PLAIN)
    whole = build_network(nested).eval()
    small = network_of_head(whole, nested, head)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(small(image), whole.heads(image)[head - 1])


@pytest.mark.parametrize("changes", [{"encoder_widths": (4, 6)}, {"encoder_convolutions": (1, 0, 1, 1)}])
def test_levels_that_do_not_fit_are_refused(changes, tmp_path):
    with pytest.raises(SettingsError, match=r"encoder_widths|convolutions"):
        make_job({"architecture": {**PLAIN, **changes}}, tmp_path)
