"""Compares corrections in memory with the set that a folder holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.arrays import in_memory
from napari_nucseg.data.correction_set import LABELS, REVIEWED, is_correction_set, open_correction_set
from napari_nucseg.data.images import read_image
from napari_nucseg.errors import CorrectionSetError, ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_nucseg.data.correction_set import CorrectionSet


def holds_other_image(folder: Path, corrections: CorrectionSet) -> bool:
    """Whether a folder holds a set of another image than these corrections, or one that cannot be read.

    Pixels are compared: a copy of an image has another SHA-256 than the file it was read from.
    """
    if not is_correction_set(folder):
        return False
    try:
        known = open_correction_set(folder)
    except CorrectionSetError:
        return True
    return not np.array_equal(_channels_first(known), _channels_first(corrections), equal_nan=True)


def holds_labels(folder: Path, labels: NDArray[np.integer], trust: NDArray[np.uint8]) -> bool:
    """Whether the set of a folder holds these labels and this trust map; axes of length 1 do not count."""
    try:
        known = [read_image(folder / name).pixels for name in (LABELS, REVIEWED)]
    except ImageError:
        return False
    return all(
        np.array_equal(one.ravel(), now.ravel()) for one, now in zip(known, (labels, trust), strict=True)
    )


def _channels_first(corrections: CorrectionSet) -> NDArray[Any]:
    """Image with its channels, if any, as the first axis, and colour without its opacity."""
    pixels, axes = in_memory(corrections.image), corrections.axes.upper().replace("S", "C")
    if axes.endswith("C") and pixels.shape[-1] == 4:
        pixels = pixels[..., :3]
    return np.moveaxis(pixels, axes.index("C"), 0) if "C" in axes else pixels
