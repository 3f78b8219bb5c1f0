"""How a comparison of two models is told: on what, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucseg.teaching.progress import HELD_OUT, Verdict

if TYPE_CHECKING:
    from napari_nucseg.network.model_card import TaughtComparison
    from napari_nucseg.teaching.progress import Comparison, Part

AS_BEFORE, TOLERATED = "as before", "lower"
"""What is said of other images that forbid nothing: the second where one surely lost, but no more than is tolerated."""
USES: dict[Part, str] = {
    "learned": "learned from",
    "held out": "kept aside to check the outcome",
    "cut in two": "cut in two: one part to learn from, one to check",
    "partly held out": "a part is kept aside to check the outcome",
    "left out": "left out",
}


def name_words(name: str) -> str:
    """Name what was compared on; cards, old ones too, say "held out" of what is kept aside."""
    return name.replace(HELD_OUT, "your corrections, kept aside")


def verdict_words(comparison: Comparison | TaughtComparison) -> str:
    """Say how one comparison ended: other images that stay as they were are no lack of evidence."""
    kind = getattr(comparison, "kind", None)  # cards do not tell it
    others = kind != "held-out" if kind else comparison.name != HELD_OUT
    if others and comparison.verdict == Verdict.UNSURE:
        return TOLERATED if comparison.high < 0 else AS_BEFORE
    return str(comparison.verdict)
