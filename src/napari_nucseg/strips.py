"""Large images a strip of rows at a time: what is computed of one need not be in memory for all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STRIP_PX = 1 << 22


def strips(shape: tuple[int, ...]) -> Iterator[slice]:
    """Divide the rows of an image, its last two axes, into strips; the last may reach beyond them, as slices may."""
    n_rows, n_columns = shape[-2:]
    step = max(1, STRIP_PX // max(1, n_columns))
    return (slice(first, first + step) for first in range(0, n_rows, step))
