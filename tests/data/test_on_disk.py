"""Arrays that lie in files: nothing is seen of them, and nothing of them stays."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_nucseg.data import on_disk
from napari_nucseg.data.images import read_image, to_planes
from napari_nucseg.data.on_disk import lies_on_disk, zeros_beside, zeros_on_disk
from napari_nucseg.errors import ImageError, OutputError

COLOURS = np.random.default_rng(0).integers(0, 255, (100, 130, 3), np.uint8)


@pytest.fixture
def small_is_large(monkeypatch):
    monkeypatch.setattr(on_disk, "LARGEST_IN_MEMORY_PX", 99 * 130)


def test_an_array_on_disk_is_seen_by_nobody_and_leaves_nothing(tmp_path: Path):
    array = zeros_on_disk((40, 50, 3), np.uint16, tmp_path / "new")
    assert not array.any()
    array[3:5] = 7
    assert array.sum() == 2 * 50 * 3 * 7
    assert all(name.startswith(".") for name in os.listdir(tmp_path / "new"))  # on Windows it is listed
    del array
    assert os.listdir(tmp_path / "new") == []


def test_parts_lie_on_disk_and_what_is_computed_of_them_does_not(tmp_path: Path):
    array = zeros_on_disk((40, 50, 3), np.uint8, tmp_path)
    assert lies_on_disk(array)
    assert lies_on_disk(np.moveaxis(array, -1, 0)[:, 3:5, ::2])
    assert not lies_on_disk(array + 1)
    assert not lies_on_disk(array.astype(np.float32))
    theirs = np.memmap(tmp_path / "theirs.raw", np.uint8, "w+", shape=(40, 50))
    assert not lies_on_disk(theirs)
    assert lies_on_disk(zeros_beside(array, (4, 5), np.int32))
    assert not lies_on_disk(zeros_beside(theirs, (4, 5), np.int32))


def test_what_does_not_fit_on_the_disk_is_refused_at_once(tmp_path: Path):
    with pytest.raises(
        ImageError, match=r"one of 4,503,599\.6 GB does not fit on the disk of .*: free some space"
    ):
        zeros_on_disk((1 << 25, 1 << 26), np.uint16, tmp_path)
    assert os.listdir(tmp_path) == []


def test_where_nothing_can_be_written_that_is_said(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file, not a folder"):
        zeros_on_disk((4, 5), np.uint8, tmp_path / "file")


@pytest.mark.parametrize(
    "form",
    [
        pytest.param({}, id="strips"),
        pytest.param({"tile": (32, 32), "compression": "zlib"}, id="tiles"),
        pytest.param({"planarconfig": "separate"}, id="planes"),
    ],
)
def test_a_large_image_is_read_onto_disk(tmp_path: Path, small_is_large, form):
    path, scratch = tmp_path / "a.tif", tmp_path / "scratch"
    stored = np.moveaxis(COLOURS, -1, 0) if form.get("planarconfig") else COLOURS
    tifffile.imwrite(path, stored, photometric="rgb", **form)
    image, plain = read_image(path, scratch=scratch), read_image(path)
    assert lies_on_disk(image.pixels)
    assert not lies_on_disk(plain.pixels)
    assert image.axes == plain.axes
    np.testing.assert_array_equal(image.pixels, plain.pixels)
    planes = to_planes(image.pixels, image.axes)
    assert lies_on_disk(planes)
    np.testing.assert_array_equal(planes, np.moveaxis(COLOURS, -1, 0))


def test_a_small_one_stays_in_memory(tmp_path: Path, small_is_large):
    tifffile.imwrite(tmp_path / "a.tif", COLOURS[:99], photometric="rgb")
    assert not lies_on_disk(read_image(tmp_path / "a.tif", scratch=tmp_path / "scratch").pixels)
    assert not (tmp_path / "scratch").exists()


def test_what_only_pillow_decompresses_says_what_to_install(tmp_path: Path, small_is_large, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)  # as where it is not installed
    Image.fromarray(COLOURS).save(tmp_path / "a.tif", compression="jpeg")
    with pytest.raises(ImageError, match=r"compression JPEG.*pip install imagecodecs"):
        read_image(tmp_path / "a.tif", scratch=tmp_path)
    assert os.listdir(tmp_path) == ["a.tif"]
    assert read_image(tmp_path / "a.tif").pixels.shape == COLOURS.shape
