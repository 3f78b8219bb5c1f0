from __future__ import annotations

import warnings

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from napari_nucseg.data.images import image_size, read_image, to_planes
from napari_nucseg.errors import ImageError

RNG = np.random.default_rng(0)


def image(*shape, dtype=np.uint8):
    return RNG.integers(0, 200, shape).astype(dtype)


def stains():
    """Three channels (C, Y, X), each with one bright nucleus on a dark ground."""
    channels = np.zeros((3, 40, 50), np.uint8)
    for channel in range(3):
        channels[channel, 10:20, 10 * channel + 5 : 10 * channel + 15] = 200
    return channels


@pytest.mark.parametrize(
    ("shape", "axes", "channel", "expected"),
    [
        pytest.param((5, 7), None, None, (1, 5, 7), id="grey"),
        pytest.param((5, 7, 3), None, None, (3, 5, 7), id="rgb by convention"),
        pytest.param((5, 7, 4), None, None, (3, 5, 7), id="rgba by convention"),
        pytest.param((5, 7, 3), "YXC", None, (3, 5, 7), id="rgb named"),
        pytest.param((5, 7, 3), "yxs", None, (3, 5, 7), id="small letters and S"),
        pytest.param((3, 5, 7), "CYX", None, (3, 5, 7), id="channels first"),
        pytest.param((7, 5), "XY", None, (1, 5, 7), id="transposed"),
        pytest.param((5, 7, 2), "YXC", 1, (1, 5, 7), id="two channels, one chosen"),
        pytest.param((6, 5, 7), "CYX", 5, (1, 5, 7), id="many channels, one chosen"),
        pytest.param((5, 7, 3), None, 2, (1, 5, 7), id="blue"),
        pytest.param((1, 1, 1, 5, 7), "TZCYX", None, (1, 5, 7), id="singletons"),
        pytest.param((5, 7), None, 0, (1, 5, 7), id="channel 0 of grey"),
        pytest.param((1, 1), None, None, (1, 1, 1), id="one pixel"),
    ],
)
def test_to_planes_shapes(shape, axes, channel, expected):
    planes = to_planes(image(*shape), axes, channel)
    assert planes.shape == expected
    assert planes.dtype == np.float32
    assert planes.flags.c_contiguous


def test_to_planes_keeps_the_pixels():
    rgb = image(5, 7, 3)
    np.testing.assert_array_equal(to_planes(rgb), np.moveaxis(rgb, -1, 0))
    np.testing.assert_array_equal(to_planes(rgb, channel=1)[0], rgb[..., 1])
    np.testing.assert_array_equal(to_planes(rgb.swapaxes(0, 1), "XYC"), np.moveaxis(rgb, -1, 0))


@pytest.mark.parametrize(
    ("got", "axes", "channel", "says"),
    [
        pytest.param(image(5, 7, 2), None, None, r"\(5, 7, 2\) without axes.*pass axes", id="no axes"),
        pytest.param(image(3, 5, 7), None, None, "without axes", id="channels first, no axes"),
        pytest.param(image(5), None, None, "without axes", id="1D"),
        pytest.param(image(2, 3, 4, 3), None, None, "without axes", id="4D"),
        pytest.param(image(5, 7), "YXC", None, "3 axes", id="too many letters"),
        pytest.param(image(5, 7), "YQ", None, "Q is unknown", id="unknown letter"),
        pytest.param(image(5, 7), "YY", None, "no letter twice", id="twice"),
        pytest.param(image(5, 7), "CY", None, "Y and X must be there", id="no X"),
        pytest.param(image(4, 5, 7), "ZYX", None, r"4 planes along Z.*image\[0, :, :\]", id="stack"),
        pytest.param(image(5, 7, 4), "YXT", None, r"along T.*image\[:, :, 0\]", id="time last"),
        pytest.param(image(2, 5, 7), "CYX", None, "choose a channel", id="two channels"),
        pytest.param(
            image(4, 5, 7, dtype=np.uint16), "CYX", None, "choose a channel", id="four 16-bit channels"
        ),
        pytest.param(image(4, 5, 7), "CYX", None, "choose a channel", id="four 8-bit channels"),
        pytest.param(stains(), "CYX", None, "dark ground.*choose the one", id="three stains"),
        pytest.param(stains() * np.uint16(200), "CYX", None, "axes='SYX'", id="three 16-bit stains"),
        pytest.param(image(2, 5, 7), "CYX", 2, "choose 0 to 1", id="no such channel"),
        pytest.param(image(2, 5, 7), "CYX", -1, "choose 0 to 1", id="negative channel"),
        pytest.param(np.zeros((0, 7)), None, None, "empty", id="empty"),
        pytest.param(np.zeros((5, 7), complex), None, None, "complex128", id="complex"),
        pytest.param(np.full((5, 7), "a"), None, None, "convert first", id="text"),
        pytest.param(np.full((5, 7), None), None, None, "object", id="object"),
    ],
)
def test_to_planes_says_what_is_wrong(got, axes, channel, says):
    with pytest.raises(ImageError, match=says):
        to_planes(got, axes, channel)


def test_stains_are_chosen_or_called_colours():
    channels = stains()
    np.testing.assert_array_equal(to_planes(channels, "CYX", 0), channels[:1])
    for pixels, axes in ((channels, "SYX"), (np.moveaxis(channels, 0, -1), "YXC")):
        np.testing.assert_array_equal(to_planes(pixels, axes), channels)
    np.testing.assert_array_equal(to_planes(255 - channels, "CYX"), 255 - channels)


def test_to_planes_keeps_units_nan_and_infinities():
    values = np.array([[np.nan, np.inf, -np.inf, 1e300, 0.25]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        planes = to_planes(values)
    np.testing.assert_array_equal(planes[0], np.array([[np.nan, np.inf, -np.inf, np.inf, 0.25]], np.float32))
    np.testing.assert_array_equal(to_planes(np.array([[False, True]]))[0], [[0, 1]])
    assert to_planes(image(5, 7, dtype=np.uint16) * 300).max() > 255


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int32, np.float64, np.bool_]),
        hnp.array_shapes(min_dims=3, max_dims=3, max_side=6),
    ),
    st.permutations("CYX"),
    st.data(),
)
def test_to_planes_does_not_depend_on_the_order_of_axes(array, letters, data):
    axes = "".join(letters)
    channel = data.draw(st.integers(0, array.shape[axes.index("C")] - 1))
    planes = to_planes(array, axes, channel)
    moved = np.transpose(array, [axes.index(letter) for letter in "CYX"])
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(planes[0], moved[channel].astype(np.float32))


def test_content_decides_not_the_name(test_data):
    path = test_data / "tnbc" / "images" / "04_3.png"
    assert path.read_bytes()[:3] == b"\xff\xd8\xff"  # a JPEG called .png
    got = read_image(path)
    assert (got.pixels.shape, got.axes, got.pixels.dtype) == ((512, 512, 3), "YXC", np.uint8)
    assert image_size(path) == (512, 512)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_16_bit_comes_back(name, tmp_path):
    pixels = image(9, 11, dtype=np.uint16) * 300
    if name == "a.tif":
        tifffile.imwrite(tmp_path / name, pixels)
    else:
        Image.fromarray(pixels).save(tmp_path / name)
    got = read_image(tmp_path / name)
    assert got.axes == "YX"
    assert image_size(tmp_path / name) == (9, 11)
    np.testing.assert_array_equal(got.pixels, pixels)


def write_imagej(path):
    metadata = {"axes": "CYX", "unit": "micron"}
    tifffile.imwrite(path, image(2, 9, 11), imagej=True, resolution=(4, 4), metadata=metadata)


def write_fiji(path):
    metadata = {"axes": "YX", "unit": "\\u00B5m"}
    tifffile.imwrite(path, image(9, 11), imagej=True, resolution=(4, 4), metadata=metadata)


def write_part_of_ome(path):
    write_with(path, '<?xml version="1.0"?><OME><BinaryOnly MetadataFile="a.ome" UUID="urn:uuid:0"/></OME>')


def write_damaged_ome(path):
    write_with(path, '<?xml version="1.0"?><OME><Image></OME>')


def write_with(path, description):
    tifffile.imwrite(path, image(9, 11), description=description, metadata=None)


def write_ome(path):
    metadata = {"axes": "CYX", "PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm"}
    tifffile.imwrite(path, image(2, 9, 11), ome=True, metadata=metadata, photometric="minisblack")


def write_centimetres(path):
    tifffile.imwrite(path, image(9, 11), resolution=(40000, 40000), resolutionunit="CENTIMETER")


def write_72_dpi(path):
    tifffile.imwrite(path, image(9, 11), resolution=(72, 72), resolutionunit="INCH")


@pytest.mark.parametrize(
    ("write", "axes", "pixel_size_um"),
    [
        pytest.param(write_imagej, "CYX", 0.25, id="ImageJ"),
        pytest.param(write_ome, "CYX", 0.25, id="OME"),
        pytest.param(write_fiji, "YX", 0.25, id="Fiji's µ"),
        pytest.param(write_part_of_ome, "YX", None, id="OME-XML in another file"),
        pytest.param(write_damaged_ome, "YX", None, id="damaged OME-XML"),
        pytest.param(write_centimetres, "YX", 0.25, id="resolution in cm"),
        pytest.param(write_72_dpi, "YX", None, id="a printer's resolution"),
    ],
)
def test_axes_and_pixel_size_of_tiff(write, axes, pixel_size_um, tmp_path):
    write(tmp_path / "a.tif")
    got = read_image(tmp_path / "a.tif")
    assert got.axes == axes
    assert got.pixel_size_um == (pixel_size_um and pytest.approx(pixel_size_um))
    assert image_size(tmp_path / "a.tif") == (9, 11)


def test_a_mosaic_may_be_larger_than_pillow_thinks_wise(tmp_path, monkeypatch):
    Image.fromarray(image(30, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_image(tmp_path / "a.png").pixels.shape == (30, 40)
    assert image_size(tmp_path / "a.png") == (30, 40)
    assert Image.MAX_IMAGE_PIXELS == 100, "for others the limit stays"


def test_planar_rgb_tiff(tmp_path):
    pixels = image(3, 9, 11)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", planarconfig="separate")
    got = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(to_planes(got.pixels, got.axes), pixels)


@pytest.mark.parametrize(
    ("mode", "shape"),
    [("1", (9, 11)), ("P", (9, 11, 3)), ("LA", (9, 11)), ("CMYK", (9, 11, 3)), ("RGBA", (9, 11, 4))],
)
def test_pillow_modes(mode, shape, tmp_path):
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.fromarray(image(9, 11, 3)).convert(mode).save(path)
    assert read_image(path).pixels.shape == shape


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="text"),
        pytest.param(b"II*\x00broken", id="TIFF"),
        pytest.param(b"\x89PNG\r\n\x1a\nbroken", id="PNG"),
    ],
)
def test_damaged_files_are_named(content, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.png"):
        read_image(tmp_path / "a.png")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"gone\.png.*No such file"):
        read_image(tmp_path / "gone.png")
