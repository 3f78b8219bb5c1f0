"""Outlines of nuclei as GeoJSON (RFC 7946), in the form QuPath gives its own detections."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.errors import ImageError
from napari_nucseg.files import written_whole
from napari_nucseg.nuclei.outlines import outlines_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_nucseg.nuclei.outlines import Polygon

SUFFIX = ".geojson"
_END = "]}"
_EVERY = 100
"""Nuclei from one word of progress to the next."""


def outline_steps(
    path: str | Path, labels: NDArray[np.integer[Any]], axes: str = "YX", **marks: str
) -> Generator[int, None, int]:
    """Write every nucleus as a polygon, or as several where it has several parts, whole or not at all.

    Coordinates are x and y in pixels, where 0 is the outer edge of the first pixel. A nucleus bears its number as its
    name and as the measurement ``label``. A slice is told as QuPath tells it, by ``plane`` beside the coordinates.

    Parameters
    ----------
    path
        File to write; an existing one is replaced.
    labels
        Integers from 0, (Y, X), or with T and Z before.
    axes
        A letter an axis: YX, ZYX, TYX or TZYX.
    marks
        Texts that stand in the first line, which ``marks_of`` reads.

    Yields
    ------
    done
        Nuclei written, every hundred.

    Returns
    -------
    n_nuclei
        Outlines written; of a nucleus that has one number in several slices, one each.

    Raises
    ------
    ImageError
        If the axes are others.
    OutputError
        If the file cannot be written.
    """
    _check_axes(labels, axes)
    done = 0
    with written_whole(path) as part, part.open("w", encoding="ascii", newline="\n") as file:
        file.write(json.dumps({"type": "FeatureCollection", **marks, "features": []}).removesuffix(_END))
        for index in np.ndindex(labels.shape[:-2]):
            plane = dict(zip(axes.lower(), index, strict=False))
            for label, polygons in outlines_of(labels[index]):
                file.write(",\n" if done else "\n")
                file.write(json.dumps(_feature(label, polygons, plane)))  # json.dump takes four times as long
                done += 1
                if done % _EVERY == 0:
                    yield done
        file.write(f"\n{_END}\n")
    return done


def marks_of(path: Path) -> dict[str, Any]:
    """Texts in the first line of a file that ``outline_steps`` wrote.

    Raises
    ------
    ValueError
        If it is none.
    """
    with path.open(encoding="ascii") as file:
        found: dict[str, Any] = json.loads(f"{file.readline()}{_END}")
    return found


def _check_axes(labels: NDArray[np.integer[Any]], axes: str) -> None:
    if axes not in ("YX", "ZYX", "TYX", "TZYX") or labels.ndim != len(axes):
        raise ImageError(
            f"got labels of shape {labels.shape} and axes {axes}: outlines have Y and X, and at most T and Z before"
        )


def _feature(label: int, polygons: list[Polygon], plane: Mapping[str, int]) -> dict[str, Any]:
    parts = [[ring.tolist() for ring in polygon] for polygon in polygons]
    geometry: dict[str, Any] = (
        {"type": "Polygon", "coordinates": parts[0]}
        if len(parts) == 1
        else {"type": "MultiPolygon", "coordinates": parts}
    )
    if plane:
        geometry["plane"] = {"c": -1, "z": 0, "t": 0, **plane}  # -1: no channel of its own
    properties = {"objectType": "detection", "name": str(label), "measurements": {"label": label}}
    return {"type": "Feature", "geometry": geometry, "properties": properties}
