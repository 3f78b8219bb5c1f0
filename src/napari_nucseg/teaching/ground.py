"""What patches are cut from: whole images at the network's scale with targets, and where to cut them.

Each pixel has one target. Where a person vouches for it that is the truth; elsewhere it is what the base model sees.
``taught`` and ``held`` say how much either counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage, stats

from napari_nucseg.learning.augment import core_of
from napari_nucseg.nuclei.pairs import Pairs
from napari_nucseg.nuclei.targets import distance_map
from napari_nucseg.segmentation.rescale import allowed_scale, rescale
from napari_nucseg.teaching.holdout import vouched_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_nucseg.teaching.examples import Lesson
    from napari_nucseg.teaching.scenes import Scene, Seen

FIELDS = ("red", "green", "blue", "foreground", "distance", "core", "taught", "held")
SURE = 0.6
"""Certainty |2p − 1| above which the base model's answer is held on to in unreviewed pixels."""
OFTEN = 3.0
"""How much more often patches are cut around nuclei that were changed, or that the base gets wrong."""
SAME_IOU = 0.5


@dataclass(frozen=True, eq=False)
class Ground:
    """One image to cut patches from.

    Attributes
    ----------
    fields
        (8, Y, X) uint8 in the order of ``FIELDS``, at the network's scale.
    places
        (N, 2) float64: rows and columns that patches are cut around.
    weights
        (N,) float64: how often.
    reliance
        How far what the base model sees here can be relied on, 0…1.
    """

    fields: NDArray[np.uint8]
    places: NDArray[np.float64]
    weights: NDArray[np.float64]
    reliance: float = 1.0

    def cut(self, place: NDArray[np.float64], side_px: int) -> NDArray[np.uint8]:
        """Cut a square (8, S, S) around a place; beyond the image it is mirrored."""
        corner = np.round(place - side_px / 2).astype(int)
        rows, columns = (
            _mirrored(first, side_px, length)
            for first, length in zip(corner, self.fields.shape[1:], strict=True)
        )
        return self.fields.take(rows, axis=1).take(columns, axis=2)  # four times as fast as both at once


def lesson_ground(lesson: Lesson, seen: Seen, scale: float, patch_px: int, seed: int) -> Ground:
    """Ground of what is learned of a lesson.

    Parameters
    ----------
    lesson : at its own scale.
    seen : what the base model makes of all of it.
    scale : from its pixels to the network's.
    patch_px, seed : of the patches; of the random places.
    """
    scale = allowed_scale(scale)
    distance = distance_map(lesson.labels)
    core = core_of(torch.from_numpy(distance)).numpy()
    truth = np.stack([lesson.labels > 0, distance, core]).astype(np.float32)
    targets = np.where(lesson.learned, truth, seen.maps)
    sure = np.abs(2 * seen.maps[0] - 1)
    relied = reliance(lesson, seen)
    held = np.where((sure > SURE) & ~lesson.taught, sure, 0) * relied
    fields = np.concatenate([lesson.image, targets, lesson.learned[None], held[None]], dtype=np.float32)
    places, weights = _places(lesson, seen.labels, patch_px / scale, np.random.default_rng(seed))
    return Ground(_at_scale(fields, scale), places * scale, weights, relied)


def replay_ground(scene: Scene, seen: Seen, scale: float, patch_px: int, seed: int) -> Ground:
    """Ground of an image on which nothing shall change: all of it is held to what the base model sees."""
    scale = allowed_scale(scale)
    shape = scene.truth.shape
    taught, held = np.zeros((1, *shape), np.float32), np.ones((1, *shape), np.float32)
    fields = np.concatenate([scene.image, seen.maps, taught, held], dtype=np.float32)
    n = max(1, round(shape[0] * shape[1] * scale**2 / patch_px**2)) * 4
    places = np.random.default_rng(seed).uniform(0, shape, (n, 2)) * scale
    return Ground(_at_scale(fields, scale), places, np.ones(n) / n)


def draw(grounds: Sequence[Ground], n: int, side_px: int, random: np.random.Generator) -> torch.Tensor:
    """Cut ``n`` patches around places drawn by their weights, shifted at random: (n, 8, S, S) uint8."""
    weights = np.concatenate([ground.weights for ground in grounds])
    places = np.concatenate([ground.places for ground in grounds])
    owners = np.repeat(np.arange(len(grounds)), [len(ground.places) for ground in grounds])
    chosen = random.choice(len(weights), n, p=weights / weights.sum())
    shifts = random.uniform(-side_px / 4, side_px / 4, (n, 2))
    patches = [
        grounds[owners[k]].cut(places[k] + shift, side_px) for k, shift in zip(chosen, shifts, strict=True)
    ]
    return torch.from_numpy(np.stack(patches))


def unmatched(
    labels: NDArray[np.int32], others: NDArray[np.int32], where: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Numbers of the nuclei in an area that share less than IoU ½ with every one of the others, sorted."""
    pairs = Pairs.of(labels, others)
    return np.intersect1d(vouched_for(labels, where), pairs.before[pairs.best_iou() < SAME_IOU])


def reliance(lesson: Lesson, seen: Seen) -> float:
    """How far what the base model sees of a lesson's image can be relied on where nobody looked, 0…1.

    The share of its nuclei that are not known to be wrong; 0 for a model to which the checked nuclei look no more like
    nuclei than the ground between them. A model that is blind to a kind of image is very sure of the background there,
    or takes other things for nuclei, and must not be held to that.
    """
    if not _tells_nuclei(lesson.labels[lesson.taught] > 0, seen.maps[0][lesson.taught]):
        return 0.0
    found = seen.labels
    wrong = unmatched(lesson.labels, found, lesson.taught).size
    false = unmatched(found, lesson.labels, lesson.taught).size
    not_wrong = np.unique(found[found > 0]).size - false
    return not_wrong / max(1, not_wrong + wrong)


def _tells_nuclei(inside: NDArray[np.bool_], probability: NDArray[np.float32]) -> bool:
    """Whether pixels in nuclei are mostly more probable than others: an area under the ROC curve over ½.

    Ranks give it: Mann and Whitney 1947, 10.1214/aoms/1177730491. Pixels all of one kind cannot speak against it.
    """
    if inside.all() or not inside.any():
        return True
    ranks = stats.rankdata(probability)
    return bool(ranks[inside].mean() > ranks[~inside].mean())


def _places(
    lesson: Lesson, found: NDArray[np.int32], patch_px: float, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middles of the taught nuclei and of what the base sees wrongly, and some places between."""
    own = vouched_for(lesson.labels, lesson.learned)
    wrong = np.union1d(unmatched(lesson.labels, found, lesson.learned), lesson.changed)
    false = unmatched(found, lesson.labels, lesson.learned)
    n = 1 + round(int(lesson.learned.sum()) / patch_px**2)  # background wants to be seen, too
    anywhere = np.argwhere(lesson.learned)
    between = anywhere[random.integers(0, len(anywhere), n)]
    places = np.concatenate([_middles(lesson.labels, own), _middles(found, false), between])
    weights = np.concatenate(
        [np.where(np.isin(own, wrong), OFTEN, 1.0), np.full(len(false), OFTEN), np.ones(n)]
    )
    return places.astype(np.float64), weights


def _middles(labels: NDArray[np.int32], numbers: NDArray[np.integer]) -> NDArray[np.float64]:
    return np.array(ndimage.center_of_mass(labels > 0, labels, numbers)).reshape(-1, 2)


def _at_scale(fields: NDArray[np.float32], scale: float) -> NDArray[np.uint8]:
    shape = (max(1, round(fields.shape[1] * scale)), max(1, round(fields.shape[2] * scale)))
    return np.round(rescale(fields, shape) * 255).clip(0, 255).astype(np.uint8)


def _mirrored(first: int, n: int, length: int) -> NDArray[np.intp]:
    """Return indices first … first + n - 1 of an axis that goes on mirrored beyond its ends."""
    place = np.arange(first, first + n) % (2 * length)
    return np.where(place < length, place, 2 * length - 1 - place)
