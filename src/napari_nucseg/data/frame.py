"""Black frames around stained tissue, as turning, registering or masking a picture leaves them.

Networks learned tissue that goes on, or ends in white: beside a hard black edge they miss nuclei.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_nucseg.data.dark_field import is_black, is_stained

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST_SHARE = 0.01
"""Of the image, from which on what is black at its edge is a frame."""


def black_frame(planes: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Which pixels (Y, X) of stained tissue are a black frame; None where there is none, and for all other images.

    Parameters
    ----------
    planes : (C, Y, X) in any units that are 0 in the dark; NaN counts as black.
    """
    if not is_stained(planes):
        return None
    black = is_black(planes)
    regions, n = ndimage.label(black)
    at_edge = np.zeros(n + 1, bool)
    at_edge[np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])] = True
    at_edge[0] = False
    frame: NDArray[np.bool_] = at_edge[regions]
    return frame if frame.mean() >= SMALLEST_SHARE and not frame.all() else None


def continued(planes: NDArray[np.float32], frame: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill a frame (Y, X) with what it surrounds (C, Y, X), mirrored at its border; far out, with the border itself."""
    border = ndimage.distance_transform_edt(frame, return_distances=False, return_indices=True)
    here = np.indices(frame.shape, np.int32)
    rows, columns = (
        np.clip(2 * at - own, 0, n - 1) for at, own, n in zip(border, here, frame.shape, strict=True)
    )
    outside = frame[rows, columns]
    rows[outside], columns[outside] = border[0][outside], border[1][outside]
    return planes[:, rows, columns]
