"""Image of a correction set that lies in a file elsewhere: where it is, and how it is read to the same pixels."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.correction_record import COPIED_IMAGE, ImageRecord
from napari_nucseg.data.images import read_image
from napari_nucseg.data.tiff_images import is_tiff
from napari_nucseg.errors import CorrectionSetError, ImageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def reads_as_shown(path: Path, pixels: ArrayLike) -> bool | None:
    """Whether a file reads to these pixels as it is stored (False), as it is shown (True), or not at all (None)."""
    for as_shown in (False, True):
        with suppress(ImageError, OSError):
            if np.array_equal(read_pixels(path, as_shown=as_shown), pixels, equal_nan=True):
                return as_shown
    return None


def read_pixels(path: Path, *, as_shown: bool) -> NDArray[Any]:
    """Pixels of a file; only a TIFF is read otherwise as it is shown than as it is stored."""
    with path.open("rb") as file:
        return read_image(file, str(path), as_stored=is_tiff(file) and not as_shown).pixels


def pixels_sha256(pixels: ArrayLike) -> str:
    """SHA-256 of an image's type, shape and numbers, whatever order their bytes are stored in."""
    array = np.asarray(pixels)
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    digest.update(array.data)
    return digest.hexdigest()


def reads_to_the_same(path: Path, record: ImageRecord) -> bool | None:
    """Whether a file that was written again reads to the pixels of the record: the answers of ``reads_as_shown``."""
    for as_shown in (record.as_shown, not record.as_shown) if record.pixels_sha256 else ():
        with suppress(ImageError, OSError):
            if pixels_sha256(read_pixels(path, as_shown=as_shown)) == record.pixels_sha256:
                return as_shown
    return None


def reference(image_path: Path, folder: Path) -> str:
    """Path of an image as the record states it: relative to the set where both lie on one drive."""
    with suppress(ValueError):
        return Path(os.path.relpath(image_path.absolute(), folder.absolute())).as_posix()
    return str(image_path.absolute())


def find_image(folder: Path, record: ImageRecord, image_path: Path | None) -> Path:
    """File of a set's image: where it is said to be now, else where the record says; an error where it is gone."""
    if record.path == COPIED_IMAGE:
        path = folder / COPIED_IMAGE
    elif image_path is not None and image_path.is_file():
        path = image_path
    else:
        path = Path(os.path.normpath(folder.absolute() / record.path))
    if not path.is_file():
        raise CorrectionSetError(
            f"the image of {folder} is not at {path}. Put it there, or save corrections with a copy of the image."
        )
    return path
