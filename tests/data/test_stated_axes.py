"""Axes and pixel sizes of images as their files state them, and names that say which channel shows nuclei."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_nucseg.data.nuclear_dyes import first_of_nuclei, names_nuclei
from napari_nucseg.data.stated_axes import StatedAxes, stated_axes


@pytest.mark.parametrize(
    ("name", "shape", "more", "expected"),
    [
        pytest.param(
            "a.ome.tif",
            (3, 32, 40),
            {"metadata": {"axes": "CYX", "Channel": {"Name": ["GFP", "DAPI", "RFP"]}}},
            StatedAxes("CYX", ("GFP", "DAPI", "RFP")),
            id="ome",
        ),
        pytest.param(
            "a.ome.tif", (3, 32, 40), {"metadata": {"axes": "CYX"}}, StatedAxes("CYX"), id="ome-nameless"
        ),
        pytest.param(
            "a.tif",
            (4, 3, 2, 32, 40),
            {"imagej": True, "metadata": {"axes": "TZCYX"}},
            StatedAxes("TZCYX"),
            id="imagej",
        ),
        pytest.param("a.tif", (5, 32, 40), {}, StatedAxes("QYX"), id="untold"),
        pytest.param(
            "a.ome.tif",
            (32, 40),
            {"metadata": {"axes": "YX", "PhysicalSizeX": 325, "PhysicalSizeXUnit": "nm"}},
            StatedAxes("YX", pixel_size_um=0.325),
            id="ome-nm",
        ),
        pytest.param(
            "a.tif",
            (32, 40),
            {"imagej": True, "resolution": (2, 2), "metadata": {"unit": "um"}},
            StatedAxes("YX", pixel_size_um=0.5),
            id="imagej-um",
        ),
        pytest.param(
            "a.tif",
            (32, 40),
            {"resolution": (72, 72), "resolutionunit": 2},
            StatedAxes("YX"),
            id="a-printer's",
        ),
    ],
)
def test_axes_are_read_from_metadata(tmp_path, name, shape, more, expected):
    tifffile.imwrite(tmp_path / name, np.zeros(shape, np.uint16), photometric="minisblack", **more)
    assert stated_axes(tmp_path / name, shape) == expected
    assert stated_axes(tmp_path / name, shape[1:]) == StatedAxes(), "of another shape"


def test_odd_files_say_nothing(tmp_path):
    damaged = tmp_path / "damaged.tif"
    tifffile.imwrite(damaged, np.zeros((3, 32, 40), np.uint16), imagej=True, metadata={"axes": "CYX"})
    damaged.write_bytes(damaged.read_bytes()[:40])
    other = tmp_path / "other.tif"
    other.write_bytes(b"no image")
    for path in (damaged, other, tmp_path, tmp_path / "gone.tif", "https://nowhere/a.tif"):
        assert stated_axes(path, (3, 32, 40)) == StatedAxes()


@pytest.mark.parametrize(
    "name", ["DAPI", "405-dapi", "C1_DAPI", "Hoechst 33342", "Hoechst33342", "DRAQ5", "H2B-GFP", "nuclei"]
)
def test_names_of_nuclear_dyes(name):
    assert names_nuclei(name)


@pytest.mark.parametrize("name", ["GFP", "RFP", "", "adapimage", "nucleic", "dnase"])
def test_other_names(name):
    assert not names_nuclei(name)


def test_the_first_channel_of_nuclei():
    assert first_of_nuclei(("GFP", "DAPI", "H2B")) == 1
    assert first_of_nuclei(("GFP", "RFP")) is None
