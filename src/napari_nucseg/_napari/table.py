"""Measurements of a result layer, as one table for a plane or a stack. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.nuclei.measuring import measure, write_table

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_nucseg._napari.planes import PlaneLayout


def stack_columns(names: Sequence[str]) -> list[str]:
    """Name the axes of a stack t and z, as ``nucseg segment`` does; more than two are counted.

    Of one axis without a name it is not known which it is: slices are likelier than times.
    """
    times = [name.lower() in ("t", "time") for name in names]
    if len(names) > 2:
        return [f"axis_{axis}" for axis in range(len(names))]
    if len(names) == 2:
        return ["z", "t"] if times == [False, True] else ["t", "z"]
    return ["t" if time else "z" for time in times]


def table_steps(
    path: Path,
    labels: NDArray[np.integer],
    data: Any,
    layout: PlaneLayout,
    names: Sequence[str],
    pixel_size_um: float | None,
) -> Generator[int, None, int]:
    """Measure every plane's nuclei and write them as CSV; yields planes done, returns the number of nuclei.

    Planes of a stack are told apart by their place in each stack axis, in columns named as in ``stack_columns``.
    """
    tables: list[dict[str, NDArray[Any]]] = []
    columns = dict(zip(layout.stack_axes, stack_columns(names), strict=True))
    for number, index in enumerate(layout.planes()):
        if labels[index].any() or not tables:
            where = dict(zip(layout.index_axes, index, strict=True))
            place = {column: where[axis] for axis, column in columns.items()}
            tables.append(_plane_table(labels[index], layout.read(data, index), layout, place, pixel_size_um))
        yield number + 1
    table = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
    write_table(path, table)
    return len(table["label"])


def _plane_table(
    labels: NDArray[np.integer],
    plane: NDArray[Any],
    layout: PlaneLayout,
    place: Mapping[str, int],
    pixel_size_um: float | None,
) -> dict[str, NDArray[Any]]:
    channels_first = np.moveaxis(plane[..., :3], -1, 0) if layout.rgb else plane
    table = measure(labels, channels_first, pixel_size_um)
    n = len(table["label"])
    return {column: np.full(n, number) for column, number in place.items()} | table
