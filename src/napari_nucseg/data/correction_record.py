"""``correction.json``: what a correction set says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_nucseg.errors import CorrectionSetError
from napari_nucseg.refusals import problems_in

RECORD = "correction.json"
COPIED_IMAGE = "image.tif"


class ImageRecord(BaseModel):
    """Where the pixels are: ``image.tif`` of the folder, or a file elsewhere.

    ``sha256`` and ``size_bytes`` are that file's; ``path`` is relative to the folder where that is possible.
    ``pixels_sha256`` is that of what a file elsewhere reads to (:func:`.correction_image.pixels_sha256`): it may be
    written again with other metadata. Sets of older versions know neither that nor the size. ``as_shown`` says how a
    TIFF is read: its largest image in the colours it shows, else the numbers stored in its first. ``axes`` has one
    letter of TZCYX an axis, ``S`` for colour.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = COPIED_IMAGE
    sha256: str
    pixels_sha256: str = ""
    size_bytes: int | None = None
    as_shown: bool = False
    axes: str
    name: str = ""
    pixel_size_um: float | None = None


class CorrectionRecord(BaseModel):
    """Content of ``correction.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["napari-nucseg corrections"] = "napari-nucseg corrections"
    version: int = Field(1, ge=1, le=1)
    saved: datetime = Field(default_factory=lambda: datetime.now().astimezone())
    image: ImageRecord
    model_name: str = ""
    model_sha256: str = ""
    settings: Mapping[str, Any] = {}
    """Settings of the segmentation, as they are in the record of a layer or a batch."""
    counts: Mapping[str, int] = {}
    """Nuclei, changes of each kind, reviewed and ignored pixels, …"""


def read_record(folder: str | Path) -> CorrectionRecord:
    """Read ``correction.json`` of a set.

    Raises
    ------
    CorrectionSetError
        If the folder has none, or it is damaged or newer.
    """
    path = Path(folder) / RECORD
    try:
        return CorrectionRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise CorrectionSetError(f"{folder} holds no corrections: {RECORD} is missing.") from error
    except OSError as error:
        raise CorrectionSetError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValidationError as error:
        raise CorrectionSetError(
            f"{path} is damaged, or of a newer version: {problems_in(error)}."
        ) from error
