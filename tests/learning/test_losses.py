"""Losses: where nuclei touch counts more, and nowhere else."""

import numpy as np
import pytest
import torch
from skimage.draw import disk

from napari_nucseg.learning.losses import map_losses, seams
from napari_nucseg.learning.settings import Loss
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
    plain, weighted = (sum(map_losses(logits, targets, Loss(seam_weight=w)).values()) for w in (0.0, 3.0))
    assert weighted > 1.1 * plain


def random_maps():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 32, 32, requires_grad=True)
    return logits, torch.rand(2, 3, 32, 32)


@pytest.mark.parametrize("seam_weight", [0.0, 2.0])
def test_pixels_that_do_not_count_have_no_gradient(seam_weight):
    logits, targets = random_maps()
    where = torch.zeros(2, 32, 32)
    where[0, 4:20, 4:20] = 1
    sum(map_losses(logits, targets, Loss(seam_weight=seam_weight), where).values()).backward()
    counted = where.bool()[:, None].expand_as(logits)
    assert (logits.grad[~counted] == 0).all()
    assert (logits.grad[counted] != 0).float().mean() > 0.9


def test_where_all_pixels_count_alike_nothing_changes():
    logits, targets = random_maps()
    for name, loss in map_losses(logits, targets, Loss()).items():
        other = map_losses(logits, targets, Loss(), torch.full((2, 32, 32), 1.0))[name]
        torch.testing.assert_close(loss, other)


def test_where_nothing_counts_the_loss_is_finite():
    logits, targets = random_maps()
    losses = map_losses(logits, targets, Loss(), torch.zeros(2, 32, 32))
    assert torch.isfinite(torch.stack(list(losses.values()))).all()
