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

*Sign-flip test* of the places where the two differ (Fisher's randomisation test of paired differences: Good,
Permutation, Parametric and Bootstrap Tests of Hypotheses, 2005), one-sided at 5 %: a nucleus won or lost weighs 1, a
false prediction as much as it changes AP. A bootstrap of very few places is far too sure of itself: three nuclei won
give an interval above 0. This test asks for at least five. Reference images are worse without it: they need not prove
a loss that strictly.

Nuclei of one image are more alike than those of two: intervals tell how sure it is on images such as these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.teaching.places import FP, TP, TRUE, Judged, count_places
from napari_nucseg.teaching.progress import Comparison, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_nucseg.teaching.progress import Kind

__all__ = ["Judged", "compare", "judge"]

N_RESAMPLES = 2_000
N_FLIPS = 10_000
LEVEL = 0.95
SIGN_LEVEL = 0.05
TOLERATED_LOSS: dict[Kind, float] = {"reference": 0.01, "made": 0.3}
"""Images of others are worse where this much AP is lost or more, and beyond doubt.

Made pictures lost up to .19 where real images of their kind lost nothing: they only tell when much is forgotten.
"""
_MOST_ASKED_FOR = 500


def compare(name: str, kind: Kind, images: Sequence[Judged], *, seed: int = 0) -> Comparison:
    """Compare two models on the same images.

    Parameters
    ----------
    name : what the images are, as a user knows them.
    kind : corrections that were held out, or real or made images on which nothing must get worse.
    images : truth and both predictions; images without a nucleus count by their false predictions.
    seed : of the resamples; the same gives the same interval.

    Returns
    -------
    Comparison
        Scores, interval, counts, and the verdict on these images alone.
    """
    places = [count_places(image) for image in images]
    old, new = (np.concatenate([place[i] for place in places] or [np.zeros((0, 3), int)]) for i in range(2))
    score_old, score_new = _ap(old.sum(axis=0)), _ap(new.sum(axis=0))
    low, high = _interval(old, new, seed)
    differences = _differences(old, new, float(score_old + score_new) / 2)
    gain = float(score_new - score_old)
    return Comparison(
        name=name,
        kind=kind,
        n_images=len(images),
        n_nuclei=int(old[:, TRUE].sum()),
        old=float(score_old),
        new=float(score_new),
        low=low,
        high=high,
        verdict=_verdict(kind, gain, (low, high), differences),
        found_old=int(old[:, TP].sum()),
        found_new=int(new[:, TP].sum()),
        false_old=int(old[:, FP].sum()),
        false_new=int(new[:, FP].sum()),
        more_nuclei=_more_nuclei(len(old), gain, low, differences),
    )


def judge(comparisons: Sequence[Comparison]) -> tuple[Verdict, str]:
    """Judge a new model by all comparisons, and say why in a few sentences for a biologist.

    Better only where it is better on held-out nuclei beyond doubt, and worse nowhere.
    """
    held_out = [c for c in comparisons if c.kind == "held-out"]
    references = [c for c in comparisons if c.kind != "held-out"]
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
        sentences.append(_not_worse(references))
    return verdict, " ".join(sentences)


def _ap(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """AP of counts (…, 3); nothing to find and nothing found is 1."""
    bottom = counts[..., TRUE] + counts[..., FP]
    return np.where(bottom > 0, counts[..., TP] / np.maximum(bottom, 1), 1.0)


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


@dataclass(frozen=True, eq=False)
class _Differences:
    """Places where two models differ, alike ones together: what the new one is worth there, and how often."""

    values: NDArray[np.float64]
    often: NDArray[np.int64]

    def times(self, factor: float) -> _Differences:
        """Return the same differences on more nuclei."""
        return _Differences(self.values, np.round(factor * self.often).astype(np.int64))

    @property
    def are_clear(self) -> bool:
        """Whether so much would hardly be won if either model were as likely to win each place."""
        won = float(self.values @ self.often)
        if won <= 0:
            return False
        flips = np.random.default_rng(0).binomial(self.often, 0.5, (N_FLIPS, len(self.often)))
        by_chance = (2 * flips - self.often) @ self.values
        return float((by_chance >= won - 1e-9).mean()) <= SIGN_LEVEL

    @property
    def reversed(self) -> _Differences:
        """The old model's case."""
        return _Differences(-self.values, self.often)


def _differences(old: NDArray[np.int64], new: NDArray[np.int64], ap: float) -> _Differences:
    """Collect the places where the models differ.

    A false prediction weighs as it does in AP: by the derivative of AP, ``ap`` times as much as a nucleus found.
    """
    change = new - old
    value = change[:, TP] - ap * change[:, FP]
    return _Differences(*np.unique(value[value != 0], return_counts=True))


def _verdict(kind: Kind, gain: float, interval: tuple[float, float], differences: _Differences) -> Verdict:
    low, high = interval
    if low > 0 and differences.are_clear:
        return Verdict.BETTER
    if kind != "held-out":  # the burden of proof is on the new model: a bootstrap that is too sure will do
        return Verdict.WORSE if high < 0 and gain <= -TOLERATED_LOSS[kind] else Verdict.UNSURE
    return Verdict.WORSE if high < 0 and differences.reversed.are_clear else Verdict.UNSURE


def _more_nuclei(n_places: int, gain: float, low: float, differences: _Differences) -> int:
    """Guess how many more held-out nuclei would make the gain certain; 0 where it is, or where there is none.

    The interval narrows with the root of their number, and the share of places won stays as it is.
    """
    won = float(differences.values @ differences.often)
    if gain <= 0 or won <= 0 or (low > 0 and differences.are_clear):
        return 0
    factor = max(((gain - low) / gain) ** 2, 1.0)
    while factor * n_places < _MOST_ASKED_FOR and not differences.times(factor).are_clear:
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


def _not_worse(references: Sequence[Comparison]) -> str:
    lower = [c for c in references if c.gain <= -TOLERATED_LOSS["reference"]]
    surely = " ".join(_lost_of_made(c) for c in lower if c.high < 0)
    names = " and ".join(c.name for c in lower if c.high >= 0)
    by_chance = f"On {names} it does a little worse, which may be chance." if names else ""
    return " ".join(filter(None, (by_chance, surely))) or "On other images nothing got worse."


def _lost_of_made(c: Comparison) -> str:
    return (
        f"On {c.name} it finds {c.found_new} of {c.n_nuclei} nuclei, the old one {c.found_old}: a made picture tells "
        "little about real images, so name some on which it must stay good."
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
