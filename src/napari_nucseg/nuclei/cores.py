"""Cores of nuclei: connected places where the core is likely, split where they fall apart at higher levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Place = tuple[int, int]

MAX_CORE_PX = 128
"""Cores wider than this are no nuclei: they are cut along a grid of this spacing."""
PLAIN_CORE = 0.5
"""Probability from which a core is one, however high the sensitivity."""
SPLITTING_STEP = 0.1
"""Cores are looked at again at levels above the sensitivity, in such steps."""


@dataclass(frozen=True)
class Splitting:
    """How readily cores fall apart.

    Attributes
    ----------
    span : how far above the sensitivity they are looked at again
    smallest : area of a piece that may become a core of its own at the default sensitivity of ½, in squared diameters
    """

    span: float
    smallest: float


PLAIN = Splitting(span=0.3, smallest=0.09)
FINE = Splitting(span=0.4, smallest=0.02)
"""Into pieces rather too small, where a judge joins those that belong together."""


def find_cores(
    core: NDArray[np.float32],
    height: NDArray[np.float32],
    sensitivity: float,
    splitting: Splitting,
    diameter_px: float,
    origin: Place,
) -> NDArray[np.int32]:
    """Find the cores, and split those that fall apart into sizeable ones at higher levels.

    A core is never lost to splitting: where fewer than two sizeable pieces are left at a level, it stays as it is.
    """
    lowest = min(sensitivity, PLAIN_CORE)
    cores = _label_cores(core > lowest, origin)
    places = np.flatnonzero(cores > 0)
    evidence = np.zeros_like(core)
    evidence.ravel()[places] = (core.ravel()[places] + height.ravel()[places]) / 2
    n_levels = round((sensitivity + splitting.span - lowest) / SPLITTING_STEP)
    smallest_px = splitting.smallest * 2 * (1 - sensitivity) * diameter_px**2
    core_of = cores.ravel()[places]
    for level in range(1, n_levels + 1):
        pieces, _ = ndimage.label(evidence > lowest + level * SPLITTING_STEP)
        core_of = _split(core_of, pieces.ravel()[places], smallest_px)
    cores.ravel()[places] = core_of
    return cores


def _split(core_of: NDArray[np.int32], piece_of: NDArray[np.int32], smallest_px: float) -> NDArray[np.int32]:
    """Replace each core by its pieces above a level where two or more of them are large enough.

    ``core_of`` and ``piece_of`` are core and piece (0: none) of each pixel that lies in a core. Returned is the core of
    each afterwards, 0 for what is left over.
    """
    sizeable = np.bincount(piece_of, minlength=1) >= smallest_px
    sizeable[0] = False
    parent = np.zeros(sizeable.size, np.int32)
    parent[piece_of] = core_of
    n_cores = int(core_of.max(initial=0))
    splits = np.bincount(parent[sizeable], minlength=n_cores + 1) >= 2
    if not splits.any():
        return core_of
    pieces = np.where(sizeable, n_cores + np.arange(sizeable.size), 0).astype(np.int32)
    return np.where(splits[core_of], pieces[piece_of], core_of)


def _label_cores(core: NDArray[np.bool_], origin: Place) -> NDArray[np.int32]:
    """Give connected cores numbers; wide ones are first cut along lines that are fixed in the whole image."""
    cores, n = ndimage.label(core)
    boxes = ndimage.find_objects(cores)
    wide = [i for i in range(n) if max(s.stop - s.start for s in boxes[i]) > MAX_CORE_PX]
    if not wide:
        return cores
    core = core.copy()
    for index in wide:
        rows, columns = (_cut_lines(s, o) for s, o in zip(boxes[index], origin, strict=True))
        core[boxes[index]] &= (cores[boxes[index]] != index + 1) | ~(rows[:, None] | columns)
    return ndimage.label(core)[0]


def _cut_lines(side: slice, origin: int) -> NDArray[np.bool_]:
    """Mark where one side of a wide core is cut; a side that is short enough is not."""
    position = np.arange(side.start + origin, side.stop + origin)
    return (position % MAX_CORE_PX == 0) & (position.size > MAX_CORE_PX)
