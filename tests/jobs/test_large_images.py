"""Images too large for memory: the same nuclei, from pixels and into labels that lie on disk."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage.data import immunohistochemistry

from napari_nucseg.data import on_disk
from napari_nucseg.data.images import read_image
from napari_nucseg.data.synthetic import synthetic_histology
from napari_nucseg.jobs.batch import segment_files
from napari_nucseg.jobs.batch_files import Outputs
from napari_nucseg.network import predict
from napari_nucseg.segmentation import blocks
from napari_nucseg.steps import drain

CHOICES = {
    "model": "nuclei-unet",
    "quality": "fast",
    "device": "cpu",
    "precision": "float32",
    "diameter_px": 20.0,
}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Tissue on the left, glass on the right."""
    pixels = np.full((300, 900, 3), 240, np.uint8)
    pixels[:, :300] = synthetic_histology((300, 300), 3).image
    tifffile.imwrite(
        tmp_path / "slide.tif",
        pixels,
        photometric="rgb",
        tile=(64, 64),
        compression="zlib",
        resolution=(20_000, 20_000),
        resolutionunit="CENTIMETER",
    )
    return tmp_path / "slide.tif"


@pytest.fixture
def small_is_large(monkeypatch) -> None:
    monkeypatch.setattr(on_disk, "LARGEST_IN_MEMORY_PX", 100_000)
    monkeypatch.setattr(blocks, "BLOCK_PX", 200)
    monkeypatch.setattr(blocks, "FEWEST_DIAMETERS", 4)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_results_are_those_of_memory_and_nothing_else_stays(image: Path, small_is_large, monkeypatch):
    written = {}
    for name, limit in (("disk", 100_000), ("memory", 1 << 28)):
        monkeypatch.setattr(on_disk, "LARGEST_IN_MEMORY_PX", limit)
        outputs = Outputs(image.parent / name, table=True, outlines=True)
        (result,) = drain(segment_files([image], outputs, CHOICES))
        assert result.error is None
        assert result.n_nuclei > 20
        written[name] = read_image(result.labels), result
    on_disk_, in_memory = written["disk"], written["memory"]
    np.testing.assert_array_equal(on_disk_[0].pixels, in_memory[0].pixels)
    assert on_disk_[0].pixel_size_um == in_memory[0].pixel_size_um == pytest.approx(0.5)
    with tifffile.TiffFile(on_disk_[1].labels) as labels:
        assert labels.is_bigtiff
        assert labels.pages[0].is_tiled
        assert labels.pages[0].dtype == np.int32
    disk, memory = files_of(image.parent / "disk"), files_of(image.parent / "memory")
    assert sorted(disk) == ["slide_labels.tif", "slide_outlines.geojson", "slide_table.csv"]
    for name in ("slide_outlines.geojson", "slide_table.csv"):
        assert disk[name].splitlines()[1:] == memory[name].splitlines()[1:]


def test_brown_stain_is_taken_out_on_disk(tmp_path: Path, small_is_large, monkeypatch):
    tifffile.imwrite(tmp_path / "brown.tif", immunohistochemistry()[:400, :400], photometric="rgb")
    found = []
    for limit in (100_000, 1 << 28):
        monkeypatch.setattr(on_disk, "LARGEST_IN_MEMORY_PX", limit)
        (result,) = drain(segment_files([tmp_path / "brown.tif"], Outputs(tmp_path / str(limit)), CHOICES))
        assert any("Brown stain" in note for note in result.notes)
        found.append(read_image(result.labels).pixels)
    assert found[0].max() > 20
    assert np.mean((found[0] > 0) != (found[1] > 0)) < 0.005  # bytes are rounded
    assert os.listdir(tmp_path / "100000") == ["brown_labels.tif"]


def test_labels_that_are_there_are_taken(image: Path, small_is_large):
    out = image.parent / "out"
    drain(segment_files([image], Outputs(out), CHOICES))
    before = (out / "slide_labels.tif").stat().st_mtime_ns
    (again,) = drain(segment_files([image], Outputs(out, table=True, skip_done=True), CHOICES))
    assert again.skipped
    assert len((out / "slide_table.csv").read_text().splitlines()) == again.n_nuclei + 1
    assert (out / "slide_labels.tif").stat().st_mtime_ns == before


def test_glass_is_not_shown_to_the_network(image: Path, small_is_large, monkeypatch):
    real_run, columns = predict._run, []

    def seen(network, tiles, device):
        columns.extend(float(tile.min()) for tile in tiles)
        return real_run(network, tiles, device)

    monkeypatch.setattr(predict, "_run", seen)
    drain(segment_files([image], Outputs(image.parent / "out"), CHOICES))
    assert len(columns) == 6  # of ten, a block each: with surroundings these reach into the tissue
    assert max(columns) < 0.5


@pytest.mark.parametrize("asked", [{"overlay": True}, {"run_lengths": Path("all.csv")}])
def test_what_would_need_memory_is_refused_before_the_work(image: Path, small_is_large, asked):
    asked = {
        name: image.parent / value if isinstance(value, Path) else value for name, value in asked.items()
    }
    steps = segment_files([image], Outputs(image.parent / "out", **asked), CHOICES)
    (refused,) = steps
    assert "cannot be made" in refused.result.error
    assert os.listdir(image.parent / "out") == []
