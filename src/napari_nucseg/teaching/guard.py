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

*Outlines.* A few dozen nuclei seldom prove that more are found, since most are found by both models or by neither;
their outlines tell more. So a model with no lower AP is better, too, where its panoptic quality gains at least .02
beyond doubt by the same tests, the second at 1 %. Nuclei that were only looked at have the old model's outline, which
speaks for the old one.

Nuclei of one image are more alike than those of two: intervals tell how sure it is on images such as these.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.counted import count_words
from napari_nucseg.teaching.evidence import AP, PQ, Evidence
from napari_nucseg.teaching.places import FP, OVERLAP, TP, TRUE, count_places
from napari_nucseg.teaching.progress import Comparison, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucseg.teaching.places import Judged
    from napari_nucseg.teaching.progress import Kind

SIGN_LEVEL = 0.05
OUTLINES_LEVEL = 0.01
"""Stricter: it is the second way to be better."""
LEAST_OUTLINED = 0.02
"""Gain of PQ, or of the mean IoU of nuclei found, below which outlines are as good as before, however sure it is."""
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
    old, new = (np.concatenate([place[i] for place in places] or [np.zeros((0, 4))]) for i in range(2))
    found, outlined = (Evidence.by(score, old, new, seed) for score in (AP, PQ))
    verdict = _verdict(kind, found, outlined)
    n_found = [int(counts[:, TP].sum()) for counts in (old, new)]
    overlap = [
        float(counts[:, OVERLAP].sum()) / max(n, 1) for counts, n in zip((old, new), n_found, strict=True)
    ]
    return Comparison(
        name=name,
        kind=kind,
        n_images=len(images),
        n_nuclei=int(old[:, TRUE].sum()),
        old=found.old,
        new=found.new,
        low=found.low,
        high=found.high,
        verdict=verdict,
        found_old=n_found[0],
        found_new=n_found[1],
        false_old=int(old[:, FP].sum()),
        false_new=int(new[:, FP].sum()),
        overlap_old=overlap[0],
        overlap_new=overlap[1],
        more_nuclei=0 if verdict is Verdict.BETTER else _more_nuclei(len(old), found, outlined),
    )


def judge(comparisons: Sequence[Comparison], *, odd: bool = False) -> tuple[Verdict, str]:
    """Judge a new model by all comparisons, and say why in a few sentences for a biologist.

    Better only where it is better on held-out nuclei beyond doubt, and worse nowhere. Where something is ``odd`` about
    the examples, more of them would not help.
    """
    held_out = [c for c in comparisons if c.kind == "held-out"]
    references = [c for c in comparisons if c.kind != "held-out"]
    worse = [c for c in references if c.verdict is Verdict.WORSE]
    verdicts = {c.verdict for c in held_out}
    telling = [c for c in held_out if c.n_nuclei or c.false_old or c.false_new]
    sentences = [_found(c) for c in telling]
    if Verdict.WORSE in verdicts or worse:
        verdict = Verdict.WORSE
    elif Verdict.BETTER in verdicts:
        verdict = Verdict.BETTER
    else:
        verdict = Verdict.UNSURE
        sentences.append(_what_would_help(telling, odd=odd))
    sentences += [_lost(c) for c in worse]
    if references and not worse:
        sentences.append(_not_worse(references))
    return verdict, " ".join(sentences)


def _verdict(kind: Kind, found: Evidence, outlined: Evidence) -> Verdict:
    if found.is_clear(SIGN_LEVEL) or (_may_decide(found, outlined) and outlined.is_clear(OUTLINES_LEVEL)):
        return Verdict.BETTER
    if kind != "held-out":  # the burden of proof is on the new model: a bootstrap that is too sure will do
        return Verdict.WORSE if found.high < 0 and found.gain <= -TOLERATED_LOSS[kind] else Verdict.UNSURE
    is_worse = found.high < 0 and found.differences.reversed.are_clear(SIGN_LEVEL)
    return Verdict.WORSE if is_worse else Verdict.UNSURE


def _may_decide(found: Evidence, outlined: Evidence) -> bool:
    """Whether outlines gain enough, and no fewer nuclei are found."""
    return found.gain >= 0 and outlined.gain >= LEAST_OUTLINED


def _more_nuclei(n_places: int, found: Evidence, outlined: Evidence) -> int:
    """Guess how many more held-out nuclei would make a gain certain; 0 where there is none."""
    gains = [(found, SIGN_LEVEL)] if found.gain > 0 else []
    gains += [(outlined, OUTLINES_LEVEL)] if _may_decide(found, outlined) else []
    return min((_more_for(n_places, *gain) for gain in gains if gain[0].differences.won > 0), default=0)


def _more_for(n_places: int, evidence: Evidence, level: float) -> int:
    """Assume that the interval narrows with the root of the number of nuclei, and the share of places won stays."""
    factor = max(((evidence.gain - evidence.low) / evidence.gain) ** 2, 1.0)
    while factor * n_places < _MOST_ASKED_FOR and not evidence.differences.times(factor).are_clear(level):
        factor *= 1.1
    more = min(math.ceil((factor - 1) * n_places), _MOST_ASKED_FOR)
    return max(5 * math.ceil(more / 5), 5)


def _found(c: Comparison) -> str:
    if not c.n_nuclei:
        return f"Where you left no nucleus, the new model sees {c.false_new}, the old one {c.false_old}."
    nuclei = f"the {c.n_nuclei} nuclei" if c.n_nuclei > 1 else "the only nucleus"
    false = f", {_false_ones(c)}" if c.false_new or c.false_old else ""
    outlines = ""
    if c.found_old and c.overlap_new - c.overlap_old >= LEAST_OUTLINED:
        outlines = f" Its outlines overlap yours by {c.overlap_new:.0%}, those of the old one by {c.overlap_old:.0%}."
    return f"On {nuclei} kept aside, the new model finds {c.found_new}, the old one {c.found_old}{false}.{outlines}"


def _lost(c: Comparison) -> str:
    nuclei = count_words(c.n_nuclei, "nucleus", "nuclei")
    found = f"it finds {c.found_new} of {nuclei}, the old one {c.found_old}"
    return f"But on {c.name} it got worse: {found}, {_false_ones(c)}."


def _false_ones(c: Comparison) -> str:
    return f"with {count_words(c.false_new, 'false one')} against {c.false_old}"


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


def _what_would_help(held_out: Sequence[Comparison], *, odd: bool) -> str:
    if not held_out:
        return "No nucleus was kept aside, so nothing can be said: review a second area or image."
    more = max(c.more_nuclei for c in held_out)
    if odd:
        return "That may be chance." if more else "That is no gain."
    if not more:
        return "That is no gain; correct what the old model does wrong most often, and teach again."
    if more >= _MOST_ASKED_FOR:
        return "That may be chance, and the gain is too small to tell with a few more nuclei."
    return f"That may be chance: about {more} more reviewed nuclei to check on would tell."
