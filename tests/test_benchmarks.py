"""What the benchmark scripts count by themselves."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def test_mistakes_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    if not BENCHMARKS.is_dir():
        pytest.skip("no repository around these tests")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    worst = importlib.import_module("worst")
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
