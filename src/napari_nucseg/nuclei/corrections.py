"""What a person changed: the prediction and the edited labels, nucleus by nucleus, however they are numbered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_nucseg.errors import EditError
from napari_nucseg.nuclei.overlaps import Overlaps, overlaps, pooled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_nucseg.nuclei.strokes import Box

    Labels = NDArray[np.integer[Any]]

SAME_SHARE = 0.5
"""Two nuclei belong together where they share at least this much of the smaller one."""
TILE_PX = 256


class Kind(StrEnum):
    """What happened to nuclei."""

    ADDED = "added"
    DELETED = "deleted"
    RESHAPED = "reshaped"
    SPLIT = "split"
    MERGED = "merged"


@dataclass(frozen=True)
class Change:
    """One change.

    Attributes
    ----------
    kind
        What happened.
    before, after
        Numbers of the nuclei in the prediction and in the edited labels; one of the two may be empty.
    box
        Rows and columns around all of them.
    """

    kind: Kind
    before: tuple[int, ...]
    after: tuple[int, ...]
    box: Box


def diff(before: Labels, after: Labels) -> tuple[Change, ...]:
    """Compare a prediction with the edited labels, both (Y, X) integers; changes come in reading order.

    Mere renumbering is no change. Nuclei are matched by overlap (``SAME_SHARE``); a prediction matched with several
    nuclei was split, several with one were merged; where several became several, more of them than before
    is split, fewer is merged, as many is reshaped.

    Raises
    ------
    EditError
        If the two are no labels of one grid.
    """
    return Comparison(before, after).changes()


def count_kinds(changes: Iterable[Change]) -> dict[Kind, int]:
    """How often each kind of change is there; kinds that are not there are 0."""
    counts = Counter(change.kind for change in changes)
    return {kind: counts[kind] for kind in Kind}


class Comparison:
    """A prediction compared with labels that are being edited.

    Parameters
    ----------
    before, after
        (Y, X) integers of one shape. Both are read again where :meth:`update` is told, and never copied.
    """

    def __init__(self, before: Labels, after: Labels, tile_px: int = TILE_PX) -> None:
        for labels in (before, after):
            if labels.ndim != 2 or labels.dtype.kind not in "iu":
                raise EditError(
                    f"got {labels.dtype} of shape {labels.shape}: integers (Y, X) can be compared."
                )
        if before.shape != after.shape:
            raise EditError(
                f"the prediction has shape {before.shape}, the labels {after.shape}: segment again."
            )
        self._before, self._after, self._tile_px = before, after, tile_px
        self._tables: dict[tuple[int, int], Overlaps] = {}
        self.update((slice(0, before.shape[0]), slice(0, before.shape[1])))

    def update(self, box: Box) -> None:
        """Look again at a changed rectangle."""
        size = self._tile_px
        limits = [side.indices(n)[:2] for side, n in zip(box, self._before.shape, strict=True)]
        for row, column in product(*(range(a // size, -(-b // size) if b > a else 0) for a, b in limits)):
            tile = (slice(row * size, (row + 1) * size), slice(column * size, (column + 1) * size))
            self._tables[row, column] = overlaps(
                self._before[tile], self._after[tile], (row * size, column * size)
            )

    def changes(self) -> tuple[Change, ...]:
        """All changes there are now, in reading order."""
        if not self._tables:
            return ()
        pairs = pooled(list(self._tables.values()))
        before, after = _Nuclei(pairs, "before"), _Nuclei(pairs, "after")
        group_before, group_after, n_groups = _groups(pairs, before, after)
        changed = np.ones(n_groups, bool)
        same = (pairs.before > 0) & (pairs.after > 0)
        same[same] = (pairs.area[same] == before.area_of(pairs.before[same])) & (
            pairs.area[same] == after.area_of(pairs.after[same])
        )
        changed[group_before[before.index(pairs.before[same])]] = False
        found = [
            _change(before, members_before, after, members_after)
            for members_before, members_after in _members(group_before, group_after, changed)
        ]
        return tuple(sorted(found, key=lambda change: (change.box[0].start, change.box[1].start)))


class _Nuclei:
    """The nuclei of one of the two images: number, area and box, by position in the sorted numbers."""

    def __init__(self, pairs: Overlaps, side: str) -> None:
        numbers = getattr(pairs, side)
        kept = Overlaps(**{name: column[numbers > 0] for name, column in vars(pairs).items()})
        self.table = kept.grouped(getattr(kept, side))
        self.numbers = getattr(self.table, side)
        self.boxes = np.stack([self.table.y0, self.table.x0, self.table.y1, self.table.x1], axis=1)

    def index(self, numbers: NDArray[np.int64]) -> NDArray[np.intp]:
        return np.searchsorted(self.numbers, numbers)

    def area_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.table.area[self.index(numbers)]


def _groups(
    pairs: Overlaps, before: _Nuclei, after: _Nuclei
) -> tuple[NDArray[np.int32], NDArray[np.int32], int]:
    """Group number of each nucleus before and after: those that belong together share one."""
    both = (pairs.before > 0) & (pairs.after > 0)
    i, j = before.index(pairs.before[both]), after.index(pairs.after[both])
    smaller = np.minimum(before.table.area[i], after.table.area[j])
    linked = pairs.area[both] >= SAME_SHARE * smaller
    n_before = before.numbers.size
    n = n_before + after.numbers.size
    links = coo_array((np.ones(int(linked.sum()), bool), (i[linked], n_before + j[linked])), shape=(n, n))
    n_groups, groups = connected_components(links, directed=False)
    return groups[:n_before], groups[n_before:], int(n_groups)


def _members(
    group_before: NDArray[np.int32], group_after: NDArray[np.int32], changed: NDArray[np.bool_]
) -> Iterable[tuple[list[int], list[int]]]:
    """Positions of the nuclei before and after, for each group that changed."""
    members: dict[int, tuple[list[int], list[int]]] = {int(g): ([], []) for g in np.flatnonzero(changed)}
    for side, groups in enumerate((group_before, group_after)):
        for position in np.flatnonzero(changed[groups]):
            members[int(groups[position])][side].append(int(position))
    return members.values()


def _change(before: _Nuclei, old: list[int], after: _Nuclei, new: list[int]) -> Change:
    boxes = np.concatenate([before.boxes[old], after.boxes[new]])
    (y0, x0), (y1, x1) = boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()
    return Change(
        kind=_kind(len(old), len(new)),
        before=tuple(int(n) for n in before.numbers[old]),
        after=tuple(int(n) for n in after.numbers[new]),
        box=(slice(y0, y1), slice(x0, x1)),
    )


def _kind(n_before: int, n_after: int) -> Kind:
    if n_before == 0:
        return Kind.ADDED
    if n_after == 0:
        return Kind.DELETED
    if n_before == n_after:
        return Kind.RESHAPED
    return Kind.SPLIT if n_after > n_before else Kind.MERGED
