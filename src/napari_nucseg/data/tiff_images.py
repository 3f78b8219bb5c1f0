"""Images in TIFF: which of several is read, what its numbers mean as colours, and what decompresses it."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.image_file import ImageFile, orientation_note
from napari_nucseg.data.ome import channel_names, ome_pixels
from napari_nucseg.data.on_disk import is_large, zeros_on_disk
from napari_nucseg.data.pillow_images import any_size, as_grey_or_rgb, open_with_pillow
from napari_nucseg.data.pixel_size import PixelSize, tiff_pixel_size
from napari_nucseg.data.tiff_set import images_in, open_tiff, planes_in
from napari_nucseg.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image
    from tifffile import TiffFile, TiffPageSeries

# Values of the tags PhotometricInterpretation, Compression and ExtraSamples (TIFF 6.0).
_WHITE_IS_ZERO, _PALETTE, _YCBCR = 0, 3, 6
_OTHER_COLOURS = {5, 8, 9, 10}  # CMYK; CIE, ICC and ITU L*a*b*
_LOSSLESS = {1, 5, 8, 32946, 32773}  # none; LZW, Deflate by two numbers, PackBits
_ALPHA = {1, 2}
_BESIDE = {"Thumbnail", "Label", "Macro", "Map"}
"""Names that tifffile gives to small images in the files of slide scanners."""


def is_tiff(file: IO[bytes]) -> bool:
    """Whether a file begins as a TIFF does."""
    magic = file.read(4)
    file.seek(0)
    return magic in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def tiff_size(file: IO[bytes]) -> tuple[int, int]:
    """Height and width in pixels of the image that ``read_tiff`` reads."""
    with open_tiff(file) as tiff:
        series, _ = _largest(tiff)
        sizes = dict(zip(series.axes, series.shape, strict=True))
        return int(sizes["Y"]), int(sizes["X"])


def read_tiff(file: IO[bytes], *, as_stored: bool = False, scratch: Path | None = None) -> ImageFile:
    """Read the largest image of a file as grey values, channels or RGB.

    ``as_stored`` keeps the numbers that are stored, of the first image: indices of a palette, CMYK, alpha, and 0 where
    that is white. A large image is read into a file in the folder ``scratch``, where that is given.
    """
    with open_tiff(file) as tiff:
        if not tiff.series:
            raise ValueError("it says that it is a TIFF, and holds no image")
        series, note = (images_in(tiff)[0], "") if as_stored else _largest(tiff)
        size, turned = PixelSize(), ""
        channels: tuple[str, ...] = ()
        # Metadata may be damaged, or in another file of the set; the pixels are there.
        with suppress(Exception):
            size = tiff_pixel_size(tiff, series)
        with suppress(Exception):
            channels = channel_names(ome_pixels(tiff, series) or {})
        with suppress(Exception):
            turned = orientation_note(series.keyframe.tags.valueof("Orientation"))
        held, missing = planes_in(tiff, series)
        pixels, axes = _read_series(file, held, as_stored=as_stored, scratch=scratch)
        if not as_stored:
            pixels, axes = _without_alpha(pixels, axes, held)
        if not as_stored and not tiff.is_imagej:  # ImageJ's colours and inversion are how values are shown
            pixels, axes = _as_shown(pixels, axes, held)
    channels = channels if "C" in axes and len(channels) == pixels.shape[axes.index("C")] else ()
    axes = axes[:-1] + "C" if axes.endswith("S") and "C" not in axes else axes
    return ImageFile(pixels, axes, size.um, tuple(filter(None, (note, missing, size.note, turned))), channels)


def _largest(tiff: TiffFile) -> tuple[TiffPageSeries, str]:
    """Return the largest image of a file, the first of equals, and a note on others.

    Smaller copies are none, nor is what a scanner of whole slides puts beside its image.
    """
    held = images_in(tiff)
    # in OME, names are what people called their images
    whole = held if tiff.is_ome else [series for series in held if series.name not in _BESIDE] or held
    images = [series for series in whole if not series.keyframe.is_reduced] or whole
    largest = max(images, key=lambda series: math.prod(series.shape))
    if len(images) == 1:
        return largest, ""
    which = "the largest" if any(series.shape != largest.shape for series in images) else "the first"
    return (
        largest,
        f"The file holds {len(images)} images; only {which} was read, number {images.index(largest) + 1}.",
    )


def _read_series(
    file: IO[bytes], series: TiffPageSeries, *, as_stored: bool, scratch: Path | None
) -> tuple[NDArray[Any], str]:
    """Pixels and axes, as stored or one number a pixel or RGB, by tifffile or, where that cannot, by Pillow."""
    page = series.keyframe
    stored_ycbcr = page.photometric == _YCBCR and page.compression in _LOSSLESS
    if not as_stored and (page.photometric in _OTHER_COLOURS or stored_ycbcr):
        return _through_pillow(file, series)
    sizes = dict(zip(series.axes.upper(), series.shape, strict=True))
    large = is_large((sizes.get("Y", 1), sizes.get("X", 1)))
    out = zeros_on_disk(series.shape, series.dtype, scratch) if large and scratch is not None else None
    try:
        pixels = series.asarray(out=out)
        return (pixels if out is None else out), series.axes.upper()
    except (ValueError, ImportError) as error:
        if isinstance(error, ValueError) and "imagecodecs" not in str(error):
            raise
        if out is not None:  # Pillow would need memory for all of it, twice
            raise ImageError(_not_readable(series)) from error
        return _through_pillow(file, series)


def _without_alpha(pixels: NDArray[Any], axes: str, series: TiffPageSeries) -> tuple[NDArray[Any], str]:
    """Drop the last sample where it says how opaque a pixel is, and with a single one left their axis.

    Four samples stay unless the last is opaque everywhere: four channels are often written as if they were RGBA. RGBA
    of 8 bit stays, as from other files.
    """
    page = series.keyframe
    is_whole = "S" in axes and pixels.shape[axes.index("S")] == page.samplesperpixel  # as Pillow's is not
    if not is_whole or not page.extrasamples or page.extrasamples[-1] not in _ALPHA:
        return pixels, axes
    *samples, alpha = np.moveaxis(pixels, axes.index("S"), 0)
    if len(samples) == 3 and (pixels.dtype == np.uint8 or not _is_opaque(alpha)):
        return pixels, axes
    if len(samples) == 1:
        return samples[0], axes.replace("S", "")
    return np.stack(samples, axes.index("S")), axes


def _is_opaque(alpha: NDArray[Any]) -> bool:
    """Whether alpha has its highest value everywhere."""
    highest = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else 1
    return bool((alpha == highest).all())


def _as_shown(pixels: NDArray[Any], axes: str, series: TiffPageSeries) -> tuple[NDArray[Any], str]:
    """Colours of a palette, and bright as large where the file says 0 is white.

    Values stay where the palette only shows them: of more than 8 bit, or in shades of one colour.
    """
    page = series.keyframe
    if page.photometric == _PALETTE and page.colormap is not None and "S" not in axes:
        colours = np.asarray(page.colormap)
        if pixels.dtype.itemsize > 1 or _is_ramp(colours):
            return pixels, axes
        colours = (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)  # of 16 bits by rule
        return np.moveaxis(colours, 0, -1)[pixels], axes + "S"
    if page.photometric == _WHITE_IS_ZERO and pixels.dtype.kind in "bu":
        return np.invert(pixels), axes
    return pixels, axes


def _is_ramp(colours: NDArray[Any]) -> bool:
    """Whether a palette (3, n) goes evenly from black to one colour, but for rounding to 8 bit."""
    even = np.outer(colours[:, -1], np.linspace(0, 1, colours.shape[1]))
    rounding = 257 if colours.max() > 255 else 1
    return bool((abs(colours - even) <= rounding).all())


def _through_pillow(file: IO[bytes], series: TiffPageSeries) -> tuple[NDArray[Any], str]:
    """Read a series page by page with Pillow, which knows LZW, JPEG and colours that tifffile leaves alone."""
    axes = series.axes.upper().replace("S", "")
    sizes = [n for n, letter in zip(series.shape, series.axes.upper(), strict=True) if letter != "S"]
    try:
        with open_with_pillow(file) as image:
            pages = [_page(image, page.index, series) for page in series.pages if page is not None]
        if not axes.endswith("YX") or any(page.shape[:2] != tuple(sizes[-2:]) for page in pages):
            raise ValueError(f"pages do not make up axes {series.axes} of shape {series.shape}")
        pixels = np.stack(pages).reshape(*sizes, *pages[0].shape[2:])
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises nearly anything on what it does not know
        raise ImageError(_not_readable(series)) from error
    return pixels, axes + ("S" if pages[0].ndim == 3 else "")


def _page(image: Image.Image, index: int, series: TiffPageSeries) -> NDArray[Any]:
    """One page as it is stored, (Y, X), or as RGB, (Y, X, 3)."""
    with any_size():
        image.seek(index)
        image.load()
    pixels = np.array(image if image.mode == "P" else as_grey_or_rgb(image))
    if pixels.ndim == 3:
        return pixels[..., :3]
    if series.keyframe.photometric == _WHITE_IS_ZERO and image.mode in ("1", "L"):
        pixels = np.invert(pixels)  # Pillow turned them round
    kinds = pixels.dtype.kind + series.dtype.kind
    is_wider = pixels.dtype.itemsize >= series.dtype.itemsize  # Pillow has no signed 16, no unsigned 32 bits
    return pixels.astype(series.dtype) if is_wider and set(kinds) <= set("iu") else pixels


def _not_readable(series: TiffPageSeries) -> str:
    page = series.keyframe
    compression, colours = (getattr(value, "name", value) for value in (page.compression, page.photometric))
    got = f"its pixels are stored as {series.dtype}, compression {compression}, colours {colours}"
    if page.photometric in _OTHER_COLOURS:
        return f"{got}, which cannot be turned into RGB here: save it as RGB"
    todo = (
        "check that the file is whole, install what decompresses it, pip install imagecodecs, or save it without "
        "compression"
    )
    return f"{got}, which cannot be read here: {todo}"
