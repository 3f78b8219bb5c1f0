"""Which images a model learned from, as its card lists them: on these it may only remember."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucseg.data.images import to_planes
from napari_nucseg.data.same_pixels import sha256_of_pixels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_nucseg.data.sample import Sample

MOST_LISTED = 10_000
"""Images that one training run lists: 670 kB in the header of a model file."""


def list_learned(samples: Iterable[Sample], before: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Hashes of the images learned from, behind those that a model they started from had listed.

    Of very many images those with the lowest hashes are listed: a draw that is the same for every run, so that
    two models that learned from the same images list the same ones.
    """
    planes = (to_planes(sample.image, sample.metadata.get("axes"), keep_units=False) for sample in samples)
    hashes = sorted({sha256_of_pixels(image) for image in planes} - {""})
    return tuple(dict.fromkeys((*before, *hashes[:MOST_LISTED])))
