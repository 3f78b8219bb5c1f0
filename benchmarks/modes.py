"""What heads, quality modes and views gain and cost: accuracy and seconds per megapixel on the same images.

    python benchmarks/modes.py [--models NAME …] [--split val] [--sets dsb2018 tnbc …] [--every N] [--true-diameter]

Images and their splits come from the real data's index.csv, as for accuracy.py; a row is one way to run one model. Run
it with nothing else running: seconds are those of the whole segmentation. Intervals are bootstrap over groups, 95 %.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from _common import DATA, machine, print_table

from napari_nucseg import load_model, open_dataset
from napari_nucseg.data.rows import read_rows, select_rows
from napari_nucseg.jobs.evaluation import evaluate_model
from napari_nucseg.segmentation.views import VIEWS

if TYPE_CHECKING:
    from napari_nucseg.jobs.evaluation import Evaluation
    from napari_nucseg.network.model_file import Model

SETS = ("dsb2018", "tnbc", "monuseg", "lizard", "cpm15")
HEADER = [
    "images",
    "model",
    "way",
    "n",
    "AP50 (95 %)",
    "mean AP .5–.9 (95 %)",
    "AP90 (95 %)",
    "s a megapixel",
]


@dataclass(frozen=True)
class Way:
    """One way to run a model: what the table calls it, the model as it is run, and settings."""

    title: str
    model: Model
    choices: dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["nuclei-unet", "nuclei-unetpp"])
    parser.add_argument("--split", default="val")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument(
        "--true-diameter", action="store_true", help="tell the model the true median diameter"
    )
    parser.add_argument("--ways", nargs="+", help="only these, such as standard accurate")
    parser.add_argument("--every", type=int, default=1, help="take every n-th image only, for a quick look")
    args = parser.parse_args()
    table = []
    for name in args.models:
        for way in [w for w in ways(load_model(name)) if not args.ways or w.title in args.ways]:
            results = [evaluate_set(dataset, way, args) for dataset in args.sets]
            for dataset, result in zip(args.sets, results, strict=True):
                table += [] if result is None else rows_of(dataset, name, way, result)
    diameter = "true diameter" if args.true_diameter else "diameter estimated"
    print(f"\n{machine()}\n\n{args.split} rows, {diameter}; pooled over images:\n")
    print_table(HEADER, sorted(table, key=lambda row: str(row[0])))


def ways(model: Model) -> list[Way]:
    """List each head alone, the three qualities, and each set of views alone."""
    numbers = model.card.architecture.heads
    heads = [
        Way(
            f"head {head}",
            replace(model, card=model.card.model_copy(update={"fast_head": head})),
            {"quality": "fast"},
        )
        for head in (numbers if len(numbers) > 1 else ())
    ]
    qualities = [Way(quality, model, {"quality": quality}) for quality in ("fast", "standard", "accurate")]
    return heads + qualities + [Way(f"views: {name}", model, {"views": name}) for name in VIEWS]


def evaluate_set(name: str, way: Way, args: argparse.Namespace) -> Evaluation | None:
    """Score one dataset; CPM-15 has evaluation rows only, whatever the split asked for."""
    split = "eval" if name == "cpm15" else args.split
    rows = [row for row in read_rows(DATA / "index.csv", dataset=name) if row.split == split][:: args.every]
    if not rows:
        return None
    dataset = select_rows(open_dataset(DATA / name), rows)
    steps = evaluate_model(dataset, way.choices, model=way.model, true_diameter=args.true_diameter)
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            return end.value
        print(f"\r{way.title}: {name} {progress.done}/{progress.total}   ", end="", file=sys.stderr)


def rows_of(dataset: str, model: str, way: Way, result: Evaluation) -> list[list[object]]:
    """Rows of one way on one dataset, a kind each."""
    rows: list[list[object]] = []
    for kind in result.by_kind:
        images = [image for image in result.images if image.kind == kind]
        part = replace(result, images=tuple(images))
        figures = [_with_interval(part, metric) for metric in ("ap50", "mean_ap", "ap90")]
        megapixels = part.scores.counts.n_pixels.sum() / 1e6
        seconds = sum(image.seconds or 0.0 for image in images) / megapixels
        rows.append([f"{dataset} {kind}", model, way.title, len(images), *figures, float(seconds)])
    return rows


def _with_interval(result: Evaluation, metric: str) -> str:
    low, high = result.scores.interval(metric, groups=result.groups)
    return f"{result.scores.pooled(metric):.3f} ({low:.3f}–{high:.3f})"


if __name__ == "__main__":
    main()
