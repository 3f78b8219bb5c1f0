"""Losses: where nuclei touch counts more, and nowhere else."""

import numpy as np
import pytest
import torch
from skimage.draw import disk

from napari_nucseg.learning.losses import map_losses, seams
from napari_nucseg.nuclei.targets import make_targets


def two_disks(gap_px: int, radius_px: int = 12) -> np.ndarray:
    """Labels of two disks side by side; a negative gap lets the second be cut by the first."""
    labels = np.zeros((64, 96), np.int32)
    for label, x in ((2, 48 + radius_px + gap_px / 2), (1, 48 - radius_px - gap_px / 2)):
        labels[disk((32, x), radius_px, shape=labels.shape)] = label
    return labels


def seam_of(labels: np.ndarray) -> np.ndarray:
    foreground, distance, _ = torch.from_numpy(make_targets(labels))
    return seams(foreground[None], distance[None])[0].numpy()


@pytest.mark.parametrize("gap_px", [pytest.param(-4, id="touching"), pytest.param(2, id="narrow gap")])
def test_seams_lie_between_near_nuclei(gap_px):
    ys, xs = np.nonzero(seam_of(two_disks(gap_px)))
    assert len(ys) > 10
    assert (np.abs(xs - 48) <= 6).all()
    assert (np.abs(ys - 32) <= 12).all()


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(two_disks(20), id="far apart"),
        pytest.param(np.zeros((64, 96), np.int32), id="nothing there"),
    ],
)
def test_there_is_no_seam_elsewhere(labels):
    assert not seam_of(labels).any()


def test_a_merging_prediction_costs_more_under_seam_weight():
    labels = two_disks(-4)
    targets = torch.from_numpy(make_targets(labels))[None]
    as_one = torch.from_numpy(make_targets((labels > 0).astype(np.int32)))[None]
    logits = torch.logit(as_one.clamp(0.01, 0.99))
    logits[:, 1] = as_one[:, 1]
    plain, weighted = (sum(map_losses(logits, targets, seam_weight=w).values()) for w in (0.0, 3.0))
    assert weighted > 1.1 * plain
