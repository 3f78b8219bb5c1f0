"""Measurements of a result layer, as one table for a plane or a stack. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.nuclei.measuring import measure, write_table

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_nucseg._napari.planes import PlaneLayout


def table_steps(
    path: Path, labels: NDArray[np.integer], data: Any, layout: PlaneLayout, pixel_size_um: float | None
) -> Generator[int, None, int]:
    """Measure every plane's nuclei and write them as CSV; yields planes done, returns the number of nuclei.

    Planes of a stack are told apart by columns ``axis_0`` … with the plane's place in each stack axis.
    """
    tables: list[dict[str, NDArray[Any]]] = []
    for number, index in enumerate(layout.planes()):
        if labels[index].any() or not tables:
            tables.append(_plane_table(labels[index], layout.read(data, index), layout, index, pixel_size_um))
        yield number + 1
    table = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
    write_table(path, table)
    return len(table["label"])


def _plane_table(
    labels: NDArray[np.integer],
    plane: NDArray[Any],
    layout: PlaneLayout,
    index: tuple[int, ...],
    pixel_size_um: float | None,
) -> dict[str, NDArray[Any]]:
    channels_first = np.moveaxis(plane[..., :3], -1, 0) if layout.rgb else plane
    table = measure(labels, channels_first, pixel_size_um)
    n = len(table["label"])
    where = dict(zip(layout.index_axes, index, strict=True))
    place = {f"axis_{a}": np.full(n, where[a]) for a in layout.stack_axes}
    return {"label": table.pop("label"), **place, **table}
