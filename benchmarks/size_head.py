"""Teach a model's size head anew on `train` rows, through its network's encoder, and what it reads on other groups.

    python benchmarks/size_head.py --model nuclei-unetpp --write src/napari_nucseg/models/nuclei-unetpp.safetensors

The table is of grouped folds: each image is read by a head taught on the other folds' groups. Errors are the natural
log of the size read in one view over the true one; in use the median of twelve views or more is taken, and what is
measured counts as much. What is written is taught on all of them.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from _common import FOLDS, fold_of, images_of, machine, option_parser, print_table

from napari_nucseg import load_model
from napari_nucseg.learning.sizing import SizeEvidence, SizeSettings, size_evidence, teach_size_head
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import save_model

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from napari_nucseg.network.model_file import Model
    from napari_nucseg.network.size_head import SizeHead


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--model", default="nuclei-unet")
    parser.add_argument("--sets", nargs="+", default=["dsb2018", "tnbc"])
    parser.add_argument("--kind", help="only images of this kind, such as histology")
    parser.add_argument("--kept", action="store_true", help="read the encoder that the head has of its own")
    parser.add_argument("--well-taken", action="store_true", help="teach it on images as they are alone")
    parser.add_argument("--every", type=int, default=1, help="look at every n-th image only")
    parser.add_argument("--write", type=Path, help="file of the model with its new size head")
    args = parser.parse_args()
    model = load_model(args.model)
    evidence = list(_evidence(model, args))
    taught = [_well_taken(e) for e in evidence] if args.well_taken else evidence
    heads = [_taught([e for e in taught if fold_of(e.group) != k]) for k in range(FOLDS)]
    print(
        f"{machine('float32')}\n\n{model.card.name}, {len(evidence)} images of `train`, {FOLDS} folds of groups\n"
    )
    print_table(
        ["images", "n", "taken", "median error of a view", "90 %", "bias"], list(_rows(evidence, heads))
    )
    if args.write:
        head = _taught(taught)
        head.encoder = model.size_encoder if args.kept else None
        card = model.card.model_copy(
            update={
                "history": (
                    *model.card.history,
                    f"{date.today()}: size head taught on {len(evidence)} images, well and badly taken",
                )
            }
        )
        save_model(args.write, card, model.network, head, model.importance, model.judge)


def _evidence(model: Model, args: argparse.Namespace) -> Iterator[SizeEvidence]:
    device, random = choose_device("cpu", "float32"), np.random.default_rng(0)
    encoder = model.size_encoder if args.kept else model.network.encoder
    for name in args.sets:
        for sample in images_of(name, "train", args.kind, args.every).valid():
            print(f"\r{sample.name[:40]:40}", end="", file=sys.stderr)
            evidence = size_evidence(encoder, sample, model.card, device, SizeSettings(), random)
            if evidence:
                yield evidence


def _well_taken(evidence: SizeEvidence) -> SizeEvidence:
    chosen = ~evidence.worse
    return SizeEvidence(
        evidence.features[chosen],
        evidence.log_sizes[chosen],
        evidence.worse[chosen],
        evidence.kind,
        evidence.group,
    )


def _taught(evidence: list[SizeEvidence]) -> SizeHead:
    return teach_size_head(evidence, SizeSettings())


def _rows(evidence: list[SizeEvidence], heads: list[SizeHead]) -> Iterator[list[object]]:
    with torch.inference_mode():
        errors = [(heads[fold_of(e.group)](e.features)[0] - e.log_sizes).numpy() for e in evidence]
    for kind in sorted({e.kind for e in evidence}):
        of_kind = [
            (error, e.worse.numpy()) for error, e in zip(errors, evidence, strict=True) if e.kind == kind
        ]
        for taken in ("well", "worse"):
            chosen = np.concatenate([error[worse == (taken == "worse")] for error, worse in of_kind])
            size = np.abs(chosen)
            figures = [float(f) for f in (np.median(size), np.quantile(size, 0.9), np.median(chosen))]
            yield [kind, len(of_kind), taken, *figures]


if __name__ == "__main__":
    main()
