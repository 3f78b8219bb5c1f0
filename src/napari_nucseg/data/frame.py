"""What an image holds beside what was taken: a black frame around stained tissue, marks that were drawn.

Turning, registering or masking a picture of tissue leaves black frames. Networks learned tissue that goes on, or ends
in white: beside a hard black edge they miss nuclei.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from scipy import ndimage

from napari_nucseg.data.burned_in import burned_in
from napari_nucseg.data.dark_field import LIT, is_lit, is_stained

if TYPE_CHECKING:
    from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)

SMALLEST_SHARE = 0.01
"""Of the image, from which on what is black at its edge is a frame."""
IN_ONE_PIECE = 0.9
"""Share of what is not frame that must hang together: lit nuclei on a black ground do not."""
NEAR_PX = 4
BRIGHT = 0.5
"""Share of white that most of what lies so near to a frame reaches in a channel: tissue ends at once, light fades."""


def without_frame(
    planes: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[np.bool_] | None, str]:
    """Fill what was not taken with what lies around it, mirrored.

    Parameters
    ----------
    planes : (C, Y, X) in any units that are 0 in the dark.

    Returns
    -------
    planes
        The same where there is nothing to fill.
    filled
        (Y, X), where nothing should be found; None where all was taken.
    note
        For the user.
    """
    frame = black_frame(planes)
    note = "" if frame is None else "The black frame around the tissue was left out."
    marks = burned_in(planes if frame is None else np.where(frame, np.float32(np.nan), planes))
    if marks is not None:
        frame = marks if frame is None else frame | marks
        note = f"{note} What is drawn into the image (border, scale bar, block, text) was left out.".lstrip()
    return (planes, None, "") if frame is None else (continued(planes, frame), frame, note)


def black_frame(planes: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Which pixels (Y, X) of stained tissue are a black frame; None where there is none, and for all other images.

    Parameters
    ----------
    planes : (C, Y, X) in any units that are 0 in the dark; NaN counts as black.
    """
    if not is_stained(planes):
        return None
    black = ~is_lit(planes, LIT)
    if not any(edge.any() for edge in _edges(black)):
        return None
    regions, n = ndimage.label(black)
    at_edge = np.zeros(n + 1, bool)
    at_edge[np.concatenate(_edges(regions))] = True
    at_edge[0] = False
    frame: NDArray[np.bool_] = at_edge[regions]
    if frame.mean() < SMALLEST_SHARE or frame.all():
        return None
    return frame if _surrounds_tissue(frame, planes) else None


def _edges(plane: NDArray[Scalar]) -> list[NDArray[Scalar]]:
    return [plane[0], plane[-1], plane[:, 0], plane[:, -1]]


def _surrounds_tissue(frame: NDArray[np.bool_], planes: NDArray[Any]) -> bool:
    pieces, _ = ndimage.label(~frame)
    areas = np.bincount(pieces.ravel())[1:]
    if areas.max() < IN_ONE_PIECE * areas.sum():
        return False
    near = ndimage.binary_dilation(frame, iterations=NEAR_PX) & ~frame
    return bool(np.mean(is_lit(planes, BRIGHT)[near]) > 0.5)


def continued(planes: NDArray[Scalar], frame: NDArray[np.bool_]) -> NDArray[Scalar]:
    """Fill a frame (Y, X) with what it surrounds (C, Y, X), mirrored at its border; far out, with the border itself."""
    nearest = ndimage.distance_transform_edt(frame, return_distances=False, return_indices=True)
    border, here = nearest[:, frame], np.array(np.nonzero(frame), np.int32)
    limits = np.array(frame.shape, np.int32)[:, None] - 1
    mirrored = (2 * border - here).clip(0, limits)
    outside = frame[tuple(mirrored)]
    mirrored[:, outside] = border[:, outside]
    filled = planes.copy()
    filled[:, frame] = planes[:, *mirrored]
    return filled
