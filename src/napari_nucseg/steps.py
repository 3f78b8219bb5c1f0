"""Slow work is a generator of progress that returns its result; this is for those who want the result alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

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
