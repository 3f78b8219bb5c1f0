"""Teach a trained network's size head: the same images at many scales, through the frozen encoder."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from napari_nucseg.errors import TrainingError
from napari_nucseg.learning.examples import kind_of
from napari_nucseg.learning.patches import normalised
from napari_nucseg.network.size_head import SizeHead, n_summaries
from napari_nucseg.nuclei.targets import median_diameter
from napari_nucseg.segmentation.size_views import VIEW_PX, at_scale, square, summaries

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.network.decoders import SegmentationNetwork
    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_card import ModelCard


class SizeSettings(BaseModel):
    """How the size head is taught."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    views_an_image: int = Field(10, ge=1)
    log_size: tuple[float, float] = Field(
        (-1.9, 1.6), description="Natural log of the apparent over the canonical diameter, drawn evenly."
    )
    gamma_jitter: float = Field(0.4, ge=0, description="Half width of the natural log of gamma.")
    stain: float = Field(0.3, ge=0, description="Spread of the natural log of a gamma of each channel's own.")
    p_shuffle: float = Field(0.1, ge=0, le=1, description="Colour channels exchanged.")
    p_invert: float = Field(0.1, ge=0, le=1)
    steps: int = Field(1500, ge=1)
    batch_size: int = Field(256, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)


def fit_size_head(
    network: SegmentationNetwork,
    samples: Sequence[Sample],
    card: ModelCard,
    device: Device,
    settings: SizeSettings | None = None,
    seed: int = 0,
) -> Generator[tuple[int, int], None, SizeHead]:
    """Fit a size head to a trained network; yields (images seen, images in all) and returns the head on the CPU.

    Kinds of images weigh by the root of their number, so that a rare kind is not drowned. The card tells how images
    are normalised, and the diameter that sizes are relative to.

    Raises
    ------
    TrainingError
        If no sample has a nucleus.
    """
    settings = settings or SizeSettings()
    random = np.random.default_rng(seed)
    features, sizes, kinds = [], [], []
    for done, sample in enumerate(samples):
        yield done, len(samples)
        diameter = median_diameter(sample.labels) if sample.labels is not None else None
        if diameter is None:
            continue
        log_sizes = random.uniform(*settings.log_size, settings.views_an_image)
        image = normalised(sample, card.normalisation, clahe=card.clahe)
        views = _views(image, np.exp(log_sizes) * card.canonical_diameter_px / diameter, settings, random)
        features.append(summaries(network.encoder, views, device))
        sizes.append(torch.from_numpy(log_sizes).float())
        kinds += [kind_of(sample)] * len(views)
    if not features:
        raise TrainingError("no image has a nucleus: the size cannot be learned. Check the labels.")
    torch.manual_seed(seed)
    head = SizeHead(n_summaries(network.feature_channels))
    _fit(head, torch.cat(features), torch.cat(sizes), _weights(kinds), settings)
    return head.eval()


def _views(
    image: NDArray[np.float32],
    scales: NDArray[np.float64],
    settings: SizeSettings,
    random: np.random.Generator,
) -> list[NDArray[np.float32]]:
    """Random windows at the given scales, mirrored and recoloured."""
    image = np.broadcast_to(image, (3, *image.shape[1:]))
    views = []
    for scale in scales:
        side = [min(n, math.ceil(VIEW_PX / scale)) for n in image.shape[1:]]
        y, x = (int(random.integers(0, n - s + 1)) for n, s in zip(image.shape[1:], side, strict=True))
        view = at_scale(image[:, y : y + side[0], x : x + side[1]].copy(), float(scale))
        view = _recoloured(view, settings, random)
        view = 1 - view if random.random() < settings.p_invert else view
        view = view.swapaxes(1, 2) if random.random() < 0.5 else view
        views.append(square(view[:, ::-1] if random.random() < 0.5 else view).astype(np.float32))
    return views


def _recoloured(
    view: NDArray[np.float32], settings: SizeSettings, random: np.random.Generator
) -> NDArray[np.float32]:
    """Another exposure and other stains; grey (3, Y, X) views stay grey."""
    is_gray = bool((view[0] == view[1]).all() and (view[0] == view[2]).all())
    stains = np.zeros(3) if is_gray else random.normal(0, settings.stain, 3)
    gammas = np.exp(random.uniform(-1, 1) * settings.gamma_jitter + stains)
    view = view[random.permutation(3)] if random.random() < settings.p_shuffle else view
    recoloured: NDArray[np.float32] = np.clip(view, 0, 1) ** gammas[:, None, None]
    return recoloured


def _weights(kinds: Sequence[str]) -> torch.Tensor:
    _, index, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    return torch.from_numpy(1 / np.sqrt(counts[index.ravel()]))


def _fit(
    head: SizeHead,
    features: torch.Tensor,
    sizes: torch.Tensor,
    weights: torch.Tensor,
    settings: SizeSettings,
) -> None:
    """Maximise the likelihood under a Laplace distribution, whose scale the head tells too."""
    head.standardise_by(features)
    head.train()
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    for _ in range(settings.steps):
        chosen = torch.multinomial(weights, settings.batch_size, replacement=True)
        size, uncertainty = head(features[chosen])
        loss = ((size - sizes[chosen]).abs() * torch.exp(-uncertainty) + uncertainty).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
