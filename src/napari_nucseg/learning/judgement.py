"""Teach a trained network's judge of nuclei: what its maps fall into, beside what is really there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import Field
from scipy import sparse
from torch import nn
from torch.nn import functional as F

from napari_nucseg.learning.examples import group_of
from napari_nucseg.nuclei.decoding import DecodingSettings, propose
from napari_nucseg.nuclei.judging import FARTHEST, LEAST_SPREAD, Judge
from napari_nucseg.nuclei.pairs import Pairs
from napari_nucseg.nuclei.pieces import FEATURES, measure_pieces
from napari_nucseg.nuclei.targets import median_diameter
from napari_nucseg.refusals import Settings
from napari_nucseg.segmentation.segment import segment_steps
from napari_nucseg.segmentation.settings import SegmentationSettings
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.segmentation.segment import Segmentation

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

RIGHT_IOU = 0.5
FEWEST = 50
"""Objects that are right, and as many that are wrong, without which there is nothing to learn."""


class JudgeSettings(Settings):
    """How the judge of nuclei is taught."""

    images: int = Field(600, ge=1, description="Images looked at, at most; every n-th if there are more.")
    width: int = Field(32, ge=1)
    steps: int = Field(400, ge=1)
    batch_size: int = Field(1024, ge=1)
    learning_rate: float = Field(1e-2, gt=0)
    weight_decay: float = Field(1e-2, ge=0)


@dataclass(frozen=True, eq=False)
class Evidence:
    """Objects of one image and unions of two that touch.

    Attributes
    ----------
    features : (n, K)
    right : (n,), whether they meet a true nucleus at an IoU of ½ or more
    group : of images that belong together
    """

    features: Floats
    right: Bools
    group: str


def fit_judge(
    model: Model,
    samples: Sequence[Sample],
    device: Device,
    settings: JudgeSettings,
    seed: int = 0,
) -> Generator[tuple[int, int], None, Judge | None]:
    """Fit a judge to a trained model's maps; yields (images seen, images in all).

    Images are segmented as they would be in use, at the estimated diameter where the model has a size head. None comes
    back where there are too few objects that are right or wrong to tell them apart.
    """
    chosen = samples[:: -(-len(samples) // settings.images) or 1]
    evidence = []
    for done, sample in enumerate(chosen):
        yield done, len(chosen)
        evidence.append(evidence_in(look(model, sample, device), sample))
    return teach_judge(evidence, settings, seed)


def look(model: Model, sample: Sample, device: Device) -> Segmentation:
    """Segment a sample as in use; at its true diameter if the model cannot estimate it."""
    assert sample.labels is not None
    canonical_px = model.card.canonical_diameter_px
    diameter_px = None if model.size_head else median_diameter(sample.labels) or canonical_px
    settings = SegmentationSettings(diameter_px=diameter_px, device=device.name, precision=device.precision)
    return drain(segment_steps(sample.image, settings, model))


def evidence_in(found: Segmentation, sample: Sample) -> Evidence:
    """Cut a segmentation's maps into pieces and compare them, and their unions, with the true labels."""
    assert sample.labels is not None
    decoding = DecodingSettings(**found.model.card.thresholds.model_dump())
    labels = propose(found.maps, decoding, diameter_px=found.diameter_px)
    pieces = measure_pieces(labels, found.maps)
    features = [p.features(found.diameter_px) for p in (pieces, pieces.unions())]
    right = _best_iou(sample.labels, labels, pieces.pairs) >= RIGHT_IOU
    return Evidence(np.concatenate(features), right, group_of(sample))


def teach_judge(evidence: Sequence[Evidence], settings: JudgeSettings, seed: int = 0) -> Judge | None:
    """Fit a judge; groups of images weigh by the root of their number of objects."""
    right = np.concatenate([np.zeros(0, bool), *(e.right for e in evidence)])
    if min(right.sum(), (~right).sum()) < FEWEST:
        return None
    features = np.concatenate([e.features for e in evidence])
    centre, spread = features.mean(0), np.maximum(features.std(0), LEAST_SPREAD)
    x = torch.from_numpy(np.clip((features - centre) / spread, -FARTHEST, FARTHEST)).float()
    layers = _fit(x, torch.from_numpy(right).float(), _weights(evidence), settings, seed)
    weights, biases = (tuple(p.detach().double().numpy() for p in part) for part in zip(*layers, strict=True))
    return Judge(centre, spread, weights, biases)


def _fit(
    x: torch.Tensor, right: torch.Tensor, weights: torch.Tensor, settings: JudgeSettings, seed: int
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Minimise the cross-entropy; returns weight and bias of each layer."""
    torch.manual_seed(seed)
    sides = [len(FEATURES), settings.width, settings.width, 1]
    layers = [nn.Linear(into, out) for into, out in pairwise(sides)]
    network = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.steps
    )
    for _ in range(settings.steps):
        chosen = torch.multinomial(weights, settings.batch_size, replacement=True)
        loss = F.binary_cross_entropy_with_logits(network(x[chosen])[:, 0], right[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return [(layer.weight, layer.bias) for layer in layers]


def _weights(evidence: Sequence[Evidence]) -> torch.Tensor:
    objects = Counter[str]()
    for e in evidence:
        objects[e.group] += len(e.right)
    weights = [np.full(len(e.right), objects[e.group] ** -0.5) for e in evidence if len(e.right)]
    return torch.from_numpy(np.concatenate(weights))


def _best_iou(truth: NDArray[np.int32], labels: NDArray[np.int32], pairs: NDArray[np.int64]) -> Floats:
    """IoU of each object 1…n, then of each union of two, with the true nucleus it meets best."""
    met = Pairs.of(labels, truth)
    a, b = pairs.T
    shared = sparse.csr_array((met.shared_px, (met.i, met.j)), (met.before.size, met.after.size))
    every = sparse.vstack([shared, shared[a] + shared[b]]).tocoo()
    area_px = np.concatenate([met.before_px, met.before_px[a] + met.before_px[b]])
    numbers = np.arange(1, area_px.size + 1)
    return Pairs(numbers, met.after, area_px, met.after_px, every.row, every.col, every.data).best_iou()
