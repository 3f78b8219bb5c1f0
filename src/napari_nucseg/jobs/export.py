"""Results as files other programs read: labels as TIFF or run lengths, outlines as PNG."""

from __future__ import annotations

import csv
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.dsb2018 import CSV_COLUMNS, encode_labels
from napari_nucseg.data.intensity import IntensityRange
from napari_nucseg.data.on_disk import is_large
from napari_nucseg.errors import ImageError, OutputError
from napari_nucseg.files import in_words, written_whole
from napari_nucseg.jobs.result_mark import HISTORY_TAG, HISTORY_TEXT, SOFTWARE
from napari_nucseg.strips import strips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_nucseg.jobs.result_mark import Origin

# Bright on a dark field and distinct from the pinks and violets of stained tissue.
OUTLINE_COLOURS = np.array(
    [[255, 225, 25], [0, 255, 255], [60, 255, 60], [255, 140, 0], [60, 130, 255]], np.uint8
)
TILE_PX = 1024


def write_labels(
    path: str | Path,
    labels: NDArray[np.integer[Any]],
    pixel_size_um: float | None = None,
    axes: str = "YX",
    origin: Origin | None = None,
) -> None:
    """Write labels as a compressed TIFF that napari, Fiji and QuPath open, whole or not at all.

    uint16 in ImageJ's form where the numbers fit, else int32, which ImageJ's form does not have. The pixel
    size is kept in the resolution tags of both. Large labels, ``on_disk.is_large``, are int32 in tiles, which programs
    open a part at a time.

    Parameters
    ----------
    path
        File to write; an existing one is replaced.
    labels
        Integers from 0, (Y, X), or with T and Z before.
    pixel_size_um
        Side of a pixel in µm.
    axes
        A letter an axis: YX, ZYX, TYX or TZYX.
    origin
        What a batch made the file of, which the file then says.

    Raises
    ------
    ImageError
        If labels are no non-negative integers of these axes.
    OutputError
        If the file cannot be written.
    """
    labels = np.asarray(labels)
    is_allowed = labels.ndim == len(axes) and axes in ("YX", "ZYX", "TYX", "TZYX")
    if not is_allowed or labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
        raise ImageError(
            f"got labels of shape {labels.shape}, type {labels.dtype} and axes {axes}: integers from 0, (Y, X) or "
            "with T and Z before, are allowed"
        )
    if axes == "YX" and is_large(labels.shape):
        in_tiles = {"tile": (TILE_PX, TILE_PX), "bigtiff": True}
        _write_tiff(
            path, labels.astype(np.int32, copy=False), axes, pixel_size_um, origin, imagej=False, **in_tiles
        )
        return
    fits = labels.size == 0 or labels.max() <= np.iinfo(np.uint16).max
    pixels = labels.astype(np.uint16 if fits else np.int32)
    _write_tiff(path, pixels, axes, pixel_size_um, origin, imagej=fits)


def write_image(
    path: str | Path, image: NDArray[Any], axes: str = "YX", pixel_size_um: float | None = None
) -> None:
    """Write a grey image of uint8, uint16 or float32, axes YX, or RGB of uint8, axes YXC, as `write_labels` does.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    _write_tiff(path, image, axes.replace("C", "S"), pixel_size_um, None, imagej=True)


def _write_tiff(
    path: str | Path,
    pixels: NDArray[Any],
    axes: str,
    pixel_size_um: float | None,
    origin: Origin | None,
    *,
    imagej: bool,
    **layout: Any,
) -> None:
    """Write pixels with the pixel size as pixels per micron (ImageJ's form) or per centimetre."""
    import tifffile  # late: importing jobs stays fast

    tags: dict[str, Any] = {"metadata": {"axes": axes}, **layout}
    if origin is not None:
        tags |= {"software": SOFTWARE, "extratags": [(HISTORY_TAG, "s", 0, origin.text(), True)]}
    if pixel_size_um is not None and imagej:
        tags["resolution"] = (1 / pixel_size_um, 1 / pixel_size_um)
        tags["metadata"]["unit"] = "micron"
    elif pixel_size_um is not None:
        tags["resolution"] = (10_000 / pixel_size_um, 10_000 / pixel_size_um)
        tags["resolutionunit"] = "CENTIMETER"
    photometric = "rgb" if axes.endswith("S") else "minisblack"
    with written_whole(path) as part:
        tifffile.imwrite(part, pixels, imagej=imagej, photometric=photometric, compression="zlib", **tags)


def write_overlay(
    path: str | Path,
    pictures: NDArray[np.uint8],
    pixel_size_um: float | None = None,
    axes: str = "YX",
    origin: Origin | None = None,
) -> None:
    """Write pictures that ``draw_outlines`` made, whole or not at all: one as a PNG, those of a stack as a TIFF.

    Parameters
    ----------
    path
        File to write; an existing one is replaced.
    pictures
        (Y, X, 3), or with T and Z before.
    pixel_size_um
        Side of a pixel in µm, which the TIFF keeps.
    axes
        Those of the labels: YX, ZYX, TYX or TZYX.
    origin
        What a batch made the file of, which the file then says.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    if axes != "YX":
        _write_tiff(path, pictures, f"{axes}S", pixel_size_um, origin, imagej=True)
        return
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    if origin is not None:
        text.add_text("Software", SOFTWARE)
        text.add_text(HISTORY_TEXT, origin.text())
    with written_whole(path) as part:
        Image.fromarray(pictures).save(part, format="PNG", pnginfo=text)


@contextmanager
def run_length_table(path: str | Path) -> Iterator[Callable[[str, NDArray[np.integer[Any]]], None]]:
    """Write the nuclei of many images as run lengths, in the form of the 2018 Data Science Bowl (CSV).

    Columns ``ImageId,EncodedPixels``, a row a nucleus: pixels count from 1, column by column. An image without
    nuclei has one row with nothing in the second column. The file appears when the context is left without an
    error; an older one stays until then.

    Yields
    ------
    add
        Function of an image's id and its labels (Y, X), integers from 0.

    Raises
    ------
    OutputError
        If the file cannot be written: at once where its place does not allow it.
    """
    path = Path(path)
    with written_whole(path) as part:
        # A file's name is bytes that need be no UTF-8: they come back as they were.
        with part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(CSV_COLUMNS)

            def add(image_id: str, labels: NDArray[np.integer[Any]]) -> None:
                try:
                    writer.writerows((image_id, text) for text in encode_labels(labels).values() or ("",))
                except OSError as error:
                    raise OutputError(in_words(error, path)) from error

            try:
                yield add
            except BaseException:
                with suppress(OSError):  # on a full disk, what ended the work is said, not this
                    file.close()
                raise


def draw_outlines(planes: NDArray[Any], labels: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Draw a thin coloured line just inside each nucleus; neighbours mostly differ in colour.

    Parameters
    ----------
    planes
        (C, Y, X) image, C 1 (grey) or 3 (RGB), in any units; its contrast is stretched.
    labels
        (Y, X) on the same grid.

    Returns
    -------
    picture
        uint8 (Y, X, 3).
    """
    if planes.ndim != 3 or planes.shape[0] not in (1, 3) or planes.shape[1:] != labels.shape:
        raise ImageError(
            f"got an image of shape {planes.shape} for labels of shape {labels.shape}: "
            "(1, Y, X) or (3, Y, X) with the same Y and X is allowed"
        )
    intensity, picture = IntensityRange.of(planes), np.empty((*labels.shape, 3), np.uint8)
    for rows in strips(labels.shape):  # float32 takes four times what is drawn
        picture[rows] = np.moveaxis(intensity.apply(planes[:, rows]) * 255, 0, -1)
    line = _rims(labels)
    picture[line] = OUTLINE_COLOURS[labels[line] % len(OUTLINE_COLOURS)]
    return picture


def _rims(labels: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Pixels of nuclei beside another nucleus or background, as skimage finds them in ten times the time."""
    rims = np.zeros(labels.shape, bool)
    rows, columns = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    rims[1:] |= rows
    rims[:-1] |= rows
    rims[:, 1:] |= columns
    rims[:, :-1] |= columns
    return rims & (labels > 0)
