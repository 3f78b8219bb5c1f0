"""Measurements against shapes whose numbers are known, and against plain loops."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from napari_nucseg.errors import ImageError, OutputError
from napari_nucseg.nuclei.measuring import measure, write_table


@pytest.fixture
def labels() -> np.ndarray:
    """A 3x5 rectangle numbered 7 and a single pixel numbered 2; the numbers between are missing."""
    labels = np.zeros((20, 30), np.int32)
    labels[2:5, 10:15] = 7
    labels[19, 0] = 2
    return labels


def test_shapes_in_pixels(labels: np.ndarray) -> None:
    table = measure(labels)
    assert table["label"].tolist() == [2, 7]
    assert table["area_px"].tolist() == [1, 15]
    assert table["centroid_y_px"].tolist() == [19, 3]
    assert table["centroid_x_px"].tolist() == [0, 12]
    assert table["equivalent_diameter_px"] == pytest.approx(np.sqrt(4 * np.array([1, 15]) / np.pi))
    assert not any("um" in name or "intensity" in name for name in table)


def test_pixel_size_adds_micrometres(labels: np.ndarray) -> None:
    table = measure(labels, pixel_size_um=0.5)
    assert table["area_um2"].tolist() == [0.25, 3.75]
    assert table["centroid_y_um"].tolist() == [9.5, 1.5]
    assert table["equivalent_diameter_um"] == pytest.approx(table["equivalent_diameter_px"] / 2)


@pytest.mark.parametrize(
    ("n_channels", "names"),
    [
        pytest.param(None, ["mean_intensity"], id="grey"),
        pytest.param(1, ["mean_intensity"], id="one-channel"),
        pytest.param(3, ["mean_intensity_0", "mean_intensity_1", "mean_intensity_2"], id="rgb"),
    ],
)
def test_mean_intensities(labels: np.ndarray, n_channels: int | None, names: list[str]) -> None:
    shape = labels.shape if n_channels is None else (n_channels, *labels.shape)
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    table = measure(labels, image)
    assert [name for name in table if "intensity" in name] == names
    for name, channel in zip(names, image.reshape(-1, *labels.shape), strict=True):
        assert table[name] == pytest.approx([channel[labels == v].mean() for v in (2, 7)])


def test_mean_intensities_of_nuclei_all_over_a_tall_image() -> None:
    labels = np.repeat(np.arange(7), 200)[:, np.newaxis] * np.ones(3, np.int32)
    image = np.random.default_rng(0).integers(0, 2**16, labels.shape, np.uint16)
    means = [image[labels == v].mean() for v in range(1, 7)]
    assert measure(labels, image)["mean_intensity"] == pytest.approx(means)


def test_numbers_may_be_as_high_as_they_like(labels: np.ndarray) -> None:
    high, low = (
        measure(np.where(labels == 7, 2**40, labels.astype(np.int64)), labels),
        measure(labels, labels),
    )
    assert high.pop("label").tolist() == [2, 2**40]
    del low["label"]
    np.testing.assert_equal(high, low)


def test_no_nucleus_is_a_table_without_rows(tmp_path) -> None:
    empty = np.zeros((8, 8), np.int32)
    table = measure(empty, np.ones((8, 8)), pixel_size_um=1)
    assert all(len(column) == 0 for column in table.values())
    write_table(tmp_path / "t.csv", table)
    assert (tmp_path / "t.csv").read_text().splitlines() == [",".join(table)]


def test_a_nucleus_with_a_masked_pixel_has_no_mean(labels: np.ndarray) -> None:
    image = np.ma.masked_array(np.full(labels.shape, 100), mask=False)
    image[tuple(np.argwhere(labels == 2)[0])] = np.ma.masked
    np.testing.assert_array_equal(measure(labels, image)["mean_intensity"], [np.nan, 100])


def test_table_round_trip(tmp_path, labels: np.ndarray) -> None:
    image = np.where(labels == 2, np.nan, 1000 / 3)
    write_table(tmp_path / "new folder" / "t.csv", measure(labels, image))
    with (tmp_path / "new folder" / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["2", "7"]
    assert [row["mean_intensity"] for row in rows] == ["", "333.3333333"]


def test_large_numbers_stay_apart(tmp_path, labels: np.ndarray) -> None:
    image = np.where(labels == 2, 4294967295, 4294967294).astype(np.uint32)
    wide = np.pad(labels, ((0, 0), (123456, 0)))
    write_table(tmp_path / "t.csv", measure(wide, np.pad(image, ((0, 0), (123456, 0)))))
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["mean_intensity"] for row in rows] == ["4294967295", "4294967294"]
    assert [row["centroid_x_px"] for row in rows] == ["123456", "123468"]


@pytest.mark.parametrize(
    ("labels", "image", "pixel_size_um", "words"),
    [
        pytest.param(np.zeros((2, 4, 4), int), None, None, "plane by plane", id="stack"),
        pytest.param(np.zeros((4, 4)), None, None, "float64", id="float-labels"),
        pytest.param(np.zeros((4, 5), int), np.zeros((4, 5, 3)), None, "moveaxis", id="channels-last"),
        pytest.param(np.zeros((4, 5), int), None, 0.0, "above 0", id="no-size"),
    ],
)
def test_errors_say_what_was_got(labels, image, pixel_size_um, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        measure(labels, image, pixel_size_um)


def test_table_in_an_impossible_place(tmp_path, labels: np.ndarray) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="cannot write"):
        write_table(tmp_path / "file" / "t.csv", measure(labels))
