"""Which weights are kept where training may stop early, and what is said of them."""

import numpy as np
import torch

from napari_nucseg.learning.early_stop import BestSoFar
from napari_nucseg.learning.settings import EarlyStop
from napari_nucseg.network.model_file import load_model


def test_weights_that_are_not_the_last_are_named_where_the_run_ends_by_itself(write_job, train):
    frozen = {"optimizer": {"learning_rate": 1e-12}, "validation": {"images": 1, "every": 2}}
    stop = {"score": "pixel_accuracy", "patience": 9}
    path, seen = train(write_job(steps=6, **frozen, early_stop=stop))
    best = int(np.argmax([p.scores["pixel_accuracy"] for p in seen if p.scores]))
    said = f"The weights of step {2 * (best + 1)} are kept: no later pixel_accuracy was better."
    assert (seen[-1].message == said) == (best < 2)
    assert f"{2 * (best + 1)} steps of" in load_model(path).card.history[0]


def test_nothing_is_waited_for_before_the_first_nucleus_is_found():
    network = torch.nn.Linear(1, 1, bias=False)
    best = BestSoFar(EarlyStop(patience=2), network)
    for step, score in enumerate([0, 0, 0, 0, 0.1, 0.1, 0], 1):
        torch.nn.init.constant_(network.weight, step)
        assert not best.done
        best.see(network, {"mean_ap": score}, step)
        assert best.step == best.network.weight.item() == min(step, 5)
    assert best.done
