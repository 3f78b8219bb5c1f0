"""Images that Pillow reads: all but most TIFFs."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

import numpy as np

from napari_nucseg.data.image_file import ImageFile, orientation_note
from napari_nucseg.data.pixel_size import pillow_pixel_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

_OPENING = threading.Lock()
_ORIENTATION = 0x0112  # tag of EXIF


def read_with_pillow(file: IO[bytes], *, as_stored: bool = False) -> ImageFile:
    """Read the first image of a file; a palette becomes RGB, or stays as numbers where asked ``as_stored``."""
    orientation = None
    with open_with_pillow(file) as image:
        size = pillow_pixel_size(image)
        with any_size():
            n_images = getattr(image, "n_frames", 1)
        pixels = np.array(image if as_stored and image.mode in ("P", "PA") else as_grey_or_rgb(image))
        with suppress(Exception):  # what a camera wrote may be damaged; the pixels are there
            orientation = image.getexif().get(_ORIENTATION)
    note = f"The file holds {n_images} images; only the first was read." if n_images > 1 else ""
    axes = "YX" if pixels.ndim == 2 else "YXC"
    return ImageFile(
        pixels, axes, size.um, tuple(filter(None, (note, size.note, orientation_note(orientation))))
    )


def as_grey_or_rgb(image: Image.Image) -> Image.Image:
    """Turn other colours into RGB; alpha stays with RGB and goes from grey."""
    if image.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV"):
        return image.convert("RGB")
    return image.convert("L") if image.mode in ("LA", "La") else image


def open_with_pillow(file: IO[bytes]) -> Image.Image:
    """Open an image of any size."""
    from PIL import Image  # late: importing the package must stay fast

    with any_size():
        return Image.open(file)


@contextmanager
def any_size() -> Iterator[None]:
    """Let Pillow turn to an image of any size: mosaics are larger than what it thinks a website would send."""
    from PIL import Image

    with _OPENING:
        usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = usual
