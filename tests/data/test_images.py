from __future__ import annotations

import os
import sys
import warnings

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from napari_nucseg.data.images import axes_and_channel, image_size, read_image, to_planes
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
    assert planes.flags.c_contiguous


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", ">u2", "i2", "?", "u4", "i8", "f2", "f4", "f8"])
def test_whole_numbers_that_are_narrow_stay_so(dtype):
    pixels = image(5, 7, 3).astype(dtype)
    stays = dtype[-2:] in ("u1", "i1", "u2", "i2")
    planes = to_planes(pixels)
    assert planes.dtype == (pixels.dtype.newbyteorder("=") if stays else np.float32)
    assert planes.flags.c_contiguous
    np.testing.assert_array_equal(planes, np.moveaxis(pixels, -1, 0))


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
        pytest.param(image(4, 5, 7), "IYX", None, "its 4 pages.*TYX' .times. or 'CYX'.*--axes", id="pages"),
        pytest.param(image(4, 5, 7, 3), "QYXS", None, "'ZYXS' .slices. or 'TYXS' .times.", id="RGB pages"),
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


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int64, np.float32, np.float64])
def test_what_is_masked_is_nan(dtype):
    masked = np.ma.masked_array(np.ones((2, 3, 3), dtype), mask=np.zeros((2, 3, 3), bool))
    np.testing.assert_array_equal(to_planes(masked), np.ones((3, 2, 3)))
    masked[0, 1, 2] = np.ma.masked
    expected = np.ones((3, 2, 3), np.float32)
    expected[2, 0, 1] = np.nan
    planes = to_planes(masked)
    assert type(planes) is np.ndarray
    assert planes.dtype == np.float32
    np.testing.assert_array_equal(planes, expected)


def test_units_are_given_up_only_where_float32_needs_it():
    grey = image(40, 50)
    for pixels in (grey, grey.astype(np.int32) - 5000, grey / 7e5, grey.astype(np.float32) + 1e9):
        planes = to_planes(pixels, keep_units=False)
        np.testing.assert_array_equal(planes, to_planes(pixels))
    offset = grey.astype(np.uint32) + 4_000_000_000
    offset[3, 4] = 0  # a dead pixel
    planes = to_planes(offset, keep_units=False)[0]
    np.testing.assert_array_equal(np.unique(planes[grey == grey[0, 0]]).size, 1)
    assert np.unique(planes).size == np.unique(offset).size
    assert -0.1 < np.median(planes) < 1.1


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


def write_aperio(path):
    write_with(
        path, "Aperio Image Library v11.2.1\r\n9x11 [0,0 9x11] (16x16)|AppMag = 40|MPP = 0.2500|Left = 25.6"
    )


def write_aperio_without_size(path):
    write_with(path, "Aperio Image Library v11.2.1\r\n9x11 [0,0 9x11] (16x16)|AppMag = 40|MPP = ")


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
        pytest.param(write_aperio, "YX", 0.25, id="Aperio"),
        pytest.param(write_aperio_without_size, "YX", None, id="Aperio without a size"),
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


@pytest.mark.parametrize(
    ("unit", "side"),
    [
        *(
            ("m", 2.5e-7),
            ("mm", 2.5e-4),
            ("µm", 0.25),
            ("μm", 0.25),
            ("nm", 250.0),
            ("pm", 2.5e5),
            ("Å", 2500.0),
        ),
        *(
            ("\N{ANGSTROM SIGN}", 2500.0),
            ("in", 0.25 / 25400),
            ("thou", 0.25 / 25.4),
            ("li", 0.25 * 12 / 25400),
        ),
        *(("pt", 0.25 * 72 / 25400), ("ft", 0.25 / 304800), ("Mm", 2.5e-13)),
    ],
)
def test_ome_may_state_the_pixel_size_in_any_unit_of_length(unit, side, tmp_path):
    metadata = {"axes": "YX"} | {f"PhysicalSize{axis}": side for axis in "XY"}
    metadata |= {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    tifffile.imwrite(tmp_path / "a.ome.tif", image(9, 11), metadata=metadata)
    got = read_image(tmp_path / "a.ome.tif")
    assert (got.pixel_size_um, got.notes) == (pytest.approx(0.25), ())


@pytest.mark.parametrize(
    ("unit", "size_um", "words"),
    [
        ("inch", 0.25, ""),
        ("Microns", 0.25, ""),
        ("NM", 0.25, ""),
        ("pixel", None, ""),
        (
            "furlong",
            None,
            "The file states its pixel size in 'furlong', a unit not known here: none was taken from it.",
        ),
    ],
)
def test_imagej_may_state_it_in_many_and_what_is_not_known_is_noted(unit, size_um, words, tmp_path):
    per_um = {"inch": 25400, "NM": 1e-3}.get(unit, 1)
    metadata = {"axes": "YX", "unit": unit}
    tifffile.imwrite(
        tmp_path / "a.tif", image(9, 11), imagej=True, resolution=(4 * per_um,) * 2, metadata=metadata
    )
    got = read_image(tmp_path / "a.tif")
    assert got.pixel_size_um == (size_um and pytest.approx(size_um))
    assert got.notes == ((words,) if words else ())


def test_a_mosaic_may_be_larger_than_pillow_thinks_wise(tmp_path, monkeypatch):
    Image.fromarray(image(30, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_image(tmp_path / "a.png").pixels.shape == (30, 40)
    assert image_size(tmp_path / "a.png") == (30, 40)
    assert Image.MAX_IMAGE_PIXELS == 100, "for others the limit stays"


def test_so_may_each_page_of_a_mosaic(tmp_path, monkeypatch):
    pages = [Image.fromarray(image(30, 40)) for _ in range(2)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_image(tmp_path / "a.tif").pixels.shape == (2, 30, 40)


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
    ("content", "words"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(
            b"II*\0garbage" * 20, "is damaged or no image.*holds no image", id="TIFF without an image"
        ),
        pytest.param(b"II*\x00broken", "is damaged or no image", id="TIFF"),
        pytest.param(b"\x89PNG\r\n\x1a\nbroken", "is damaged or no image", id="PNG"),
        pytest.param(b"no image at all", "is damaged or no image", id="text"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_plain_words(content, words, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match=words) as raised:
        read_image(tmp_path / "a.png")
    assert str(raised.value).startswith(f"{tmp_path / 'a.png'} is ")
    assert str(raised.value).count("a.png") == 1
    assert "Error" not in str(raised.value)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files there")
@pytest.mark.timeout(60)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(ImageError, match=r"pipe.tif is a pipe or a device, not a file"):
        read_image(tmp_path / "pipe.tif")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"gone\.png.*No such file"):
        read_image(tmp_path / "gone.png")


def as_pillow_sees(path):
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        pytest.param("P", {}, id="palette"),
        pytest.param("P", {"compression": "tiff_lzw"}, id="palette, LZW"),
        pytest.param("CMYK", {}, id="CMYK"),
        pytest.param("LAB", {}, id="L*a*b*"),
        pytest.param("RGB", {"compression": "jpeg"}, id="JPEG"),
        pytest.param("RGB", {"compression": "tiff_lzw"}, id="LZW"),
        pytest.param("RGBA", {"compression": "tiff_lzw"}, id="RGBA, LZW"),
        pytest.param("RGB", {"compression": "zstd"}, id="Zstandard"),
    ],
)
def test_tiffs_have_the_colours_they_show(mode, options, tmp_path):
    picture = Image.fromarray(np.repeat(np.repeat(image(5, 6, 3), 8, 0), 8, 1))
    shown = picture.quantize(30) if mode == "P" else picture.convert(mode)
    shown.save(tmp_path / "a.tif", **options)
    got = read_image(tmp_path / "a.tif")
    assert (got.axes, got.pixels.dtype) == ("YXC", np.uint8)
    np.testing.assert_array_equal(got.pixels, as_pillow_sees(tmp_path / "a.tif"))
    assert image_size(tmp_path / "a.tif") == (40, 48)


def test_labels_keep_the_numbers_of_a_palette_tiff(tmp_path):
    stored = Image.fromarray(image(9, 11, 3)).quantize(30)
    stored.save(tmp_path / "a.tif")
    got = read_image(tmp_path / "a.tif", as_stored=True)
    assert got.axes == "YX"
    np.testing.assert_array_equal(got.pixels, np.array(stored))


def test_what_imagej_shows_in_colours_are_values(tmp_path):
    pixels = image(9, 11)
    ramp = np.arange(256)
    colours = np.stack([ramp[::-1], np.zeros(256), ramp]).astype(np.uint16) * 257
    for name, options in {"fiji": {"description": "ImageJ=1.54f\n"}, "other": {}}.items():
        tifffile.imwrite(
            tmp_path / f"{name}.tif",
            pixels,
            photometric="palette",
            colormap=colours,
            metadata=None,
            **options,
        )
    np.testing.assert_array_equal(read_image(tmp_path / "fiji.tif").pixels, pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "other.tif").pixels[..., 2], pixels)


@pytest.mark.parametrize(
    ("dtype", "shades"),
    [
        pytest.param(np.uint8, (1, 1, 1), id="grey"),
        pytest.param(np.uint8, (0, 1, 0), id="green"),
        pytest.param(np.uint8, (0.8, 0.4, 0), id="orange, rounded"),
        pytest.param(np.uint16, (0, 1, 0), id="green of 16 bit"),
        pytest.param(np.uint16, (-1, 0, 1), id="two colours of 16 bit"),
    ],
)
def test_a_palette_that_only_shows_values_leaves_them(dtype, shades, tmp_path):
    highest = np.iinfo(dtype).max
    even = np.outer(shades, np.linspace(0, 255, highest + 1)).round() % 256
    pixels = image(9, 11, dtype=dtype) * dtype(highest // 200)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="palette", colormap=even.astype(np.uint16) * 257)
    got = read_image(tmp_path / "a.tif")
    assert (got.axes, got.pixels.dtype) == ("YX", dtype)
    np.testing.assert_array_equal(got.pixels, pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_lzw_keeps_pages_and_values(dtype, tmp_path):
    pages = np.stack([image(9, 11).astype(dtype) * dtype(7) for _ in "abc"])
    pictures = [Image.fromarray(page) for page in pages]
    options = {"compression": "tiff_lzw", "save_all": True, "append_images": pictures[1:]}
    pictures[0].save(tmp_path / "a.tif", **options)
    got = read_image(tmp_path / "a.tif")
    assert got.pixels.dtype == dtype
    np.testing.assert_array_equal(got.pixels, pages)


def test_white_is_bright_also_where_it_is_0(tmp_path):
    pixels = image(9, 11)
    tifffile.imwrite(tmp_path / "a.tif", 255 - pixels, photometric="miniswhite")
    Image.fromarray(255 - pixels).save(tmp_path / "b.tif", compression="tiff_lzw", tiffinfo={262: 0})
    for name in ("a.tif", "b.tif"):
        np.testing.assert_array_equal(
            read_image(tmp_path / name).pixels, as_pillow_sees(tmp_path / name)[..., 0]
        )
        stored = read_image(tmp_path / name, as_stored=True).pixels
        np.testing.assert_array_equal(255 - stored, read_image(tmp_path / name).pixels)


def test_what_neither_library_reads_says_what_to_install(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image(9, 11))
    content = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        at = tiff.pages[0].tags["Compression"].valueoffset
    content[at : at + 2] = (34712).to_bytes(2, "little")  # JPEG 2000, which needs imagecodecs
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.tif.*JPEG2000.*install imagecodecs"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("shape", "dtype", "photometric", "expected", "axes"),
    [
        pytest.param((9, 11, 4), np.uint16, "rgb", (9, 11, 3), "YXC", id="RGBA of 16 bit"),
        pytest.param((9, 11, 4), np.uint8, "rgb", (9, 11, 4), "YXC", id="RGBA of 8 bit"),
        pytest.param((4, 9, 11), np.uint16, "rgb", (3, 9, 11), "SYX", id="planes of RGBA"),
        pytest.param((9, 11, 2), np.uint8, "minisblack", (9, 11), "YX", id="grey and alpha"),
    ],
)
def test_alpha_is_no_channel(shape, dtype, photometric, expected, axes, tmp_path):
    pixels = image(*shape, dtype=dtype)
    planar = "separate" if axes == "SYX" else "contig"
    opaque = pixels if planar == "separate" else np.moveaxis(pixels, -1, 0)
    opaque[-1] = np.iinfo(dtype).max
    options = {"photometric": photometric, "extrasamples": ["unassalpha"], "planarconfig": planar}
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    got = read_image(tmp_path / "a.tif")
    assert (got.pixels.shape, got.axes) == (expected, axes)
    assert to_planes(got.pixels, got.axes).shape[0] == (1 if axes == "YX" else 3)


@pytest.mark.parametrize("shape", [(4, 9, 11), (9, 11, 4)])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_four_channels_written_as_rgba_stay(shape, dtype, tmp_path):
    pixels = image(*shape, dtype=dtype)
    options = {"photometric": "rgb", "planarconfig": "separate" if shape[0] == 4 else "contig"}
    tifffile.imwrite(tmp_path / "a.tif", pixels, extrasamples=["unassalpha"], **options)
    got = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(got.pixels, pixels)
    fourth = pixels[3] if shape[0] == 4 else pixels[..., 3]
    np.testing.assert_array_equal(to_planes(got.pixels, got.axes, channel=3)[0], fourth)


def test_four_channels_that_come_last_are_asked_about(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image(9, 11, 4, dtype=np.uint16), photometric="rgb")
    got = read_image(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="got 4 channels"):
        to_planes(got.pixels, got.axes)


def test_channels_that_are_no_alpha_stay(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", image(9, 11, 5), photometric="minisblack", planarconfig="contig")
    assert read_image(tmp_path / "a.tif").pixels.shape == (9, 11, 5)


def write_thumbnail_first(path):
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for side, size_um in ((8, 2.0), (32, 0.5)):
            metadata = {"axes": "YX", "PhysicalSizeX": size_um, "PhysicalSizeY": size_um}
            tiff.write(image(side, side), photometric="minisblack", metadata=metadata)


def write_two_alike(path):
    with tifffile.TiffWriter(path) as tiff:
        for _ in range(2):
            tiff.write(image(32, 32), photometric="minisblack")


def write_pyramid(path):
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(image(32, 32), subifds=1, tile=(16, 16), photometric="minisblack")
        tiff.write(image(16, 16), subfiletype=1, tile=(16, 16), photometric="minisblack")


def write_copies(path):
    with tifffile.TiffWriter(path) as tiff:
        for side in (32, 16):
            options = {"subfiletype": int(side < 32), "metadata": None}
            tiff.write(image(side, side), photometric="minisblack", **options)


def write_slide(path):
    """As Aperio's scanners do: the image, a thumbnail, a smaller copy, the label on the glass."""
    with tifffile.TiffWriter(path) as tiff:
        for side, options in (
            (32, {"tile": (16, 16)}),
            (8, {}),
            (16, {"tile": (16, 16)}),
            (4, {"subfiletype": 1}),
        ):
            description = "Aperio\nlabel" if side == 4 else "Aperio Image Library v11.2.1"
            tiff.write(
                image(side, side, 3), photometric="rgb", description=description, metadata=None, **options
            )


def write_map(path):
    """An image that a person called as slide scanners call small ones."""
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for name, side in (("Map", 32), ("detail", 8)):
            tiff.write(image(side, side), metadata={"axes": "YX", "Name": name})


@pytest.mark.parametrize(
    ("write", "note"),
    [
        pytest.param(write_slide, "", id="slide"),
        pytest.param(write_map, "2 images; only the largest was read", id="map"),
        pytest.param(write_thumbnail_first, "2 images; only the largest was read, number 2", id="thumbnail"),
        pytest.param(write_two_alike, "2 images; only the first was read", id="alike"),
        pytest.param(write_pyramid, "", id="pyramid"),
        pytest.param(write_copies, "", id="smaller copies as pages"),
    ],
)
def test_the_largest_image_of_a_file_is_read(write, note, tmp_path):
    write(tmp_path / "a.tif")
    got = read_image(tmp_path / "a.tif")
    assert got.pixels.shape[:2] == image_size(tmp_path / "a.tif") == (32, 32)
    assert note in " ".join(got.notes)
    assert bool(got.notes) == bool(note)
    assert got.pixel_size_um == (0.5 if write is write_thumbnail_first else None)


def test_of_an_animation_the_first_image_is_read_and_said(tmp_path):
    pictures = [Image.fromarray(image(9, 11)) for _ in range(3)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:])
    got = read_image(tmp_path / "a.gif")
    np.testing.assert_array_equal(got.pixels[..., 0], np.array(pictures[0]))
    assert got.notes == ("The file holds 3 images; only the first was read.",)


def write_flat_imagej(path):
    metadata = {"axes": "YX", "unit": "micron"}
    tifffile.imwrite(path, image(9, 11), imagej=True, resolution=(4, 2), metadata=metadata)


def write_flat_ome(path):
    metadata = {"axes": "YX", "PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm"}
    metadata |= {"PhysicalSizeY": 500.0, "PhysicalSizeYUnit": "nm"}
    tifffile.imwrite(path, image(9, 11), ome=True, metadata=metadata, photometric="minisblack")


@pytest.mark.parametrize("write", [write_flat_imagej, write_flat_ome])
def test_pixels_that_are_not_square_have_no_size(write, tmp_path):
    write(tmp_path / "a.tif")
    got = read_image(tmp_path / "a.tif")
    assert got.pixel_size_um is None
    assert "not square, 0.25 x 0.5 µm" in " ".join(got.notes)


@pytest.mark.parametrize(
    ("known", "shape", "expected"),
    [
        ({"axes": "CYX"}, (3, 40, 50), ("SYX", None)),
        ({"axes": "CYX", "nuclei_channel": 2}, (3, 40, 50), ("CYX", 2)),
        ({"axes": "CYX"}, (2, 40, 50), ("CYX", None)),
        ({"axes": "YXC"}, (40, 50, 3), ("YXC", None)),
        ({"axes": "YX"}, (40, 50), ("YX", None)),
        ({}, (40, 50), (None, None)),
    ],
)
def test_channels_where_nobody_can_be_asked_are_taken_by_name_else_three_as_colours(known, shape, expected):
    assert axes_and_channel(known, shape) == expected


@pytest.mark.parametrize("names", [["GFP", "DAPI"], ["GFP", ""]])
def test_names_of_channels_are_read_where_all_have_one(tmp_path, names):
    metadata = {"axes": "CYX", "Channel": {"Name": names}}
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((2, 20, 30), np.uint16), metadata=metadata)
    assert read_image(tmp_path / "a.ome.tif").channels == (
        tuple(names) if all(names) and len(names) == 2 else ()
    )


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_an_image_to_be_shown_turned_is_read_as_stored_with_a_note(tmp_path, suffix, orientation):
    path = tmp_path / f"a.{suffix}"
    if suffix == "tif":
        tifffile.imwrite(path, np.zeros((20, 30), np.uint8), extratags=[(274, "H", 1, orientation, True)])
    else:
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(np.zeros((20, 30), np.uint8)).save(path, exif=exif)
    read = read_image(path)
    assert read.pixels.shape == (20, 30)
    assert [note.startswith("The file says that it is shown turned") for note in read.notes] == [True] * (
        orientation > 1
    )
