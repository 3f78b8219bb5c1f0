"""What the benchmark scripts count, and the users they play."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_nucseg import load_model
from napari_nucseg.data.correction_set import open_correction_set
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.nuclei.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from napari_nucseg.network.model_file import Model

    Script = Callable[[str], ModuleType]


@pytest.fixture
def untaught(benchmark_script: Script, tmp_path: Path) -> Model:
    path = tmp_path / "base.safetensors"
    benchmark_script("kills").save_tiny_model(path)
    return load_model(path)


def test_mistakes_are_told_apart(benchmark_script: Script) -> None:
    worst = benchmark_script("worst")
    true, pred = np.zeros((2, 20, 40), int)
    true[1:5, 1:5], pred[1:5, 1:5] = 1, 1  # found
    true[1:5, 10:14], true[1:5, 14:18], pred[1:5, 10:18] = (
        2,
        3,
        2,
    )  # two merged: an IoU of ½ matches one of them
    true[10:14, 1:10], pred[10:14, 1:4], pred[10:14, 5:8] = 4, 4, 5  # one split into two small pieces
    true[10:14, 20:24] = 6  # missed
    pred[10:14, 30:34] = 7  # false
    assert worst.count_mistakes(true, pred) == worst.Mistakes(missed=3, false=3, merged=1, split=1)
    nothing = np.zeros_like(true)
    assert worst.count_mistakes(nothing, nothing) == worst.Mistakes(0, 0, 0, 0)


@pytest.mark.parametrize("way", ["worst", "random", "area"])
def test_a_played_user_sets_right_what_is_reviewed(
    benchmark_script: Script, tmp_path: Path, way: str
) -> None:
    user, sample = benchmark_script("_user"), synthetic_fluorescence((160, 160), seed=1)
    random = np.random.default_rng(0)
    (place,) = user.correct(load_model("nuclei-unet"), [sample], way, 6, random, tmp_path / "corrections")
    corrections = open_correction_set(place)
    set_right = sample.labels[(corrections.trust == Trust.REVIEWED) & (corrections.labels > 0)]
    assert set_right.all()
    assert np.unique(set_right).size >= 3  # deleting a false one counts as well


@pytest.mark.parametrize("harm", ["random paint", "shifted masks", "swapped images", "deleted halves"])
def test_a_harmful_round_gives_no_default_model(benchmark_script: Script, untaught: Model, harm: str) -> None:
    rounds = benchmark_script("rounds")
    train = [synthetic_fluorescence((160, 160), seed=seed) for seed in (1, 2)]
    pupil = rounds.Pupil(untaught, "synthetic", train, train[:1], before=0.0)
    done = rounds.play(rounds.Plan(pupil, "area", 12, seed=0), harm, preset="quick", steps=1)
    assert done.odd
    assert not done.default
    assert len(done.row) == len(rounds.HEADER)


def test_each_way_to_predict_gives_true_labels_back(benchmark_script: Script) -> None:
    truth = synthetic_fluorescence((256, 256), seed=1, diameter_px=24).labels
    for way in benchmark_script("targets").WAYS:
        found = way.decode(way.targets(truth), 24.0)
        assert evaluate([truth], [found]).ap50 > 0.95, way.name
