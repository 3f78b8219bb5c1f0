"""Seconds that work takes, by stage."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """Seconds spent in each stage; stages may come more than once."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count the seconds of what is done within."""
        before = time.perf_counter()
        yield
        self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - before

    def timings(self) -> dict[str, float]:
        """Return the stages and their total so far."""
        return {**self._seconds, "total": time.perf_counter() - self._started}
