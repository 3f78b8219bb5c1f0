"""A block answers and learns exactly as segmentation-models-pytorch's, whose weights it takes."""

import pytest
import torch
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoderBlock
from torch import nn
from torch.nn.functional import conv2d, interpolate

from napari_nucseg.network.blocks import EnlargingBlock, convolve_enlarged

BELOW, BESIDE, WIDTH = 5, 3, 4


def _blocks(beside: int, training: bool) -> tuple[EnlargingBlock, UnetDecoderBlock]:
    torch.manual_seed(0)
    theirs = UnetDecoderBlock(BELOW, beside, WIDTH).double()
    for part in theirs.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values in (part.weight, part.bias, part.running_mean, part.running_var):
                nn.init.uniform_(values, 0.5, 1.5)
    ours = EnlargingBlock(BELOW, beside, WIDTH).double()
    ours.load_state_dict(theirs.state_dict())
    return ours.train(training), theirs.train(training)


def _features(beside: int, memory_format: torch.memory_format) -> list[torch.Tensor]:
    shapes = [(2, BELOW, 5, 7), (2, beside, 10, 14)]
    return [
        torch.rand(shape, dtype=torch.float64).contiguous(memory_format=memory_format) for shape in shapes
    ]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("beside", [BESIDE, 0])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_answers_and_gradients_are_those_of_the_plain_block(training, beside, memory_format):
    ours, theirs = _blocks(beside, training)
    coarse, skip = (x.requires_grad_() for x in _features(beside, memory_format))
    answer, expected = ours(coarse, skip), theirs(coarse, 10, 14, skip_connection=skip)
    torch.testing.assert_close(answer, expected)

    weights = torch.rand_like(expected)
    asked = [coarse, skip] if beside else [coarse]
    gradients = torch.autograd.grad((answer * weights).sum(), [*asked, *ours.parameters()])
    right = torch.autograd.grad((expected * weights).sum(), [*asked, *theirs.parameters()])
    torch.testing.assert_close(gradients, right)


def test_statistics_go_on_being_gathered_in_training():
    ours, theirs = _blocks(BESIDE, training=True)
    coarse, skip = _features(BESIDE, torch.contiguous_format)
    ours(coarse, skip)
    theirs(coarse, 10, 14, skip_connection=skip)
    for name, values in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], values, msg=name)


@pytest.mark.parametrize("bias", [True, False])
def test_the_first_convolution_is_that_of_the_enlarged_features(bias):
    coarse, skip = _features(BESIDE, torch.contiguous_format)
    weight = torch.rand(WIDTH, BELOW + BESIDE, 3, 3, dtype=torch.float64)
    added = torch.rand(WIDTH, dtype=torch.float64) if bias else None
    joined = torch.cat([interpolate(coarse, scale_factor=2, mode="nearest"), skip], 1)
    expected = conv2d(joined, weight, added, padding=1)
    torch.testing.assert_close(convolve_enlarged(coarse, skip, weight, added), expected)
