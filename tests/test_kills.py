"""``kill -9`` under edits and under training; ``benchmarks/kills.py`` does it a hundred times."""

import random

import numpy as np
import pytest


@pytest.fixture
def kills(benchmark_script):
    return benchmark_script("kills")


@pytest.mark.parametrize("seed", range(3))
def test_killed_while_painting_nothing_is_lost_but_the_stroke_in_hand(kills, tmp_path, seed):
    outcome = kills.kill_journal(tmp_path, seed, random.Random(seed))
    assert (outcome.lost, outcome.damaged) == (0, ())


def test_killed_while_teaching_it_resumes_and_nothing_is_damaged(kills, tmp_path):
    outcomes, finished = kills.kill_training(tmp_path, 1, random.Random(0))
    assert [outcome.damaged for outcome in outcomes] == [()]
    assert finished >= 1


def test_strokes_in_napari_that_are_missing_are_counted_but_for_the_one_in_hand(benchmark_script):
    painter = benchmark_script("_napari_painter")
    in_hand = painter.after(9)
    in_hand[painter.row_of(9), 40:100] = 0
    for labels in (painter.after(8), in_hand, painter.after(9)):
        assert painter.strokes_wrong(labels, 8) == 0
    assert painter.strokes_wrong(painter.after(6), 8) == 2
    nothing = np.zeros_like(in_hand)
    assert painter.strokes_wrong(nothing, 8) == 7  # six lines and the block
