"""The judge of nuclei: taught on a few images, it tells right from wrong on others."""

import dataclasses
import tracemalloc

import numpy as np
import pytest

from napari_nucseg.data.sample import Sample
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.learning.judgement import JudgeSettings, evidence_in, fit_judge, look, teach_judge
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import load_model, save_model
from napari_nucseg.nuclei.decoding import DecodingSettings, decode, propose
from napari_nucseg.nuclei.pieces import measure_pieces
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.steps import drain

DEVICE = choose_device("cpu", "float32")
SETTINGS = JudgeSettings(steps=150)


def noisy(seed):
    """Nuclei in so much noise that some are missed and some are none."""
    sample = synthetic_fluorescence((256, 256), seed=seed, diameter_px=14)
    rng = np.random.default_rng(seed)
    photons = rng.poisson(sample.image / sample.image.max() * 25).astype(np.float32)
    return dataclasses.replace(sample, name=f"noisy {seed}", image=photons)


@pytest.fixture(scope="module")
def model():
    return dataclasses.replace(load_model("nuclei-unet"), size_head=None)  # the true diameter is faster


@pytest.fixture(scope="module")
def judge(model):
    return drain(fit_judge(model, [noisy(seed) for seed in range(6)], DEVICE, SETTINGS))


def test_right_objects_of_other_images_are_mostly_held_for_more_certain_than_wrong_ones(model, judge):
    sample = noisy(100)
    found = look(model, sample, DEVICE)
    labels = propose(found.maps, DecodingSettings(core_threshold=0.45), diameter_px=found.diameter_px)
    pieces = measure_pieces(labels, found.maps)
    certainty = np.concatenate([judge.certainty(p, found.diameter_px) for p in (pieces, pieces.unions())])
    right = evidence_in(found, sample).right
    assert right.any() and not right.all()
    assert (certainty[right][:, None] > certainty[~right]).mean() > 0.8


def test_high_numbers_of_true_nuclei_cost_no_memory(model):
    sample = noisy(100)
    found = look(model, sample, DEVICE)
    far = dataclasses.replace(sample, labels=sample.labels * 1_000_000)
    tracemalloc.start()
    right = evidence_in(found, far).right
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (right == evidence_in(found, sample).right).all()
    assert peak < 2 * sample.labels.max() * 1_000_000


def test_judged_labels_are_no_worse_than_those_by_thresholds(model, judge):
    samples = [noisy(seed) for seed in (100, 101)]
    found = [look(model, sample, DEVICE) for sample in samples]
    settings = DecodingSettings(**model.card.thresholds.model_dump())
    plain, judged = (
        evaluate(
            [s.labels for s in samples], [decode(f.maps, settings, diameter_px=14, judge=j) for f in found]
        )
        for j in (None, judge)
    )
    assert judged.ap50 > plain.ap50 - 0.01


def test_a_judge_is_kept_in_the_model_file(model, judge, tmp_path):
    save_model(tmp_path / "m.safetensors", model.card, model.network, judge=judge)
    kept = load_model(tmp_path / "m.safetensors").judge
    for name, value in judge.tensors().items():
        np.testing.assert_allclose(kept.tensors()[name], value, rtol=2e-3, atol=1e-3)


def test_teaching_is_repeatable(model):
    evidence = [evidence_in(look(model, sample, DEVICE), sample) for sample in map(noisy, (1, 2, 3))]
    one, two = (teach_judge(evidence, JudgeSettings(steps=5), seed=3) for _ in range(2))
    for name, value in one.tensors().items():
        np.testing.assert_array_equal(two.tensors()[name], value)


def test_with_too_little_to_tell_apart_there_is_no_judge(model):
    empty = Sample("empty", np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.int32), None, {})
    assert drain(fit_judge(model, [empty], DEVICE, SETTINGS)) is None
    assert teach_judge([], SETTINGS) is None
