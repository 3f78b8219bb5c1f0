"""The decoders: what a head needs is the smaller network, and the pixels themselves are seen."""

import pytest
import torch
from pydantic import ValidationError

from napari_nucseg.network.architectures import Architecture, build_network
from napari_nucseg.network.heads import network_of_head

NESTED = Architecture(
    kind="unetplusplus",
    encoder="resnet18",
    encoder_depth=4,
    decoder_channels=(24, 16, 12, 8),
    full_size_channels=4,
)


@pytest.mark.parametrize("head", [1, 2, 3])
def test_a_head_needs_the_smaller_unetplusplus_alone(head):
    torch.manual_seed(0)
    whole = build_network(NESTED).eval()
    small = network_of_head(whole, NESTED, head)
    image = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(small(image), whole.heads(image)[head - 1])


def test_the_answer_is_the_mean_of_the_heads():
    network = build_network(NESTED).eval()
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        heads = network.heads(image)
        torch.testing.assert_close(network(image), heads.mean(0))
    assert heads.shape == (len(NESTED.heads), 1, 3, 32, 32)


def test_heads_that_are_not_wanted_are_not_built():
    torch.manual_seed(2)
    whole = build_network(NESTED).eval()
    deep = build_network(NESTED.model_copy(update={"only_heads": (2, 3)})).eval()
    weights = whole.state_dict()
    deep.load_state_dict({name: weights[name] for name in deep.state_dict()})
    assert len(deep.state_dict()) < len(weights)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(deep(image), whole.heads(image)[1:].mean(0))


@pytest.mark.parametrize("heads", [(), (0,), (4,), (3, 2), (2, 2)])
def test_only_heads_that_exist_can_be_wanted(heads):
    with pytest.raises(ValidationError, match="only_heads"):
        Architecture(**{**NESTED.model_dump(), "only_heads": heads})


def test_every_head_learns():
    network = build_network(NESTED)
    network.heads(torch.rand(2, 3, 32, 32)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.decoder.heads.parameters())


@pytest.mark.parametrize("kind", ["unet", "unetplusplus"])
def test_the_view_shows_every_pixel_to_its_neighbours_alone(kind):
    torch.manual_seed(1)
    view = build_network(NESTED.model_copy(update={"kind": kind})).eval().decoder.view
    image = torch.zeros(1, 3, 32, 32)
    dotted = image.clone()
    dotted[..., 16, 16] = 1
    changed = (view(dotted) != view(image)).any(1)[0].nonzero()
    assert len(changed)
    assert ((changed - 16).abs() <= 1).all()


@pytest.mark.parametrize("kind", ["unet", "unetplusplus"])
def test_without_a_view_the_last_block_sees_coarse_features_alone(kind):
    network = build_network(NESTED.model_copy(update={"kind": kind, "full_size_channels": 0}))
    assert network.decoder.view(torch.rand(1, 3, 32, 32)).shape == (1, 0, 32, 32)
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 3, 32, 32)
