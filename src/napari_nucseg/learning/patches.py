"""Training images cut into equal squares at the canonical nucleus size, held as uint8 so that they fit a device."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import ndimage
from skimage.transform import resize

from napari_nucseg.data.familiar import familiar
from napari_nucseg.data.frame import continued, without_frame
from napari_nucseg.data.images import to_planes
from napari_nucseg.data.intensity import IntensityRange, equalise
from napari_nucseg.errors import TrainingError
from napari_nucseg.learning.examples import group_of, kind_of
from napari_nucseg.nuclei.targets import CORE_DISTANCE, distance_map, median_diameter
from napari_nucseg.segmentation.rescale import allowed_scale

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_nucseg.data.sample import Sample

FIELDS = 5  # red, green, blue, foreground, distance
DISTANCE = 4


@dataclass(frozen=True)
class PatchBank:
    """Squares of images and targets at the canonical scale.

    Attributes
    ----------
    fields : (N, 5, P, P) uint8
        Normalised image, foreground and normalised distance, each 0…255.
    sources : (N,) int64
        Which image a patch was cut from; ``kinds`` and ``groups`` are indexed by it.
    kinds, groups : str for each image
    """

    fields: torch.Tensor
    sources: torch.Tensor
    kinds: tuple[str, ...]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.fields.shape[0])

    @property
    def sha256(self) -> str:
        """Digest of all that is learned from."""
        digest = hashlib.sha256(json.dumps([self.sources.tolist(), self.kinds, self.groups]).encode())
        for patch in self.fields.numpy(force=True):
            digest.update(patch.tobytes())
        return digest.hexdigest()

    def sampling_weights(self, kind_weights: dict[str, float], crowding: float = 0.0) -> torch.Tensor:
        """Probability of each patch: kinds by their weights, groups within a kind by the root of their size.

        Kinds without a weight share as if theirs were 1. Fields of one experiment hold much the same, so a group
        of a hundred tiles counts ten times a single one, not a hundred times. Within a kind a patch of n nuclei
        counts (n + 1) to the power of ``crowding``: nuclei are scored, not patches, and crowds are hard.

        Raises
        ------
        TrainingError
            If the kinds there are all weigh nothing.
        """
        pairs = [(self.kinds[s], self.groups[s]) for s in self.sources.tolist()]
        _, index, sizes = np.unique(
            [" ".join(pair) for pair in pairs], return_inverse=True, return_counts=True
        )
        weights = 1 / np.sqrt(sizes[index.ravel()])
        if crowding:
            weights *= (1 + self.count_nuclei()) ** crowding
        kinds = np.array([kind for kind, _ in pairs])
        for kind in np.unique(kinds):
            of_kind = kinds == kind
            weights[of_kind] *= kind_weights.get(str(kind), 1.0) / weights[of_kind].sum()
        if not weights.any():
            there = ", ".join(sorted(set(kinds)))
            raise TrainingError(f"kind_weights leaves nothing to learn from: all images are of kind {there}.")
        return torch.from_numpy(weights / weights.sum())

    def count_nuclei(self) -> NDArray[np.int64]:
        """Nuclei in each patch, (N,): connected cores."""
        cores = (self.fields[:, DISTANCE] > round(255 * CORE_DISTANCE)).numpy(force=True)
        return np.array([ndimage.label(core)[1] for core in cores], np.int64)


def pack_patches(
    samples: Iterable[Sample],
    *,
    canonical_diameter_px: float | None,
    patch_px: int,
    normalisation: tuple[float, float] = (0.5, 99.95),
    clahe: bool = False,
) -> PatchBank:
    """Cut annotated samples into patches.

    Each image is rescaled so that its median nucleus has the canonical diameter; an image without a nucleus keeps
    its scale, and so do all where the diameter is None. ``normalisation`` and ``clahe`` are those of the model
    card. Where an image is filled (``normalised``), its labels are filled likewise. ``metadata["kind"]`` and
    ``metadata["group"]`` of a sample are kept where present.
    """
    fields: list[NDArray[np.uint8]] = []
    sources: list[int] = []
    kinds: list[str] = []
    groups: list[str] = []
    for sample in samples:
        if sample.labels is None:
            continue
        planes, filled = _whole(sample)
        image = _scaled(planes, normalisation, clahe=clahe)
        labels = sample.labels if filled is None else continued(sample.labels[np.newaxis], filled)[0]
        scale = _scale_of(sample.labels, canonical_diameter_px)
        patches = cut(_fields(image, labels, scale), patch_px)
        fields.extend(patches)
        sources.extend([len(kinds)] * len(patches))
        kinds.append(kind_of(sample))
        groups.append(group_of(sample))
    stacked = np.stack(fields) if fields else np.zeros((0, FIELDS, patch_px, patch_px), np.uint8)
    return PatchBank(
        torch.from_numpy(stacked), torch.tensor(sources, dtype=torch.long), tuple(kinds), tuple(groups)
    )


def normalised(sample: Sample, percentiles: tuple[float, float], *, clahe: bool) -> NDArray[np.float32]:
    """Image of a sample as the network is to see it: (3, Y, X), 0…1.

    A frame and marks are filled, and colours shown, as where an image is segmented (``segmentation.showing``), as far
    as that asks no network: none is taught yet. Brown is taken out where it is most of the stain, and never shown as
    haematoxylin; light behind nuclei is left.
    """
    return _scaled(_whole(sample)[0], percentiles, clahe=clahe)


def _whole(sample: Sample) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Planes (C, Y, X) of a sample in which what was not taken is filled, and where (Y, X) that is, if anywhere."""
    planes, filled, _ = without_frame(to_planes(sample.image, keep_units=False))
    return familiar(planes).planes, filled


def _scaled(planes: NDArray[Any], percentiles: tuple[float, float], *, clahe: bool) -> NDArray[np.float32]:
    image = IntensityRange.of(planes, *percentiles).apply(planes)
    image = equalise(image) if clahe else image
    return np.broadcast_to(image, (3, *image.shape[1:]))


def typical_diameter(samples: Iterable[Sample]) -> float | None:
    """Median over annotated images of their median nucleus diameter in pixels; None where there is no nucleus."""
    diameters = [median_diameter(s.labels) for s in samples if s.labels is not None]
    known = [d for d in diameters if d]
    return float(np.median(known)) if known else None


def _scale_of(labels: NDArray[np.int32], canonical_diameter_px: float | None) -> float:
    """From an image's pixels to those of the network; 1 where no size is wanted or known."""
    diameter = median_diameter(labels)
    return allowed_scale(canonical_diameter_px / diameter) if canonical_diameter_px and diameter else 1.0


def _fields(image: NDArray[np.float32], labels: NDArray[np.int32], scale: float) -> NDArray[np.uint8]:
    """Image and targets at a scale: (5, Y, X) uint8."""
    fields = np.concatenate([image, (labels > 0)[None], distance_map(labels)[None]]).astype(np.float32)
    shape = tuple(max(1, round(n * scale)) for n in fields.shape[1:])
    if scale != 1:
        fields = resize(fields, (FIELDS, *shape), order=1, anti_aliasing=scale < 1)
    return np.round(fields * 255).clip(0, 255).astype(np.uint8)


def cut(fields: NDArray[np.uint8], patch_px: int) -> list[NDArray[np.uint8]]:
    """Cover a (K, Y, X) array with the fewest evenly spaced squares; a smaller one is mirrored up to size."""
    short = [max(0, patch_px - n) for n in fields.shape[1:]]
    if any(short):
        fields = np.pad(fields, ((0, 0), *((s // 2, s - s // 2) for s in short)), mode="symmetric")
    starts = [np.linspace(0, n - patch_px, -(-n // patch_px)).round().astype(int) for n in fields.shape[1:]]
    return [fields[:, y : y + patch_px, x : x + patch_px] for y in starts[0] for x in starts[1]]
