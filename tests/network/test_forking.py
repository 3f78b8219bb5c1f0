"""Networks in processes that were forked from one that ran a network before."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import multiprocessing
import sys

import numpy as np

from napari_nucseg import segment


def work(seed):
    image = np.random.default_rng(seed).integers(0, 255, (160, 160), np.uint8)
    return segment(image, model=sys.argv[1], diameter_px=24, device="cpu", min_area_px=3).labels


before = work(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    again, other = pool.map_async(work, [0, 1]).get(timeout=300)
assert before.any() and np.array_equal(before, again) and not np.array_equal(again, other)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork there")
def test_a_forked_process_segments_as_its_parent(tiny_model: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", SCRIPT, tiny_model]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
