"""What OME metadata say of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries


def ome_pixels(tiff: TiffFile, series: TiffPageSeries) -> dict[str, Any] | None:
    """Return the element Pixels of an image of a file; None where there are no such metadata."""
    if not (tiff.is_ome and tiff.ome_metadata):
        return None
    import tifffile  # late: it is only needed where a TIFF is met

    images = _as_list(tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"])
    pixels: dict[str, Any] = images[tiff.series.index(series) if len(images) == len(tiff.series) else 0][
        "Pixels"
    ]
    return pixels


def channel_names(pixels: dict[str, Any]) -> tuple[str, ...]:
    """Names of the channels in their order; none where one is missing."""
    names = [str(channel.get("Name", "")).strip() for channel in _as_list(pixels.get("Channel", []))]
    return tuple(names) if all(names) else ()


def _as_list(element: Any) -> list[Any]:
    """Elements of one kind: ``xml2dict`` gives a single one alone."""
    return element if isinstance(element, list) else [element]
