"""Which weights of a run are kept: the latest that are not beyond doubt worse than the best."""

from __future__ import annotations

import pytest

from napari_nucseg.teaching.watching import LOSS, quality


@pytest.mark.parametrize(
    ("best", "later", "n_nuclei", "kept"),
    [
        pytest.param({LOSS: 0.8}, {LOSS: 0.7}, 25, True, id="lower loss"),
        pytest.param({LOSS: 0.8}, {LOSS: 0.86}, 25, True, id="a little surer of itself"),
        pytest.param({LOSS: 0.8}, {LOSS: 1.0}, 25, False, id="forgetting"),
        pytest.param(
            {LOSS: 0.8, "ap50": 0.6}, {LOSS: 1.0, "ap50": 0.9}, 25, False, id="too few nuclei for AP"
        ),
        pytest.param({LOSS: 0.8, "ap50": 0.6}, {LOSS: 1.0, "ap50": 0.58}, 200, True, id="chance"),
        pytest.param({LOSS: 0.8, "ap50": 0.6}, {LOSS: 0.8, "ap50": 0.5}, 200, False, id="fewer found"),
        pytest.param({LOSS: 0.8, "ap50": 0.0}, {LOSS: 0.7, "ap50": 0.0}, 200, True, id="none found yet"),
        pytest.param({}, {}, 0, False, id="nothing held out"),
    ],
)
def test_later_weights_are_kept_unless_they_are_clearly_worse(best, later, n_nuclei, kept):
    highest, _ = quality(best, n_nuclei)
    found, doubt = quality(later, n_nuclei)
    assert (found + doubt > highest) is kept
