"""What two models make of each nucleus of an image: the counts that the judgement on a new model rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.errors import TrainingError
from napari_nucseg.nuclei.overlaps import overlaps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.integer[Any]]

IOU = 0.5
COUNTED_SHARE = 0.5
"""Nuclei count where at least this share of their pixels is in the taught area."""
TRUE, TP, FP, OVERLAP = range(4)
"""Columns of what is counted at a place: true nuclei, nuclei found, false predictions, IoU of the nuclei found."""
IOU_DIGITS = 2
"""To which IoU is rounded, so that alike places can be taken together."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One image that both models were tried on.

    Attributes
    ----------
    truth
        (Y, X) integers: nuclei as a person left them.
    taught
        (Y, X) where the truth can be relied on; None for everywhere.
    old, new
        (Y, X) integers: what the two models find.
    """

    truth: Labels
    taught: NDArray[np.bool_] | None
    old: Labels
    new: Labels

    def __post_init__(self) -> None:
        parts = {"truth": self.truth, "old": self.old, "new": self.new, "taught": self.taught}
        shapes = {name: part.shape for name, part in parts.items() if part is not None}
        if len(set(shapes.values())) > 1 or self.truth.ndim != 2:
            said = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise TrainingError(f"models can be compared on labels (Y, X) of one shape; got {said}.")


@dataclass(frozen=True, eq=False)
class _Nuclei:
    """Nuclei of a label image, sorted by number: number, area in pixels, and whether each counts; (N,) each."""

    numbers: NDArray[np.int64]
    area_px: NDArray[Any]
    counted: NDArray[np.bool_]

    @classmethod
    def of(cls, labels: Labels, taught: NDArray[np.bool_] | None) -> _Nuclei:
        inside = np.ones(labels.shape, np.uint8) if taught is None else taught.astype(np.uint8)
        pairs = overlaps(labels, inside)
        of_nuclei = pairs.before > 0
        numbers, index = np.unique(pairs.before[of_nuclei], return_inverse=True)
        area_px = np.bincount(index, pairs.area[of_nuclei], numbers.size)
        taught_px = np.bincount(index, (pairs.area * pairs.after)[of_nuclei], numbers.size)
        return cls(numbers, area_px, taught_px >= COUNTED_SHARE * area_px)


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What became of one model's nuclei: positions of true nuclei in their list, numbers of predictions."""

    found: NDArray[np.int64]
    """(…,) true nuclei that have a match."""
    iou: NDArray[np.float64]
    """(…,) of each of them with its match."""
    false_at: NDArray[np.int64]
    """(…,) for each false prediction that overlaps true nuclei, the one it overlaps most."""
    stray: NDArray[np.int64]
    """(…,) false predictions that overlap none, sorted."""


def count_places(image: Judged) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count what the old and the new model make of each place: two tables (places, 4) with the same rows."""
    truth = _Nuclei.of(image.truth, image.taught)
    old, new = (_outcome(image, labels, truth) for labels in (image.old, image.new))
    n = truth.numbers.size
    tables = np.zeros((2, n + old.stray.size + new.stray.size, 4))
    tables[:, :n, TRUE] = truth.counted
    for table, outcome, strays in zip(tables, (old, new), _shared_places(image, old, new), strict=True):
        table[outcome.found, TP] = truth.counted[outcome.found]
        table[outcome.found, OVERLAP] = table[outcome.found, TP] * outcome.iou
        np.add.at(table[:, FP], np.concatenate([outcome.false_at, n + strays]), 1)
    used = tables.any(axis=(0, 2))
    return tables[0, used], tables[1, used]


def _outcome(image: Judged, labels: Labels, truth: _Nuclei) -> _Outcome:
    predicted = _Nuclei.of(labels, image.taught)
    pairs = overlaps(image.truth, labels)
    both = (pairs.before > 0) & (pairs.after > 0)
    i = np.searchsorted(truth.numbers, pairs.before[both])
    j = np.searchsorted(predicted.numbers, pairs.after[both])
    shared_px = pairs.area[both]
    union_px = truth.area_px[i] + predicted.area_px[j] - shared_px
    matched = shared_px >= IOU * union_px
    iou = (shared_px / union_px)[matched].round(IOU_DIGITS)
    # at exactly ½ two may share a partner: keep one pair a true nucleus, then one a prediction (see matching.py)
    found, one = np.unique(i[matched], return_index=True)
    partner, first = np.unique(j[matched][one], return_index=True)
    is_false = predicted.counted.copy()
    is_false[partner] = False
    order = np.lexsort((-shared_px, j))
    touching, first_of = np.unique(j[order], return_index=True)
    most = np.full(predicted.numbers.size, -1)
    most[touching] = i[order][first_of]
    return _Outcome(
        found[first], iou[one][first], most[is_false & (most >= 0)], predicted.numbers[is_false & (most < 0)]
    )


def _shared_places(
    image: Judged, old: _Outcome, new: _Outcome
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give places to stray predictions; one of the new model shares that of the old one it overlaps most."""
    pairs = overlaps(image.old, image.new)
    both = np.isin(pairs.before, old.stray) & np.isin(pairs.after, new.stray)
    order = np.lexsort((-pairs.area[both], pairs.after[both]))
    partnered, first = np.unique(pairs.after[both][order], return_index=True)
    places = old.stray.size + np.arange(new.stray.size)
    places[np.searchsorted(new.stray, partnered)] = np.searchsorted(
        old.stray, pairs.before[both][order][first]
    )
    return np.arange(old.stray.size), places
