"""The best weights so far, and whether to wait for better ones."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from napari_nucseg.learning.settings import EarlyStop


class BestSoFar:
    """Keeps a copy of the best network and counts the scorings since; a checkpoint takes both along.

    Parameters
    ----------
    settings : which score counts, and how long to wait.
    network : network whose copies are kept; not changed.
    """

    def __init__(self, settings: EarlyStop, network: nn.Module) -> None:
        self.settings = settings
        self.network = copy.deepcopy(network)
        self.scores: dict[str, float] = {}
        self.waited = 0

    @property
    def done(self) -> bool:
        """Whether patience has run out."""
        return self.waited >= self.settings.patience

    def see(self, network: nn.Module, scores: Mapping[str, float]) -> None:
        """Take note of one scoring; of equal scores the first is kept."""
        name = self.settings.score
        if not self.scores or scores.get(name, -math.inf) > self.scores.get(name, -math.inf):
            self.network.load_state_dict(network.state_dict())
            self.scores, self.waited = dict(scores), 0
        else:
            self.waited += 1

    @property
    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the network's weights."""
        return {"scores": self.scores, "waited": self.waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the state of a checkpoint."""
        self.scores, self.waited = dict(state["scores"]), int(state["waited"])
