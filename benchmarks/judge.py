"""Teach a model's judge of nuclei on `train` rows, and what it is worth on groups it was not taught.

    python benchmarks/judge.py --model nuclei-unet --write src/napari_nucseg/models/nuclei-unet.safetensors
    python benchmarks/judge.py --model nuclei-unet --every 4                # a quick look

Images are segmented once, at the estimated diameter. The table is of grouped folds: each image is decoded with a
judge taught on the other folds' groups. What is written is taught on all of them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _common import FOLDS, fold_of, images_of, machine, option_parser, print_table

from napari_nucseg import load_model
from napari_nucseg.learning.examples import kind_of
from napari_nucseg.learning.judgement import Evidence, JudgeSettings, evidence_in, look, teach_judge
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import save_model
from napari_nucseg.nuclei.decoding import DecodingSettings, decode
from napari_nucseg.nuclei.scoring import evaluate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.nuclei.judging import Judge


@dataclass(frozen=True)
class Seen:
    """An image as the network sees it; maps in half precision, since all images are kept."""

    kind: str
    truth: NDArray[np.int32]
    maps: NDArray[np.float16]
    diameter_px: float
    evidence: Evidence

    def decoded(self, settings: DecodingSettings, judge: Judge | None) -> NDArray[np.int32]:
        """Labels by thresholds alone, or by a judge."""
        return decode(self.maps.astype(np.float32), settings, diameter_px=self.diameter_px, judge=judge)


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--model", default="nuclei-unet")
    parser.add_argument("--sets", nargs="+", default=["dsb2018", "tnbc"])
    parser.add_argument("--kind", help="only images of this kind, such as histology")
    parser.add_argument("--every", type=int, default=1, help="look at every n-th image only")
    parser.add_argument("--write", type=Path, help="file of the model with its judge")
    parser.add_argument(
        "--threshold", type=float, help="foreground threshold of the card, in place of its own"
    )
    args = parser.parse_args()
    model = _with_threshold(load_model(args.model), args.threshold)
    seen = [
        _seen(model, name, sample)
        for name in args.sets
        for sample in images_of(name, "train", args.kind, args.every).valid()
    ]
    judges = [_taught([s for s in seen if fold_of(s.evidence.group) != k]) for k in range(FOLDS)]
    print(
        f"{machine('float32')}\n\n{model.card.name}, {len(seen)} images of `train`, {FOLDS} folds of groups\n"
    )
    print_table(
        ["images", "n", "nuclei", "decoded by", "AP50", "mean AP", "AP90", "precision", "recall"],
        list(_rows(seen, judges, DecodingSettings(**model.card.thresholds.model_dump()))),
    )
    if args.write:
        judge = _taught(seen)
        said = f"{date.today()}: judge of nuclei taught on {sum(len(s.evidence.right) for s in seen)} objects"
        card = model.card.model_copy(update={"history": (*model.card.history, said)})
        save_model(args.write, card, model.network, model.size_head, model.importance, judge)


def _with_threshold(model: Model, threshold: float | None) -> Model:
    if threshold is None:
        return model
    thresholds = model.card.thresholds.model_copy(update={"foreground_threshold": threshold})
    return replace(model, card=model.card.model_copy(update={"thresholds": thresholds}))


def _seen(model: Model, dataset: str, sample: Sample) -> Seen:
    print(f"\r{sample.name[:40]:40}", end="", file=sys.stderr)
    found = look(model, sample, choose_device("cpu", "float32"))
    kind = kind_of(sample) if dataset == "dsb2018" else dataset
    assert sample.labels is not None
    maps = found.maps.astype(np.float16)
    return Seen(kind, sample.labels, maps, found.diameter_px, evidence_in(found, sample))


def _taught(seen: list[Seen]) -> Judge:
    judge = teach_judge([s.evidence for s in seen], JudgeSettings())
    assert judge is not None, "too few objects"
    return judge


def _rows(seen: list[Seen], judges: list[Judge], settings: DecodingSettings) -> Iterator[list[object]]:
    for kind in sorted({s.kind for s in seen}):
        of_kind = [s for s in seen if s.kind == kind]
        truth = [s.truth for s in of_kind]
        ways = {
            "thresholds": [s.decoded(settings, None) for s in of_kind],
            "judge": [s.decoded(settings, judges[fold_of(s.evidence.group)]) for s in of_kind],
        }
        for way, labels in ways.items():
            e = evaluate(truth, labels)
            scores = [e.ap50, e.mean_ap, float(e.pooled("ap90")), e.precision, e.recall]
            yield [kind, len(of_kind), e.n_true, way, *scores]


if __name__ == "__main__":
    main()
