"""Image files and the meaning of their axes; the only module that decides what an axis is.

Axes are never guessed silently: a shape that does not tell is an ``ImageError`` that says what to pass.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.arrays import in_memory
from napari_nucseg.data.dark_field import is_dark
from napari_nucseg.data.on_disk import lies_on_disk
from napari_nucseg.data.pillow_images import open_with_pillow, read_with_pillow
from napari_nucseg.data.precision import within_float32
from napari_nucseg.data.tiff_images import is_tiff, read_tiff, tiff_size
from napari_nucseg.errors import ChannelError, ImageError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

    from napari_nucseg.data.image_file import ImageFile

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2"}
    # TIFF by other names: large ones, those of slide scanners and of microscopes
    | {".btf", ".tf8", ".svs", ".ndpi", ".scn", ".qptiff", ".lsm", ".stk"}
)
KNOWN_AXES = "TZCYX"
UNTOLD_PAGES = "IQ"  # tifffile's letters for an axis of which a file says nothing
TOO_LARGE = "is too large for this computer's memory: crop it, or close other programs"


def read_image(
    source: str | Path | IO[bytes],
    place: str | None = None,
    *,
    as_stored: bool = False,
    scratch: Path | None = None,
) -> ImageFile:
    """Read an image by its content, whatever its name says.

    TIFF (ImageJ and OME axes and pixel size included) through tifffile, everything else and what tifffile alone
    cannot decompress through Pillow. Palettes of colours, CMYK and L*a*b* become RGB; colours of 16 bit
    that Pillow reads are reduced to 8 bit. Of several images the largest is read, and a note says so.

    Parameters
    ----------
    source
        A file.
    place
        Names an open file in messages.
    as_stored
        Keep the numbers as they are, indices of a palette and alpha too, for labels and what we wrote ourselves; of
        several images the first is read.
    scratch
        Folder on whose disk the pixels of a large TIFF lie while they are used, instead of in memory.

    Raises
    ------
    ImageError
        Naming the file, where it is missing, damaged, of no known format or too large.
    """
    name = place or str(source)
    with _opened(source) as file:
        try:
            if is_tiff(file):
                return read_tiff(file, as_stored=as_stored, scratch=scratch)
            return read_with_pillow(file, as_stored=as_stored)
        except OutputError:  # the folder for what is read
            raise
        except ImageError as error:
            raise ImageError(f"{name} cannot be read: {error}") from error
        except MemoryError as error:
            raise ImageError(f"{name} {TOO_LARGE}") from error
        except Exception as error:  # decoders raise nearly anything on damaged files
            raise ImageError(f"{name} {_what_is_wrong(file, error)}") from error


def _what_is_wrong(file: IO[bytes], error: Exception) -> str:
    """Say why a file is no image, first in plain words."""
    from PIL import UnidentifiedImageError  # late: importing the package must stay fast

    if file.seek(0, os.SEEK_END) == 0:
        return "is empty: nothing was written into it"
    # Pillow's words for what it does not know are no more than the file's name
    cause = "" if isinstance(error, UnidentifiedImageError) or not str(error) else f" ({error})"
    return (
        "is damaged or no image: check that the file is whole; "
        f"TIFF, PNG, JPEG and what else Pillow reads are allowed{cause}"
    )


def image_size(source: str | Path | IO[bytes]) -> tuple[int, int]:
    """Height and width in pixels, read from the header alone."""
    with _opened(source) as file:
        if is_tiff(file):
            return tiff_size(file)
        with open_with_pillow(file) as image:
            return image.height, image.width


def to_planes(
    image: ArrayLike, axes: str | None = None, channel: int | None = None, *, keep_units: bool = True
) -> NDArray[Any]:
    """Bring an image into the one form the network code takes.

    Parameters
    ----------
    image
        2D grey, RGB(A) or multichannel; integer, float or boolean.
    axes
        One letter an axis, of ``TZCYX``, and ``S`` for the samples of a colour in place of channels. Without it
        (Y, X) is grey and, by convention, (Y, X, 3 or 4) is RGB(A); every other shape needs ``axes``.
    channel
        Channel that shows the nuclei, counted from 0.
    keep_units
        Whether intensities keep their units though float32 may not tell them apart; else such are brought to 0…1.

    Returns
    -------
    planes
        (C, Y, X), C 1 (grey, or the channel) or 3 (RGB), contiguous, in the image's own units: integers of 8 and 16
        bit as they are, since a large image in float32 takes four times the memory, all else float32. False and True
        become 0 and 1, alpha is dropped, NaN and infinities stay, what a masked array masks becomes NaN. May share
        memory with ``image``; what lies on disk stays there, contiguous or not.

    Raises
    ------
    ImageError
        Saying the shape got, what is allowed and the next step.
    """
    array = in_memory(image)
    _check_pixels(array)
    letters = _check_axes(array, axes)
    array, letters = _squeeze(array, letters)
    colours = axes is None or "S" in axes.upper() or (letters.endswith("C") and array.dtype == np.uint8)
    planes = _unmasked(_pick_channels(array, letters, channel, rgba=colours))
    planes = planes if keep_units else within_float32(planes)
    if channel is None and are_channels(axes) and is_dark(planes):
        raise ChannelError(
            f"got {len(planes)} channels on a dark ground (axes {axes}) and no choice; choose the one that shows the "
            f"nuclei, channel=0 to {len(planes) - 1}, or say that they are red, green and blue: axes='SYX'",
            len(planes),
        )
    is_narrow = planes.dtype.kind in "iu" and planes.dtype.itemsize <= 2
    dtype = planes.dtype.newbyteorder("=") if is_narrow else np.dtype(np.float32)
    if lies_on_disk(planes) and planes.dtype == dtype:
        return planes
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, which is handled like any inf
        return np.ascontiguousarray(planes, dtype=dtype)


def are_channels(axes: str | None) -> bool:
    """Whether axes say channels, which need not be colours: C before Y; samples of a colour are S, or come last."""
    letters = (axes or "").upper()
    return "C" in letters and letters.index("C") < letters.find("Y")


def axes_and_channel(metadata: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[str | None, int | None]:
    """Axes and channel of a sample about which nobody can be asked.

    The channel is the one that the file names for nuclei, else three are taken for red, green and blue.
    """
    axes, channel = metadata.get("axes"), metadata.get("nuclei_channel")
    letters = (axes or "").upper()
    is_three = are_channels(axes) and shape[letters.index("C")] == 3
    return (letters.replace("C", "S") if is_three and channel is None else axes), channel


def _unmasked(planes: NDArray[Any]) -> NDArray[Any]:
    """Return a plain array with NaN, which counts for nothing, where pixels are masked."""
    if not isinstance(planes, np.ma.MaskedArray):
        return planes
    pixels, mask = planes.data, np.ma.getmaskarray(planes)
    return np.where(mask, np.float32(np.nan), pixels) if mask.any() else pixels


def _check_pixels(array: NDArray[Any]) -> None:
    if array.dtype.kind not in "buif":
        how = "numpy.abs(image)" if array.dtype.kind == "c" else "image.astype(float)"
        raise ImageError(
            f"got pixels of type {array.dtype}; boolean, integer and floating point are allowed: "
            f"convert first, e.g. {how}"
        )
    if array.size == 0:
        raise ImageError(f"got an empty image of shape {array.shape}; every axis needs at least one pixel")


def _check_axes(array: NDArray[Any], axes: str | None) -> str:
    """Return one known letter an axis, or say what is wrong."""
    if axes is None:
        if array.ndim == 2:
            return "YX"
        if array.ndim == 3 and array.shape[-1] in (3, 4):
            return "YXC"
        raise ImageError(
            f"got shape {array.shape} without axes; (Y, X) and (Y, X, 3 or 4) are understood alone: "
            "pass axes, e.g. 'CYX' with channel=0, or 'YXC'"
        )
    letters = axes.upper().replace("S", "C")
    unknown = sorted(set(letters) - set(KNOWN_AXES))
    if (
        len(unknown) == 1
        and unknown[0] in UNTOLD_PAGES
        and {"Y", "X"} < set(letters)
        and len(set(letters)) == len(letters) == array.ndim
    ):
        raise ImageError(_untold_pages(array, axes.upper(), unknown[0]))
    if unknown:
        raise ImageError(
            f"got axes {axes!r} for shape {array.shape}; {', '.join(unknown)} is unknown, "
            f"letters of {KNOWN_AXES} are allowed: say what each axis is, e.g. 'ZYX' or 'CYX', "
            "in nucseg segment with --axes"
        )
    if len(letters) != array.ndim:
        raise ImageError(
            f"got {len(letters)} axes {axes!r} for shape {array.shape}: "
            f"give one letter for each of {array.ndim} axes"
        )
    if len(set(letters)) != len(letters) or not {"Y", "X"} <= set(letters):
        raise ImageError(
            f"got axes {axes!r}; Y and X must be there and no letter twice: e.g. 'YX', 'CYX' or 'YXC'"
        )
    return letters


def _untold_pages(array: NDArray[Any], axes: str, pages: str) -> str:
    """Say how to tell what pages are, of which a file says nothing."""
    kinds = {"Z": "slices", "T": "times"} | ({} if set("CS") & set(axes) else {"C": "channels"})
    choices = [f"{axes.replace(pages, letter)!r} ({kind})" for letter, kind in kinds.items()]
    return (
        f"got axes {axes!r} for shape {array.shape}: the file does not tell what its {array.shape[axes.index(pages)]} "
        f"pages are; say it, with axes={', '.join(choices[:-1])} or {choices[-1]}, in nucseg segment with --axes"
    )


def _squeeze(array: NDArray[Any], letters: str) -> tuple[NDArray[Any], str]:
    """Drop Z and T of size 1; larger ones are an error, since one 2D image is asked for."""
    for letter in "TZ":
        if letter not in letters:
            continue
        axis = letters.index(letter)
        if array.shape[axis] > 1:
            index = ", ".join("0" if other == letter else ":" for other in letters)
            raise ImageError(
                f"got {array.shape[axis]} planes along {letter} (axes {letters}, shape {array.shape}); "
                f"one 2D image is allowed: segment the planes one after the other, e.g. image[{index}]"
            )
        array, letters = array.squeeze(axis), letters.replace(letter, "")
    return array, letters


def _pick_channels(array: NDArray[Any], letters: str, channel: int | None, *, rgba: bool) -> NDArray[Any]:
    """Bring Y and X last and keep the channels asked for: (1, Y, X) or (3, Y, X); of RGBA a fourth is left out."""
    order = [letters.index(letter) for letter in "CYX" if letter in letters]
    array = array.transpose(order)
    if "C" not in letters:
        array = array[np.newaxis]
    n_channels = array.shape[0]
    if channel is not None:
        if not 0 <= channel < n_channels:
            allowed = (
                f"{n_channels}: choose 0 to {n_channels - 1}" if n_channels > 1 else "one alone, channel 0"
            )
            raise ChannelError(f"got channel {channel}, but the image has {allowed}", n_channels)
        return array[channel : channel + 1]
    if n_channels in (1, 3):
        return array
    if n_channels == 4 and rgba:
        return array[:3]
    raise ChannelError(
        f"got {n_channels} channels (axes {letters}, shape {array.shape} as CYX) and no choice; "
        f"grey and RGB need none: choose a channel that shows the nuclei, channel=0 to {n_channels - 1}",
        n_channels,
    )


@contextmanager
def _opened(source: str | Path | IO[bytes]) -> Iterator[IO[bytes]]:
    """Give an open file, whatever was passed."""
    if not isinstance(source, str | Path):
        yield source
        return
    path = Path(source)
    try:
        # opening a pipe would wait for somebody who writes into it
        if not (stat.S_ISREG(mode := path.stat().st_mode) or stat.S_ISDIR(mode)):
            raise ImageError(f"{source} is a pipe or a device, not a file: save the image to a file first")
        file = path.open("rb")
    except OSError as error:
        raise ImageError(f"{source} cannot be opened: {error.strerror or error}") from error
    with file:
        yield file
