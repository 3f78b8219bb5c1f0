"""Scores, pictures, logs: what shows how training goes."""

import os
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from napari_nucseg.data.intensity import equalise
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.errors import OutputError, SettingsError
from napari_nucseg.learning import validation
from napari_nucseg.learning.examples import Examples
from napari_nucseg.learning.job import load_job
from napari_nucseg.learning.losses import map_losses
from napari_nucseg.learning.picture import GAP_PX, PREDICTION, TRUTH, sample_picture
from napari_nucseg.learning.run import supervise
from napari_nucseg.learning.settings import Loss
from napari_nucseg.learning.training import train_steps
from napari_nucseg.learning.validation import Pixels, score
from napari_nucseg.learning.watch import Watch
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import load_model
from napari_nucseg.segmentation.segment import make_settings, segment, segment_steps
from napari_nucseg.steps import drain


def auc_by_ranks(probability, inside):
    return mannwhitneyu(probability[inside], probability[~inside]).statistic / inside.sum() / (~inside).sum()


def auc(probability, inside):
    pixels = Pixels()
    pixels.add(probability, inside)
    return pixels.auc


@pytest.mark.parametrize("ties", [False, True])
def test_auc_is_that_of_an_independent_implementation(ties):
    rng = np.random.default_rng(0)
    inside = rng.random((50, 60)) < 0.3
    probability = np.clip(0.3 * inside + 0.7 * rng.random(inside.shape), 0, 1)
    probability = np.round(probability, 1) if ties else probability
    expected = auc_by_ranks(probability, inside)
    assert auc(probability, inside) == pytest.approx(expected, abs=1e-4)


def test_auc_of_one_side_alone_is_none():
    assert np.isnan(auc(np.ones((4, 4)), np.ones((4, 4), bool)))


def test_pixel_scores_are_pooled_over_images(tiny_model):
    model, device = load_model(tiny_model), choose_device("cpu")
    samples = [synthetic_fluorescence((96, 96), seed=i) for i in range(2)]
    figures = score(model, samples, device, native=True)
    found = [
        segment(
            s.image, model=tiny_model, diameter_px=24, views="plain", device="cpu", precision=device.precision
        )
        for s in samples
    ]
    truth = np.stack([s.labels for s in samples]) > 0
    maps = np.stack([f.maps[0] for f in found])
    predicted = maps > 0.5
    union = (truth | predicted).sum()
    assert figures["pixel_iou"] == pytest.approx((truth & predicted).sum() / union)
    assert figures["pixel_accuracy"] == pytest.approx((truth == predicted).mean())
    assert figures["auc"] == pytest.approx(auc_by_ranks(maps, truth), abs=1e-4)
    assert score(model, [], device) == {}


@pytest.mark.parametrize("n_held", [0, 2])
def test_the_image_that_is_drawn_is_segmented_once(tiny_model, monkeypatch, n_held):
    model, device = load_model(tiny_model), choose_device("cpu")
    samples = [synthetic_fluorescence((96, 96), seed=i) for i in range(2)]
    seen = []

    def counted(image, *rest):
        seen.append(image)
        return segment_steps(image, *rest)

    monkeypatch.setattr(validation, "segment_steps", counted)
    examples = Examples(tuple(samples), tuple(samples[:n_held]))
    scores, picture = Watch(model.card, examples, device, native=True)(model.network)
    assert len(seen) == max(1, n_held)
    assert picture.shape == (96, 3 * 96 + 2 * GAP_PX, 3)
    assert scores == score(model, samples[:n_held], device, native=True)


def test_losses_are_averaged_over_heads():
    torch.manual_seed(0)
    heads, targets = torch.randn(3, 2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    together = supervise(heads, targets, Loss(seam_weight=2.0))
    each = [map_losses(head, targets, Loss(seam_weight=2.0)) for head in heads]
    for name, value in together.items():
        torch.testing.assert_close(value, sum(losses[name] for losses in each) / 3)


@pytest.mark.parametrize(("name", "other"), [("foreground", "core"), ("core", "foreground")])
def test_the_loss_of_a_map_is_the_one_chosen(name, other):
    torch.manual_seed(0)
    logits, targets = torch.randn(2, 3, 32, 32), (torch.rand(2, 3, 32, 32) > 0.5).float()
    both, bce, dice = (
        map_losses(logits, targets, Loss(**{name: loss})) for loss in ("bce+dice", "bce", "dice")
    )
    assert both[name] == pytest.approx(float(bce[name] + dice[name]))
    assert both[other] == bce[other] == dice[other]
    perfect = map_losses((targets - 0.5) * 100, targets, Loss(**{name: "dice"}))
    assert float(perfect[name]) == pytest.approx(0, abs=1e-4)


def test_the_picture_shows_image_truth_and_prediction():
    sample = synthetic_histology((90, 120), seed=0)
    image = np.moveaxis(sample.image, -1, 0).astype(np.float32) / 255
    picture = sample_picture(image, sample.labels, np.zeros_like(sample.labels))
    assert picture.shape == (90, 3 * 120 + 2 * GAP_PX, 3)
    np.testing.assert_array_equal(picture[:, :120], sample.image)
    assert (picture[:, 120 + GAP_PX : 240 + GAP_PX] == TRUTH).all(-1).any()
    assert not (picture == PREDICTION).all(-1).any()
    large = np.zeros((600, 700), np.int32)
    assert sample_picture(np.zeros((3, 600, 700), np.float32), large, large).shape[0] == 512


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 80, 50), (1, 1, 1), (3, 5, 200)])
def test_equalised_images_stay_within_bounds(shape):
    image = np.random.default_rng(0).random(shape).astype(np.float32) ** 3
    equal = equalise(image)
    assert equal.shape == shape
    assert equal.dtype == np.float32
    assert 0 <= equal.min() <= equal.max() <= 1
    np.testing.assert_array_equal(equalise(np.full(shape, 0.3, np.float32)), np.full(shape, 0.3, np.float32))


def test_a_model_trained_on_equalised_images_is_given_such(write_job, train):
    path, _ = train(write_job(steps=2, clahe=True, validation_share=0))
    model = load_model(path)
    assert model.card.clahe
    image = synthetic_fluorescence((96, 96), seed=0).image
    plain = model.card.model_copy(update={"clahe": False})
    settings = make_settings(diameter_px=24, device="cpu")
    with_clahe, without = (
        drain(segment_steps(image, settings, m)).maps for m in (model, replace(model, card=plain))
    )
    assert not np.allclose(with_clahe, without)


def test_tensorboard_shows_losses_scores_and_the_sample(write_job, train, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(write_job(steps=10, tensorboard=True, validation={"images": 1, "every": 5}))
    events = accumulator.EventAccumulator(str(tmp_path / "runs" / "tiny" / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert {"loss/total", "loss/foreground", "learning_rate"} <= set(tags["scalars"])
    assert {"scores/pixel_accuracy", "scores/ap50"} <= set(tags["scalars"])
    assert [image.step for image in events.Images("sample")] == [5, 10]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_disk_that_fills_up_is_said_of_tensorboards_file_too(write_job, tmp_path, capfd):
    pytest.importorskip("tensorboard")
    steps = train_steps(load_job(write_job(steps=20, tensorboard=True)))
    while next(steps).step < 2:
        pass
    (events,) = (tmp_path / "runs" / "tiny" / "tensorboard").iterdir()
    events.unlink()
    events.symlink_to("/dev/full")
    with pytest.raises(OutputError, match=rf"cannot write {re.escape(str(events))}: the disk is full"):
        drain(steps)
    assert "Traceback" not in capfd.readouterr().err


def test_a_missing_tensorboard_is_said_before_anything_is_read(write_job, train, monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(SettingsError, match=r"napari-nucseg\[tensorboard\]"):
        train(write_job(tensorboard=True))
    assert not (tmp_path / "runs").exists()
