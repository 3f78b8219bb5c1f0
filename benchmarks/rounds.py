"""Whole rounds of teaching with harmful and with honest corrections: what would become the default, what is refused.

    python benchmarks/rounds.py --teach base.safetensors histology --teach nuclei-unet brightfield
    python benchmarks/rounds.py --teach base.safetensors histology --harmful 1 --honest 2 --every 8   # a quick look

Each --teach names a base model and a kind of images it is taught. A user is played who corrects k nuclei of what the
base finds, in the ways of ``finetune.py`` and in good faith; in a harmful round the truth this user sees is nonsense:

random paint     as many ellipses as there are nuclei, anywhere
shifted masks    all nuclei moved by half a diameter, or by a whole one
swapped images   nuclei of another image of the kind
deleted halves   the same half of every nucleus is missing

A model becomes the default where the window would offer *Use from now on*. The real gain is that of AP50 on the kind's
``val`` images, or other ``train`` images where it has none. An honest round counts where that is positive; more are
played, at most as many again, until there are enough that count.
"""

from __future__ import annotations

import random
import sys
import tempfile
from dataclasses import dataclass, replace
from itertools import cycle, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _common import machine, option_parser, print_table, rounded
from _user import KINDS, WAYS, choose_images, correct, train_and_scored
from sanity import FEWEST_NUCLEI, Case, halved, labels_of, moved, painted

from napari_nucseg import finetune, load_model
from napari_nucseg.data.images import to_planes
from napari_nucseg.errors import TrainingError
from napari_nucseg.learning.validation import score
from napari_nucseg.network.device import choose_device
from napari_nucseg.teaching.progress import Verdict

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.network.model_file import Model

HONEST = "honest"
HEADER = "base,kind,corrections,way,k,verdict,made default,real gain,seconds".split(",")


@dataclass(frozen=True, eq=False)
class Pupil:
    """A base model with a kind of images it is taught: some to correct, others to score on."""

    base: Model
    kind: str
    train: Sequence[Sample]
    scored: Sequence[Sample]
    before: float

    @classmethod
    def read(cls, name: str, kind: str, every: int) -> Pupil:
        """Read model and images, and score the model before it is taught."""
        base = load_model(name)
        train, scored = train_and_scored(kind)
        return cls(base, kind, train, scored[::every], ap50(base, scored[::every]))


@dataclass(frozen=True, eq=False)
class Plan:
    """Who is taught, and how the user chooses what to correct."""

    pupil: Pupil
    way: str
    k: int
    seed: int


@dataclass(frozen=True, eq=False)
class Round:
    """What came of it; ``odd``: systematic nonsense was noticed in the corrections."""

    plan: Plan
    corrections: str
    verdict: str
    words: str
    odd: bool = False
    default: bool = False
    gain: float = float("nan")
    seconds: float = 0.0

    @property
    def row(self) -> list[object]:
        """Of the table."""
        plan, verdict = self.plan, f"{self.verdict}, odd" if self.odd else self.verdict
        start = [plan.pupil.base.card.name, plan.pupil.kind, self.corrections, plan.way, plan.k]
        return [*start, verdict, "yes" if self.default else "no", self.gain, self.seconds]


def main() -> None:
    args = _arguments()
    pupils = [Pupil.read(name, kind, args.every) for name, kind in args.teach]
    before = ", ".join(f"{pupil.base.card.name} on {pupil.kind} {pupil.before:.3f}" for pupil in pupils)
    print(f"{machine()}\n\nPreset {args.preset}; AP50 before: {before}\n", flush=True)
    plans = plans_for(pupils, args.k, args.seed)

    def played(corrections: str) -> Round:
        done = play(next(plans), corrections, preset=args.preset)
        print(*rounded([*done.row, done.words]), sep=" | ", file=sys.stderr, flush=True)
        return done

    harmful = [played(harm) for harm in HARMS for _ in range(args.harmful)]
    honest: list[Round] = []
    while len(honest) < 2 * args.honest and sum(done.gain > 0 for done in honest) < args.honest:
        honest.append(played(HONEST))
    print_table(HEADER, [done.row for done in (*harmful, *honest)])
    real = [done for done in honest if done.gain > 0]
    print(f"Harmful corrections made default: {sum(done.default for done in harmful)} of {len(harmful)}.")
    refused = sum(done.verdict == Verdict.WORSE for done in real)
    print(f"Honest corrections with a real gain refused as worse: {refused} of {len(real)}.")
    print(f"Of these made default: {sum(d.default for d in real)}, odd: {sum(d.odd for d in real)}.")


def _arguments() -> argparse.Namespace:
    parser = option_parser(__doc__)
    parser.add_argument(
        "--teach", nargs=2, action="append", required=True, metavar=("MODEL", "KIND"),
        help=f"model (name or file) and what it is taught, of {', '.join(KINDS)}; may be given several times",
    )  # fmt: skip
    parser.add_argument("--harmful", type=int, default=5, help="rounds of each kind of harm")
    parser.add_argument("--honest", type=int, default=20, help="rounds with a real gain")
    parser.add_argument("--k", nargs="+", type=int, default=[30, 100], help="nuclei to correct")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=1, help="score every n-th image only")
    args = parser.parse_args()
    if unknown := {kind for _, kind in args.teach} - set(KINDS):
        parser.error(f"no kind of images is called {', '.join(unknown)}: choose of {', '.join(KINDS)}")
    return args


def plans_for(pupils: Sequence[Pupil], ks: Sequence[int], seed: int) -> Iterator[Plan]:
    """All pupils, ways and numbers of nuclei in a mixed order, again and again, each with a seed of its own."""
    choices = list(product(pupils, WAYS, ks))
    random.Random(seed).shuffle(choices)
    for number, choice in enumerate(cycle(choices), 1000 * seed):
        yield Plan(*choice, seed=number)


def play(plan: Plan, corrections: str, **settings: object) -> Round:
    """Correct, teach, and score what was taught; settings are those of ``finetune``."""
    pupil, rng = plan.pupil, np.random.default_rng(plan.seed)
    images = choose_images(pupil.train, plan.k, rng)
    if corrections != HONEST:
        images = [spoilt(image, corrections, pupil.train, rng) for image in images]
    with tempfile.TemporaryDirectory() as scratch:
        examples = correct(pupil.base, images, plan.way, plan.k, rng, Path(scratch))
        try:
            result = finetune(
                model=str(pupil.base.path), examples=examples, output=Path(scratch) / "runs", seed=plan.seed,
                **settings,
            )  # fmt: skip
        except TrainingError as error:
            return Round(plan, corrections, "refused to start", str(error))
        gain = ap50(load_model(result.model), pupil.scored) - pupil.before
    words, odd = " ".join((*result.warnings, result.words)), bool(result.warnings)
    default = result.acceptable
    return Round(plan, corrections, result.verdict, words, odd, default, gain, result.seconds)


def ap50(model: Model, images: Sequence[Sample]) -> float:
    """Pooled AP at an IoU of ½."""
    return score(model, images, choose_device("auto"))["ap50"]


def spoilt(sample: Sample, harm: str, train: Sequence[Sample], rng: np.random.Generator) -> Sample:
    """Give a sample the wrong truth."""
    made = HARMS[harm](_case(sample), [other for other in train if other is not sample], rng)
    height, width = made.labels.shape
    return replace(sample, image=sample.image[:height, :width], labels=made.labels)


def _case(sample: Sample) -> Case:
    axes = "YX" if sample.image.ndim == 2 else "YXC"
    return Case(sample.name, to_planes(sample.image, axes), np.asarray(sample.labels, np.int32))


def _moved(case: Case, others: Sequence[Sample], rng: np.random.Generator) -> Case:
    return moved(case, rng, diameters=rng.choice((0.5, 1.0)))


def _swapped(case: Case, others: Sequence[Sample], rng: np.random.Generator) -> Case:
    fit = [other for other in others if np.unique(other.labels).size > FEWEST_NUCLEI]
    return labels_of(case, _case(fit[rng.integers(len(fit))]))


HARMS = {
    "random paint": lambda case, others, rng: painted(case, rng),
    "shifted masks": _moved,
    "swapped images": _swapped,
    "deleted halves": lambda case, others, rng: halved(case, rng),
}

if __name__ == "__main__":
    main()
