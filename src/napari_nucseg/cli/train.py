"""``nucseg train``: run a training job to its model file."""

from __future__ import annotations

import argparse
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from napari_nucseg.cli.console import note, say, say_json, show_progress
from napari_nucseg.cli.interrupts import INTERRUPTS, interrupt, ours, told_how_to_go_on
from napari_nucseg.cli.naming import as_option, as_place
from napari_nucseg.errors import SettingsError
from napari_nucseg.steps import drain, told_as

if TYPE_CHECKING:
    from napari_nucseg.learning.job import TrainingJob
    from napari_nucseg.learning.progress import TrainingProgress

_EXPLAINED = (
    "With --data alone the recipe own-images is taken. Relative paths in a job file count from the file. "
    "Stopped runs go on with --resume."
)
_REPLACED = ("name", "output", "start", "device", "steps", "epochs", "tensorboard")
_SAID_OF_ITS_OWN_DATA: dict[str, Any] = {"title": "", "description": "", "licence": "", "training_data": ()}
"""What a recipe says of the model that comes of the data it was made for, emptied: of others it is untrue."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``nucseg train``."""
    from napari_nucseg.learning.job_file import RECIPES_DIR, recipe_names

    parser.epilog = f"{_EXPLAINED} Recipes lie in {RECIPES_DIR}"
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--job", type=as_place, metavar="FILE", help="YAML file with the settings of the run.")
    what.add_argument(
        "--recipe", metavar="NAME", help=f"Recipe that comes with the package: {', '.join(recipe_names())}."
    )
    _add_data(parser)
    parser.add_argument("--name", help="Name of the new model, in place of the job's.")
    parser.add_argument(
        "--output", type=as_place, metavar="DIR", help="Folder of the runs, in place of the job's."
    )
    parser.add_argument(
        "--start", metavar="MODEL", help="random, imagenet, or the model to go on from: name or file."
    )
    parser.add_argument("--device", help="auto, cuda, mps or cpu, in place of the job's.")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", metavar="N", help="Training steps, in place of the job's.")
    length.add_argument("--epochs", metavar="N", help="Epochs, in place of the job's.")
    parser.add_argument(
        "--tensorboard", action=argparse.BooleanOptionalAction, help="Also log for TensorBoard."
    )
    parser.add_argument("--resume", action="store_true", help="Go on from the run's last checkpoint.")
    parser.add_argument("--json", action="store_true", help="Print one JSON line a report.")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        nargs="+",
        type=as_place,
        metavar="PATH",
        help="Datasets to learn from, in place of the job's.",
    )
    parser.add_argument(
        "--index", type=as_place, metavar="CSV", help="Index of the datasets: group, split, kind."
    )
    parser.add_argument("--rows-dataset", metavar="NAME", help="Only rows of this dataset.")
    parser.add_argument("--split", metavar="NAME", help="Rows of the index to learn from. Default: train.")
    parser.add_argument(
        "--validation-split",
        metavar="NAME",
        help="Rows of the index to score on, in place of images held back from those to learn from.",
    )
    parser.add_argument(
        "--kind", metavar="NAME", help="Rows of this kind; without an index, what all images are."
    )
    parser.add_argument(
        "--channel",
        type=int,
        metavar="N",
        help="Channel that shows the nuclei, counted from 0; for images with several channels.",
    )


def run(args: argparse.Namespace) -> int:
    """Train; the last line of the output is the model file."""
    from napari_nucseg.learning.place import CHECKPOINT
    from napari_nucseg.learning.training import train_steps  # late: loads torch

    job = _job(args)
    hint = told_how_to_go_on(job.folder / CHECKPOINT, "Go on with --resume.", resumed=args.resume)
    with _Interrupts() as interrupts, hint:

        def tell(progress: TrainingProgress) -> None:
            _report(progress, as_json=args.json)
            interrupts.wait = bool(progress.losses)
            if interrupts.came:
                raise interrupts.came

        # steps that are closed leave a checkpoint
        model = drain(told_as(train_steps(job, resume=args.resume), tell))
    if args.json:
        say_json({"model": model})
    else:
        say(str(model))
    return 0


class _Interrupts:
    """Ctrl-C waits for the step in hand, so that a checkpoint can be left; a second one stops at once."""

    def __init__(self) -> None:
        self.wait = False
        self.came: type[KeyboardInterrupt] | None = None

    def __enter__(self) -> Self:
        self._usual = {number: signal.signal(number, self._take) for number in ours()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, usual in self._usual.items():
            signal.signal(number, usual)

    def _take(self, number: int, _: object) -> None:
        if self.came or not self.wait:
            interrupt(number)
        self.came = INTERRUPTS[number]
        again = "; Ctrl-C again stops at once" if number == signal.SIGINT else ""
        clear = "\r\x1b[K" if os.isatty(2) else ""
        with suppress(OSError):
            # no print: it may be one that was interrupted
            os.write(2, f"{clear}  Stopping after this step{again}.\n".encode())


def _job(args: argparse.Namespace) -> TrainingJob:
    """Read the job and put in place what the command line says."""
    from napari_nucseg.learning.job import load_job
    from napari_nucseg.learning.job_file import DEFAULT_RECIPE, read_job_file, recipe_path

    if args.job is None and args.recipe is None and args.data is None:
        raise SettingsError("nothing says what to learn: give --data FOLDER, --recipe NAME or --job FILE")
    path = args.job or recipe_path(args.recipe or DEFAULT_RECIPE)
    job = load_job(path, **_changes(args, read_job_file(path)))
    if args.job is None and args.data is None:
        raise SettingsError(f"the recipe {args.recipe} needs images: give --data PATH …")
    return job


def _changes(args: argparse.Namespace, content: dict[str, Any]) -> dict[str, Any]:
    """Return what the command line puts in place of the job's settings."""
    from napari_nucseg.learning.job import fill_sources
    from napari_nucseg.learning.job_file import DEFAULT_RECIPE
    from napari_nucseg.network.installed import list_models
    from napari_nucseg.network.places import SUFFIX

    changes = {name: value for name in _REPLACED if (value := getattr(args, name)) is not None}
    if any(model.bundled and model.name == args.name for model in list_models()):
        raise SettingsError(f"{args.name} comes with the package: choose another --name")
    if args.output is not None:
        changes["output"] = args.output.absolute()
    if str(args.start).endswith(SUFFIX):
        changes["start"] = str(as_place(args.start).absolute())
    _check_rows(args)
    if args.data is None:
        return changes
    if args.recipe not in (None, DEFAULT_RECIPE):
        changes |= _SAID_OF_ITS_OWN_DATA
    paths = [path.absolute() for path in args.data]
    said = {name: getattr(args, name) for name in ("split", "kind", "channel")}
    said |= {"index": args.index.absolute() if args.index else None, "dataset": args.rows_dataset}
    changes["data"] = fill_sources(content.get("data") or (), paths, **said)
    if args.validation_split is not None:
        held = [{**source, "split": args.validation_split} for source in changes["data"]]
        every = {k: v for k, v in (content.get("validation") or {}).items() if k == "every"}
        changes["validation"] = {**every, "data": held}
    return changes


def _check_rows(args: argparse.Namespace) -> None:
    """Refuse what would change nothing: it says more of datasets, or rows of an index, that are not named."""
    for name in ("index", "rows_dataset", "split", "validation_split", "kind", "channel"):
        option = as_option(name)
        if getattr(args, name) is None:
            continue
        if args.data is None:
            raise SettingsError(f"{option} needs --data PATH …; in a job file it stands beside the path")
        if args.index is None and name not in ("kind", "channel"):
            raise SettingsError(f"{option} needs --index CSV, whose rows it chooses")


def _report(progress: TrainingProgress, *, as_json: bool) -> None:
    """Say what is worth a line; the steps between are shown only where somebody watches."""
    if as_json:
        if progress.message or progress.scores or (progress.losses and progress.step % 10 == 0):
            say_json(_as_json(progress))
        return
    if progress.message:
        note(progress.message)
    line = f"step {progress.step}/{progress.total}: loss {progress.loss:.4f}"
    if progress.scores:
        figures = ", ".join(f"{name} {value:.3f}" for name, value in progress.scores.items())
        note(f"{line}, {figures}")
    elif progress.losses:
        show_progress(f"{line}, {progress.seconds:.0f} s")


def _as_json(progress: TrainingProgress) -> dict[str, Any]:
    return {
        "step": progress.step,
        "total": progress.total,
        "seconds": progress.seconds,
        "learning_rate": progress.learning_rate,
        "losses": dict(progress.losses),
        "scores": dict(progress.scores),
        "message": progress.message,
    }
