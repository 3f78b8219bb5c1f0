"""Files of a set, by OME or Micro-Manager, each of which leads to all others."""

from __future__ import annotations

import json
import shutil
import struct

import numpy as np
import pytest
import tifffile

from napari_nucseg.data.images import image_size, read_image

RNG = np.random.default_rng(0)
POSITIONS = [RNG.integers(0, 200, (3, *shape)).astype(np.uint8) for shape in ((20, 30), (9, 11))]


def write_set(folder, stacks, file_of, root="urn:uuid:{}"):
    """Write stacks (Z, Y, X) plane by plane into files that ``file_of`` names by image and z; return what each holds.

    ``root``: how each file says which one of the set it is, if it does.
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
        mark = root and f' UUID="{root.format(name)}"'
        xml = f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"{mark}>{images}</OME>'
        with tifffile.TiffWriter(folder / name) as tiff:
            for plane in planes:
                tiff.write(plane, description=xml if plane is planes[0] else None, metadata=None)
    return {name: np.array(planes) for name, planes in held.items()}


def write_micromanager(path, planes, places, **summary):
    """Write planes uint16 (N, Y, X) as Micro-Manager does, with the place (c, z, t, position) of each."""
    told = json.dumps({"MicroManagerVersion": "2.0", "Slices": 1, "Frames": 1} | summary).encode()
    body, offsets, (height, width) = b"", [], planes[0].shape
    begin = 40 + len(told) + 8 + 20 * len(planes)
    for plane in planes:
        offsets.append(begin + len(body))
        n, pixels = plane.nbytes, offsets[-1] + 162
        tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)]
        tags += [(273, 4, 1, pixels), (277, 3, 1, 1), (278, 3, 1, height), (279, 4, 1, n)]
        tags += [
            (282, 5, 1, pixels + n),
            (283, 5, 1, pixels + n),
            (296, 3, 1, 3),
            (51123, 2, 8, pixels + n + 8),
        ]
        after = 0 if len(offsets) == len(planes) else pixels + n + 16
        body += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        body += struct.pack("<I", after) + plane.tobytes() + struct.pack("<II8s", 20000, 1, b"{}")
    end = begin + len(body)
    marks = (54773648, 40 + len(told), 483765892, end, 99384722, end + 10, 2355492, len(told))
    body += struct.pack("<II2sII2s", 347834724, 2, b"{}", 84720485, 2, b"{}")
    index = b"".join(struct.pack("<5I", *place, at) for place, at in zip(places, offsets, strict=True))
    head = (
        struct.pack("<4s9I", b"II*\0", offsets[0], *marks) + told + struct.pack("<II", 3453623, len(planes))
    )
    path.write_bytes(head + index + body)


@pytest.mark.parametrize("root", ["urn:uuid:{}", "", "urn:uuid:another"])
@pytest.mark.parametrize("as_stored", [False, True])
def test_a_file_for_each_position_holds_its_own(tmp_path, as_stored, root):
    write_set(tmp_path, POSITIONS, lambda image, z: f"{image}.ome.tif", root)
    for number, pixels in enumerate(POSITIONS):
        path = tmp_path / f"{number}.ome.tif"
        got = read_image(path, as_stored=as_stored)
        np.testing.assert_array_equal(got.pixels, pixels)
        assert (got.axes, got.pixel_size_um, got.notes) == ("ZYX", (number + 1) / 10, ())
        assert image_size(path) == pixels.shape[1:]


def test_a_file_whose_metadata_tell_only_of_others_holds_its_own(tmp_path):
    write_set(tmp_path, POSITIONS, lambda image, z: f"{image}.ome.tif", root="")
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
        assert "holds 1 of the 3 planes that its metadata tell of" in " ".join(got.notes)


def test_planes_that_are_not_in_the_file_stay_black_between_its_own(tmp_path):
    write_set(tmp_path, POSITIONS[:1], lambda image, z: f"{z % 2}.ome.tif")
    first, _, last = POSITIONS[0]
    got = read_image(tmp_path / "0.ome.tif")
    np.testing.assert_array_equal(got.pixels, [first, np.zeros_like(first), last])
    assert "Missing among them, and black: 1." in " ".join(got.notes)


def test_a_file_of_micromanager_for_each_position_holds_its_own(tmp_path):
    channels = RNG.integers(0, 4000, (2, 2, 20, 30)).astype("<u2")
    for position, planes in enumerate(channels):
        path = tmp_path / f"a_MMStack_Pos{position}.ome.tif"
        places = [(channel, 0, 0, position) for channel in range(2)]
        write_micromanager(path, planes, places, Channels=2, Positions=2, Prefix="a")
    with tifffile.TiffFile(path) as tiff:
        assert tiff.series[0].shape == (2, 2, 20, 30), "the whole set"
    for position, planes in enumerate(channels):
        got = read_image(tmp_path / f"a_MMStack_Pos{position}.ome.tif")
        np.testing.assert_array_equal(got.pixels, planes)
        assert (got.axes, got.pixel_size_um) == ("CYX", 0.5)
        assert "holds 2 of the 4 planes that its metadata tell of" in " ".join(got.notes)
