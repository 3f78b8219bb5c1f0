"""The five systems by their recipes, at a reduced size: their own figure beside ours.

    python benchmarks/recipes.py                                       # about 6 minutes a recipe on two cores
    python benchmarks/recipes.py --width 1 --minutes 600 --recipes unetpp-dsb2018     # in full
    python benchmarks/recipes.py --own-split --recipes unetpp-dsb2018                 # images drawn at random

Trained on the index's `train` rows, scored on its `val` rows. No group of neighbouring tiles or patient is on both
sides, so this is harder than the random splits of the systems themselves. With --own-split the recipe's own number of
images is held back from all of a dataset at random, as the systems do, and those are scored. CPM-15 has `eval` rows
only; they are learned from in unet26-lizard-cpm, whose weights are never shipped.

A run is as long as the recipe says, or as many steps as fit into the minutes, its schedule shortened with it. A
shortened run learns from all that is not scored and does not stop early; one in full holds images of the train rows
back as the recipe says, and stops by them. A narrowed network learns at the recipe's rate divided by the width: with
Adam a weight's best rate goes with one over the width (Yang et al. 2022, arXiv:2203.03466, table 3).
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import DATA, machine, option_parser, print_table

from napari_nucseg.learning.examples import load_examples
from napari_nucseg.learning.job import TrainingJob, fill_sources, load_job
from napari_nucseg.learning.job_file import read_job_file, recipe_path
from napari_nucseg.learning.training import train_steps
from napari_nucseg.learning.validation import score
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import load_model
from napari_nucseg.network.places import SUFFIX

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

TRIAL_STEPS = 6
ONCE = 1_000_000  # steps between scorings, so that only the last step has one
GROUPED = "Trained on train rows, scored on val rows (no group on both sides)"
UNHURRIED = 0.8  # share of the minutes for the steps; the rest is the halo and scoring
HEADER = [
    "recipe",
    "their figure",
    "accuracy",
    "IoU",
    "AUC",
    "AP50",
    "width",
    "steps",
    "of the recipe's",
    "minutes",
]


@dataclass(frozen=True)
class System:
    """A recipe, its datasets below the real data, and the figure its authors give."""

    recipe: str
    data: tuple[str, ...]
    their_figure: str


SYSTEMS = (
    System("unet-dsb2018", ("dsb2018",), "val accuracy .9636"),
    System("unet-dsb2018-80-20", ("dsb2018",), "–"),
    System("unetpp-dsb2018", ("dsb2018",), "val accuracy .9698, IoU .8294, AUC .9902"),
    System("unet26-lizard-cpm", ("lizard", "cpm15"), "val accuracy .91"),
)


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    figures: Mapping[str, float]
    steps: int
    full_steps: int
    minutes: float


def main() -> None:
    parser = option_parser(__doc__)
    names = [system.recipe for system in SYSTEMS]
    parser.add_argument("--recipes", nargs="+", choices=names, default=names)
    parser.add_argument("--width", type=float, default=0.5, help="channels, as a share of the recipe's")
    parser.add_argument("--length", type=float, default=1.0, help="steps, as a share of the recipe's at most")
    parser.add_argument("--minutes", type=float, default=6.0, help="time for each recipe")
    parser.add_argument("--batch", type=int, help="crops a step, in place of the recipe's")
    parser.add_argument(
        "--every", type=int, default=1, help="score every n-th val image only, for a quick look"
    )
    parser.add_argument(
        "--own-split", action="store_true", help="hold images back at random, as the systems do"
    )
    parser.add_argument("--output", type=Path, help="folder that keeps the runs; default: none is kept")
    args = parser.parse_args()
    rows = []
    for system in SYSTEMS:
        if system.recipe in args.recipes:
            with tempfile.TemporaryDirectory() as scratch:
                result = run(system, args, args.output or Path(scratch))
            rows.append(_row(system, result, args.width))
            print(f"{system.recipe}: {rows[-1]}", file=sys.stderr)
    split = "Images held back at random, as the recipe says" if args.own_split else GROUPED
    print(f"{machine()}\n\n{split}:\n")
    print_table(HEADER, rows)


def run(system: System, args: argparse.Namespace, output: Path) -> Result:
    """Train one recipe within its time and score it on the images its split sets aside."""
    started = time.monotonic()
    path, changes = recipe_path(system.recipe), _changes(system, args) | {"output": str(output.absolute())}
    hurried = changes | {"validation": _hurried_validation(path, args), "early_stop": None}
    trial = _train(load_job(path, **hurried, name=f"{system.recipe}-trial", steps=TRIAL_STEPS))
    full_steps = load_job(path, **changes).total_steps(trial.n_patches)
    left = UNHURRIED * (60 * args.minutes - (time.monotonic() - started))
    steps = max(1, min(int(full_steps * args.length), int(left / trial.seconds_a_step)))
    job = load_job(path, **(changes if steps == full_steps else hurried), steps=steps)
    done = _train(job)
    return Result(_score(job, system, args), done.steps, full_steps, (time.monotonic() - started) / 60)


def _hurried_validation(path: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Hold back what the recipe does and score once, or with the index's split learn from all train rows."""
    return {**read_job_file(path)["validation"], "every": ONCE} if args.own_split else {"share": 0}


def _changes(system: System, args: argparse.Namespace) -> dict[str, Any]:
    """Return what makes the recipe one of the width asked for, on the real data."""
    content = read_job_file(recipe_path(system.recipe))
    shape = dict(content["architecture"])
    for widths in ("encoder_widths", "decoder_channels"):
        shape[widths] = [max(4, round(width * args.width)) for width in shape[widths]]
    shape["full_size_channels"] = max(4, round(shape["full_size_channels"] * args.width))
    optimizer = {**content["optimizer"], "learning_rate": content["optimizer"]["learning_rate"] / args.width}
    changes = {
        "data": _sources(system, own_split=args.own_split),
        "architecture": shape,
        "optimizer": optimizer,
        "tensorboard": False,
        "size": None,
    }
    return changes | ({"batch_size": args.batch} if args.batch else {})


def _sources(system: System, *, own_split: bool) -> list[dict[str, Any]]:
    places = read_job_file(recipe_path(system.recipe)).get("data") or ()
    index = None if own_split else DATA / "index.csv"
    return fill_sources(places, [DATA / folder for folder in system.data], index=index)


def _score(job: TrainingJob, system: System, args: argparse.Namespace) -> dict[str, float]:
    """Score the model of a job on the images it held back, or on the val rows of its datasets; CPM-15 has none."""
    if args.own_split:
        samples = load_examples(job).held_back
    else:
        sources = _sources(system, own_split=False)
        held = [{**source, "split": "val"} for source in sources if source.get("split") != "eval"]
        samples = load_examples(TrainingJob(data=held, validation={"share": 0})).learned
    model = load_model(job.folder / f"{job.name}{SUFFIX}")
    return score(model, samples[:: args.every], choose_device(job.device, job.precision), native=True)


@dataclass(frozen=True)
class _Done:
    n_patches: int
    steps: int
    seconds_a_step: float


def _train(job: TrainingJob) -> _Done:
    """Run a job to its end and say how large and how fast it was."""
    n_patches, seconds = 0, []
    for progress in train_steps(job):
        if " patches from " in progress.message:
            n_patches = int(progress.message.split()[0])
        if progress.step:
            seconds.append(progress.seconds)
            print(
                f"\r{job.name} {progress.step}/{progress.total} {progress.loss:.3f}", end="", file=sys.stderr
            )
    # The first step warms up, the last one also looks at the network.
    middle = (seconds[-2] - seconds[0]) / (len(seconds) - 2) if len(seconds) > 2 else seconds[-1]
    return _Done(n_patches, len(seconds), middle)


def _row(system: System, result: Result, width: float) -> list[object]:
    figures = [result.figures.get(name, "–") for name in ("pixel_accuracy", "pixel_iou", "auc", "ap50")]
    share = f"{result.steps / result.full_steps:.0%}"
    return [system.recipe, system.their_figure, *figures, f"{width:g}", result.steps, share, result.minutes]


if __name__ == "__main__":
    main()
