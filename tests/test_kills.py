"""``kill -9`` under edits and under training; ``benchmarks/kills.py`` does it a hundred times."""

import importlib
import random
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def kills(monkeypatch):
    if not BENCHMARKS.is_dir():
        pytest.skip("no repository around these tests")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("kills")


@pytest.mark.parametrize("seed", range(3))
def test_killed_while_painting_nothing_is_lost_but_the_stroke_in_hand(kills, tmp_path, seed):
    outcome = kills.kill_journal(tmp_path, seed, random.Random(seed))
    assert (outcome.lost, outcome.damaged) == (0, ())


def test_killed_while_teaching_it_resumes_and_nothing_is_damaged(kills, tmp_path):
    outcomes, finished = kills.kill_training(tmp_path, 1, random.Random(0))
    assert [outcome.damaged for outcome in outcomes] == [()]
    assert finished >= 1
