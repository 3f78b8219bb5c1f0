"""The best weights so far, and whether to wait for better ones."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

from napari_nucseg.counted import count_words

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

    Attributes
    ----------
    network, scores, step : the best so far, its scores, and after which step it had them; no scores before the first.
    waited : scorings since.
    """

    def __init__(self, settings: EarlyStop, network: nn.Module) -> None:
        self.settings = settings
        self.network = copy.deepcopy(network)
        self.scores: dict[str, float] = {}
        self.step = 0
        self.waited = 0

    @property
    def done(self) -> bool:
        """Whether patience has run out."""
        return self.waited >= self.settings.patience

    def see(self, network: nn.Module, scores: Mapping[str, float], step: int) -> None:
        """Take note of the scoring after a step; of equal scores the first is kept.

        While the score is 0 nothing is found yet: the later network has learned more, and waiting has not begun.
        """
        best, score = (found.get(self.settings.score, -math.inf) for found in (self.scores, scores))
        if not self.scores or score > best or score == best == 0:
            self.network.load_state_dict(network.state_dict())
            self.scores, self.step, self.waited = dict(scores), step, 0
        else:
            self.waited += 1

    def words(self, steps_done: int, *, early: bool) -> str:
        """Say at the end of a run why it stopped ``early``, and which weights are kept if not the last."""
        score = self.settings.score
        if early:
            scorings = count_words(self.waited, "scoring")
            return (
                f"Stopped early: no better {score} for {scorings}; the weights of step {self.step} are kept."
            )
        return (
            ""
            if self.step == steps_done
            else f"The weights of step {self.step} are kept: no later {score} was better."
        )

    @property
    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the network's weights."""
        return {"scores": self.scores, "step": self.step, "waited": self.waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the state of a checkpoint."""
        self.scores, self.step = dict(state["scores"]), int(state["step"])
        self.waited = int(state["waited"])
