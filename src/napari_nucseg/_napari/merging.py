"""How a new prediction meets what is already in a layer: user's edits stay, pixels outside a region stay.

Arrays in, arrays out, (Y, X) planes; nothing here knows napari.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.nuclei.edit import mostly_in, present

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Merged:
    """A plane after a new prediction.

    Attributes
    ----------
    labels
        What the layer shows, int32 (Y, X).
    snapshot
        The prediction alone, in the same numbering: where it differs from ``labels``, a person edited.
    edited
        Pixels a person vouches for: edited ones and all of every nucleus they belong to.
    """

    labels: NDArray[np.int32]
    snapshot: NDArray[np.int32]
    edited: NDArray[np.bool_]


def keep_edits(
    current: NDArray[np.integer],
    changed: NDArray[np.bool_],
    prediction: NDArray[np.integer],
    first: int = 0,
) -> Merged:
    """Paint a new prediction around the nuclei a person edited, added or erased.

    A nucleus with one changed pixel stays whole and keeps its number. A predicted nucleus that lies mostly
    under such nuclei is left out, others are cut back to what is free. A predicted number that is taken by a
    nucleus that stays is replaced by a free one above ``first``.
    """
    kept_ids = present(current[changed])
    protected = changed | np.isin(current, kept_ids)
    numbered = _without_numbers(prediction, kept_ids, first)
    area = np.bincount(numbered.ravel())
    covered = np.bincount(numbered[protected], minlength=area.size)
    mostly_covered = np.flatnonzero(2 * covered > area)
    shown = np.where(np.isin(numbered, mostly_covered), 0, numbered)
    labels = np.where(protected, current, shown).astype(np.int32)
    return Merged(labels, numbered, protected)


def paste_region(
    current: NDArray[np.integer],
    prediction: NDArray[np.integer],
    region: NDArray[np.bool_],
    first: int = 0,
) -> NDArray[np.int32]:
    """Replace the nuclei that lie mostly inside a region by the predicted ones there; all others stay.

    Predicted nuclei mostly outside the region are left out; those kept are numbered above ``first`` and never
    overwrite a nucleus that stays.
    """
    staying = np.where(np.isin(current, mostly_in(current, current[region])), 0, current)
    arriving = np.where(np.isin(prediction, mostly_in(prediction, prediction[region])), prediction, 0)
    numbered = _renumbered(arriving, present(staying), first)
    return np.where(staying > 0, staying, numbered).astype(np.int32)


def merge_plane(
    current: NDArray[np.integer],
    snapshot: NDArray[np.integer],
    edited: NDArray[np.bool_] | None,
    prediction: NDArray[np.integer],
    *,
    first: int = 0,
    region: NDArray[np.bool_] | None = None,
    keep: bool = True,
) -> Merged:
    """Bring a new prediction into a plane that may hold an older one and a person's edits.

    Parameters
    ----------
    current, snapshot, edited
        What the layer shows, what was predicted before, and what was edited before that; (Y, X).
    prediction
        The new labels, int32 (Y, X).
    first
        Numbers that are new in the plane lie above this one: those below belong to nuclei of other planes.
    region
        Where the prediction counts; None for all of the plane. Outside, everything stays, edits included.
    keep
        Whether edits where the prediction counts stay too.
    """
    changed = current != snapshot
    if edited is not None:
        changed |= edited
    if not keep:
        changed = changed & ~region if region is not None else np.zeros_like(changed)
    if region is None:
        predicted = np.where(prediction > 0, prediction + first, 0).astype(np.int32)
    else:
        predicted = paste_region(snapshot, prediction, region, first)
    if not changed.any():
        return Merged(predicted, predicted.copy(), changed)
    return keep_edits(current, changed, predicted, first)


def _renumbered(labels: NDArray[np.integer], taken: NDArray[np.integer], first: int) -> NDArray[np.int32]:
    """Give nuclei the smallest free numbers above ``first``, in the order of their old ones; 0 stays 0."""
    values = present(labels)
    table = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
    table[values] = _free_numbers(values.size, taken, first)
    return table[labels]


def _without_numbers(
    labels: NDArray[np.integer], taken: NDArray[np.integer], first: int
) -> NDArray[np.int32]:
    """Replace numbers that are taken by free ones above ``first``; all others stay."""
    values = np.unique(labels)
    colliding = np.intersect1d(values, taken)
    if colliding.size == 0:
        return labels.astype(np.int32)
    table = np.arange(int(values[-1]) + 1, dtype=np.int32)
    table[colliding] = _free_numbers(colliding.size, np.union1d(values, taken), first)
    return table[labels]


def _free_numbers(n: int, taken: NDArray[np.integer], first: int) -> NDArray[np.int64]:
    """Smallest ``n`` numbers above ``first`` that are not among those taken."""
    return np.setdiff1d(np.arange(first + 1, first + n + taken.size + 1), taken)[:n]
