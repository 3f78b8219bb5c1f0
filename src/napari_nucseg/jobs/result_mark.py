"""What a batch writes into its results: that it made them, of which image; so they may be replaced, others not."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from napari_nucseg.files import file_sha256
from napari_nucseg.jobs import outline_file
from napari_nucseg.nuclei.measuring import are_columns

SOFTWARE = "nucseg segment"
"""Program that made a file, as its TIFF tag or PNG text says: what bears it may be replaced, and is no image."""
HISTORY_TAG, HISTORY_TEXT = 37395, "Comment"
"""Where the origin stands: the TIFF tag ImageHistory (TIFF/EP), the PNG text."""


class Origin(BaseModel):
    """What a result was made of: the image, by its place, seen from the result's folder, and its content; settings."""

    model_config = ConfigDict(frozen=True)

    image: str
    sha256: str
    settings: str = ""
    """Fingerprint of all that, with the image, determines the labels."""
    model: str | None = None
    device: str | None = None
    diameter_px: float | None = None
    diameter_confidence: float | None = None
    """How labels were made, for the record of a later run that takes them as they are."""

    @classmethod
    def of(cls, image: Path, folder: Path, settings: str = "") -> Origin:
        """Describe an image whose result lies in a folder."""
        return cls(image=place_of(image, folder), sha256=file_sha256(image), settings=settings)

    def is_same_image(self, other: Origin) -> bool:
        """Whether it is the same file, be it changed meanwhile, or the same content, be it moved."""
        return self.image == other.image or self.sha256 == other.sha256

    def gives_same_labels(self, other: Origin) -> bool:
        """Whether the content of the image and the settings are the same."""
        return (self.sha256, self.settings) == (other.sha256, other.settings)

    def text(self) -> str:
        """Return the text that stands in a file, in ASCII whatever the image is called."""
        return json.dumps(self.model_dump())


def place_of(image: Path, folder: Path) -> str:
    """Where an image lies, seen from a folder."""
    source = os.path.realpath(image)
    try:
        place = os.path.relpath(source, os.path.realpath(folder))
    except ValueError:  # on another drive of Windows
        place = source
    return Path(place).as_posix()


def is_marked(path: Path) -> bool:
    """Whether a file says that a batch wrote it; a table says so by its columns."""
    return _marks(path) is not None


def origin_of(path: Path) -> Origin | None:
    """Which image a result was made of; None where it does not say, as tables and results of earlier versions."""
    try:
        return Origin.model_validate(json.loads(_marks(path) or ""))
    except ValueError:  # ValidationError is one
        return None


def _marks(path: Path) -> str | None:
    """Return what a batch wrote of a file's origin, empty where that was nothing; None where no batch made the file."""
    from PIL import Image

    try:
        if path.suffix == ".tif":
            import tifffile  # late: it is only needed where there are results

            with tifffile.TiffFile(path) as tiff:
                tags = tiff.pages[0].tags  # type: ignore[union-attr]
                return str(tags.valueof(HISTORY_TAG, "")) if tags.valueof("Software") == SOFTWARE else None
        if path.suffix == ".png":
            with Image.open(path) as image:
                return (
                    str(image.info.get(HISTORY_TEXT, "")) if image.info.get("Software") == SOFTWARE else None
                )
        if path.suffix == outline_file.SUFFIX:
            marks = outline_file.marks_of(path)
            return str(marks.get("history", "")) if marks.get("software") == SOFTWARE else None
        with path.open(newline="", encoding="utf-8") as file:
            return "" if path.suffix == ".csv" and are_columns(next(csv.reader(file), ())) else None
    except Exception:  # whatever cannot be read is none of ours
        return None
