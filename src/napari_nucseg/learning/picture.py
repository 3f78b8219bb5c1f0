"""What a network finds on one image, in one picture to look at while it learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from skimage.segmentation import find_boundaries

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_PX = 512
GAP_PX = 4
TRUTH, PREDICTION, PAPER = (80, 220, 100), (255, 180, 40), (255, 255, 255)


def sample_picture(
    image: NDArray[np.float32], truth: NDArray[np.integer], predicted: NDArray[np.integer]
) -> NDArray[np.uint8]:
    """Show image | true outlines | predicted outlines side by side.

    Parameters
    ----------
    image : (3, Y, X), 0…1.
    truth, predicted : labels (Y, X).

    Returns
    -------
    (Y, 3 X + 2 gaps, 3) uint8, of the middle of the image where it is larger than 512 px.
    """
    middle = tuple(slice((n - min(n, LARGEST_PX)) // 2, (n + min(n, LARGEST_PX)) // 2) for n in truth.shape)
    pixels = np.moveaxis(image[:, *middle], 0, -1)
    plain = np.round(pixels.clip(0, 1) * 255).astype(np.uint8)
    gap = np.full((plain.shape[0], GAP_PX, 3), PAPER, np.uint8)
    panels = [plain, gap, _outlined(plain, truth[middle], TRUTH), gap]
    return np.concatenate([*panels, _outlined(plain, predicted[middle], PREDICTION)], axis=1)


def _outlined(
    pixels: NDArray[np.uint8], labels: NDArray[np.integer], color: tuple[int, int, int]
) -> NDArray[np.uint8]:
    drawn = pixels.copy()
    drawn[find_boundaries(labels, mode="inner")] = color
    return drawn
