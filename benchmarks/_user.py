"""A user who corrects: images of a kind, k of their nuclei set right from the truth, saved as correction sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from _common import images_of
from scipy import ndimage

from napari_nucseg.data.correction_set import CorrectionSet, save_correction_set
from napari_nucseg.learning.validation import predict
from napari_nucseg.network.device import choose_device
from napari_nucseg.nuclei.corrections import diff
from napari_nucseg.nuclei.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.nuclei.corrections import Change

KINDS = {
    "fluorescence": ("dsb2018", "fluorescence"),
    "histology": ("dsb2018", "histology"),
    "brightfield": ("dsb2018", "brightfield"),
    **{name: (name, "histology") for name in ("tnbc", "monuseg", "lizard", "consep", "cpm15")},
}
WAYS = ("worst", "random", "area")
MARGIN_PX = 3


def samples(kind: str, split: str) -> list[Sample]:
    """Images of a kind in one split, none where it has no such rows."""
    dataset, of_kind = KINDS[kind]
    return list(images_of(dataset, split, of_kind).valid())


def train_and_scored(kind: str) -> tuple[list[Sample], list[Sample]]:
    """Images to correct and to learn from in full, and images to score on; no group is in both.

    CPM-15 has rows of split ``eval`` alone: nothing that is shipped learns from them.
    """
    train, val = samples(kind, "train") or samples(kind, "eval"), samples(kind, "val")
    if val:
        return train, val
    apart = set(sorted({s.metadata["group"] for s in train})[::3])
    scored = [s for s in train if s.metadata["group"] in apart]
    return [s for s in train if s.metadata["group"] not in apart], scored


def choose_images(train: Sequence[Sample], k: int, random: np.random.Generator) -> list[Sample]:
    """Choose one image with more than k nuclei where there is one, else the two with most."""
    order = [train[i] for i in random.permutation(len(train))]
    enough = next((s for s in order if np.unique(s.labels).size > k), None)
    return [enough] if enough else sorted(order, key=lambda s: -np.unique(s.labels).size)[:2]


def correct(
    base: Model, images: Sequence[Sample], way: str, k: int, random: np.random.Generator, folder: Path
) -> list[Path]:
    """Set k nuclei of what a model finds right, and save a correction set an image in a folder.

    *worst* takes the worst nuclei first, *random* any, *area* all within a rectangle.
    """
    places, left = [], k
    for number, sample in enumerate(images):
        found = predict(base, sample, choose_device("auto")).labels
        todo = -(-left // (len(images) - number))
        if way == "area":
            labels, trust, n = _area(found, sample.labels, todo, random)
        else:
            labels, trust, n = _nuclei(found, sample.labels, todo, random, worst=way == "worst")
        left -= n
        places.append(_save(folder / str(number), sample, labels, trust, found))
    return places


def review_all(images: Sequence[Sample], folder: Path) -> list[Path]:
    """Save the truth of images, all of it reviewed, as correction sets in a folder."""
    places = []
    for number, sample in enumerate(images):
        trust = np.full(sample.labels.shape, Trust.REVIEWED, np.uint8)
        places.append(_save(folder / str(number), sample, sample.labels, trust, None))
    return places


def _nuclei(
    found: np.ndarray, truth: np.ndarray, k: int, random: np.random.Generator, *, worst: bool
) -> tuple[np.ndarray, np.ndarray, int]:
    """Set k nuclei right, with all that is merged with them: (labels, trust map, nuclei corrected)."""
    changes = diff(found, truth)
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


def _agreement(change: Change, found: np.ndarray, truth: np.ndarray) -> float:
    """IoU of prediction and truth as they would be counted: 0 where nuclei were missed, false, merged or split."""
    if len(change.before) != 1 or len(change.after) != 1:
        return 0.0
    old, new = (np.isin(a[change.box], n) for a, n in ((found, change.before), (truth, change.after)))
    return float((old & new).sum() / (old | new).sum())


def _area(
    found: np.ndarray, truth: np.ndarray, k: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, int]:
    """Set everything right in a rectangle that grows around a place until k nuclei are in it."""
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
) -> Path:
    corrections = CorrectionSet(
        image=sample.image,
        axes="YX" if sample.image.ndim == 2 else "YXC",
        labels=labels.astype(np.int32),
        trust=trust,
        prediction=None if found is None else found.astype(np.int32),
        name=sample.name[:12],
    )
    return save_correction_set(folder, corrections)
