"""What fine-tuning gains and loses: a user is played who corrects k nuclei of one or two images of a kind.

    python benchmarks/finetune.py --base FILE --kinds monuseg lizard --k 30 100 --seeds 0 1 2
    python benchmarks/finetune.py --kinds brightfield --k 30 --seeds 0 --every 4            # a quick look

The base model segments `train` images of the kind; nuclei are set right from the truth, as a user would: those that
were merged are split, pieces joined, false ones deleted, missed ones added, and the places marked as reviewed. *worst*
takes the worst nuclei first, *random* any, *area* all within a rectangle. The new model is scored on the kind's `val`
images, or its other `train` images where it has none, at the true median diameter. *Full* is the same base taught on
all its `train` images, reviewed throughout. *Lost* is the AP50 lost on the base model's own `val` images;
a few of them mislead, so figures to report take `--own-every 1`.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _common import machine, option_parser, print_table, rounded
from _user import KINDS, WAYS, choose_images, correct, review_all, samples, train_and_scored

from napari_nucseg import finetune, load_model
from napari_nucseg.learning.validation import score
from napari_nucseg.network.device import choose_device

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model

OWN = ("fluorescence", "histology", "tnbc")
REAL_GAIN = 0.05
"""Kinds whose gain with all images is at least this are pooled."""
HEADER = "kind,way,k,seed,base,new,gain,full,share,lost,blend,verdict,seconds".split(",")


@dataclass(frozen=True)
class Outcome:
    """A taught model in figures."""

    new: float
    lost: float
    blend: float
    verdict: str
    seconds: float


@dataclass(frozen=True, eq=False)
class Teacher:
    """Teaches one base model, and scores what comes of it on images of a kind and on those the base knows."""

    base: Model
    own: Sequence[Sample]
    device: Device
    keep_old_skills: float

    @cached_property
    def own_score(self) -> float:
        """Of the base on images it knows."""
        return self.score(self.base, self.own)

    def score(self, model: Model, images: Sequence[Sample]) -> float:
        """AP50 of a model."""
        return score(model, images, self.device).get("ap50", float("nan"))

    def teach(self, examples: Sequence[Path], preset: str, seed: int, scored: Sequence[Sample]) -> Outcome:
        """Teach the base on correction sets; its runs are put beside them."""
        result = finetune(
            model=str(self.base.path), examples=examples, output=examples[0].parent / "runs", preset=preset,
            seed=seed, keep_old_skills=self.keep_old_skills, device=self.device.name, force=True,
        )  # fmt: skip
        model = load_model(result.model)
        lost = self.own_score - self.score(model, self.own)
        return Outcome(self.score(model, scored), lost, result.blend, str(result.verdict), result.seconds)


def main() -> None:
    args = _arguments()
    own = [s for kind in args.own for s in samples(kind, "val")[:: args.own_every or args.every]]
    teacher = Teacher(load_model(args.base), own, choose_device(args.device), args.keep_old_skills)
    print(f"{machine()}\n\nBase {teacher.base.card.name}; preset {args.preset}; ", end="")
    print(f"AP50 on its own val {teacher.own_score:.3f}\n")
    rows: list[list[object]] = []
    for kind in args.kinds:
        for row in rows_of_kind(teacher, kind, args):
            rows.append(row)
            print(*rounded(row), flush=True)
    print()
    print_table(HEADER, rows)
    _pooled(rows)


def rows_of_kind(teacher: Teacher, kind: str, args: argparse.Namespace) -> Iterator[list[object]]:
    """Teach a kind in all ways; a row each."""
    train, scored = train_and_scored(kind)
    scored = scored[:: args.every]
    before, full = teacher.score(teacher.base, scored), float("nan")
    if not args.no_full:
        with tempfile.TemporaryDirectory() as scratch:
            examples = review_all(train, Path(scratch))
            full = teacher.teach(examples, args.full_preset, 0, scored).new - before
    for way, k, seed in product(args.ways, args.k, args.seeds):
        random = np.random.default_rng(seed)
        with tempfile.TemporaryDirectory() as scratch:
            images = choose_images(train, k, random)
            examples = correct(teacher.base, images, way, k, random, Path(scratch))
            done = teacher.teach(examples, args.preset, seed, scored)
        gain = done.new - before
        share = gain / full if full else float("nan")
        figures = [before, done.new, gain, full, share, done.lost, done.blend]
        yield [kind, way, k, seed, *figures, done.verdict, done.seconds]


def _arguments() -> argparse.Namespace:
    parser = option_parser(__doc__)
    parser.add_argument("--base", default="auto", help="model to teach: name or file")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["monuseg", "lizard", "brightfield"])
    parser.add_argument("--own", nargs="*", choices=KINDS, default=OWN, help="kinds the base knows")
    parser.add_argument("--k", nargs="+", type=int, default=[30, 100], help="nuclei to correct")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["worst", "random"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--preset", default="standard")
    parser.add_argument("--full-preset", default="thorough")
    parser.add_argument("--no-full", action="store_true", help="do not teach on all images")
    parser.add_argument("--keep-old-skills", type=float, default=0.5)
    parser.add_argument("--every", type=int, default=1, help="score every n-th image only")
    parser.add_argument("--own-every", type=int, help="the same for images the base knows; default: --every")
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def _pooled(rows: Sequence[Sequence[object]]) -> None:
    """Print the share of the full gain, pooled over kinds with a real one, and what was lost."""
    table = []
    for k in sorted({int(str(row[2])) for row in rows}):
        real = [row for row in rows if row[2] == k and float(str(row[7])) >= REAL_GAIN]
        gained, full = (sum(float(str(row[i])) for row in real) for i in (6, 7))
        lost = [float(str(row[9])) for row in rows if row[2] == k]
        share = gained / full if full else float("nan")
        table.append([k, len(real), share, float(np.mean(lost)), float(np.max(lost))])
    print_table(["nuclei", "rounds", "share of the full gain", "lost, mean", "lost, most"], table)


if __name__ == "__main__":
    main()
