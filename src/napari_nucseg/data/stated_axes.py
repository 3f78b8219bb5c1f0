"""What a file says of the axes of an image that another program has read: its metadata alone are looked at."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg.data.ome import channel_names, ome_pixels
from napari_nucseg.data.pixel_size import tiff_pixel_size
from napari_nucseg.data.tiff_images import is_tiff

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries


@dataclass(frozen=True)
class StatedAxes:
    """One letter an axis, names of channels, and the side of a pixel in µm; empty, or None, where nothing is said."""

    letters: str = ""
    channels: tuple[str, ...] = ()
    pixel_size_um: float | None = None


def stated_axes(path: str | Path, shape: tuple[int, ...]) -> StatedAxes:
    """Axes of the first image of a shape in a TIFF.

    Nothing is said by a file that is gone, damaged, of another kind, or holds no image of this shape.
    """
    # tifffile raises nearly anything on damaged files, and the image is there already
    with suppress(Exception), Path(path).open("rb") as file:
        if is_tiff(file):
            import tifffile  # late: it is only needed where a TIFF is met

            with tifffile.TiffFile(file) as tiff:
                series = next(series for series in tiff.series if series.shape == shape)
                return StatedAxes(series.axes.upper(), _channels(tiff, series), _pixel_size_um(tiff, series))
    return StatedAxes()


def _channels(tiff: TiffFile, series: TiffPageSeries) -> tuple[str, ...]:
    sizes = dict(zip(series.axes.upper(), series.shape, strict=True))
    names: tuple[str, ...] = ()
    with suppress(Exception):  # axes may be right where names are damaged
        names = channel_names(ome_pixels(tiff, series) or {})
    return names if len(names) == sizes.get("C") else ()


def _pixel_size_um(tiff: TiffFile, series: TiffPageSeries) -> float | None:
    with suppress(Exception):
        return tiff_pixel_size(tiff, series).um
    return None
