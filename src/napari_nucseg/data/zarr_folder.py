"""Images in zarr, folders or zips of one file a chunk, are not read here: they are known, so that this can be said."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MARKS = frozenset({".zarray", ".zgroup", ".zattrs", "zarr.json"})
"""Files that tell of an array, or of a group of them, in versions 2 and 3 of the format."""
NOT_READ = (
    "zarr is not read by nucseg: save the image as TIFF, open it as a layer in napari, or open it in Python with zarr "
    "and pass the array to napari_nucseg.segment()"
)
LABELS_NOT_READ = "zarr is not read by nucseg: save the labels as TIFF"


def is_zarr(path: Path) -> bool:
    """Whether a path is an array or a group of arrays in zarr, be it zipped, or the file that tells of it."""
    return path.name in MARKS or any(os.path.isfile(path / mark) for mark in MARKS) or _is_zipped(path)


def zarr_in(folder: Path) -> list[Path]:
    """Arrays and groups directly in a folder, sorted."""
    return sorted(path for path in folder.iterdir() if path.name not in MARKS and is_zarr(path))


def _is_zipped(path: Path) -> bool:
    if path.suffix.lower() != ".zip" or not os.path.isfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return path.stem.lower().endswith(".zarr") or not MARKS.isdisjoint(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
