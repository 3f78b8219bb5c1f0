"""Slices of stacks and series: what has Z or T is segmented one 2D slice after the other, like one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.images import to_planes
from napari_nucseg.nuclei.measuring import measure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.nuclei.measuring import Table

STACKED = "TZ"
"""Axes that are walked, in this order."""
MOST_NAMED = 6


@dataclass(frozen=True, eq=False)
class Slice:
    """One 2D image of a file.

    Attributes
    ----------
    place
        Index along each axis that is walked, by its small letter; empty where the file holds one image.
    pixels, axes
        The image, as ``segment`` takes it.
    """

    place: Mapping[str, int]
    pixels: NDArray[Any]
    axes: str | None

    @property
    def suffix(self) -> str:
        """What tells it from the others in names, ``_z3`` for instance; empty for a single image."""
        return "".join(f"_{letter}{index}" for letter, index in self.place.items())


def slices_of(pixels: NDArray[Any], axes: str | None) -> tuple[Slice, ...]:
    """Take the pixels of a file apart along T and Z where these are longer than 1; T is walked first.

    Axes that do not fit the pixels are left to ``segment``, which says what is wrong with them.
    """
    letters = (axes or "").upper()
    sizes = dict(zip(letters, pixels.shape, strict=True)) if len(letters) == pixels.ndim else {}
    walked = [letter for letter in STACKED if sizes.get(letter, 1) > 1]
    if not walked:
        return (Slice({}, pixels, axes),)
    front = np.moveaxis(pixels, [letters.index(letter) for letter in walked], range(len(walked)))
    rest = "".join(letter for letter in letters if letter not in walked)
    return tuple(
        Slice({letter.lower(): i for letter, i in zip(walked, index, strict=True)}, front[index], rest)
        for index in np.ndindex(front.shape[: len(walked)])
    )


def put_together(
    slices: Sequence[Slice], labels: Sequence[NDArray[np.int32]]
) -> tuple[NDArray[np.int32], str]:
    """Stack the labels of all slices: int32 (…, Y, X) and their axes; numbers go on from slice to slice."""
    if len(labels) == 1:
        return labels[0], axes_of(slices)
    numbered, so_far = np.zeros((len(labels), *labels[0].shape), np.int32), 0
    for plane, found in zip(numbered, labels, strict=True):
        np.add(found, so_far, out=plane, where=found > 0)
        so_far = max(so_far, int(plane.max(initial=0)))
    last = slices[-1].place
    shape = (*(index + 1 for index in last.values()), *labels[0].shape)
    return numbered.reshape(shape), axes_of(slices)


def axes_of(slices: Sequence[Slice]) -> str:
    """Axes of the labels of all slices together: those that are walked, then YX."""
    return "".join(slices[-1].place).upper() + "YX"


def notes_of(slices: Sequence[Slice], notes: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Remarks on all slices together: each once, with the slices it is about where these are not all."""
    about: dict[str, list[int]] = {}
    for number, remarks in enumerate(notes):
        for note in dict.fromkeys(remarks):
            about.setdefault(note, []).append(number)
    return tuple(
        note if len(numbers) == len(slices) else f"{_names(slices, numbers)}: {note}"
        for note, numbers in about.items()
    )


def _names(slices: Sequence[Slice], numbers: Sequence[int]) -> str:
    """Name slices, those that follow one another by the first and the last."""
    about = set(numbers)
    starts = [n for n in numbers if n - 1 not in about]
    ends = [n for n in numbers if n + 1 not in about]
    names = [part.suffix.strip("_") for part in slices]
    runs = [names[a] if a == b else f"{names[a]}–{names[b]}" for a, b in zip(starts, ends, strict=True)]
    more = f" and {len(runs) - MOST_NAMED} more places" if len(runs) > MOST_NAMED else ""
    return f"{'slice' if len(numbers) == 1 else 'slices'} {', '.join(runs[:MOST_NAMED])}{more}"


def measure_slices(
    slices: Sequence[Slice], labels: NDArray[np.int32], channel: int | None, pixel_size_um: float | None
) -> Table:
    """Measure the nuclei of all slices, labels as ``put_together`` gives them; a column says where on each axis."""
    tables = []
    for part, found in zip(slices, labels.reshape(-1, *labels.shape[-2:]), strict=True):
        table = measure(found, to_planes(part.pixels, part.axes, channel), pixel_size_um)
        n = len(table["label"])
        tables.append({letter: np.full(n, index) for letter, index in part.place.items()} | table)
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
