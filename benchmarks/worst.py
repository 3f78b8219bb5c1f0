"""Pictures of the worst images of each kind, truth beside prediction, with a table of what went wrong.

    python benchmarks/worst.py FOLDER [--model NAME] [--split val] [--sets dsb2018 tnbc …] [-n 10]

FOLDER must lie outside the project, which holds no image of the real data. Each picture shows the image, the true and
the predicted outlines. Nuclei are missed or false at IoU ≥ .5, merged or split at overlaps of half a nucleus.
"""

from __future__ import annotations

import sys
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _common import images_to_score, machine, option_parser, print_table
from PIL import Image

from napari_nucseg import load_model
from napari_nucseg.data.images import to_planes
from napari_nucseg.errors import NucSegError
from napari_nucseg.jobs.export import draw_outlines
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.nuclei.targets import median_diameter
from napari_nucseg.segmentation.segment import make_settings, segment_steps
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    import argparse

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.nuclei.scoring import Scores
    from napari_nucseg.segmentation.segment import Segmentation

SETS = ("dsb2018", "tnbc", "monuseg", "lizard", "cpm15")
HEADER = ["picture", "mean AP", "AP50", "true", "found", "missed", "false", "merged", "split"]
HEADER += ["diameter", "true diameter", "error (ln)", "confidence"]
PROJECT = Path(__file__).resolve().parents[1]
SMALLEST_SIDE_PX = 400


@dataclass(frozen=True)
class Mistakes:
    """What became of the nuclei of an image.

    Attributes
    ----------
    missed, false : true nuclei without a partner of IoU ≥ .5, and predicted ones
    merged : predicted nuclei that hold at least half of each of several true ones
    split : true nuclei that hold at least half of each of several predicted ones
    """

    missed: int
    false: int
    merged: int
    split: int


@dataclass(frozen=True)
class Verdict:
    """One image with its labels, how good they are, and why."""

    dataset: str
    sample: Sample
    result: Segmentation

    @property
    def kind(self) -> str:
        """Such as fluorescence or histology."""
        return str(self.sample.metadata.get("kind"))

    @property
    def scores(self) -> Scores:
        """Agreement with the truth."""
        return evaluate(self.sample.labels, self.result.labels)

    @property
    def picture(self) -> str:
        """File name of the picture."""
        return f"{self.dataset}-{self.sample.name.replace('/', '-')}.png"

    def row(self) -> list[object]:
        """Line of the table."""
        scores, mistakes = self.scores, count_mistakes(self.sample.labels, self.result.labels)
        used, true = self.result.diameter_px, median_diameter(self.sample.labels) or np.nan
        confidence = self.result.diameter.confidence if self.result.diameter else np.nan
        counts = [scores.n_true, scores.n_pred, *astuple(mistakes)]
        sizes = [float(size) for size in (used, true, abs(np.log(used / true)), confidence)]
        return [self.picture, scores.mean_ap, scores.ap50, *counts, *sizes]

    def draw(self) -> Image.Image:
        """Image, true outlines and predicted outlines side by side; small images are enlarged."""
        planes = to_planes(self.sample.image, self.result.settings.axes, self.result.settings.channel)
        nothing = np.zeros_like(self.result.labels)
        parts = [draw_outlines(planes, one) for one in (nothing, self.sample.labels, self.result.labels)]
        factor = max(1, round(SMALLEST_SIDE_PX / min(self.result.labels.shape)))
        picture = np.concatenate(parts, axis=1).repeat(factor, axis=0).repeat(factor, axis=1)
        return Image.fromarray(picture)


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go; outside the project")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--quality", default="standard")
    parser.add_argument("--split", default="val")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--every", type=int, default=1, help="take every n-th image only, for a quick look")
    parser.add_argument("-n", type=int, default=10, help="images of each kind")
    args = parser.parse_args()
    if args.folder.resolve().is_relative_to(PROJECT):
        parser.error(f"{args.folder} lies inside the project: choose a folder outside {PROJECT}")
    args.folder.mkdir(parents=True, exist_ok=True)
    model = load_model(args.model)
    print(
        f"\n{machine()}\n\nModel {model.card.name}, {args.quality}, {args.split} rows, diameter estimated.\n"
    )
    verdicts = [verdict for name in args.sets for verdict in judge_set(name, model, args)]
    for kind in sorted({verdict.kind for verdict in verdicts}):
        judged = [verdict for verdict in verdicts if verdict.kind == kind]
        worst = sorted(judged, key=lambda verdict: verdict.scores.mean_ap)[: args.n]
        print(f"\n{kind}:\n")
        print_table(HEADER, [verdict.row() for verdict in worst])
        (args.folder / kind).mkdir(exist_ok=True)
        for verdict in worst:
            verdict.draw().save(args.folder / kind / verdict.picture)


def judge_set(name: str, model: Model, args: argparse.Namespace) -> list[Verdict]:
    """Segment the images of a dataset that have labels."""
    verdicts: list[Verdict] = []
    dataset = images_to_score(name, args.split, every=args.every)
    for done, sample_name in enumerate(dataset.names, start=1):
        print(f"\r{name} {done}/{len(dataset)}   ", end="", file=sys.stderr)
        try:
            sample = dataset.read(sample_name)
            settings = make_settings(axes=sample.metadata["axes"], quality=args.quality)
            result = drain(segment_steps(sample.image, settings, model))
        except NucSegError as error:
            print(f"{name} {sample_name} could not be segmented: {error}")
            continue
        if sample.labels is not None:
            verdicts.append(Verdict(name, sample, result))
    return verdicts


def count_mistakes(true: np.ndarray, pred: np.ndarray) -> Mistakes:
    """Count what went wrong with the nuclei of an image, (Y, X) labels each."""
    pairs, overlap = np.unique(np.stack([true.ravel(), pred.ravel()]), axis=1, return_counts=True)
    both = (pairs > 0).all(axis=0)
    (i, j), overlap = pairs[:, both], overlap[both]
    true_px, pred_px = np.bincount(true.ravel()), np.bincount(pred.ravel())
    inside_pred, inside_true = overlap >= true_px[i] / 2, overlap >= pred_px[j] / 2
    scores = evaluate(true, pred)
    found = int(scores.counts.tp[0, 0])
    return Mistakes(
        missed=scores.n_true - found,
        false=scores.n_pred - found,
        merged=int((np.bincount(j[inside_pred]) > 1).sum()),
        split=int((np.bincount(i[inside_true]) > 1).sum()),
    )


if __name__ == "__main__":
    main()
