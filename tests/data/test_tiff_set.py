"""Files of a set, each of which names all others in its OME metadata."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tifffile

from napari_nucseg.data.images import image_size, read_image

RNG = np.random.default_rng(0)
POSITIONS = [RNG.integers(0, 200, (3, *shape)).astype(np.uint8) for shape in ((20, 30), (9, 11))]


def write_set(folder, stacks, file_of, roots=True):
    """Write stacks (Z, Y, X) plane by plane into files that ``file_of`` names by image and z; return what each holds.

    ``roots``: whether each file says which one of the set it is.
    """
    held, images = {}, ""
    for i, stack in enumerate(stacks):
        places = ""
        for z, plane in enumerate(stack):
            planes = held.setdefault(name := file_of(i, z), [])
            places += f'<TiffData FirstZ="{z}" IFD="{len(planes)}" PlaneCount="1">'
            places += f'<UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'
            planes.append(plane)
        depth, height, width = stack.shape
        images += (
            f'<Image ID="Image:{i}" Name="{i}"><Pixels ID="Pixels:{i}" DimensionOrder="XYZCT" Type="uint8" '
        )
        images += (
            f'SizeX="{width}" SizeY="{height}" SizeZ="{depth}" SizeC="1" SizeT="1" PhysicalSizeX="0.{i + 1}" '
        )
        images += f'PhysicalSizeY="0.{i + 1}"><Channel ID="Channel:{i}:0"/>{places}</Pixels></Image>'
    for name, planes in held.items():
        root = f' UUID="urn:uuid:{name}"' if roots else ""
        xml = f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"{root}>{images}</OME>'
        with tifffile.TiffWriter(folder / name) as tiff:
            for plane in planes:
                tiff.write(plane, description=xml if plane is planes[0] else None, metadata=None)
    return {name: np.array(planes) for name, planes in held.items()}


@pytest.mark.parametrize("as_stored", [False, True])
def test_a_file_for_each_position_holds_its_own(tmp_path, as_stored):
    write_set(tmp_path, POSITIONS, lambda image, z: f"{image}.ome.tif")
    for number, pixels in enumerate(POSITIONS):
        path = tmp_path / f"{number}.ome.tif"
        got = read_image(path, as_stored=as_stored)
        np.testing.assert_array_equal(got.pixels, pixels)
        assert (got.axes, got.pixel_size_um, got.notes) == ("ZYX", (number + 1) / 10, ())
        assert image_size(path) == pixels.shape[1:]


def test_a_file_whose_metadata_tell_only_of_others_holds_its_own(tmp_path):
    write_set(tmp_path, POSITIONS, lambda image, z: f"{image}.ome.tif", roots=False)
    shutil.copy(tmp_path / "1.ome.tif", tmp_path / "copy.ome.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "copy.ome.tif").pixels[0], POSITIONS[1][0])


@pytest.mark.parametrize("gone", [False, True], ids=["whole set", "one alone"])
def test_a_file_for_each_plane_holds_its_own(tmp_path, gone):
    files = write_set(tmp_path, POSITIONS[:1], lambda image, z: f"{z}.ome.tif")
    if gone:
        (tmp_path / "0.ome.tif").unlink()
        (tmp_path / "2.ome.tif").unlink()
    for name in ["1.ome.tif"] if gone else files:
        got = read_image(tmp_path / name)
        np.testing.assert_array_equal(got.pixels, files[name][0])
        assert (got.axes, got.pixel_size_um) == ("YX", 0.1)
        assert "holds 1 of the 3 planes that its OME metadata tell of" in " ".join(got.notes)


def test_planes_that_are_not_in_the_file_stay_black_between_its_own(tmp_path):
    write_set(tmp_path, POSITIONS[:1], lambda image, z: f"{z % 2}.ome.tif")
    first, _, last = POSITIONS[0]
    got = read_image(tmp_path / "0.ome.tif")
    np.testing.assert_array_equal(got.pixels, [first, np.zeros_like(first), last])
    assert "Missing among them, and black: 1." in " ".join(got.notes)
