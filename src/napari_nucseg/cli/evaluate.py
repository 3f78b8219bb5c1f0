"""``nucseg evaluate``: label files, or a model on a dataset, against true labels."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from napari_nucseg.cli.console import complain, note, say, say_json, show_progress
from napari_nucseg.cli.naming import as_option, as_place, in_options
from napari_nucseg.cli.options import add_settings, chosen_settings
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.rows import check_names, read_rows, select_rows
from napari_nucseg.errors import SettingsError
from napari_nucseg.jobs.evaluation import Failure, compare_labels, evaluate_model
from napari_nucseg.steps import drain, told_as

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_nucseg.data.sample import Dataset
    from napari_nucseg.jobs.evaluation import Evaluation, EvaluationProgress
    from napari_nucseg.nuclei.scoring import Scores

COLUMNS = ("ap50", "mean_ap", "precision", "recall", "f1", "pq", "aji", "dice", "pixel_accuracy")
_LEGEND = "Pooled over images; matches have IoU >= .5, mean_ap is over IoU .5 to .9."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``nucseg evaluate``."""
    parser.epilog = "Give --truth and --pred for label files, or --dataset (and --model) to run a model."
    parser.add_argument(
        "--truth", type=as_place, metavar="DIR", help="Dataset, or folder of true label files."
    )
    parser.add_argument("--pred", type=as_place, metavar="DIR", help="Folder of predicted label files.")
    parser.add_argument(
        "--dataset", type=as_place, metavar="PATH", help="Dataset with labels to run the model on."
    )
    parser.add_argument(
        "--index", type=as_place, metavar="CSV", help="Index of the images: group, split, kind."
    )
    parser.add_argument("--rows", dest="index", type=as_place, help=argparse.SUPPRESS)  # its name of old
    parser.add_argument("--rows-dataset", metavar="NAME", help="Only rows of this dataset.")
    parser.add_argument("--split", metavar="NAME", help="Only rows of this split.")
    parser.add_argument("--kind", metavar="NAME", help="Only rows of this kind.")
    parser.add_argument(
        "--true-diameter", action="store_true", help="Tell the model the true median diameter of each image."
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON line an image and one of all.")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Score; 1 where some images could not be scored."""
    result = drain(told_as(_steps(args), partial(_report, args=args)))
    if args.json:
        say_json({"summary": result.as_dict()})
    elif result.images:
        _print_table(result)
    for text in result.notes:
        note(text)
    return 1 if result.failures else 0


def _steps(args: argparse.Namespace) -> Generator[EvaluationProgress, None, Evaluation]:
    """Choose between the two ways to score, whose options must not be mixed."""
    files = args.truth is not None and args.pred is not None
    if files == (args.dataset is not None) or (args.dataset and (args.truth or args.pred)):
        raise SettingsError("give either --truth DIR and --pred DIR, or --dataset PATH and --model NAME")
    if files and (given := [*chosen_settings(args), *(["true_diameter"] if args.true_diameter else [])]):
        options = ", ".join(map(as_option, given))
        raise SettingsError(f"got {options} with --pred: label files are scored as they are, no model is run")
    dataset = _select(open_dataset(args.truth or args.dataset), args)
    if files:
        return compare_labels(dataset, args.pred)
    return evaluate_model(dataset, chosen_settings(args), true_diameter=args.true_diameter)


def _select(dataset: Dataset, args: argparse.Namespace) -> Dataset:
    """Keep the samples the index names; an index may list images of other datasets too."""
    if args.index is None:
        if given := [name for name in ("rows_dataset", "split", "kind") if getattr(args, name) is not None]:
            raise SettingsError(f"got {as_option(given[0])} without --index: give it, too")
        return dataset
    check_names(dataset, read_rows(args.index, dataset=args.rows_dataset), "--rows-dataset")
    rows = read_rows(args.index, dataset=args.rows_dataset, split=args.split, kind=args.kind)
    names = set(dataset.names)
    found = [row for row in rows if row.name in names]
    if not found:
        raise SettingsError(
            f"the index has no row for any of the {len(names)} images of {dataset.root}, such as {dataset.names[0]}"
        )
    return select_rows(dataset, found)


def _report(progress: EvaluationProgress, *, args: argparse.Namespace) -> None:
    image = progress.image
    if args.json:
        say_json(
            {"name": image.name, "error": image.error} if isinstance(image, Failure) else image.as_dict()
        )
    elif isinstance(image, Failure):
        complain(f"{image.name}: {in_options(image.error, args)}")
    show_progress(f"[{progress.done}/{progress.total}] {image.name}")


def _print_table(result: Evaluation) -> None:
    """Print a line a kind and one of all, with the bootstrap interval of the project's main figure."""
    width = max(len(kind) for kind in (*result.by_kind, "all"))
    say(f"{'kind':{width}}  images  nuclei  {'  '.join(f'{name:>9.9}' for name in COLUMNS)}")
    kinds = result.by_kind if len(result.by_kind) > 1 else {}
    for kind, scores in {**kinds, "all": result.scores}.items():
        say(f"{kind:{width}}  {scores.n_images:6}  {scores.n_true:6}  {_figures(scores)}")
    say(_LEGEND)
    if len(set(result.groups)) > 1:
        low, high = result.scores.interval("mean_ap", groups=result.groups)
        say(f"95 % of resampled sets of images have a mean_ap of {low:.3f} to {high:.3f}.")


def _figures(scores: Scores) -> str:
    return "  ".join(f"{scores.pooled(name):9.3f}" for name in COLUMNS)
