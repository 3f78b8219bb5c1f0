"""Growing a U-Net++ out of a trained U-Net, so that nothing the U-Net knows has to be learned again.

The nodes of the outermost diagonal are the U-Net's own blocks with more neighbours. Seeing nothing of these at
first, the deepest head of the new network answers exactly as the U-Net does: the idea of Net2Net (Chen et al. 2016,
arXiv:1511.05641). The nodes within begin as copies of the block of their row, so they only have to learn what to
make of the features below them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Weights = Mapping[str, torch.Tensor]

ENTERING = "conv1.0.weight"
"""The only tensor of a block whose shape depends on what enters it."""


def grow_nested(unet: Weights, nested: Weights, encoder_widths: Sequence[int]) -> dict[str, torch.Tensor]:
    """Fill the decoder of a U-Net++ from that of a U-Net with the same encoder and the same widths.

    Parameters
    ----------
    unet, nested : weights of the two decoders by name; those of ``nested`` are kept where the U-Net has none for
        them: what nodes of the first column make of the features below them.
    encoder_widths : channels of the encoder's features, from the image's size down.

    Returns
    -------
    weights of the U-Net++'s decoder, whole.
    """
    grown = dict(nested)
    depth = len(encoder_widths) - 1
    for name in nested:
        part, _, rest = name.partition(".")
        if part == "view":
            grown[name] = unet[name]
        elif part == "heads":
            grown[name] = unet[f"head.{_after_first(rest)}"]
        elif part == "last":
            grown[name] = unet[f"blocks.{depth - 1}.{_after_first(rest)}"]
        else:
            place, _, tensor = rest.partition(".")
            row, column = map(int, place.split("_"))
            source = unet[f"blocks.{depth - 1 - row}.{tensor}"]
            if tensor == ENTERING:
                others_below = column == 1 and row < depth - 1
                below = encoder_widths[row + 1] if others_below else None
                source = _widened(source, nested[name], encoder_widths[row], below)
            grown[name] = source
    return grown


def _after_first(name: str) -> str:
    return name.partition(".")[2]


def _widened(source: torch.Tensor, target: torch.Tensor, beside: int, below: int | None) -> torch.Tensor:
    """Give a convolution more input channels, of which it sees nothing yet.

    ``beside`` channels of the encoder follow those from below. Where these are not the block's, ``below`` is their
    number, and their random weights are kept.
    """
    widened = torch.zeros_like(target)
    if below is None:
        widened[:, : source.shape[1]] = source
    else:
        widened[:, :below] = target[:, :below]
        widened[:, below : below + beside] = source[:, source.shape[1] - beside :]
    return widened
