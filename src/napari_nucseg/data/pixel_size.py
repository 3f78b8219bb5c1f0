"""The pixel size that image files state, in µm: by OME, by ImageJ, or as a resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_nucseg.data.ome import ome_pixels

if TYPE_CHECKING:
    from PIL import Image
    from tifffile import TiffFile, TiffPageSeries

# A pixel size outside this is a printer's resolution (72 dpi = 353 µm), not a microscope's.
PLAUSIBLE_PIXEL_UM = (0.005, 20.0)
ANISOTROPY_ALLOWED = 0.01
# µ is the micro sign or the Greek letter; ImageJ writes it as an escape.
_MICROMETRES = ("\u00b5m", "\u03bcm", "\\u00b5m", "um", "micron", "microns", "micrometer", "micrometre")
_UM_PER_UNIT = {**dict.fromkeys(_MICROMETRES, 1.0), "nm": 1e-3, "mm": 1e3, "cm": 1e4}


@dataclass(frozen=True)
class PixelSize:
    """Side of a file's pixels in µm; None where it is unknown, and where pixels are not square, as ``note`` says."""

    um: float | None = None
    note: str = ""

    @classmethod
    def of_sides(cls, x_um: float | None, y_um: float | None) -> PixelSize:
        """Judge what a file states; a side that is missing, or no microscope's, is taken for the other's like."""
        x_um, y_um = _plausible(x_um), _plausible(y_um)
        if x_um and y_um and max(x_um, y_um) / min(x_um, y_um) > 1 + ANISOTROPY_ALLOWED:
            note = (
                f"The file's pixels are not square, {x_um:g} x {y_um:g} µm: no pixel size was taken from it."
            )
            return cls(None, note)
        return cls(x_um or y_um)


def tiff_pixel_size(tiff: TiffFile, series: TiffPageSeries) -> PixelSize:
    """Pixel size from OME metadata, ImageJ's unit, or the resolution tags where those are a microscope's."""
    if (stated := ome_pixels(tiff, series)) is not None:
        return PixelSize.of_sides(*(_ome_side_um(stated, axis) for axis in "XY"))
    tags = series.keyframe.tags
    unit = (tiff.imagej_metadata or {}).get("unit") if tiff.is_imagej else None
    unit_code = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 1
    um_per = _um_per(unit) if unit else {2: 25400.0, 3: 10000.0}.get(unit_code, math.nan)
    sides = [tags[name].value if name in tags else (0, 1) for name in ("XResolution", "YResolution")]
    return PixelSize.of_sides(*(pixels and length / pixels * um_per for pixels, length in sides))


def pillow_pixel_size(image: Image.Image) -> PixelSize:
    """Pixel size from the resolution, where that is a microscope's."""
    return PixelSize.of_sides(*(dpi and 25400.0 / float(dpi) for dpi in image.info.get("dpi") or (0, 0)))


def _ome_side_um(pixels: dict[str, Any], axis: str) -> float | None:
    size = pixels.get(f"PhysicalSize{axis}")
    return size and size * _um_per(pixels.get(f"PhysicalSize{axis}Unit", "µm"))


def _um_per(unit: object) -> float:
    """Micrometres in a unit of length; NaN for what is none."""
    return _UM_PER_UNIT.get(str(unit).lower(), math.nan)


def _plausible(size_um: float | None) -> float | None:
    """Return the size where it can be a microscope's, else None."""
    low, high = PLAUSIBLE_PIXEL_UM
    return float(size_um) if size_um and low <= size_um <= high else None
