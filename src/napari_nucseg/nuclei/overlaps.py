"""How the nuclei of two label images of one grid overlap: a table with one row a pair, cost linear in the pixels.

Rows add up, so the table of an image is the sum of the tables of its tiles, and a changed rectangle costs only the
tiles it touches.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Overlaps:
    """One row for each pair of numbers that share pixels; pairs of background alone are left out.

    Attributes
    ----------
    before, after
        (N,) numbers, 0 for background, sorted by ``before``, then ``after``.
    area
        (N,) pixels they share.
    y0, x0, y1, x1
        (N,) box around them, half open.
    """

    before: Ints
    after: Ints
    area: Ints
    y0: Ints
    x0: Ints
    y1: Ints
    x1: Ints

    def grouped(self, groups: Ints) -> Overlaps:
        """Add up rows of equal group, (N,) numbers; each result has the pair of its group's first row."""
        order = np.argsort(groups, kind="stable")
        starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order][:1] - 1))
        if not order.size:
            return self
        low, high = np.minimum, np.maximum
        combine: dict[str, np.ufunc] = {"area": np.add, "y0": low, "x0": low, "y1": high, "x1": high}
        columns = {f.name: getattr(self, f.name)[order] for f in fields(self)}
        return Overlaps(
            **{
                name: combine[name].reduceat(column, starts) if name in combine else column[starts]
                for name, column in columns.items()
            }
        )


def overlaps(
    before: NDArray[np.integer[Any]], after: NDArray[np.integer[Any]], origin: tuple[int, int] = (0, 0)
) -> Overlaps:
    """Compare two label images (Y, X) of equal shape, numbers from 0 to 2³¹ − 1.

    ``origin`` is where their first pixel lies in the whole image.
    """
    width = before.shape[1]
    keys = before.astype(np.int64) << 32 | after.astype(np.int64)
    # rows are read in runs of one pair: sorting a few runs is much faster than sorting pixels
    changes = np.ones(keys.shape, bool)
    changes[:, 1:] = keys[:, 1:] != keys[:, :-1]
    starts = np.flatnonzero(changes)
    lengths = np.diff(starts, append=keys.size)
    run_keys = keys.ravel()[starts]
    kept = run_keys != 0
    starts, lengths, run_keys = starts[kept], lengths[kept], run_keys[kept]
    y, x = starts // width + origin[0], starts % width + origin[1]
    runs = Overlaps(
        before=run_keys >> 32,
        after=run_keys & 0xFFFFFFFF,
        area=lengths,
        y0=y,
        x0=x,
        y1=y + 1,
        x1=x + lengths,
    )
    return runs.grouped(run_keys)


def pooled(tables: Sequence[Overlaps]) -> Overlaps:
    """Add up tables, at least one."""
    joined = Overlaps(
        **{f.name: np.concatenate([getattr(t, f.name) for t in tables]) for f in fields(Overlaps)}
    )
    return joined.grouped(joined.before << 32 | joined.after)
