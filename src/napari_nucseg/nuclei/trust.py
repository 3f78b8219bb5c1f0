"""Which pixels a person vouches for: the trust map, and what of it a network may be taught.

An unreviewed pixel without a nucleus is no background: nobody has looked at it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_nucseg.nuclei.strokes import grown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_nucseg.nuclei.corrections import Change

MARGIN_PX = 3
"""Background around a changed nucleus that a person has looked at, too."""


class Trust(IntEnum):
    """Values of a trust map, uint8 (Y, X)."""

    UNKNOWN = 0
    REVIEWED = 1
    IGNORE = 2


def taught_area(
    trust: NDArray[np.uint8],
    labels: NDArray[np.integer[Any]],
    snapshot: NDArray[np.integer[Any]] | None = None,
    changes: Iterable[Change] = (),
) -> NDArray[np.bool_]:
    """Pixels that count when a network is taught, nuclei and background alike.

    All that is reviewed, and every changed nucleus (as it was and as it is) with a margin. Of the margin, pixels that
    the prediction gives to another nucleus are left out: nobody said anything about those. What is to be ignored
    never counts.

    Parameters
    ----------
    trust
        (Y, X) values of :class:`Trust`.
    labels, snapshot
        (Y, X) integers: edited, and as predicted. Without a snapshot only the reviewed area counts.
    changes
        What differs between the two, from ``diff(snapshot, labels)``.
    """
    taught = trust == Trust.REVIEWED
    for change in changes if snapshot is not None else ():
        window = grown(change.box, MARGIN_PX, trust.shape)
        predicted = snapshot[window]  # type: ignore[index]
        before = np.isin(predicted, change.before)
        own = before | np.isin(labels[window], change.after)
        taught[window] |= with_margin(own, (predicted > 0) & ~before)
    return taught & (trust != Trust.IGNORE)


def with_margin(own: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of a nucleus, at least one, and of the background around it that a person has looked at, too."""
    return (ndimage.distance_transform_edt(~own) <= MARGIN_PX) & ~others
