"""What a training run tells while it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TrainingProgress:
    """State after a step.

    Attributes
    ----------
    step, total : steps done, and in all; step 0 while images are read, total 0 while it is not yet known
    losses : by name
    seconds : of the run so far, those of earlier processes too
    scores : on held-back images, at the steps that validate
    message : what a user should know
    learning_rate : of this step
    picture : (Y, X, 3) uint8 at the steps that validate: sample image, its truth, the prediction
    """

    step: int
    total: int
    losses: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    scores: Mapping[str, float] = field(default_factory=dict)
    message: str = ""
    learning_rate: float = 0.0
    picture: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)

    @property
    def loss(self) -> float:
        """Sum of the losses."""
        return sum(self.losses.values())
