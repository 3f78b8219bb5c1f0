"""Labels as a table: one row a nucleus, units in the names of the columns."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.measure import regionprops_table

from napari_nucseg.errors import ImageError
from napari_nucseg.files import written_whole
from napari_nucseg.nuclei.tidying import close_numbers
from napari_nucseg.strips import strips

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

Table = dict[str, "NDArray[Any]"]

_COLUMNS = re.compile(
    "(t,)?(z,)?label,area_px,centroid_y_px,centroid_x_px,equivalent_diameter_px,eccentricity"
    "(,area_um2,centroid_y_um,centroid_x_um,equivalent_diameter_um)?(,mean_intensity|(,mean_intensity_[0-9]+)+)?"
)
_PROPERTIES = ("label", "area", "centroid", "equivalent_diameter_area", "eccentricity")


def measure(
    labels: NDArray[np.integer[Any]], image: NDArray[Any] | None = None, pixel_size_um: float | None = None
) -> Table:
    """Measure every nucleus.

    Parameters
    ----------
    labels
        (Y, X) integers, 0 is background.
    image
        Intensities on the same grid, (Y, X) or (C, Y, X). A nucleus with a NaN or masked pixel has a NaN mean.
    pixel_size_um
        Side of a pixel in µm; adds the columns in µm.

    Returns
    -------
    table
        Columns of equal length N, ordered by label: ``label``; ``area_px`` (pixels); ``centroid_y_px`` and
        ``centroid_x_px`` (0 is the centre of the first pixel); ``equivalent_diameter_px`` (of the circle of
        the same area); ``eccentricity`` (0 a circle, towards 1 a line); with a pixel size ``area_um2``,
        ``centroid_y_um``, ``centroid_x_um`` and ``equivalent_diameter_um``; with an image
        ``mean_intensity``, or ``mean_intensity_0``, ``mean_intensity_1``, … where it has several channels.

    Raises
    ------
    ImageError
        If labels are no 2D integers, or the image does not fit them.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise ImageError(
            f"got labels of shape {labels.shape} and type {labels.dtype}: integers (Y, X) are allowed; "
            "measure a stack plane by plane"
        )
    table = _shapes(labels)
    if pixel_size_um is not None:
        table |= _in_micrometres(table, pixel_size_um)
    if image is not None:
        hidden = np.ma.getmask(image)
        pixels = np.asarray(image) if hidden is np.ma.nomask else np.where(hidden, np.nan, np.asarray(image))
        table |= _mean_intensities(labels, table, pixels)
    return table


def are_columns(names: Sequence[str]) -> bool:
    """Whether these are the columns of a table that ``measure`` made, perhaps after those of a stack, and no others."""
    return _COLUMNS.fullmatch(",".join(names)) is not None


def areas_in(path: Path) -> list[int]:
    """Areas in pixels, row by row, of a table that ``write_table`` wrote; none of one that was changed since."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [int(row["area_px"]) for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def write_table(path: str | Path, table: Mapping[str, NDArray[Any]]) -> None:
    """Write a table as CSV (UTF-8, decimal points, ten significant digits), whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with written_whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows([_cell(value) for value in row] for row in zip(*table.values(), strict=True))


def join_tables(path: str | Path, tables: Mapping[str, Path]) -> None:
    """Write tables that ``write_table`` wrote as one, whole or not at all; ``image`` is the first column.

    Of several kinds of images the columns of all are there; cells are empty where an image has no such column.

    Parameters
    ----------
    path : CSV to write.
    tables : those of images, by their names.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    columns = dict.fromkeys(["image", "t", "z"])
    seen = {"image"}
    for table in tables.values():
        with table.open(newline="", encoding="utf-8") as rows:
            header = next(csv.reader(rows))
            columns |= dict.fromkeys(header)
            seen |= set(header)
    # names of files are bytes that need be no UTF-8: they come back as they were
    with (
        written_whole(path) as part,
        part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.DictWriter(file, [column for column in columns if column in seen])
        writer.writeheader()
        for image, table in tables.items():
            with table.open(newline="", encoding="utf-8") as rows:
                writer.writerows({"image": image} | row for row in csv.DictReader(rows))


def _shapes(labels: NDArray[np.integer[Any]]) -> Table:
    """Label, area, place and form of every nucleus."""
    close, numbers = close_numbers(labels)
    shapes = regionprops_table(close, properties=_PROPERTIES)
    return {
        "label": numbers[shapes["label"]],
        "area_px": shapes["area"].astype(np.int64),
        "centroid_y_px": shapes["centroid-0"],
        "centroid_x_px": shapes["centroid-1"],
        "equivalent_diameter_px": shapes["equivalent_diameter_area"],
        "eccentricity": shapes["eccentricity"],
    }


def _in_micrometres(table: Table, pixel_size_um: float) -> Table:
    if not pixel_size_um > 0:
        raise ImageError(f"got a pixel size of {pixel_size_um} µm: it must be above 0, or None")
    return {
        "area_um2": table["area_px"] * pixel_size_um**2,
        "centroid_y_um": table["centroid_y_px"] * pixel_size_um,
        "centroid_x_um": table["centroid_x_px"] * pixel_size_um,
        "equivalent_diameter_um": table["equivalent_diameter_px"] * pixel_size_um,
    }


def _mean_intensities(labels: NDArray[np.integer[Any]], table: Table, image: NDArray[Any]) -> Table:
    """Mean of each channel in each nucleus, all nuclei in one pass over the pixels."""
    if image.shape[-2:] != labels.shape or image.ndim not in (2, 3):
        raise ImageError(
            f"got an image of shape {image.shape} for labels of shape {labels.shape}: (Y, X) or (C, Y, X) "
            "on the same grid is allowed; bring channels to the front, e.g. numpy.moveaxis(image, -1, 0)"
        )
    channels = image[np.newaxis] if image.ndim == 2 else image
    n, n_nuclei = len(channels), len(table["label"])
    sums = np.zeros((n, n_nuclei))
    for strip in strips(labels.shape):  # numbers and weights take ten times what labels do
        inside = labels[strip] > 0
        row = np.searchsorted(table["label"], labels[strip][inside])
        for total, channel in zip(sums, channels, strict=True):
            total += np.bincount(row, weights=channel[strip][inside], minlength=n_nuclei)
    names = ["mean_intensity"] if n == 1 else [f"mean_intensity_{c}" for c in range(n)]
    return dict(zip(names, sums / table["area_px"], strict=True))


def _cell(value: Any) -> Any:
    """Format a number for a spreadsheet: an empty cell where it is not defined."""
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.10g}"
    return value
