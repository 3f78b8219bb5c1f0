"""What *Fine-tune* says in words: durations, numbers, judgements. No Qt."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from napari_nucseg.counted import count_words, duration_words
from napari_nucseg.teaching.comparison_words import TOLERATED, USES, verdict_words
from napari_nucseg.teaching.job import OTHER_SECONDS, PRESET_STEPS
from napari_nucseg.teaching.progress import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucseg.network.model_card import TaughtComparison
    from napari_nucseg.teaching.job import Preset
    from napari_nucseg.teaching.progress import Comparison, ExampleUse, FinetuneProgress, FinetuneResult

    Compared = Comparison | TaughtComparison

SIGNS = {Verdict.BETTER: "✓", Verdict.WORSE: "✗", Verdict.UNSURE: "?"}
HEADLINES = {
    Verdict.BETTER: "Better on your images, and not worse on others",
    Verdict.WORSE: "Worse than the model it comes from",
    Verdict.UNSURE: "Not enough evidence that it is better",
}
ADVICE = {
    Verdict.WORSE: "Look through your corrections for mistakes, add examples, or move “Keep old skills” to the right. "
    "The model you use now stays as it is.",
    # what would help is said before it
    Verdict.UNSURE: "Nuclei of another image help most. The model you use now stays as it is.",
}
PRESET_SECONDS: dict[Preset, float] = {"quick": 30.0, "standard": 90.0, "thorough": 300.0}
"""How long presets take on two processor cores, until that is known of this machine."""
STAGES = {
    "reading": "Reading examples",
    "checking the old model": "Checking the old model",
    "learning": "Learning",
    "comparing": "Comparing old and new",
    "saving": "Saving the new model",
}
NOTHING_CORRECTED = (
    "Nothing to learn from yet. Correct some nuclei (dock Correct nuclei), or add a folder of corrections."
)
NOTHING_MARKED = "Nothing in it is reviewed or changed."
NOTHING_MARKED_ELSEWHERE = (
    "Nothing in it is reviewed. Of labels from elsewhere, "
    "changed nuclei are taught only where they are reviewed."
)
NOTHING_REVIEWED = (
    "Mark what you checked first: in Correct nuclei, press W for all that is in view, or All. "
    "Only what somebody checked is learned."
)
NO_NUCLEUS = (
    "There is no nucleus in what was reviewed. Review an area with nuclei: what is checked as empty is learned too, "
    "but a model needs some to see what they look like."
)
UNPIN = "Review nuclei in it, or take it out of the list (✕)."
ONLY_CHECKED = (
    "All examples with something to learn are set to “Check”. Let the model learn from at least one."
)


def seconds_with(preset: Preset, seconds: float, steps: int) -> float:
    """How long a preset takes with so many steps in place of its own; 0 steps stand for its own."""
    if not steps:
        return seconds
    return OTHER_SECONDS + max(0.0, seconds - OTHER_SECONDS) * steps / PRESET_STEPS[preset]


def example_words(
    use: ExampleUse, shape: tuple[int, ...] | None, taken_from: str = "", *, predicted: bool = True
) -> str:
    """Say what there is to learn from an example, and what becomes of it.

    Parameters
    ----------
    use : what it offers.
    shape : (…, Y, X) of a layer, None for a folder.
    taken_from : which image and channel were taken, where that is in question.
    predicted : whether the prediction that a layer's labels were made of is known.
    """
    if use.taught_px == 0:
        nothing = NOTHING_MARKED if predicted else NOTHING_MARKED_ELSEWHERE
        return f"⚠ {use.problem or nothing}"
    nuclei = count_words(use.n_nuclei, "nucleus", "nuclei")
    lines = [f"{nuclei} · {_where_words(use, shape)}", taken_from, USES[use.use]]
    return "\n".join(filter(None, [*lines, f"⚠ {use.problem}" if use.problem else ""]))


def pinned_words(use: ExampleUse, shape: tuple[int, ...] | None) -> str:
    """Say what there is to keep good on, or why it cannot be used; parameters as above."""
    nuclei = count_words(use.n_nuclei, "nucleus", "nuclei")
    there = f"{nuclei} · {_where_words(use, shape)}" if use.n_nuclei else ""
    return "\n".join(filter(None, [there, f"⚠ {use.problem}" if use.problem else ""]))


def _where_words(use: ExampleUse, shape: tuple[int, ...] | None) -> str:
    if not shape:
        planes = f" ({use.n_planes} planes)" if use.n_planes > use.n_images else ""
        return f"{count_words(use.n_images, 'image')}{planes} · {use.taught_px / 1e6:.2g} Mpx"
    n_planes = prod(shape[:-2])
    share = use.taught_px / (n_planes * shape[-2] * shape[-1])
    where = f"{share:.0%} of the image" if share >= 0.01 else "less than 1% of the image"
    return where if n_planes == 1 else f"{use.n_planes} of {n_planes} planes · {where}"


def progress_words(progress: FinetuneProgress) -> str:
    """Say what goes on, and for how long still."""
    words = STAGES[progress.stage]
    if progress.stage == "learning" and progress.total:
        words += f": step {progress.step} of {progress.total}"
    if progress.seconds_left is not None:
        words += f" · {duration_words(progress.seconds_left)} left"
    return f"{words}\n{progress.message}" if progress.message else words


def installed_words(name: str, wanted: str) -> str:
    """Say why a new model has another name than it was to have; empty where it has that."""
    if name == wanted:
        return ""
    return f"Another model came to the name “{wanted}” meanwhile and stays as it is: the new one is called “{name}”."


def score_words(comparison: Compared) -> tuple[str, str, str]:
    """Say the old AP, the new one, and the change with its bounds; without a nucleus there is none."""
    c = comparison
    if not c.n_nuclei:
        return "–", "–", "–"
    return f"{c.old:.2f}", f"{c.new:.2f}", f"{c.new - c.old:+.2f}\n{c.low:+.2f} … {c.high:+.2f}"


def headline(result: FinetuneResult) -> str:
    """Say the judgement in a line."""
    if result.verdict is Verdict.BETTER and result.warnings:
        return "Better by the figures, but something is odd"
    if result.verdict is Verdict.BETTER and TOLERATED in map(verdict_words, result.comparisons):
        return "Better on your images, lower on some others"
    return HEADLINES[result.verdict]


def part_words(result: FinetuneResult) -> str:
    """Say that the new model gains less than the curve showed; empty where it took up all that was learned."""
    return f"{result.part_words}; the curve shows all of it." if result.part_words else ""


def advice(result: FinetuneResult) -> str:
    """Say what to do where a model was not taken up."""
    if result.acceptable:
        return ""
    if result.warnings:
        return "Look at the examples first: teaching from wrong masks spoils a model."
    return ADVICE[result.verdict]


def refusal(uses: Sequence[ExampleUse], chosen: Sequence[str]) -> str:
    """Say why learning cannot start with these examples; empty where it can.

    Parameters
    ----------
    uses
        What each example has to offer.
    chosen
        The user's choice for each: auto, learn or check.
    """
    if not uses:
        return NOTHING_CORRECTED
    if all(use.taught_px == 0 for use in uses):
        problems = (use.problem for use in uses)
        return next((said[:1].upper() + said[1:] for said in problems if said), NOTHING_REVIEWED)
    if all(use.n_nuclei == 0 for use in uses):
        return NO_NUCLEUS
    if all(choice == "check" for use, choice in zip(uses, chosen, strict=False) if use.taught_px):
        return ONLY_CHECKED
    return ""


def refusal_of_pinned(uses: Sequence[ExampleUse]) -> str:
    """Say why a new model cannot be kept good on what is pinned; empty where it can."""
    unfit = next((use for use in uses if not use.n_nuclei), None)
    if unfit is None:
        return ""
    return f"It cannot be kept good on “{unfit.name}”: {unfit.problem.rstrip('.')}. {UNPIN}"
