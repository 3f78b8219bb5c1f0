"""What two models make of each nucleus of an image: the counts that the judgement on a new model rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.nuclei.overlaps import overlaps
from napari_nucseg.nuclei.pairs import Pairs
from napari_nucseg.teaching.holdout import which_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.integer[Any]]

IOU = 0.5
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
        (Y, X) bool: where the truth can be relied on.
    old, new
        (Y, X) integers: what the two models find.
    """

    truth: Labels
    taught: NDArray[np.bool_]
    old: Labels
    new: Labels


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
    numbers, counts = which_count(image.truth, image.taught)
    old, new = (_outcome(image, labels) for labels in (image.old, image.new))
    n = numbers.size
    tables = np.zeros((2, n + old.stray.size + new.stray.size, 4))
    tables[:, :n, TRUE] = counts
    for table, outcome, strays in zip(tables, (old, new), _shared_places(image, old, new), strict=True):
        table[outcome.found, TP] = counts[outcome.found]
        table[outcome.found, OVERLAP] = table[outcome.found, TP] * outcome.iou
        np.add.at(table[:, FP], np.concatenate([outcome.false_at, n + strays]), 1)
    used = tables.any(axis=(0, 2))
    return tables[0, used], tables[1, used]


def _outcome(image: Judged, labels: Labels) -> _Outcome:
    numbers, is_false = which_count(labels, image.taught)
    pairs = Pairs.of(image.truth, labels)
    matched = pairs.one_to_one(IOU)
    is_false[pairs.j[matched]] = False
    most = np.full(numbers.size, -1)
    touching, overlapped = _overlapping_most(pairs.j, pairs.i, pairs.shared_px)
    most[touching] = overlapped
    return _Outcome(
        found=pairs.i[matched],
        iou=pairs.iou[matched].round(IOU_DIGITS),
        false_at=most[is_false & (most >= 0)],
        stray=numbers[is_false & (most < 0)],
    )


def _shared_places(
    image: Judged, old: _Outcome, new: _Outcome
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give places to stray predictions; one of the new model shares that of the old one it overlaps most."""
    pairs = overlaps(image.old, image.new)
    both = np.isin(pairs.before, old.stray) & np.isin(pairs.after, new.stray)
    partnered, partners = _overlapping_most(pairs.after[both], pairs.before[both], pairs.area[both])
    places = old.stray.size + np.arange(new.stray.size)
    places[np.searchsorted(new.stray, partnered)] = np.searchsorted(old.stray, partners)
    return np.arange(old.stray.size), places


def _overlapping_most(
    ones: NDArray[np.int64], others: NDArray[np.int64], shared_px: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of pairs that overlap, (P,), return each of the ``ones`` once, with that of the others it shares most with."""
    order = np.lexsort((-shared_px, ones))
    values, first = np.unique(ones[order], return_index=True)
    return values, others[order][first]
