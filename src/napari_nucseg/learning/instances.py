"""Whether labels can be of nuclei one by one, or are of classes, a smoothed mask or a picture instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.measure import label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

NO_BACKGROUND = "whose labels leave no background: 0 must be what is no nucleus"
SCATTERED = (
    "most of whose labels lie in pieces, as those of classes, of smoothed masks and of pictures do: "
    "each nucleus needs a number of its own"
)
UNNUMBERED = (
    "whose pieces all have one number, as in a mask: each nucleus needs a number of its own "
    "(skimage.measure.label gives each piece one)"
)
MOST_IN_PIECES, IN_MANY_PIECES = 0.5, 0.25
"""Shares of labels in two or more pieces, and in three or more, above which labels are of no nuclei.

In 349 images of DSB2018, Lizard, CPM-15, CoNSeP, MoNuSeg and TNBC they are .03 and 0 at most; of two classes, inside
and border, 1 and 1; of masks whose edges are smoothed .67 and .49 at least.
"""
FEW, MANY_PIECES = 5, 10
"""Of fewer labels than ``FEW``, how many pieces they have on average says more: a nucleus may have stray pixels."""
ALIKE = 0.25
"""Pieces of at least this share of a label's largest are no stray pixels: where every one of few labels has several,
they are classes. In the 10 images of the same sets with so few labels each is in one piece.
"""


def why_no_instances(labels: NDArray[np.integer]) -> str:
    """Say of images why their labels (Y, X) cannot be of nuclei one by one: "whose …"; empty where they can."""
    if not labels.any():
        return ""
    if labels.all():
        return NO_BACKGROUND
    pieces = _pieces(labels)
    owners = np.zeros(pieces.max() + 1, labels.dtype)
    owners[pieces] = labels
    owners = owners[1:]
    owner, n_pieces = np.unique(owners, return_counts=True)
    if owner.size < FEW:
        areas_px = np.bincount(pieces.ravel())[1:]
        classes = n_pieces.mean() > MANY_PIECES or _in_alike_pieces(areas_px[owners == n] for n in owner)
        return (UNNUMBERED if owner.size == 1 else SCATTERED) if classes else ""
    in_pieces = (n_pieces > 1).mean() > MOST_IN_PIECES and (n_pieces > 2).mean() > IN_MANY_PIECES
    return SCATTERED if in_pieces else ""


def _pieces(labels: NDArray[np.integer]) -> NDArray[np.integer[Any]]:
    """Give each piece of a label (Y, X) a number from 1; pixels that touch at a corner are of one piece."""
    if ((labels == 0) | (labels == labels.max())).all():
        # a window waits for this: in a mask SciPy, which does not tell labels apart, is ten times as fast
        numbered: NDArray[np.int32] = ndimage.label(labels, np.ones((3, 3)))[0]
        return numbered
    return np.asarray(label(labels, connectivity=2))


def _in_alike_pieces(areas_px: Iterable[NDArray[np.int64]]) -> bool:
    """Whether each label, given as the areas of its pieces, has several alike; a lone one may be dividing, into two."""
    n_alike = [int((areas >= ALIKE * areas.max()).sum()) for areas in areas_px]
    return min(n_alike) > 1 and sum(n_alike) > 2
