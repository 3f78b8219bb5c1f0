"""TIFF files of a set, each of which names all others in its OME metadata: what lies in one of them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tifffile import TiffFile, TiffFrame, TiffPage, TiffPageSeries


@contextmanager
def open_tiff(file: IO[bytes]) -> Iterator[TiffFile]:
    """Open a TIFF, without its OME metadata where these tell of nothing but other files."""
    import tifffile  # late: it is only needed where a TIFF is met

    with tifffile.TiffFile(file) as tiff:
        if not tiff.series or images_in(tiff):
            yield tiff
            return
    file.seek(0)
    with tifffile.TiffFile(file, is_ome=False) as tiff:
        yield tiff


def images_in(tiff: TiffFile) -> list[TiffPageSeries]:
    """Images of which a file holds at least a plane; tifffile gives those of the whole set."""
    return [
        series for series in tiff.series if series.kind != "ome" or any(_is_in(page, tiff) for page in series)
    ]


def _is_in(page: TiffPage | TiffFrame | None, tiff: TiffFile) -> bool:
    return page is not None and page.parent is tiff
