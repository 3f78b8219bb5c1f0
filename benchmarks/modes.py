"""What heads, quality modes and views gain and cost: accuracy and seconds per megapixel on the same images.

    python benchmarks/modes.py [--models NAME …] [--split val] [--sets dsb2018 tnbc …] [--every N] [--true-diameter]

Images and their splits come from the real data's index.csv, as for accuracy.py; a row is one way to run one model. Run
it with nothing else running: seconds are those of the whole segmentation. Intervals are bootstrap over groups, 95 %.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from _common import (
    evaluated,
    images_to_score,
    machine,
    option_parser,
    parts_by_kind,
    print_table,
    with_interval,
)

from napari_nucseg import load_model
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
    parser = option_parser(__doc__)
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
            for dataset in args.sets:
                if found := images_to_score(dataset, args.split, every=args.every):
                    told = f"{way.title}: {dataset}"
                    result = evaluated(told, found, way.choices, args.true_diameter, way.model)
                    table += rows_of(dataset, name, way, result)
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


def rows_of(dataset: str, model: str, way: Way, result: Evaluation) -> list[list[object]]:
    """Rows of one way on one dataset, a kind each."""
    rows: list[list[object]] = []
    for kind, part in parts_by_kind(result).items():
        figures = [with_interval(part, metric) for metric in ("ap50", "mean_ap", "ap90")]
        megapixels = part.scores.counts.n_pixels.sum() / 1e6
        seconds = sum(image.seconds or 0.0 for image in part.images) / megapixels
        rows.append([f"{dataset} {kind}", model, way.title, len(part.images), *figures, float(seconds)])
    return rows


if __name__ == "__main__":
    main()
