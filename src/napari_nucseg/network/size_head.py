"""A small head that reads the nucleus size off the encoder's features.

Decoding an image at a wrong scale finds fragments or specks that confirm the wrong guess. The encoder's features hold
how large things look even where the decoder fails, so a few hundred numbers a view are enough.

An encoder that learns on tells the head something else than it was taught. A head may therefore keep the encoder it
was taught on, beside the network's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 64
LEAST_SPREAD = 1e-3  # so that float16 can hold it
FARTHEST = 5.0  # standard deviations; what is farther off says no more
UNCERTAINTY_LIMITS = (-4.0, 2.0)


class SizeHead(nn.Module):
    """Two hidden layers from summarised features to the size and how sure it is.

    Parameters
    ----------
    n_features : length of what ``summarise`` gives.
    encoder : what it reads, where that is not the encoder of the network it goes with.
    """

    def __init__(self, n_features: int, encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("centre", torch.zeros(n_features))
        self.register_buffer("spread", torch.ones(n_features))
        self.layers = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(n_features, WIDTH),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(WIDTH, WIDTH // 2),
            nn.ReLU(),
            nn.Linear(WIDTH // 2, 2),
        )

    def standardise_by(self, features: torch.Tensor) -> None:
        """Take (N, D) features of many views as the scale for all later ones."""
        self.centre = features.mean(0)
        self.spread = features.std(0).clamp(min=LEAST_SPREAD)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Read (B, D) summarised features.

        Returns
        -------
        size, uncertainty : (B,) each
            Natural logs: of the median diameter as it appears over the canonical one, and of the scale of the
            Laplace distribution around it.
        """
        near = ((features - self.centre) / self.spread).clamp(-FARTHEST, FARTHEST)
        size, uncertainty = self.layers(near).unbind(1)
        return size, uncertainty.clamp(*UNCERTAINTY_LIMITS)


def summarise(features: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean, standard deviation and maximum over all positions of the features from ¼ of the image's size down.

    Parameters
    ----------
    features : (B, C, Y, X) at ever lower resolution; the first two, the image and ½, tell of texture and are not used.

    Returns
    -------
    (B, 3 x sum of C) float32
    """
    flat = [level.float().flatten(2) for level in features[2:]]
    return torch.cat([s for f in flat for s in (f.mean(2), f.std(2), f.amax(2))], dim=1)


def n_summaries(channels: Sequence[int]) -> int:
    """Length of ``summarise`` for an encoder with these channels, the image's first."""
    return 3 * sum(channels[2:])
