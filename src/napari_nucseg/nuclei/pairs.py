"""Nuclei of two label images that share pixels, and how well they fit: IoU, best partners, one-to-one matches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.nuclei.overlaps import overlaps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Nuclei before and after, and the pairs of one of each that share pixels.

    Attributes
    ----------
    before, after
        (N,), (M,) numbers of the nuclei, sorted.
    before_px, after_px
        (N,), (M,) their areas.
    i, j
        (P,) places in ``before`` and in ``after`` of the two of a pair.
    shared_px
        (P,) pixels that both have.
    """

    before: Ints
    after: Ints
    before_px: Ints
    after_px: Ints
    i: Ints
    j: Ints
    shared_px: Ints

    @classmethod
    def of(cls, before: NDArray[np.integer[Any]], after: NDArray[np.integer[Any]]) -> Pairs:
        """Compare two label images (Y, X) of equal shape, numbers from 0 to 2³¹ − 1."""
        table = overlaps(before, after)
        both = (table.before > 0) & (table.after > 0)
        numbers, px, i = _nuclei(table.before, table.area, both)
        others, other_px, j = _nuclei(table.after, table.area, both)
        return cls(numbers, others, px, other_px, i, j, table.area[both])

    @property
    def union_px(self) -> Ints:
        """(P,) pixels that at least one of the two has."""
        return self.before_px[self.i] + self.after_px[self.j] - self.shared_px

    @property
    def iou(self) -> NDArray[np.float64]:
        """(P,) intersection over union."""
        return self.shared_px / self.union_px

    def best(self) -> Ints:
        """Which pairs are those of each nucleus before, where it has any, with the partner that fits it best."""
        order = np.lexsort((-self.iou, self.i))
        _, first = np.unique(self.i[order], return_index=True)
        return order[first]

    def best_iou(self) -> NDArray[np.float64]:
        """(N,) IoU of each nucleus before with the one after that fits it best."""
        best = np.zeros(self.before_px.size)
        np.maximum.at(best, self.i, self.iou)
        return best

    def one_to_one(self, iou: float) -> Ints:
        """Which pairs to keep of those with at least an IoU, ½ or more, so that no nucleus is in two.

        Labels do not overlap, so pairs of IoU > ½ are unique already. At exactly ½ a nucleus may be the union of
        two others; those two then overlap nothing else. Such pairs form a star and give one match: keeping one
        pair a nucleus before, then one a nucleus after, is the best assignment there is.
        """
        kept = np.flatnonzero(self.iou >= iou)
        for side in (self.i, self.j):
            kept = kept[np.unique(side[kept], return_index=True)[1]]
        return kept


def _nuclei(numbers: Ints, area: Ints, paired: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """Return the nuclei of one side of a table of overlaps: numbers, areas, and places of those in pairs."""
    nuclei = numbers > 0
    values, index = np.unique(numbers[nuclei], return_inverse=True)
    return values, np.bincount(index, area[nuclei], values.size).astype(np.int64), index[paired[nuclei]]
