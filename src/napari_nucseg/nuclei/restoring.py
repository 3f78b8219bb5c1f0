"""Nuclei back to what was predicted, one or all in a box."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.counted import count_words
from napari_nucseg.errors import EditError
from napari_nucseg.nuclei.edit import Edit, box_of, check_labels, first_free_number, mostly_in, present
from napari_nucseg.nuclei.strokes import box_between, pixel_at

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Labels = NDArray[np.integer[Any]]


def restore_at(labels: Labels, snapshot: Labels, point: ArrayLike, *, first_free: int | None = None) -> Edit:
    """Bring back the prediction for the nucleus at a point, or for the one that was predicted there.

    Pieces it was split into go, and nuclei that were merged into it come back too.

    Parameters
    ----------
    labels, snapshot
        (Y, X) integers: now, and as predicted.
    point
        (y, x) in pixels.
    first_free
        Number for a nucleus whose own is in use elsewhere; found where None.

    Raises
    ------
    EditError
        If there is no nucleus now or then, or it is as predicted.
    """
    _check_pair(labels, snapshot)
    y, x = pixel_at(point, labels.shape)
    now, then = present(labels[y : y + 1, x : x + 1]), present(snapshot[y : y + 1, x : x + 1])
    if not now.size and not then.size:
        raise EditError("there is no nucleus here. Nor was one predicted: click on one.")
    # one step each way: what the nucleus now covers, and what covers the nucleus of then
    then = np.union1d(then, mostly_in(snapshot, snapshot[np.isin(labels, now)]))
    now = np.union1d(now, mostly_in(labels, labels[np.isin(snapshot, then)]))
    return _restore(labels, snapshot, now, then, first_free)


def restore_in_box(
    labels: Labels, snapshot: Labels, corners: ArrayLike, *, first_free: int | None = None
) -> Edit:
    """Bring back the prediction for all nuclei, of now and of then, that lie mostly in a box of (2, 2) corners.

    Raises
    ------
    EditError
        If there is no nucleus in the box, or all are as predicted.
    """
    _check_pair(labels, snapshot)
    box = box_between(corners, labels.shape)
    now, then = mostly_in(labels, labels[box]), mostly_in(snapshot, snapshot[box])
    if not now.size and not then.size:
        raise EditError(
            "no nucleus lies mostly inside the box. Nor was one predicted in it: drag a larger one."
        )
    return _restore(labels, snapshot, now, then, first_free)


def _restore(
    labels: Labels, snapshot: Labels, now: NDArray[Any], then: NDArray[Any], first_free: int | None
) -> Edit:
    """Clear the nuclei of now and paint those of then, each only where no other nucleus of now lies."""
    box = _box_of_both(labels, snapshot, now, then)
    old, predicted = labels[box], snapshot[box]
    cleared = np.where(np.isin(old, now), 0, old).astype(np.int32)
    free = first_free_number(labels, snapshot) if first_free is None else first_free
    elsewhere = np.setdiff1d(_existing(labels, then), now)
    new = cleared.copy()
    for number in then:
        taken = number in elsewhere and not _overlap(labels, snapshot, number)
        new[(predicted == number) & (cleared == 0)] = free if taken else number
        free += taken
    # what the nuclei of now had taken from others goes back to those that still exist
    freed = (new == 0) & (old != cleared) & (predicted > 0)
    staying = np.setdiff1d(_existing(labels, present(predicted[freed])), now)
    freed &= np.isin(predicted, staying)
    new[freed] = predicted[freed]
    if np.array_equal(new, old):
        raise EditError("this is as predicted already. There is nothing to restore.")
    if then.size:
        words = f"Restored {count_words(then.size, 'predicted nucleus', 'predicted nuclei')}."
    else:
        words = f"Removed {count_words(now.size, 'nucleus that was', 'nuclei that were')} not predicted."
    return Edit(box, new, words)


def _existing(labels: Labels, numbers: NDArray[Any]) -> NDArray[Any]:
    """Which of some numbers there are in an image."""
    return present(labels[np.isin(labels, numbers)])


def _overlap(labels: Labels, snapshot: Labels, number: int) -> bool:
    """Whether a number of now and the same number of then are the same nucleus."""
    return bool(((labels == number) & (snapshot == number)).any())


def _box_of_both(labels: Labels, snapshot: Labels, now: NDArray[Any], then: NDArray[Any]) -> Any:
    boxes = [box_of(array, numbers) for array, numbers in ((labels, now), (snapshot, then)) if numbers.size]
    return tuple(
        slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes)) for axis in (0, 1)
    )


def _check_pair(labels: Labels, snapshot: Labels) -> None:
    check_labels(labels)
    check_labels(snapshot)
    if labels.shape != snapshot.shape:
        raise EditError(f"labels have shape {labels.shape}, the prediction {snapshot.shape}: segment again.")
