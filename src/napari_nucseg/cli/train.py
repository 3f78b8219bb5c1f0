"""``nucseg train``: run a training job to its model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucseg.cli.console import note, say, say_json, show_progress

if TYPE_CHECKING:
    import argparse

    from napari_nucseg.learning.training import TrainingProgress

_EXPLAINED = "Relative paths in a job file count from the file. Stopped runs go on with --resume."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``nucseg train``."""
    parser.epilog = _EXPLAINED
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--job", type=Path, metavar="FILE", help="YAML file with the settings of the run.")
    what.add_argument("--recipe", metavar="NAME", help="Recipe that comes with the package.")
    parser.add_argument(
        "--data", nargs="+", type=Path, metavar="PATH", help="Datasets to learn from, in place of the job's."
    )
    parser.add_argument(
        "--index", type=Path, metavar="CSV", help="Index of the datasets: group, split, kind."
    )
    parser.add_argument("--split", metavar="NAME", help="Rows of the index to learn from. Default: train.")
    parser.add_argument(
        "--kind", metavar="NAME", help="Rows of this kind; without an index, what all images are."
    )
    parser.add_argument("--name", help="Name of the new model, in place of the job's.")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="Folder of the runs, in place of the job's."
    )
    parser.add_argument("--device", help="auto, cuda, mps or cpu, in place of the job's.")
    parser.add_argument("--steps", metavar="N", help="Training steps, in place of the job's.")
    parser.add_argument("--resume", action="store_true", help="Go on from the run's last checkpoint.")
    parser.add_argument("--json", action="store_true", help="Print one JSON line a report.")


def run(args: argparse.Namespace) -> int:
    """Train; the last line of the output is the model file."""
    from napari_nucseg.learning.job import load_job, recipe_path  # late: loads torch
    from napari_nucseg.learning.training import train_steps

    path = args.job or recipe_path(args.recipe)
    steps = train_steps(load_job(path, **_changes(args)), resume=args.resume)
    while True:
        try:
            _report(next(steps), as_json=args.json)
        except StopIteration as end:
            model: Path = end.value
            break
    if args.json:
        say_json({"model": model})
    else:
        say(str(model))
    return 0


def _changes(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line puts in place of the job's settings."""
    names = ("name", "output", "device", "steps")
    changes = {name: value for name in names if (value := getattr(args, name)) is not None}
    if args.data is not None:
        rows = {"index": args.index.absolute() if args.index else None, "kind": args.kind}
        rows |= {"split": args.split} if args.split else {}
        changes["data"] = [{"path": path.absolute(), **rows} for path in args.data]
    return changes


def _report(progress: TrainingProgress, *, as_json: bool) -> None:
    """Say what is worth a line; the steps between are shown only where somebody watches."""
    if as_json and (progress.message or progress.scores or progress.step % 10 == 0):
        say_json(
            {
                "step": progress.step,
                "total": progress.total,
                "seconds": progress.seconds,
                "losses": dict(progress.losses),
                "scores": dict(progress.scores),
                "message": progress.message,
            }
        )
    if as_json:
        return
    if progress.message:
        note(progress.message)
    line = f"step {progress.step}/{progress.total}: loss {progress.loss:.4f}"
    if progress.scores:
        figures = ", ".join(f"{name} {value:.3f}" for name, value in progress.scores.items())
        note(f"{line}, {figures}")
    elif progress.losses:
        show_progress(f"{line}, {progress.seconds:.0f} s")
