"""Whether labels can be of nuclei one by one, or are of classes, a smoothed mask or a picture instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from skimage.measure import label

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_BACKGROUND = "whose labels leave no background: 0 must be what is no nucleus"
SCATTERED = (
    "most of whose labels lie in pieces, as those of classes, of smoothed masks and of pictures do: "
    "each nucleus needs a number of its own"
)
MOST_IN_PIECES, IN_MANY_PIECES = 0.5, 0.25
"""Shares of labels in two or more pieces, and in three or more, above which labels are of no nuclei.

In 349 images of DSB2018, Lizard, CPM-15, CoNSeP, MoNuSeg and TNBC they are .03 and 0 at most; of two classes, inside
and border, 1 and 1; of masks whose edges are smoothed .67 and .49 at least.
"""
FEW, MANY_PIECES = 5, 10
"""Of fewer labels than ``FEW``, how many pieces they have on average says more: a nucleus may have stray pixels."""


def why_no_instances(labels: NDArray[np.int32]) -> str:
    """Say of images why their labels (Y, X) cannot be of nuclei one by one: "whose …"; empty where they can."""
    if labels.all():
        return NO_BACKGROUND
    pieces = label(labels, connectivity=2)
    numbers, first = np.unique(pieces, return_index=True)
    _, n_pieces = np.unique(labels.ravel()[first[numbers > 0]], return_counts=True)
    if n_pieces.size < FEW:
        return SCATTERED if n_pieces.mean() > MANY_PIECES else ""
    in_pieces = (n_pieces > 1).mean() > MOST_IN_PIECES and (n_pieces > 2).mean() > IN_MANY_PIECES
    return SCATTERED if in_pieces else ""
