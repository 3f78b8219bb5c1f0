"""The pixel size that image files state, in µm: by OME, by ImageJ, or as a resolution."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_nucseg.data.ome import ome_pixels

if TYPE_CHECKING:
    from PIL import Image
    from tifffile import TiffFile, TiffPageSeries

# A pixel size outside this is a printer's resolution (72 dpi = 353 µm), not a microscope's.
PLAUSIBLE_PIXEL_UM = (0.005, 20.0)
ANISOTROPY_ALLOWED = 0.01
_PREFIXES = (*"yzafpnμm", "", *"kMGTPEZY")
_UM_PER_UNIT = {
    **{f"{prefix}m": 10.0 ** (3 * step - 18) for step, prefix in enumerate(_PREFIXES)},
    **{"cm": 1e4, "dm": 1e5, "dam": 1e7, "hm": 1e8, "Å": 1e-4},
    **{"in": 25400.0, "thou": 25.4, "li": 25400 / 12, "pt": 25400 / 72, "ft": 304800.0, "yd": 914400.0},
    **{"mi": 1.609344e9, "ua": 1.495978707e17, "ly": 9.4607304725808e21, "pc": 3.0856775814913673e22},
}
"""Every unit of length that OME knows, in the letters that Unicode's NFKC makes of it."""
_ALSO_CALLED = {
    "μm": ("um", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres", "\\u00b5m"),
    "nm": ("nanometer", "nanometers", "nanometre", "nanometres"),
    "mm": ("millimeter", "millimeters", "millimetre", "millimetres"),
    "cm": ("centimeter", "centimeters", "centimetre", "centimetres"),
    "m": ("meter", "meters", "metre", "metres"),
    "Å": ("å", "angstrom", "angstroms"),
    "in": ("inch", "inches"),
}
"""Units as ImageJ, its escapes and people write them, in small letters."""
_UNIT_OF = {name: unit for unit, names in _ALSO_CALLED.items() for name in names}
_NO_LENGTHS = ("", "pixel", "pixels", "px", "reference frame")


@dataclass(frozen=True)
class PixelSize:
    """Side of a file's pixels in µm; None where it is unknown, and ``note`` says why what is stated is not taken."""

    um: float | None = None
    note: str = ""

    @classmethod
    def of_sides(cls, x_um: float | None = None, y_um: float | None = None) -> PixelSize:
        """Judge what a file states; a side that is missing, or no microscope's, is taken for the other's like."""
        x_um, y_um = _plausible(x_um), _plausible(y_um)
        if x_um and y_um and max(x_um, y_um) / min(x_um, y_um) > 1 + ANISOTROPY_ALLOWED:
            note = (
                f"The file's pixels are not square, {x_um:g} x {y_um:g} µm: no pixel size was taken from it."
            )
            return cls(None, note)
        return cls(x_um or y_um)


def tiff_pixel_size(tiff: TiffFile, series: TiffPageSeries) -> PixelSize:
    """Pixel size from OME's, Aperio's or ImageJ's words, or the resolution tags where those are a microscope's."""
    if (stated := ome_pixels(tiff, series)) is not None:
        return _stated(
            [(stated.get(f"PhysicalSize{a}"), stated.get(f"PhysicalSize{a}Unit", "µm")) for a in "XY"]
        )
    if tiff.is_svs and (side := _microns_a_pixel(series.keyframe.description)):
        return PixelSize.of_sides(side, side)
    tags = series.keyframe.tags
    resolutions = [tags[name].value if name in tags else (0, 1) for name in ("XResolution", "YResolution")]
    sides = [pixels and length / pixels for pixels, length in resolutions]
    if tiff.is_imagej and (unit := (tiff.imagej_metadata or {}).get("unit")):
        return _stated([(side, unit) for side in sides])
    unit_code = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 1
    um_per = {2: 25400.0, 3: 10000.0}.get(unit_code, math.nan)
    return PixelSize.of_sides(*(side * um_per for side in sides))


def pillow_pixel_size(image: Image.Image) -> PixelSize:
    """Pixel size from the resolution, where that is a microscope's."""
    return PixelSize.of_sides(*(dpi and 25400.0 / float(dpi) for dpi in image.info.get("dpi") or (0, 0)))


def _microns_a_pixel(description: str) -> float | None:
    """Side of a pixel in µm as Aperio's slide scanners state it, ``… | MPP = 0.2526 | …``."""
    found = re.search(r"\|\s*MPP\s*=\s*([\d.]+)", description)
    return float(found[1]) if found else None


def _stated(sides: list[tuple[Any, Any]]) -> PixelSize:
    """Judge two sides, each stated as a number, None where it is missing, and the name of its unit."""
    sides = [(side, str(unit).strip()) for side, unit in sides if side]
    if unknown := [unit for _, unit in sides if _um_per(unit) is None and unit.lower() not in _NO_LENGTHS]:
        note = f"The file states its pixel size in {unknown[0]!r}, a unit not known here: none was taken from it."
        return PixelSize(None, note)
    return PixelSize.of_sides(*(side * (_um_per(unit) or math.nan) for side, unit in sides))


def _um_per(unit: str) -> float | None:
    """Micrometres in a unit; None for what is not known as a length."""
    unit = unicodedata.normalize("NFKC", unit)
    small = unit.lower()
    name = unit if unit in _UM_PER_UNIT else _UNIT_OF.get(small, small)
    return _UM_PER_UNIT.get(name)


def _plausible(size_um: float | None) -> float | None:
    """Return the size where it can be a microscope's, else None."""
    low, high = PLAUSIBLE_PIXEL_UM
    return float(size_um) if size_um and low <= size_um <= high else None
