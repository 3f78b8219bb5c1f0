"""Decoders that see the image at full size: segmentation-models-pytorch's own stop at half its resolution.

The encoder's first features come at half resolution, so smp's last block only smooths what it enlarges; nuclei of a
few pixels and exact outlines need the pixels themselves. Here every last block also sees a shallow view of the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_nucseg.network.blocks import Convolution, EnlargingBlock

if TYPE_CHECKING:
    from collections.abc import Sequence


class UnetDecoder(nn.Module):
    """U-Net's expanding path: one block a level, from the deepest features to the image's size.

    Parameters
    ----------
    encoder_widths : channels of the encoder's features, from the image's size down; the first are not used.
    widths : channels of the blocks, coarse to fine.
    view_channels : channels of the shallow view of the image; 0 for none.
    maps : channels of the answer.
    """

    def __init__(
        self, encoder_widths: Sequence[int], widths: Sequence[int], view_channels: int, maps: int
    ) -> None:
        super().__init__()
        deepest, *skips = list(encoder_widths)[:0:-1]
        entering = [deepest, *widths[:-1]]
        self.blocks = nn.ModuleList(
            EnlargingBlock(*sizes) for sizes in zip(entering, [*skips, view_channels], widths, strict=True)
        )
        self.view = _view(view_channels)
        self.head = _head(widths[-1], maps)
        _initialise(self)

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Turn the encoder's features, the image first, into (1, B, maps, Y, X) logits."""
        image, *below = features
        x, *skips = below[::-1]
        for block, skip in zip(self.blocks, [*skips, self.view(image)], strict=True):
            x = block(x, skip)
        return self.head(x).unsqueeze(0)


class NestedDecoder(nn.Module):
    """U-Net++'s nested path with deep supervision: Zhou et al. 2018, 10.1007/978-3-030-00889-5_1.

    Node (r, j) of row r, at 1/2ʳ of the image's size, sees all nodes of its row before it and node (r + 1, j - 1);
    nodes (r, 0) are the encoder's features. Every node (1, j) is enlarged to the image's size by a block of its own
    and answers there: head j needs the nodes with r + j ≤ j + 1 alone, which is the U-Net++ of depth j + 1.

    Parameters
    ----------
    encoder_widths, widths, view_channels, maps : as for ``UnetDecoder``; all nodes of a row are equally wide.
    heads : which heads to build, counted from 1, the shallowest.
    """

    def __init__(
        self,
        encoder_widths: Sequence[int],
        widths: Sequence[int],
        view_channels: int,
        maps: int,
        heads: Sequence[int],
    ) -> None:
        super().__init__()
        depth = len(widths)
        self.heads_built = tuple(heads)
        row_width = dict(zip(range(depth - 1, -1, -1), widths, strict=True))
        self.nodes = nn.ModuleDict()
        for j in range(1, depth):
            for row in range(1, depth - j + 1):
                below = encoder_widths[row + 1] if j == 1 else row_width[row + 1]
                beside = encoder_widths[row] + (j - 1) * row_width[row]
                self.nodes[f"{row}_{j}"] = EnlargingBlock(below, beside, row_width[row])
        self.view = _view(view_channels)
        self.last = nn.ModuleDict(
            {str(j): EnlargingBlock(row_width[1], view_channels, row_width[0]) for j in self.heads_built}
        )
        self.heads = nn.ModuleDict({str(j): _head(row_width[0], maps) for j in self.heads_built})
        _initialise(self)

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Turn the encoder's features, the image first, into (heads, B, maps, Y, X) logits."""
        image, *below = features
        rows = {row: [feature] for row, feature in enumerate(below, start=1)}
        for j in range(1, len(below)):
            for row in range(1, len(below) - j + 1):
                node = self.nodes[f"{row}_{j}"]
                rows[row].append(node(rows[row + 1][j - 1], torch.cat(rows[row], 1)))
        view = self.view(image)
        answers = [self.heads[str(j)](self.last[str(j)](rows[1][j], view)) for j in self.heads_built]
        return torch.stack(answers)


class SegmentationNetwork(nn.Module):
    """An encoder of segmentation-models-pytorch and one of the decoders above."""

    def __init__(self, encoder: nn.Module, decoder: UnetDecoder | NestedDecoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    @property
    def feature_channels(self) -> tuple[int, ...]:
        """Channels of the encoder's features, the image's first."""
        return tuple(self.encoder.out_channels)  # type: ignore[arg-type]

    def heads(self, image: torch.Tensor) -> torch.Tensor:
        """Turn (B, 3, Y, X) images into (heads, B, maps, Y, X) logits."""
        return self.decoder(self.encoder(image))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Turn (B, 3, Y, X) images into (B, maps, Y, X) logits, the mean over the heads."""
        return self.heads(image).mean(0)


def _view(channels: int) -> nn.Module:
    """Look at the image itself; without channels, nothing is seen."""
    return Convolution(3, channels) if channels else _Nothing()


def _head(width: int, maps: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(width, maps, kernel_size=3, padding=1))


def _initialise(decoder: nn.Module) -> None:
    """Draw weights that keep the variance behind a ReLU (He et al. 2015, 10.1109/ICCV.2015.123)."""
    for layer in decoder.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class _Nothing(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, :0]
