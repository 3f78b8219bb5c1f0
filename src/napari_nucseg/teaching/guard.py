"""Whether a new model is better than the one it comes from: counted nucleus by nucleus, and said in words.

Score
-----
AP = TP / (TP + FP + FN) at an IoU of ½, pooled over all images, as in ``nuclei.scoring``: a false prediction costs as
much as a missed nucleus. Only the taught area counts. A true nucleus counts where at least half of its pixels lie in
it, a prediction where at least half of its own do, or where it matches a true nucleus that counts.

Evidence
--------
*Paired bootstrap* (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 16). What is drawn with
replacement are places: a true nucleus with what either model made of it (its match, and false predictions that
overlap it most), or a false prediction where no nucleus is, that of the old and of the new model together where they
overlap. Both models are scored on the same places each time; the interval is that of the central 95 % of new − old.

*Exact sign test* of the places where the two differ (McNemar 1947, in its exact form), one-sided at 5 %. A bootstrap of
very few places is far too sure of itself: three nuclei won give an interval above 0. The test asks for at least five.

Nuclei of one image are more alike than those of two: intervals tell how sure it is on images such as these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.stats import binomtest

from napari_nucseg.errors import TrainingError
from napari_nucseg.nuclei.overlaps import overlaps
from napari_nucseg.teaching.progress import Comparison, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Labels = NDArray[np.integer[Any]]

IOU = 0.5
COUNTED_SHARE = 0.5
"""Nuclei count where at least this share of their pixels is in the taught area."""
N_RESAMPLES = 2_000
LEVEL = 0.95
SIGN_LEVEL = 0.05
TOLERATED_LOSS = 0.01
"""Reference images are worse where this much AP is lost or more, and beyond doubt."""
_MOST_ASKED_FOR = 500
_TRUE, _TP, _FP = range(3)  # columns of what is counted at a place


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


def compare(
    name: str, kind: Literal["held-out", "reference"], images: Sequence[Judged], *, seed: int = 0
) -> Comparison:
    """Compare two models on the same images.

    Parameters
    ----------
    name : what the images are, as a user knows them.
    kind : corrections that were held out, or images on which nothing must get worse.
    images : truth and both predictions; images without a nucleus count by their false predictions.
    seed : of the resamples; the same gives the same interval.

    Returns
    -------
    Comparison
        Scores, interval, counts, and the verdict on these images alone.
    """
    places = [_places(image) for image in images]
    old, new = (np.concatenate([place[i] for place in places] or [np.zeros((0, 3), int)]) for i in range(2))
    score_old, score_new = _ap(old.sum(axis=0)), _ap(new.sum(axis=0))
    low, high = _interval(old, new, seed)
    won, lost = _won_and_lost(old, new, (score_old + score_new) / 2)
    gain = float(score_new - score_old)
    return Comparison(
        name=name,
        kind=kind,
        n_images=len(images),
        n_nuclei=int(old[:, _TRUE].sum()),
        old=float(score_old),
        new=float(score_new),
        low=low,
        high=high,
        verdict=_verdict(gain, (low, high), won, lost, 0.0 if kind == "held-out" else TOLERATED_LOSS),
        found_old=int(old[:, _TP].sum()),
        found_new=int(new[:, _TP].sum()),
        false_old=int(old[:, _FP].sum()),
        false_new=int(new[:, _FP].sum()),
        more_nuclei=_more_nuclei(len(old), gain, low, won, lost),
    )


def judge(comparisons: Sequence[Comparison]) -> tuple[Verdict, str]:
    """Judge a new model by all comparisons, and say why in a few sentences for a biologist.

    Better only where it is better on held-out nuclei beyond doubt, and worse nowhere.
    """
    held_out = [c for c in comparisons if c.kind == "held-out"]
    references = [c for c in comparisons if c.kind == "reference"]
    worse = [c for c in references if c.verdict is Verdict.WORSE]
    verdicts = {c.verdict for c in held_out}
    sentences = [_found(c) for c in held_out if c.n_nuclei or c.false_old or c.false_new]
    if Verdict.WORSE in verdicts or worse:
        verdict = Verdict.WORSE
    elif Verdict.BETTER in verdicts:
        verdict = Verdict.BETTER
    else:
        verdict = Verdict.UNSURE
        sentences.append(_what_would_help(held_out))
    sentences += [_lost(c) for c in worse]
    if references and not worse:
        sentences.append("On other images nothing got worse.")
    return verdict, " ".join(sentences)


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
    false_at: NDArray[np.int64]
    """(…,) for each false prediction that overlaps true nuclei, the one it overlaps most."""
    stray: NDArray[np.int64]
    """(…,) false predictions that overlap none, sorted."""


def _places(image: Judged) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count what the old and the new model make of each place: two tables (places, 3) with the same rows."""
    truth = _Nuclei.of(image.truth, image.taught)
    old, new = (_outcome(image, labels, truth) for labels in (image.old, image.new))
    n = truth.numbers.size
    tables = np.zeros((2, n + old.stray.size + new.stray.size, 3), np.int64)
    tables[:, :n, _TRUE] = truth.counted
    for table, outcome, strays in zip(tables, (old, new), _shared_places(image, old, new), strict=True):
        table[outcome.found, _TP] = truth.counted[outcome.found]
        np.add.at(table[:, _FP], np.concatenate([outcome.false_at, n + strays]), 1)
    used = tables.any(axis=(0, 2))
    return tables[0, used], tables[1, used]


def _outcome(image: Judged, labels: Labels, truth: _Nuclei) -> _Outcome:
    predicted = _Nuclei.of(labels, image.taught)
    pairs = overlaps(image.truth, labels)
    both = (pairs.before > 0) & (pairs.after > 0)
    i = np.searchsorted(truth.numbers, pairs.before[both])
    j = np.searchsorted(predicted.numbers, pairs.after[both])
    shared_px = pairs.area[both]
    matched = shared_px >= IOU * (truth.area_px[i] + predicted.area_px[j] - shared_px)
    # at exactly ½ two may share a partner: keep one pair a true nucleus, then one a prediction (see matching.py)
    found, first = np.unique(i[matched], return_index=True)
    partner, first = np.unique(j[matched][first], return_index=True)
    is_false = predicted.counted.copy()
    is_false[partner] = False
    order = np.lexsort((-shared_px, j))
    touching, first_of = np.unique(j[order], return_index=True)
    most = np.full(predicted.numbers.size, -1)
    most[touching] = i[order][first_of]
    return _Outcome(found[first], most[is_false & (most >= 0)], predicted.numbers[is_false & (most < 0)])


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


def _ap(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """AP of counts (…, 3); nothing to find and nothing found is 1."""
    bottom = counts[..., _TRUE] + counts[..., _FP]
    return np.where(bottom > 0, counts[..., _TP] / np.maximum(bottom, 1), 1.0)


def _interval(old: NDArray[np.int64], new: NDArray[np.int64], seed: int) -> tuple[float, float]:
    """Central 95 % of new − old over resampled places."""
    if not len(old):
        return 0.0, 0.0
    # places with the same counts are interchangeable: how often each of the few kinds is drawn says it all
    kinds, often = np.unique(np.hstack([old, new]), axis=0, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(len(old), often / often.sum(), size=N_RESAMPLES)
    counts = draws @ kinds
    gains = _ap(counts[:, 3:]) - _ap(counts[:, :3])
    low, high = np.quantile(gains, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def _won_and_lost(old: NDArray[np.int64], new: NDArray[np.int64], ap: Any) -> tuple[int, int]:
    """Places where the new model is better, and where it is worse.

    A false prediction weighs as it does in AP: by the derivative of AP, ``ap`` times as much as a nucleus found.
    """
    change = new - old
    value = change[:, _TP] - ap * change[:, _FP]
    return int((value > 0).sum()), int((value < 0).sum())


def _verdict(gain: float, interval: tuple[float, float], won: int, lost: int, tolerated: float) -> Verdict:
    low, high = interval
    if low > 0 and _is_clear(won, lost):
        return Verdict.BETTER
    if high < 0 and gain <= -tolerated and _is_clear(lost, won):
        return Verdict.WORSE
    return Verdict.UNSURE


def _is_clear(more: int, less: int) -> bool:
    """Whether ``more`` against ``less`` is no chance: exact sign test."""
    return more > less and binomtest(more, more + less, alternative="greater").pvalue <= SIGN_LEVEL


def _more_nuclei(n_places: int, gain: float, low: float, won: int, lost: int) -> int:
    """Guess how many more held-out nuclei would make the gain certain; 0 where it is, or where there is none.

    The interval narrows with the root of their number, and the share of places won stays as it is.
    """
    if gain <= 0 or won <= lost or (low > 0 and _is_clear(won, lost)):
        return 0
    factor = max(((gain - low) / gain) ** 2, 1.0)
    while factor * n_places < _MOST_ASKED_FOR and not _is_clear(round(factor * won), round(factor * lost)):
        factor *= 1.1
    more = min(math.ceil((factor - 1) * n_places), _MOST_ASKED_FOR)
    return max(5 * math.ceil(more / 5), 5)


def _found(c: Comparison) -> str:
    if not c.n_nuclei:
        return f"Where you left no nucleus, the new model sees {c.false_new}, the old one {c.false_old}."
    nuclei = f"the {c.n_nuclei} nuclei" if c.n_nuclei > 1 else "the only nucleus"
    false = f", with {c.false_new} false ones against {c.false_old}" if c.false_new or c.false_old else ""
    return f"On {nuclei} kept aside, the new model finds {c.found_new}, the old one {c.found_old}{false}."


def _lost(c: Comparison) -> str:
    return (
        f"But on {c.name} it got worse: it finds {c.found_new} of {c.n_nuclei} nuclei, the old one {c.found_old}, "
        f"with {c.false_new} false ones against {c.false_old}."
    )


def _what_would_help(held_out: Sequence[Comparison]) -> str:
    if not any(c.n_nuclei or c.false_old or c.false_new for c in held_out):
        return "No nucleus was kept aside, so nothing can be said: review a second area or image."
    more = max(c.more_nuclei for c in held_out)
    if not more:
        return "That is no gain; correct what the old model does wrong most often, and teach again."
    if more >= _MOST_ASKED_FOR:
        return "That may be chance, and the gain is too small to tell with a few more nuclei."
    return f"That may be chance: about {more} more reviewed nuclei to check on would tell."
