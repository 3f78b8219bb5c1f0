"""What decoders are made of: convolutions that do no more work than their answer needs.

Enlarged to twice the size by nearest neighbours, a 3 x 3 window sees but 2 x 2 different pixels, and which ones depends
on where it lies. So four 2 x 2 convolutions of the small features give the four pixels that each of them becomes, for
four ninths of the multiplications (Aitken et al. 2017, arXiv:1707.02937). The skip connection is convolved by
itself: nothing has to be joined, and no gradient is computed for a frozen encoder.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import conv2d


class Convolution(nn.Sequential):
    """A 3 x 3 convolution, batch normalisation and ReLU; in evaluation the first two are one.

    Parameters
    ----------
    entering, width : channels.
    """

    def __init__(self, entering: int, width: int) -> None:
        super().__init__(*convolution(entering, width))

    def forward(self, x: torch.Tensor, coarse: torch.Tensor | None = None) -> torch.Tensor:
        """Convolve features (B, C, Y, X), with ``coarse`` ones (B, D, Y / 2, X / 2) enlarged before them."""
        filters: Any  # what a sequence holds is but a module to mypy
        norm: Any
        filters, norm, activation = self
        frozen = not norm.training
        weight, bias = _folded(filters.weight, norm) if frozen else (filters.weight, None)
        if coarse is None:
            found = conv2d(x, weight, bias, padding=1)
        else:
            found = convolve_enlarged(coarse, x, weight, bias)
        return activation(found if frozen else norm(found))


def convolution(entering: int, width: int) -> nn.Sequential:
    """Make a 3 x 3 convolution, batch normalisation and ReLU of these channels."""
    filters = nn.Conv2d(entering, width, kernel_size=3, padding=1, bias=False)
    return nn.Sequential(filters, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


class EnlargingBlock(nn.Module):
    """One level of an expanding path, to twice the size: two convolutions, the first of which sees the skip connection.

    Parameters
    ----------
    below, beside, width : channels of the coarse features, of the skip connection, and of the answer.
    """

    def __init__(self, below: int, beside: int, width: int) -> None:
        super().__init__()
        self.conv1 = Convolution(below + beside, width)
        self.conv2 = Convolution(width, width)

    def forward(self, coarse: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Turn (B, below, Y / 2, X / 2) and (B, beside, Y, X) into (B, width, Y, X)."""
        return self.conv2(self.conv1(skip, coarse))


def convolve_enlarged(
    coarse: torch.Tensor, skip: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """Convolve [``coarse`` enlarged to twice its size by nearest neighbours, ``skip``], padded by a zero.

    Parameters
    ----------
    coarse : features (B, C, Y / 2, X / 2).
    skip : features (B, S, Y, X); S may be 0.
    weight : (O, C + S, 3, 3).
    bias : (O,), or None.

    Returns
    -------
    torch.Tensor
        (B, O, Y, X).
    """
    channels = coarse.shape[1]
    quarters = conv2d(coarse, _quarter_weights(weight[:, :channels]), padding=1)
    enlarged = _interleaved(quarters, len(weight))
    if skip.shape[1]:
        return enlarged + conv2d(skip, weight[:, channels:], bias, padding=1)
    return enlarged if bias is None else enlarged + bias.view(-1, 1, 1)


def _folded(weight: torch.Tensor, norm: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weights and bias of a convolution that does what one without bias and a frozen BatchNorm2d do."""
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return weight * scale.view(-1, 1, 1, 1), norm.bias - norm.running_mean * scale


def _quarter_weights(weight: torch.Tensor) -> torch.Tensor:
    """Sum weights (O, C, 3, 3) where they meet the same pixel: (4 O, C, 2, 2), lower right quarter first."""
    quarters = _halves(_halves(weight, -1), -2).flatten(0, 2)
    return quarters.contiguous(memory_format=torch.channels_last)


def _halves(weight: torch.Tensor, axis: int) -> torch.Tensor:
    """Sum 3 weights along an axis to 2 for the second and 2 for the first pixel of each pair: (…) to (2, …)."""
    before, here, after = weight.unbind(axis)
    second, first = (before + here, after), (before, here + after)
    return torch.stack([torch.stack(second, axis), torch.stack(first, axis)])


def _interleaved(quarters: torch.Tensor, channels: int) -> torch.Tensor:
    """Put four answers (B, 4 O, Y + 1, X + 1) together to (B, O, 2 Y, 2 X)."""
    split = quarters.movedim(1, -1).unflatten(-1, (2, 2, channels))
    fine = split.movedim(3, 2).flatten(3, 4).flatten(1, 2)
    return fine[:, 1:-1, 1:-1].movedim(-1, 1)
