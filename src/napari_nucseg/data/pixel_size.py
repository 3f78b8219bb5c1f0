"""The pixel size that image files state, in µm: by OME, by ImageJ, or as a resolution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image
    from tifffile import TiffFile

# A pixel size outside this is a printer's resolution (72 dpi = 353 µm), not a microscope's.
PLAUSIBLE_PIXEL_UM = (0.005, 20.0)
# µ is the micro sign or the Greek letter; ImageJ writes it as an escape.
_MICROMETRES = ("\u00b5m", "\u03bcm", "\\u00b5m", "um", "micron", "microns", "micrometer", "micrometre")
_UM_PER_UNIT = {**dict.fromkeys(_MICROMETRES, 1.0), "nm": 1e-3, "mm": 1e3, "cm": 1e4}


def tiff_pixel_size_um(tiff: TiffFile) -> float | None:
    """Pixel size from OME metadata, ImageJ's unit, or the resolution tags where those are a microscope's."""
    if tiff.is_ome and tiff.ome_metadata:
        import tifffile

        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]
        pixels = (pixels[0] if isinstance(pixels, list) else pixels)["Pixels"]
        size = pixels.get("PhysicalSizeX")
        return _plausible(size and size * _um_per(pixels.get("PhysicalSizeXUnit", "µm")))
    tags = tiff.pages[0].tags  # type: ignore[union-attr]
    if "XResolution" not in tags:
        return None
    numerator, denominator = tags["XResolution"].value
    if not numerator:
        return None
    if tiff.is_imagej and (unit := (tiff.imagej_metadata or {}).get("unit")):
        return _plausible(denominator / numerator * _um_per(unit))
    unit_code = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 1
    return _plausible(denominator / numerator * {2: 25400.0, 3: 10000.0}.get(unit_code, math.nan))


def pillow_pixel_size_um(image: Image.Image) -> float | None:
    """Pixel size from the resolution, where that is a microscope's."""
    dpi = image.info.get("dpi")
    return _plausible(25400.0 / float(dpi[0])) if dpi and float(dpi[0]) > 0 else None


def _um_per(unit: object) -> float:
    """Micrometres in a unit of length; NaN for what is none."""
    return _UM_PER_UNIT.get(str(unit).lower(), math.nan)


def _plausible(size_um: float | None) -> float | None:
    """Return the size where it can be a microscope's, else None."""
    low, high = PLAUSIBLE_PIXEL_UM
    return float(size_um) if size_um and low <= size_um <= high else None
