"""``nucseg models compare``: two models on the same images with labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucseg.cli.console import note, say, say_json, show_progress
from napari_nucseg.cli.naming import as_place
from napari_nucseg.steps import drain, told_as

if TYPE_CHECKING:
    import argparse

    from napari_nucseg.jobs.comparing import ComparingProgress
    from napari_nucseg.teaching.progress import Comparison

_COLUMNS = "{:24.24}  {:>6}  {:>6}  {:>8}  {:>8}  {:>8}  {:>16}  {}"
_HEADER = ("images", "number", "nuclei", "A", "B", "B - A", "95 %", "B is")
_LEGEND = "The bounds (95 %) and what B is hold for nuclei of these images: others may differ more."


def add_compare(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action and its arguments."""
    compare = actions.add_parser("compare", help="Compare two models on images with labels.")
    compare.add_argument("a", metavar="A", help="Name or file of a model.")
    compare.add_argument("b", metavar="B", help="Name or file of another.")
    compare.add_argument(
        "--data",
        type=as_place,
        nargs="+",
        required=True,
        metavar="PATH",
        help="Correction sets, folders of them, or datasets with labels (at most 12 images each).",
    )
    compare.set_defaults(action=_compare)


def _compare(args: argparse.Namespace) -> None:
    """Print a line a path: AP at IoU .5 of both models, the interval of the difference, and what it means."""
    from napari_nucseg.jobs.comparing import compare_models  # late: loads torch
    from napari_nucseg.network.model_file import load_model
    from napari_nucseg.teaching.known_images import compared_words
    from napari_nucseg.teaching.references import labelled_images

    models = load_model(args.a), load_model(args.b)
    references = [labelled_images(path) for path in args.data]
    for reference in references:
        for problem in reference.problems:
            note(f"{reference.name}: {problem}")
    for words in compared_words([model.card for model in models], references):
        note(words)
    for number, reference in enumerate(references):
        if not number and not args.json:
            say(_COLUMNS.format(*_HEADER))
        steps = told_as(compare_models(*models, reference), _show)
        _report(drain(steps), as_json=args.json)
    if not args.json:
        say(_LEGEND)


def _show(progress: ComparingProgress) -> None:
    show_progress(f"[{progress.done}/{progress.total}] {progress.name}")


def _report(c: Comparison, *, as_json: bool) -> None:
    if as_json:
        say_json(c.model_dump(mode="json"))
        return
    interval = f"{c.low:+.3f} … {c.high:+.3f}"
    numbers = (f"{c.old:.3f}", f"{c.new:.3f}", f"{c.gain:+.3f}", interval)
    say(_COLUMNS.format(c.name, c.n_images, c.n_nuclei, *numbers, c.verdict.value))
