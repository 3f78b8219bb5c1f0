"""The result of a correction: new labels in a box, and what those who make or use them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.errors import EditError
from napari_nucseg.nuclei.strokes import pixel_at

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_nucseg.nuclei.strokes import Box

    Labels = NDArray[np.integer[Any]]

LARGEST_NUMBER = int(np.iinfo(np.int32).max)
_SPARE_NUMBERS = 1024


@dataclass(frozen=True, eq=False)
class Edit:
    """New labels inside a box, and what was done in words.

    Attributes
    ----------
    box
        Rows and columns, inside the image.
    values
        int32 labels of the box's size.
    summary
        One line for the user.
    """

    box: Box
    values: NDArray[np.int32]
    summary: str

    def changed_pixels(self, labels: Labels) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.int32]]:
        """Rows and columns of the pixels this edit changes, and their new labels."""
        where = np.nonzero(labels[self.box] != self.values)
        inside = tuple(place + side.start for place, side in zip(where, self.box, strict=True))
        return inside, self.values[where]


def first_free_number(*taken: Labels) -> int:
    """Find a number from which on at least a thousand are free in all of these labels.

    One above the largest, as a rule; where that is the end of int32, the first gap that is wide enough.
    """
    largest = max(int(labels.max(initial=0)) for labels in taken)
    if largest + _SPARE_NUMBERS <= LARGEST_NUMBER:
        return largest + 1
    used = np.unique(np.concatenate([np.unique(labels) for labels in taken]))
    used = np.concatenate([[0], used[used > 0], [LARGEST_NUMBER]])
    gaps = np.flatnonzero(np.diff(used) > _SPARE_NUMBERS)
    if not gaps.size:
        raise EditError("all numbers up to 2,147,483,647 are in use. Renumber the nuclei first.")
    return int(used[gaps[0]]) + 1


def nucleus_at(labels: Labels, point: ArrayLike) -> int:
    """Find the number of the nucleus at a point.

    Raises
    ------
    EditError
        If the point is outside the image or in the background.
    """
    check_labels(labels)
    number = int(labels[pixel_at(point, labels.shape)])
    if number <= 0:
        raise EditError("there is no nucleus at this point. Click on one.")
    return number


def box_of(labels: Labels, numbers: NDArray[Any]) -> Box:
    """Smallest box around all pixels of these nuclei, which must be there."""
    mask = labels == numbers[0] if len(numbers) == 1 else np.isin(labels, numbers)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def present(numbers: Labels) -> Labels:
    """Numbers of the nuclei among some pixels, sorted."""
    values = np.unique(numbers)
    return values[values > 0]


def mostly_in(labels: Labels, part: Labels) -> Labels:
    """Numbers of the nuclei that have at least half of their pixels in a part of the labels, sorted."""
    numbers, inside = np.unique(part[part > 0], return_counts=True)
    found = labels[np.isin(labels, numbers)]
    areas = np.bincount(np.searchsorted(numbers, found), minlength=numbers.size)
    return numbers[2 * inside >= areas]


def number_refusal(labels: Labels, name: str) -> str:
    """Say that labels (any axes) have numbers no nucleus can have, below 0 or beyond int32; empty where they have none.

    Pixels are looked at only where their type can hold such numbers.
    """
    kind = np.iinfo(labels.dtype)
    smallest = int(np.asarray(labels).min(initial=0)) if kind.min < 0 else 0  # they may not be in memory
    if smallest < 0:
        return (
            f"{name} has numbers below 0, down to {smallest:,}; the background is 0, nuclei are numbered from 1. "
            "Set them to 0, for example with numpy.maximum(labels, 0), as a layer of their own."
        )
    if kind.max <= LARGEST_NUMBER:
        return ""
    largest = int(np.asarray(labels).max(initial=0))
    if largest <= LARGEST_NUMBER:
        return ""
    return (
        f"{name} has a nucleus with number {largest:,}; up to {LARGEST_NUMBER:,} are allowed. Renumber the nuclei, "
        "for example with skimage.segmentation.relabel_sequential, as a layer of their own."
    )


def check_labels(labels: Labels) -> None:
    """Refuse what is no 2D array of integers, or has numbers below 0 or beyond int32."""
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise EditError(
            f"got labels of shape {labels.shape} and type {labels.dtype}: integers (Y, X) are allowed; "
            "edit a stack plane by plane."
        )
    if words := number_refusal(labels, "this plane"):
        raise EditError(words)
