"""How long work still takes, by its pace so far."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_nucseg.counted import duration_words

if TYPE_CHECKING:
    from collections.abc import Callable

PACE_S = 10.0
"""So long a pace is watched before anything is said."""


class TimeLeft:
    """Watches how much of the work is behind.

    Parameters
    ----------
    clock : seconds, from any beginning.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: tuple[float, float] | None = None
        self.words = ""
        """Such as "about 1 h 20 min left"; empty where the pace is not known yet."""

    def see(self, share: float) -> None:
        """Take note of how much is behind, from 0 to 1."""
        now = self._clock()
        begun_s, begun = self._begun = self._begun or (now, share)
        passed_s, done = now - begun_s, share - begun
        if passed_s >= PACE_S and done > 0:
            left_s = (1 - share) * passed_s / done
            self.words = f"about {duration_words(10 * max(1, round(left_s / 10)))} left"

    def forget_pace(self) -> None:
        """Begin anew, after what took no time; what was said last stays until there is better."""
        self._begun = None
