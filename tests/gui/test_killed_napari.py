"""A real napari, killed while somebody paints: the next one offers the edits, all but the stroke in hand.

``benchmarks/kills.py`` does it at other moments too.
"""

from __future__ import annotations

import random
import signal

import pytest


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
@pytest.mark.usefixtures("open_gl")
def test_killed_in_a_stroke(benchmark_script, tmp_path):
    kills = benchmark_script("kills")
    outcome = kills.kill_napari(tmp_path, kills.WITHIN, random.Random(0))
    assert (outcome.lost, outcome.damaged) == (0, ())
