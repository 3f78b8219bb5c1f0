"""Where patches are cut, and what each pixel of them teaches."""

from dataclasses import replace

import numpy as np
import pytest

from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.nuclei.targets import make_targets
from napari_nucseg.teaching.examples import Lesson
from napari_nucseg.teaching.ground import FIELDS, draw, lesson_ground, reliance, unmatched
from napari_nucseg.teaching.job import make_finetune_job
from napari_nucseg.teaching.plan import PRESETS, plan_of
from napari_nucseg.teaching.scenes import Seen

SIZE = 128


def nuclei(*boxes):
    labels = np.zeros((40, 60), np.int32)
    for number, (y, x, side) in enumerate(boxes, start=1):
        labels[y : y + side, x : x + side] = number
    return labels


def test_nuclei_that_nothing_matches_are_found():
    truth = nuclei((2, 2, 10), (20, 20, 10), (20, 40, 10))
    found = nuclei((2, 3, 10), (20, 26, 10))
    everywhere, nothing = truth >= 0, np.zeros_like(truth)
    assert unmatched(truth, found, everywhere).tolist() == [2, 3]
    assert unmatched(found, truth, everywhere).tolist() == [2]
    assert unmatched(truth, nothing, everywhere).tolist() == [1, 2, 3]
    assert unmatched(truth, nothing, everywhere & (np.arange(60) < 30)).tolist() == [1, 2]
    assert unmatched(nothing, truth, everywhere).tolist() == []


@pytest.fixture
def lesson():
    """Return a lesson whose upper half is learned, a strip below it held out, and the rest unknown."""
    sample = synthetic_fluorescence((SIZE, SIZE))
    pixels = (sample.image / sample.image.max() * 255).astype(np.uint8)[None]
    learned, held_out = np.zeros((2, SIZE, SIZE), bool)
    learned[:64], held_out[64:96] = True, True
    nothing = np.zeros(0, np.int32)
    return Lesson("a", pixels, sample.labels, learned, held_out, None, nothing, 24.0, "")


def test_every_pixel_has_one_target_and_what_is_held_out_has_none(lesson):
    maps = np.full((3, SIZE, SIZE), 0.9, np.float32)
    maps[0, :, 64:] = 0.6  # the base is not sure there
    maps[0, :64] = lesson.labels[:64] > 0  # and right where somebody looked
    ground = lesson_ground(lesson, Seen(maps, lesson.labels), 1.0, 64, 0)
    fields = dict(zip(FIELDS, ground.fields / 255, strict=True))
    assert (fields["taught"] == lesson.learned).all()
    assert not fields["held"][:96].any()
    assert (fields["held"][96:, :64] > 0.7).all()
    assert not fields["held"][96:, 64:].any()
    truth = make_targets(lesson.labels)
    np.testing.assert_allclose(fields["foreground"][:64], truth[0, :64], atol=0.01)
    np.testing.assert_allclose(fields["distance"][:64], truth[1, :64], atol=0.01)
    np.testing.assert_allclose(fields["core"][:64], truth[2, :64], atol=0.51)  # its edge is soft
    assert (np.abs(fields["foreground"][96:, :64] - 0.9) < 0.01).all()


def test_patches_are_cut_around_taught_nuclei_and_more_often_where_the_base_is_wrong(lesson):
    missed = int(lesson.labels[30:60, 30:90].max())
    found = np.where(lesson.labels == missed, 0, lesson.labels)
    ground = lesson_ground(lesson, Seen(np.zeros((3, SIZE, SIZE), np.float32), found), 2.0, 64, 0)
    middle = np.argwhere(lesson.labels == missed).mean(axis=0) * 2
    nearest = np.abs(ground.places - middle).sum(axis=1).argmin()
    assert np.abs(ground.places[nearest] - middle).max() < 1
    assert ground.weights[nearest] == 3 * np.median(ground.weights)
    assert ground.places[:, 0].max() < 2 * 80  # nothing of the held-out strip's nuclei
    assert ground.fields.shape == (8, 2 * SIZE, 2 * SIZE)


def test_patches_beyond_the_edge_are_mirrored(lesson):
    ground = lesson_ground(lesson, Seen(np.zeros((3, SIZE, SIZE), np.float32), lesson.labels), 1.0, 64, 0)
    patch = ground.cut(np.array([0.0, 0.0]), 20)
    np.testing.assert_array_equal(patch[:, :10], patch[:, 10:][:, ::-1])
    np.testing.assert_array_equal(patch[:, 10:, 10:], ground.fields[:, :10, :10])
    assert ground.cut(np.array([64.0, 64.0]), 300).shape == (8, 300, 300)


def test_the_same_numbers_draw_the_same_patches(lesson):
    ground = lesson_ground(lesson, Seen(np.zeros((3, SIZE, SIZE), np.float32), lesson.labels), 1.0, 64, 0)
    one, other, third = (draw([ground, ground], 4, 32, np.random.default_rng(s)) for s in (1, 1, 2))
    assert one.shape == (4, 8, 32, 32)
    assert (one == other).all()
    assert (one != third).any()


def test_the_plan_of_a_job():
    plain = plan_of(make_finetune_job({"preset": "quick", "keep_old_skills": 0}))
    assert (plain.steps, plain.replayed, plain.pull, plain.hold) == (PRESETS["quick"].steps, 0, 0, 0)
    full = plan_of(make_finetune_job({"steps": 1, "learning_rate": 0.5, "keep_old_skills": 1}))
    assert (full.steps, full.learning_rate, full.replayed) == (1, 0.5, full.crops // 2)
    assert full.look_at == {1}


@pytest.mark.parametrize("preset", PRESETS)
def test_rates_rise_and_fall_and_the_hold_decays(preset):
    plan = plan_of(make_finetune_job({"preset": preset}), reliance=0.9)
    rates = [plan.rate_at(step) for step in range(plan.steps)]
    assert max(rates) == pytest.approx(plan.learning_rate, rel=0.05)
    assert rates[0] < 0.6 * max(rates)
    assert rates[-1] < 0.05 * max(rates)
    assert plan.hold_at(0) > 5 * plan.hold_at(plan.steps - 1) > 0
    assert len(plan.look_at) == plan.looks
    assert max(plan.look_at) == plan.steps


@pytest.mark.parametrize(
    ("seen", "reliance_expected"),
    [
        pytest.param("nothing", 0.0, id="a model that is blind"),
        pytest.param("all", 1.0, id="a model that is right"),
        pytest.param("first half", 0.5, id="a model that sees half"),
    ],
)
def test_a_model_is_relied_on_for_the_share_of_nuclei_not_known_to_be_wrong(seen, reliance_expected):
    labels = np.zeros((40, 80), np.int32)
    for number, x in enumerate((4, 24, 44, 64), start=1):
        labels[10:22, x : x + 12] = number
    found = {"nothing": 0 * labels, "all": labels, "first half": np.where(labels <= 2, labels, 0)}[seen]
    lesson = Lesson(
        name="a",
        pixels=np.zeros((1, 40, 80), np.uint8),
        labels=labels,
        learned=np.ones((40, 80), bool),
        held_out=np.zeros((40, 80), bool),
        prediction=None,
        changed=np.zeros(0, np.int32),
        diameter_px=12.0,
        sha256="",
    )
    seen = Seen(np.stack(3 * [found > 0]).astype(np.float32), found.astype(np.int32))
    assert reliance(lesson, seen) == pytest.approx(reliance_expected)


def test_a_model_that_takes_the_ground_for_nuclei_is_not_relied_on_for_what_nobody_looked_at(lesson):
    labels, learned = np.zeros((2, 40, 200), np.int32)
    labels[10:22, 4:16], learned[6:26, :20] = 1, True
    others = np.zeros_like(labels)
    for number, x in enumerate(range(24, 184, 20), start=1):
        others[10:22, x : x + 12] = number
    checked = replace(lesson, labels=labels, learned=learned > 0, held_out=learned < 0)
    a_little = np.where(labels > 0, 0.3, 0.1) + (others > 0)
    the_ground = np.where(labels > 0, 0.1, 0.3) + (others > 0)
    assert reliance(checked, Seen(np.stack(3 * [a_little]), others)) == pytest.approx(8 / 9)
    assert reliance(checked, Seen(np.stack(3 * [the_ground]), others)) == 0


def test_a_base_that_is_right_already_is_taught_in_smaller_steps():
    plan = PRESETS["standard"]
    rates = [plan.gentled(reliance).learning_rate for reliance in (0.0, 0.75, 1.0)]
    assert rates[0] == plan.learning_rate
    assert rates[0] > rates[1] > rates[2] > 0
    steps = [plan.gentled(reliance).steps for reliance in (0.0, 0.75, 1.0)]
    assert steps == [plan.steps, round(0.75 * plan.steps), plan.steps // 2]


def test_a_base_that_is_wrong_about_half_is_taught_like_a_blind_one():
    plan = replace(PRESETS["standard"], keep=0.5, hold=0.5)
    assert plan.gentled(0.5) == plan.gentled(0.0)


def test_only_a_base_that_is_mostly_right_is_kept_to_what_it_sees_where_nobody_looked():
    plan = replace(PRESETS["standard"], hold=0.5)
    assert [plan.gentled(reliance).hold_at(0) for reliance in (0.0, 0.33, 0.75, 1.0)] == [0, 0, 0.25, 0.5]


@pytest.mark.parametrize(
    ("keep", "reliance", "share"),
    [
        pytest.param(0.5, 0.0, 1.0, id="blind"),
        pytest.param(0.0, 1.0, 1.0, id="nothing to keep"),
        pytest.param(0.5, 0.8, 0.4, id="good"),
        pytest.param(1.0, 1.0, 0.1, id="change as little as possible"),
    ],
)
def test_of_the_way_to_the_new_weights_a_good_base_goes_a_part(keep, reliance, share):
    plan = replace(PRESETS["standard"], keep=keep)
    assert plan.gentled(reliance).share == pytest.approx(share)
