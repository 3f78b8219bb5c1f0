"""What a model file says about itself: the JSON in its header."""

from __future__ import annotations

import json
import math
import re
import zipfile
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from safetensors import SafetensorError, safe_open

from napari_nucseg.errors import ModelFileError
from napari_nucseg.network.architectures import Architecture
from napari_nucseg.refusals import problems_in

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
HEADER_KEY = "napari-nucseg"
_PICKLE = re.compile(rb"\x80[\x02-\x05].{6}[^{]", re.DOTALL)
"""Beginning of a pickle. A safetensors file may begin alike by chance, but its ninth byte is the { of its header."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)  # JSON has neither


class Thresholds(_Part):
    """Decoding settings that serve a model best; used where the user sets none."""

    foreground_threshold: float = Field(0.5, ge=0.05, le=0.95)
    core_threshold: float = Field(0.5, ge=0.05, le=0.95)
    certainty: float = Field(0.2, ge=0, le=0.95)


class TaughtExample(_Part):
    """One corrected image that a model was taught on."""

    name: str
    sha256: str = Field(description="Of its normalised pixels, labels and taught area.")
    n_learned: int = Field(description="Nuclei it was taught.")
    n_held_out: int = Field(0, description="Nuclei it was checked on.")


class TaughtComparison(_Part):
    """AP50 of the old and of the new model on the same images; ``low`` and ``high`` are those of new - old."""

    name: str
    n_nuclei: int
    old: float
    new: float
    low: float
    high: float
    verdict: str


class TeachingRecord(_Part):
    """How a model was made from another one by corrections."""

    date: str
    parent: str = Field(description="Name of the model it was made from.")
    examples: tuple[TaughtExample, ...]
    settings: dict[str, str | int | float] = {}
    curve: tuple[tuple[int, float, float | None], ...] = Field(
        (), description="Steps, held-out loss, and AP50 on held-out nuclei where there are enough."
    )
    blend: float = Field(1.0, description="Share of the new weights; the rest is the parent's.")
    verdict: str = ""
    words: str = ""
    comparisons: tuple[TaughtComparison, ...] = ()
    warnings: tuple[str, ...] = ()
    versions: dict[str, str] = {}


class ModelCard(_Part):
    """What a model file says about itself."""

    format: int = FORMAT
    name: str = Field(min_length=1)
    title: str
    description: str = ""
    architecture: Architecture
    canonical_diameter_px: float = Field(gt=0, description="Nucleus diameter the network was trained at.")
    normalisation: tuple[float, float] = Field(
        (0.5, 99.95), description="Percentiles of the image that become 0 and 1."
    )
    clahe: bool = Field(False, description="Whether contrast is equalised locally before the network.")
    halo_px: int = Field(
        64, ge=0, description="Context in network pixels beyond which nothing matters; measured."
    )
    fast_head: int | None = Field(
        None, ge=1, description="Head of a U-Net++ that fast quality runs, from 1. None: the last but one."
    )
    thresholds: Thresholds = Thresholds()
    licence: str = ""
    training_data: tuple[str, ...] = ()
    intended_use: str = ""
    figures: dict[str, float] = {}
    parent_sha256: str | None = Field(None, description="Hash of the file of the model it was made from.")
    parent_name: str = Field("", description="Name that model had then.")
    former_sha256: tuple[str, ...] = Field(
        (), description="Hashes this file had under other names: its children know it by them."
    )
    history: tuple[str, ...] = ()
    learned_images: tuple[str, ...] = Field(
        (), description="Hashes of the images that it, or a model it came from, learned from."
    )
    teaching: TeachingRecord | None = None

    @field_validator("figures", mode="before")
    @classmethod
    def _finite_figures(cls, figures: Any) -> Any:
        """Leave out what is no finite number: it says nothing, and the model is whole without it."""
        if not isinstance(figures, dict):
            return figures
        return {
            name: value
            for name, value in figures.items()
            if not isinstance(value, float) or math.isfinite(value)
        }

    @model_validator(mode="after")
    def _fast_head_exists(self) -> ModelCard:
        if self.fast_head is not None and self.fast_head not in self.architecture.heads:
            there = ", ".join(map(str, self.architecture.heads))
            raise ValueError(f"got fast_head {self.fast_head}; the network has heads {there}")
        return self


def read_card(path: Path) -> ModelCard:
    """Read the card alone, without the weights."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        words = foreign_words(path) or (
            f"{path} is no readable safetensors file ({error}). Copy or download it again."
        )
        raise ModelFileError(words) from error
    if HEADER_KEY not in header:
        raise ModelFileError(
            f"{path} is a safetensors file without a napari-nucseg card: it is not one of our models."
        )
    try:
        content = json.loads(header[HEADER_KEY])
        _check_format(content, path)
        return ModelCard.model_validate(content)
    except ValidationError as error:
        raise ModelFileError(f"the card of {path} is damaged: {problems_in(error)}.") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise ModelFileError(f"the card of {path} is damaged: {error}.") from error


def begins_as_ours(path: Path) -> bool:
    """Whether a file, even a damaged one, begins as model files of ours do: with the card, which stands first."""
    try:
        with path.open("rb") as file:
            return HEADER_KEY.encode() in file.read(64)
    except OSError:
        return False


def foreign_words(path: Path) -> str:
    """Say that a file which cannot be read is another program's pickle; empty where it is not, or is missing."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                pickled = any(name.endswith("data.pkl") for name in archive.namelist())
        else:
            with path.open("rb") as file:
                pickled = _PICKLE.match(file.read(9)) is not None
    except (OSError, ValueError, zipfile.BadZipFile):  # damaged as a zip, too
        return ""
    if not pickled:
        return ""
    return (
        f"{path} is a model of another program: a file of PyTorch or a pickle, as Cellpose's are. "
        "It cannot be used here: only models made with napari-nucseg can."
    )


def _check_format(content: Any, path: Path) -> None:
    version = content.get("format") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise ModelFileError(f"the card of {path} names no format: it is not one of our models.")
    if version > FORMAT:
        raise ModelFileError(
            f"{path} has format {version}, this version reads up to {FORMAT}. Update napari-nucseg."
        )
