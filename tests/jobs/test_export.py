"""Files written are read back by the project's reader and by plain tifffile and Pillow."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.segmentation import find_boundaries

from napari_nucseg.data.images import read_image
from napari_nucseg.data.intensity import IntensityRange
from napari_nucseg.errors import ImageError, OutputError
from napari_nucseg.jobs.export import (
    OUTLINE_COLOURS,
    draw_outlines,
    run_length_table,
    write_labels,
    write_overlay,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def labels() -> np.ndarray:
    labels = np.zeros((40, 50), np.int32)
    labels[5:15, 5:15], labels[5:15, 15:25], labels[30:36, 40:50] = 1, 2, 3
    return labels


@pytest.mark.parametrize("pixel_size_um", [None, 0.25, 0.6512])
@pytest.mark.parametrize(
    ("largest", "dtype"), [pytest.param(3, np.uint16, id="few"), pytest.param(70_000, np.int32, id="many")]
)
def test_labels_keep_numbers_and_pixel_size(
    tmp_path: Path, labels: np.ndarray, largest: int, dtype: type, pixel_size_um: float | None
) -> None:
    labels[labels == 3] = largest
    write_labels(tmp_path / "l.tif", labels, pixel_size_um)
    file = read_image(tmp_path / "l.tif")
    assert file.axes == "YX"
    assert file.pixels.dtype == dtype
    assert np.array_equal(file.pixels, labels)
    assert file.pixel_size_um == (None if pixel_size_um is None else pytest.approx(pixel_size_um, rel=1e-6))


def test_imagej_sees_the_unit(tmp_path: Path, labels: np.ndarray) -> None:
    write_labels(tmp_path / "l.tif", labels, 0.5)
    with tifffile.TiffFile(tmp_path / "l.tif") as tiff:
        assert tiff.is_imagej
        assert tiff.imagej_metadata["unit"] == "micron"
        numerator, denominator = tiff.pages[0].tags["XResolution"].value
    assert denominator / numerator == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [pytest.param((1, 1), id="one-pixel"), pytest.param((1, 70), id="line")])
def test_small_labels(tmp_path: Path, shape: tuple[int, int]) -> None:
    write_labels(tmp_path / "l.tif", np.ones(shape, np.int32), 1.0)
    assert read_image(tmp_path / "l.tif").pixels.shape == shape


def test_overlay_outlines_nuclei_and_leaves_the_rest(tmp_path: Path, labels: np.ndarray) -> None:
    planes = np.random.default_rng(0).uniform(100, 4000, (1, *labels.shape)).astype(np.float32)
    write_overlay(tmp_path / "o.png", draw_outlines(planes, labels))
    picture = np.array(Image.open(tmp_path / "o.png"))
    plain = draw_outlines(planes, np.zeros_like(labels))
    drawn = (picture != plain).any(axis=-1)
    assert not drawn[labels == 0].any()
    assert not drawn[7:13, 7:13].any(), "only the rim is drawn"
    assert picture[5, 10].tolist() == OUTLINE_COLOURS[1].tolist()
    assert picture[10, 14].tolist() != picture[10, 15].tolist(), "touching nuclei are told apart"


def test_outlines_are_the_inner_boundaries_of_skimage() -> None:
    labels = np.random.default_rng(0).integers(0, 4, (12, 10)).repeat(3, axis=0).repeat(3, axis=1)
    planes = np.zeros((1, *labels.shape), np.float32)
    drawn = draw_outlines(planes, labels).any(axis=-1)
    assert np.array_equal(drawn, find_boundaries(labels, mode="inner"))


def test_overlay_of_rgb_keeps_colours(labels: np.ndarray) -> None:
    planes = np.stack([np.tile(np.linspace(lo, 255, 50), (40, 1)) for lo in (0, 60, 120)]).astype(np.float32)
    picture = draw_outlines(planes, np.zeros_like(labels)).astype(float)
    assert np.abs(picture - np.moveaxis(planes, 0, -1)).max() < 8


@pytest.mark.parametrize("n_channels", [1, 3])
def test_overlay_of_a_tall_image_is_drawn_to_its_end(n_channels: int) -> None:
    planes = np.random.default_rng(0).integers(0, 256, (n_channels, 1100, 4), np.uint8)
    whole = np.moveaxis(IntensityRange.of(planes).apply(planes) * 255, 0, -1).astype(np.uint8)
    picture = draw_outlines(planes, np.zeros((1100, 4), np.int32))
    np.testing.assert_array_equal(picture, np.broadcast_to(whole, (1100, 4, 3)))


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(np.zeros((2, 4, 4), int), id="more axes than said"),
        pytest.param(np.zeros((4, 4)), id="float"),
        pytest.param(np.full((4, 4), -1), id="negative"),
    ],
)
def test_wrong_labels_are_refused(tmp_path: Path, bad: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"\(Y, X\)"):
        write_labels(tmp_path / "l.tif", bad)
    assert os.listdir(tmp_path) == []


def test_impossible_place_leaves_nothing(tmp_path: Path, labels: np.ndarray) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        write_labels(tmp_path / "taken", labels)
    assert os.listdir(tmp_path) == ["taken"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_does_not_hide_what_ended_the_work(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(
        "secrets.token_hex", lambda _: "0"
    )  # so that the half-written file is on a full device
    (tmp_path / ".runs.csv.0.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="of an image"), run_length_table(tmp_path / "runs.csv") as add:
        add("a", np.ones((2, 2), np.int32))
        raise OutputError("the labels of an image")
