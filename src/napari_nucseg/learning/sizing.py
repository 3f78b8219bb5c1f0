"""Teach a trained network's size head: images at many scales, well and badly taken, through the frozen encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import Field

from napari_nucseg.data.intensity import IntensityRange
from napari_nucseg.errors import TrainingError
from napari_nucseg.learning.examples import group_of, kind_of
from napari_nucseg.learning.patches import normalised
from napari_nucseg.learning.ranges import Range
from napari_nucseg.learning.worsening import WorseSettings, worsened
from napari_nucseg.network.size_head import SizeHead
from napari_nucseg.nuclei.targets import median_diameter
from napari_nucseg.refusals import Settings
from napari_nucseg.segmentation.size_views import VIEW_PX, at_scale, square, summaries

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.network.decoders import SegmentationNetwork
    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_card import ModelCard


class SizeSettings(Settings):
    """How the size head is taught."""

    views_an_image: int = Field(10, ge=1)
    worse_images: int = Field(4, ge=0, description="How often each image is taken worse and looked at again.")
    views_a_worse_image: int = Field(3, ge=1)
    worse: WorseSettings = WorseSettings()
    log_size: Range = Field(
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


@dataclass(frozen=True, eq=False)
class SizeEvidence:
    """What an encoder sees of one image at many scales.

    Attributes
    ----------
    features : (n, D) float32, summaries of the views
    log_sizes : (n,) float32, natural log of the apparent over the canonical diameter
    worse : (n,) bool, views of the image taken worse
    kind, group : of the image
    """

    features: torch.Tensor
    log_sizes: torch.Tensor
    worse: torch.Tensor
    kind: str
    group: str


def fit_size_head(
    network: SegmentationNetwork,
    samples: Sequence[Sample],
    card: ModelCard,
    device: Device,
    settings: SizeSettings,
    seed: int = 0,
) -> Generator[tuple[int, int], None, SizeHead]:
    """Fit a size head to a trained network; yields (images seen, images in all) and returns the head on the CPU.

    The card tells how images are normalised, and the diameter that sizes are relative to.

    Raises
    ------
    TrainingError
        If no sample has a nucleus.
    """
    random = np.random.default_rng(seed)
    evidence = []
    for done, sample in enumerate(samples):
        yield done, len(samples)
        evidence.append(size_evidence(network.encoder, sample, card, device, settings, random))
    return teach_size_head([e for e in evidence if e], settings, seed)


def size_evidence(
    encoder: nn.Module,
    sample: Sample,
    card: ModelCard,
    device: Device,
    settings: SizeSettings,
    random: np.random.Generator,
) -> SizeEvidence | None:
    """Look at a sample at many scales, as it is and taken worse; None where no nucleus tells a size."""
    diameter = median_diameter(sample.labels) if sample.labels is not None else None
    if diameter is None:
        return None
    image = normalised(sample, card.normalisation, clahe=card.clahe)
    views: list[NDArray[np.float32]] = []
    log_sizes: list[float] = []
    for worse in (False, *[True] * settings.worse_images):
        drawn = random.uniform(
            *settings.log_size, settings.views_a_worse_image if worse else settings.views_an_image
        )
        seen = _taken_worse(image, diameter, card, settings, random) if worse else image
        views += _views(seen, np.exp(drawn) * card.canonical_diameter_px / diameter, settings, random)
        log_sizes += list(drawn)
    return SizeEvidence(
        summaries(encoder, views, device),
        torch.tensor(log_sizes).float(),
        torch.arange(len(views)) >= settings.views_an_image,
        kind_of(sample),
        group_of(sample),
    )


def teach_size_head(evidence: Sequence[SizeEvidence], settings: SizeSettings, seed: int = 0) -> SizeHead:
    """Fit a size head; kinds of images weigh by the root of their number, so that a rare one is not drowned.

    Raises
    ------
    TrainingError
        If there is no evidence.
    """
    if not evidence:
        raise TrainingError("no image has a nucleus: the size cannot be learned. Check the labels.")
    features = torch.cat([e.features for e in evidence])
    kinds = [e.kind for e in evidence for _ in e.log_sizes]
    torch.manual_seed(seed)
    head = SizeHead(features.shape[1])
    _fit(head, features, torch.cat([e.log_sizes for e in evidence]), _weights(kinds), settings)
    return head.eval()


def _taken_worse(
    image: NDArray[np.float32],
    diameter_px: float,
    card: ModelCard,
    settings: SizeSettings,
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """Take an image worse, and normalise it again as it would be then."""
    worse = worsened(image, diameter_px, settings.worse, random)
    return IntensityRange.of(worse, *card.normalisation).apply(worse)


def _views(
    image: NDArray[np.float32],
    scales: NDArray[np.float64],
    settings: SizeSettings,
    random: np.random.Generator,
) -> list[NDArray[np.float32]]:
    """Random windows at the given scales, mirrored and recoloured."""
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
