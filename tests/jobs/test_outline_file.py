"""Outlines as GeoJSON: what QuPath reads, checked by another way of filling polygons."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from skimage.measure import points_in_poly

from napari_nucseg.errors import ImageError, OutputError
from napari_nucseg.jobs.outline_file import marks_of, outline_steps
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    from pathlib import Path


def _write(path: Path, labels: np.ndarray, axes: str = "YX", **marks: str) -> int:
    return drain(outline_steps(path, labels, axes, **marks))


def _filled(features: list[dict], shape: tuple[int, int]) -> np.ndarray:
    y, x = np.indices(shape)
    centres = np.stack([x.ravel(), y.ravel()], axis=1) + 0.5
    labels = np.zeros(shape, np.int32)
    for feature in features:
        geometry = feature["geometry"]
        parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        crossed = sum(points_in_poly(centres, ring).astype(int) for part in parts for ring in part)
        labels[(crossed % 2 == 1).reshape(shape)] = feature["properties"]["measurements"]["label"]
    return labels


@pytest.fixture
def nuclei() -> np.ndarray:
    """A disc, one around a hole with another nucleus in it, and one of two parts at the image's corners."""
    y, x = np.indices((40, 60))
    labels = np.zeros((40, 60), np.int32)
    labels[(y - 10) ** 2 + (x - 12) ** 2 < 50] = 3
    ring = (y - 22) ** 2 + (x - 40) ** 2
    labels[ring < 150] = 7
    labels[ring < 40] = 0
    labels[ring < 10] = 9
    labels[:2, -3:] = labels[-4:, :5] = 100
    return labels


def test_polygons_give_the_labels_back(tmp_path: Path, nuclei: np.ndarray) -> None:
    assert _write(tmp_path / "a.geojson", nuclei, software="x", history="{}") == 4
    read = json.loads((tmp_path / "a.geojson").read_text())
    np.testing.assert_array_equal(_filled(read["features"], nuclei.shape), nuclei)
    shapes = {f["properties"]["name"]: f["geometry"]["type"] for f in read["features"]}
    assert shapes == {"3": "Polygon", "7": "Polygon", "9": "Polygon", "100": "MultiPolygon"}
    assert {f["properties"]["objectType"] for f in read["features"]} == {"detection"}
    assert not any("plane" in f["geometry"] for f in read["features"])
    marks = marks_of(tmp_path / "a.geojson")
    assert (marks["type"], marks["software"], marks["history"]) == ("FeatureCollection", "x", "{}")


def test_slices_are_told_as_planes(tmp_path: Path) -> None:
    labels = np.zeros((2, 3, 8, 8), np.uint16)
    labels[1, 2, 2:5, 2:5] = 4
    labels[0, 0, 2:5, 2:5] = 4
    assert _write(tmp_path / "a.geojson", labels, "TZYX") == 2
    features = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert [f["geometry"]["plane"] for f in features] == [
        {"c": -1, "z": 0, "t": 0},
        {"c": -1, "z": 2, "t": 1},
    ]


def test_no_nuclei_are_a_collection_of_nothing(tmp_path: Path) -> None:
    assert _write(tmp_path / "a.geojson", np.zeros((5, 5), np.uint8)) == 0
    assert json.loads((tmp_path / "a.geojson").read_text()) == {"type": "FeatureCollection", "features": []}


def test_what_is_given_up_leaves_the_file_before(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text("before")
    labels = np.kron(np.arange(1, 226).reshape(15, 15), np.pad(np.ones((3, 3), int), 1))
    steps = outline_steps(path, labels)
    assert next(steps) == 100
    steps.close()
    assert [p.name for p in tmp_path.iterdir()] == ["a.geojson"]
    assert path.read_text() == "before"


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="at most T and Z"):
        _write(tmp_path / "a.geojson", np.zeros((2, 5, 5), np.uint8), "CYX")
    with pytest.raises(OutputError, match="it is a folder"):
        _write(tmp_path, np.zeros((5, 5), np.uint8))
