"""A plain encoder, as in the first U-Nets: convolutions and max pooling, nothing else.

Ronneberger et al. 2015, 10.1007/978-3-319-24574-4_28, with batch normalisation and padded convolutions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from napari_nucseg.network.blocks import convolution

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch


class PlainEncoder(nn.Module):
    """Levels of convolutions, halved in size from one to the next.

    Parameters
    ----------
    widths, convolutions : channels and number of 3 x 3 convolutions of each level, from the image's size down.
    depth : halvings; levels below are left out.
    """

    def __init__(self, widths: Sequence[int], convolutions: Sequence[int], depth: int) -> None:
        super().__init__()
        # As of encoders of segmentation-models-pytorch, which is not imported for this one, since that takes as long
        # as torch: features start with the image itself, and the first level has no output of its own.
        self.out_channels = [3, *widths[1 : depth + 1]]
        entering = [3, *widths]
        self.levels = nn.ModuleList(
            _level(*sizes)
            for sizes in zip(
                entering[: depth + 1], widths[: depth + 1], convolutions[: depth + 1], strict=True
            )
        )
        self.halve = nn.MaxPool2d(2)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Turn (B, 3, Y, X) into the image and the features at ½, ¼, … of its size."""
        features = [image]
        x = self.levels[0](image)
        for level in self.levels[1:]:
            x = level(self.halve(x))
            features.append(x)
        return features


def _level(entering: int, width: int, convolutions: int) -> nn.Sequential:
    return nn.Sequential(
        *(convolution(entering if first else width, width) for first in (True, *[False] * (convolutions - 1)))
    )
