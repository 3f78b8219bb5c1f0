"""What teaching brings to the images of one experiment: one of them is corrected, the others are scored.

    python benchmarks/same_experiment.py --kinds fluorescence histology tnbc
    python benchmarks/same_experiment.py --kinds tnbc --k 30 --seeds 0 1 2

An experiment is a group of `val` images that belong together, with at least three that hold nuclei: neighbouring fields
of DSB2018, a patient of TNBC. A user is played who takes one of them and sets its worst nuclei right; the model that
`auto` takes for the kind is taught, *Standard*. It is scored at the true median diameter.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _common import machine, option_parser, print_table, rounded
from _user import KINDS, correct, samples

from napari_nucseg import finetune, load_model
from napari_nucseg.learning.validation import score
from napari_nucseg.network.device import choose_device

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model

FEWEST_IMAGES, FEWEST_NUCLEI = 3, 3
HEADER = "kind,group,seed,images,nuclei,base,new,blend,verdict".split(",")


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["fluorescence", "histology", "tnbc"])
    parser.add_argument("--k", type=int, default=100, help="nuclei to correct, as many as there are at most")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    args = parser.parse_args()
    device = choose_device("auto")
    rows: list[list[object]] = []
    for kind in args.kinds:
        base = load_model("auto", fluorescence=kind == "fluorescence")
        for group, images in experiments(kind):
            for seed in args.seeds:
                rows.append([kind, group[:6], seed, *taught(base, images, args.k, seed, device)])
                print(*rounded(rows[-1]), flush=True)
    print(f"\n{machine()}\n")
    print_table(HEADER, rows)


def experiments(kind: str) -> Iterator[tuple[str, list[Sample]]]:
    """Yield groups of `val` images that hold nuclei, by name."""
    groups = defaultdict(list)
    for sample in samples(kind, "val"):
        if np.unique(sample.labels).size > FEWEST_NUCLEI:
            groups[str(sample.metadata["group"])].append(sample)
    return ((name, images) for name, images in groups.items() if len(images) >= FEWEST_IMAGES)


def taught(base: Model, images: list[Sample], k: int, seed: int, device: Device) -> list[object]:
    """Teach one image and score the others with the old and the new model: the rest of a row."""
    random = np.random.default_rng(seed)
    corrected = images[random.integers(len(images))]
    others = [image for image in images if image is not corrected]
    with tempfile.TemporaryDirectory() as scratch:
        examples = correct(base, [corrected], "worst", k, random, Path(scratch))
        done = finetune(model=str(base.path), examples=examples, output=Path(scratch) / "runs", seed=seed)
        scores = [score(model, others, device) for model in (base, load_model(done.model))]
    n_nuclei = sum(np.unique(image.labels).size - 1 for image in others)
    old, new = (f"{found['ap50']:.3f} / {found['mean_ap']:.3f}" for found in scores)
    return [len(others), n_nuclei, old, new, done.blend, str(done.verdict)]


if __name__ == "__main__":
    main()
