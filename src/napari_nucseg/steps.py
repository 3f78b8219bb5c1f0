"""Slow work is a generator of progress that returns its result: run to its end, or passed on in other words."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

Step = TypeVar("Step")
Told = TypeVar("Told")
Result = TypeVar("Result")


class Cancelled(BaseException):
    """Thrown into slow work that shall stop, which may still return what it has.

    No ``Exception``: work that goes on after any failure must not go on after this.
    """


def drain(steps: Generator[Any, None, Result]) -> Result:
    """Run slow work to its end and return its result, whatever it reports on the way."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def told_as(
    steps: Generator[Step, None, Result], tell: Callable[[Step], Told]
) -> Generator[Told, None, Result]:
    """Pass on slow work, its progress in other words; returns what it returns, and is closed with it."""
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            yield tell(step)
