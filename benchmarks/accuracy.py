"""Accuracy of a model on real images, by dataset and kind, with bootstrap intervals over groups of images.

    python benchmarks/accuracy.py [--model NAME] [--split val] [--sets dsb2018 tnbc …] [--true-diameter]

Images and their splits come from the real data's index.csv. Nothing is tuned here: settings are the defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from _common import (
    evaluated,
    images_to_score,
    machine,
    option_parser,
    parts_by_kind,
    print_table,
    with_interval,
)

if TYPE_CHECKING:
    from napari_nucseg.jobs.evaluation import Evaluation

SETS = ("dsb2018", "tnbc", "monuseg", "lizard", "consep", "cpm15")
HEADER = ["images", "n", "nuclei", "AP50 (95 %)", "mean AP .5–.9 (95 %)", "AP75", "AP90", "PQ", "AJI", "Dice"]
HEADER += ["pixel accuracy"]
PER_IMAGE_HEADER = [
    "images",
    "AP50",
    "mean AP",
    "F1",
    "PQ",
    "AJI",
    "diameter error: median",
    "90 %",
    "s an image",
]


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--split", default="val")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--kind", help="only images of this kind, such as histology")
    parser.add_argument(
        "--true-diameter", action="store_true", help="tell the model the true median diameter"
    )
    parser.add_argument("--precision", default="auto", help="float32 for figures that hold on any machine")
    parser.add_argument("--every", type=int, default=1, help="take every n-th image only, for a quick look")
    parser.add_argument("--worst", type=int, default=0, help="name the n worst images of each kind")
    args = parser.parse_args()
    choices = {"model": args.model, "precision": args.precision}
    results = {
        name: evaluated(name, found, choices, args.true_diameter)
        for name in args.sets
        if (found := images_to_score(name, args.split, args.kind, args.every))
    }
    parts = [
        (f"{name} {kind}", part)
        for name, result in results.items()
        for kind, part in parts_by_kind(result).items()
    ]
    diameter = "true diameter" if args.true_diameter else "diameter estimated"
    print(
        f"\n{machine(args.precision)}\n\nModel {args.model}, {args.split} rows, {diameter}; pooled over images:\n"
    )
    print_table(HEADER, [_pooled_row(title, result) for title, result in parts])
    print("Mean over images:\n")
    print_table(PER_IMAGE_HEADER, [_per_image_row(title, result) for title, result in parts])
    for title, result in parts[: len(parts) if args.worst else 0]:
        worst = sorted(result.images, key=lambda image: image.scores.mean_ap)[: args.worst]
        print(f"worst of {title}: " + ", ".join(f"{i.name[:12]} {i.scores.mean_ap:.2f}" for i in worst))
    for name, result in results.items():
        for failure in result.failures:
            print(f"{name}: {failure.name} could not be scored: {failure.error}")


def _pooled_row(title: str, result: Evaluation) -> list[object]:
    scores = result.scores
    ap50, mean_ap = (with_interval(result, metric) for metric in ("ap50", "mean_ap"))
    others = [scores.pooled(metric) for metric in ("ap75", "ap90", "pq", "aji", "dice", "pixel_accuracy")]
    return [title, scores.n_images, scores.n_true, ap50, mean_ap, *others]


def _per_image_row(title: str, result: Evaluation) -> list[object]:
    means = [float(result.scores.per_image(m).mean()) for m in ("ap50", "mean_ap", "f1", "pq", "aji")]
    errors = [
        abs(np.log(image.diameter_px / image.true_diameter_px))
        for image in result.images
        if image.true_diameter_px and image.diameter_px
    ]
    median, high = np.quantile(errors, (0.5, 0.9)) if errors else (np.nan, np.nan)
    return [
        title,
        *means,
        float(median),
        float(high),
        float(np.mean([image.seconds for image in result.images])),
    ]


if __name__ == "__main__":
    main()
