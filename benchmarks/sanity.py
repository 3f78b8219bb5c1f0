"""Which corrections are taken for systematic nonsense: honest ones and harmful ones, made from people's own labels.

    python benchmarks/sanity.py [-n 12] [--split train] [--seed 0]

Honest: the labels as they are; every nucleus moved by up to a pixel; 1 in 10 nuclei left out. Harmful: ellipses painted
at random; masks moved by half a nucleus, or by a whole one; the labels of another image; the same half of every nucleus
deleted; every nucleus shrunk or grown by 40 % of its radius.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from _common import DATA, option_parser, print_table
from scipy import ndimage
from skimage.draw import ellipse
from skimage.segmentation import expand_labels

from napari_nucseg.data.csv_table import read_table
from napari_nucseg.data.images import to_planes
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.rows import read_rows, select_rows
from napari_nucseg.nuclei.targets import median_diameter
from napari_nucseg.teaching.sanity import warnings_of

SETS = (
    ("dsb2018", "fluorescence"),
    ("dsb2018", "histology"),
    ("dsb2018", "brightfield"),
    ("tnbc", "histology"),
)
LARGEST_PX = 320
FEWEST_NUCLEI = 5


@dataclass(frozen=True, eq=False)
class Case:
    """Corrections of a part of an image, all of it reviewed."""

    name: str
    pixels: np.ndarray
    labels: np.ndarray

    @property
    def taught(self) -> np.ndarray:
        """All of it."""
        return np.ones(self.labels.shape, bool)

    @property
    def changed(self) -> np.ndarray:
        """No prediction is known."""
        return np.zeros(0, np.int32)

    @property
    def diameter_px(self) -> float:
        """Of the nuclei."""
        return median_diameter(self.labels) or 20.0


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("-n", type=int, default=12, help="images of each kind")
    parser.add_argument("--split", default="train")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    rows: dict[str, Counter] = {name: Counter() for name in (*HONEST, *HARMFUL, "another image")}
    for dataset, kind in SETS:
        cases = read_cases(dataset, kind, args.split, args.n)
        for case, other in zip(cases, [*cases[1:], *cases[:1]], strict=True):
            made = {name: spoil(case, rng) for name, spoil in (HONEST | HARMFUL).items()}
            made["another image"] = labels_of(case, other)
            for name, spoilt in made.items():
                rows[name].update(
                    [f"{dataset} {kind}", f"{dataset} {kind} noticed"]
                    if warnings_of([spoilt])
                    else [f"{dataset} {kind}"]
                )
    columns = [f"{dataset} {kind}" for dataset, kind in SETS]
    table = []
    for name, counts in rows.items():
        cells = [f"{counts[f'{column} noticed']} of {counts[column]}" for column in columns]
        noticed, total = (sum(counts[f"{c}{end}"] for c in columns) for end in (" noticed", ""))
        table.append([name, "honest" if name in HONEST else "harmful", *cells, f"{noticed} of {total}"])
    print_table(["corrections", "are", *columns, "noticed"], table)


def read_cases(dataset: str, kind: str, split: str, n: int) -> list[Case]:
    """Corners of images at even distances in the index that hold enough nuclei."""
    index = DATA / "index.csv"
    counts = {line["name"]: int(line["n_nuclei"]) for line in read_table(index.read_bytes(), str(index))[1]}
    rows = [r for r in read_rows(index, dataset=dataset, split=split, kind=kind) if counts[r.name] > 5]
    chosen = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(int))]
    cases = []
    for sample in select_rows(open_dataset(DATA / dataset), chosen):
        planes = to_planes(sample.image, sample.metadata["axes"])[:, :LARGEST_PX, :LARGEST_PX]
        labels = np.asarray(sample.labels, np.int32)[:LARGEST_PX, :LARGEST_PX]
        if np.unique(labels).size > FEWEST_NUCLEI:
            cases.append(Case(sample.name, planes, labels))
    return cases


def jittered(case: Case, rng: np.random.Generator) -> Case:
    labels = np.zeros_like(case.labels)
    for number in np.unique(case.labels)[1:]:
        labels[np.roll(case.labels == number, tuple(rng.integers(-1, 2, 2)), (0, 1))] = number
    return replace(case, labels=labels)


def left_out(case: Case, rng: np.random.Generator, share: float = 0.1) -> Case:
    numbers = rng.permutation(np.unique(case.labels)[1:])
    gone = numbers[: max(1, round(share * numbers.size))]
    return replace(case, labels=np.where(np.isin(case.labels, gone), 0, case.labels))


def painted(case: Case, rng: np.random.Generator) -> Case:
    labels = np.zeros_like(case.labels)
    for number in np.unique(case.labels)[1:]:
        radii = case.diameter_px / 2 * np.exp(rng.normal(0, 0.2, 2))
        where = ellipse(
            *rng.integers(0, labels.shape), *radii, shape=labels.shape, rotation=rng.uniform(0, np.pi)
        )
        labels[where] = number
    return replace(case, labels=labels)


def moved(case: Case, rng: np.random.Generator, diameters: float) -> Case:
    angle = rng.uniform(0, 2 * np.pi)
    by = np.round(diameters * case.diameter_px * np.array([np.sin(angle), np.cos(angle)])).astype(int)
    return replace(case, labels=ndimage.shift(case.labels, by, order=0))


def halved(case: Case, rng: np.random.Generator) -> Case:
    labels, angle = case.labels.copy(), rng.uniform(0, 2 * np.pi)
    for number in np.unique(labels)[1:]:
        y, x = np.nonzero(labels == number)
        half = (y - y.mean()) * np.sin(angle) + (x - x.mean()) * np.cos(angle) > 0
        labels[y[half], x[half]] = 0
    return replace(case, labels=labels)


def resized(case: Case, rng: np.random.Generator, growth: float) -> Case:
    px = growth * case.diameter_px / 2
    if px > 0:
        return replace(case, labels=expand_labels(case.labels, px))
    labels = np.zeros_like(case.labels)
    for number in np.unique(case.labels)[1:]:
        labels[ndimage.distance_transform_edt(case.labels == number) > -px] = number
    return replace(case, labels=labels)


def labels_of(case: Case, other: Case) -> Case:
    y, x = np.minimum(case.labels.shape, other.labels.shape)
    return replace(case, pixels=case.pixels[:, :y, :x], labels=other.labels[:y, :x])


HONEST = {
    "as they are": lambda case, rng: case,
    "moved by ≤ 1 px each": jittered,
    "1 in 10 left out": left_out,
}
HARMFUL = {
    "painted at random": painted,
    "moved by ½ diameter": partial(moved, diameters=0.5),
    "moved by 1 diameter": partial(moved, diameters=1.0),
    "halves deleted": halved,
    "shrunk by 40 %": partial(resized, growth=-0.4),
    "grown by 40 %": partial(resized, growth=0.4),
}

if __name__ == "__main__":
    main()
