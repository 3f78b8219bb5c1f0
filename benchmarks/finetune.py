"""What fine-tuning gains and loses: a user is played who corrects k nuclei of one or two images of a kind.

    python benchmarks/finetune.py --base FILE --kinds monuseg lizard --k 30 100 --seeds 0 1 2
    python benchmarks/finetune.py --kinds brightfield --k 30 --seeds 0 --every 4            # a quick look

The base model segments `train` images of the kind; nuclei are set right from the truth, as a user would: those that
were merged are split, pieces joined, false ones deleted, missed ones added, and the places marked as reviewed. *worst*
takes the worst nuclei first, *random* any, *area* all within a rectangle. The new model is scored on the kind's `val`
images, or its other `train` images where it has none, at the true median diameter. *Full* is the same base taught on
all its `train` images, reviewed throughout. *Lost* is the AP50 lost on the base model's own `val` images.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _common import DATA, machine, print_table
from scipy import ndimage

from napari_nucseg import finetune, load_model
from napari_nucseg.data.correction_set import CorrectionSet, save_correction_set
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.rows import read_rows, select_rows
from napari_nucseg.learning.validation import predict, score
from napari_nucseg.network.device import choose_device
from napari_nucseg.nuclei.corrections import diff
from napari_nucseg.nuclei.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.nuclei.corrections import Change

KINDS = {
    "fluorescence": ("dsb2018", "fluorescence"),
    "histology": ("dsb2018", "histology"),
    "brightfield": ("dsb2018", "brightfield"),
    **{name: (name, "histology") for name in ("tnbc", "monuseg", "lizard", "consep")},
}
OWN = ("fluorescence", "histology", "tnbc")
WAYS = ("worst", "random", "area")
REAL_GAIN = 0.05
"""Kinds whose gain with all images is at least this are pooled."""
MARGIN_PX = 3
HEADER = "kind,way,k,seed,base,new,gain,full,share,lost,blend,verdict,seconds".split(",")


@dataclass(frozen=True)
class Outcome:
    """A taught model in figures."""

    new: float
    lost: float
    blend: float
    verdict: str
    seconds: float


def main() -> None:
    args = _arguments()
    base, device = load_model(args.base), choose_device(args.device)
    own = [s for kind in args.own for s in samples(args.data, kind, "val")[:: args.every]]
    own_score = score(base, own, device).get("ap50", float("nan"))
    print(
        f"{machine()}\n\nBase {base.card.name}; preset {args.preset}; AP50 on its own val {own_score:.3f}\n"
    )
    rows: list[list[object]] = []
    for kind in args.kinds:
        train, scored = train_and_scored(args.data, kind)
        before = score(base, scored[:: args.every], device)["ap50"]

        def teach(folder: Path, preset: str, seed: int, scored: Sequence[Sample] = scored) -> Outcome:
            examples = sorted(path for path in folder.iterdir() if path.name != "runs")
            result = finetune(
                model=str(base.path), examples=examples, output=folder / "runs", preset=preset, seed=seed,
                keep_old_skills=args.keep_old_skills, device=args.device,
            )  # fmt: skip
            model = load_model(result.model)
            new = score(model, scored[:: args.every], device)["ap50"]
            lost = own_score - score(model, own, device).get("ap50", float("nan"))
            return Outcome(new, lost, result.blend, str(result.verdict), result.seconds)

        full = float("nan")
        if not args.no_full:
            with tempfile.TemporaryDirectory() as scratch:
                full = teach(_all_reviewed(train, Path(scratch)), args.full_preset, 0).new - before
        for way, k, seed in ((w, k, s) for w in args.ways for k in args.k for s in args.seeds):
            with tempfile.TemporaryDirectory() as scratch:
                done = teach(_corrected(base, train, way, k, seed, Path(scratch)), args.preset, seed)
            gain = done.new - before
            row = [
                kind,
                way,
                k,
                seed,
                before,
                done.new,
                gain,
                full,
                gain / full if full else float("nan"),
                done.lost,
            ]
            rows.append([*row, done.blend, done.verdict, done.seconds])
            print(" ".join(f"{c:.3f}" if isinstance(c, float) else str(c) for c in rows[-1]), flush=True)
    print()
    print_table(HEADER, rows)
    _pooled(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data", type=Path, default=DATA)
    return parser.parse_args()


def samples(data: Path, kind: str, split: str) -> list[Sample]:
    """Images of a kind in one split, none where it has no such rows."""
    dataset, of_kind = KINDS[kind]
    every = read_rows(data / "index.csv", dataset=dataset, kind=of_kind)
    rows = [row for row in every if row.split == split]
    return list(select_rows(open_dataset(data / dataset), rows)) if rows else []


def train_and_scored(data: Path, kind: str) -> tuple[list[Sample], list[Sample]]:
    """Images to correct and to learn from in full, and images to score on; no group is in both."""
    train, val = samples(data, kind, "train"), samples(data, kind, "val")
    if val:
        return train, val
    groups = sorted({str(s.metadata["group"]) for s in train})
    scored = set(groups[::3])
    return [s for s in train if s.metadata["group"] not in scored], [
        s for s in train if s.metadata["group"] in scored
    ]


def _all_reviewed(train: Sequence[Sample], folder: Path) -> Path:
    for number, sample in enumerate(train):
        trust = np.full(sample.labels.shape, Trust.REVIEWED, np.uint8)
        _save(folder / str(number), sample, sample.labels, trust, None)
    return folder


def _corrected(base: Model, train: Sequence[Sample], way: str, k: int, seed: int, folder: Path) -> Path:
    """Correct k nuclei: of one image where it has enough, else of two."""
    random = np.random.default_rng(seed)
    order = [train[i] for i in random.permutation(len(train))]
    enough = next((s for s in order if np.unique(s.labels).size > k), None)
    chosen = [enough] if enough else sorted(order, key=lambda s: -np.unique(s.labels).size)[:2]
    left = k
    for number, sample in enumerate(chosen):
        found = predict(base, sample, choose_device("auto")).labels
        todo = -(-left // (len(chosen) - number))
        correct = _area if way == "area" else _nuclei
        labels, trust, n = correct(found, sample.labels, todo, random, worst=way == "worst")
        left -= n
        _save(folder / str(number), sample, labels, trust, found)
    return folder


def _nuclei(
    found: np.ndarray, truth: np.ndarray, k: int, random: np.random.Generator, *, worst: bool
) -> tuple[np.ndarray, np.ndarray, int]:
    """Set k nuclei right, with all that is merged with them: (labels, trust map, nuclei corrected)."""
    changes = list(_groups(found, truth))
    ranks = random.random(len(changes))
    if worst:
        ranks = [_agreement(change, found, truth) for change in changes]
    labels, trust, n = found.astype(np.int32), np.zeros(truth.shape, np.uint8), 0
    for i in np.argsort(ranks, kind="stable"):
        if n >= k:
            break
        change = changes[i]
        old, new = np.isin(found, change.before), np.isin(truth, change.after)
        labels[old] = 0
        labels[new] = truth[new] + found.max()
        near = ndimage.binary_dilation(old | new, iterations=MARGIN_PX)
        another = (found > 0) & ~np.isin(found, change.before) & ~new
        trust[near & ~another] = Trust.REVIEWED
        n += max(1, len(change.after))
    return labels, trust, n


def _groups(found: np.ndarray, truth: np.ndarray) -> Iterator[Change]:
    """Nuclei of prediction and truth that belong together: what one correction is."""
    return iter(diff(found, truth))


def _agreement(change: Change, found: np.ndarray, truth: np.ndarray) -> float:
    """IoU of prediction and truth as they would be counted: 0 where nuclei were missed, false, merged or split."""
    if len(change.before) != 1 or len(change.after) != 1:
        return 0.0
    old, new = (np.isin(a[change.box], n) for a, n in ((found, change.before), (truth, change.after)))
    return float((old & new).sum() / (old | new).sum())


def _area(
    found: np.ndarray, truth: np.ndarray, k: int, random: np.random.Generator, *, worst: bool
) -> tuple[np.ndarray, np.ndarray, int]:
    """Set everything right in a rectangle that grows around a place until k nuclei are in it."""
    del worst
    shape = np.array(truth.shape)
    place = random.uniform(0.2, 0.8, 2) * shape
    for half in np.linspace(0.02, 1, 100):
        box = tuple(
            slice(int(max(0, p - half * n)), int(p + half * n)) for p, n in zip(place, shape, strict=True)
        )
        inside = np.unique(truth[box])
        if inside.size > k:
            break
    region = np.zeros(truth.shape, bool)
    region[box] = True
    labels = np.where(np.isin(found, np.unique(found[region])) & ~region, 0, found).astype(np.int32)
    labels[region] = np.where(truth[region] > 0, truth[region] + found.max(), 0)
    whole = np.isin(truth, inside[inside > 0])
    labels[whole] = truth[whole] + found.max()
    return labels, np.where(region | whole, Trust.REVIEWED, 0).astype(np.uint8), inside.size - 1


def _save(
    folder: Path, sample: Sample, labels: np.ndarray, trust: np.ndarray, found: np.ndarray | None
) -> None:
    corrections = CorrectionSet(
        image=sample.image,
        axes="YX" if sample.image.ndim == 2 else "YXC",
        labels=labels.astype(np.int32),
        trust=trust,
        prediction=None if found is None else found.astype(np.int32),
        name=sample.name[:12],
    )
    save_correction_set(folder, corrections)


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
