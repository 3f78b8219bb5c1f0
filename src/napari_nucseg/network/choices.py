"""The memory of which model was the default and when: a small JSON file beside the user's own models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_nucseg.files import written_whole
from napari_nucseg.network.places import MODELS_VARIABLE, models_dir

if TYPE_CHECKING:
    from pathlib import Path

AUTO = "auto"
"""In place of a model's name: the program chooses."""
_FILE = "preferred.json"
_KEPT = 50


class Choices(BaseModel):
    """Names of models that were the default, the latest last; ``auto`` where the program chose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    history: tuple[str, ...] = ()

    @property
    def latest(self) -> str | None:
        """Model that is wanted now; None where the program chooses."""
        return self.history[-1] if self.history and self.history[-1] != AUTO else None


def read_choices() -> Choices:
    """Read what was chosen; a file that is missing or cannot be read is no choice."""
    try:
        return Choices.model_validate_json(_path().read_bytes())
    except (OSError, ValidationError):
        return Choices()


def write_choices(history: tuple[str, ...]) -> None:
    """Write the memory, whole or not at all; repetitions in a row are one choice.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    kept = [name for i, name in enumerate(history) if i == 0 or history[i - 1] != name]
    with written_whole(_path(), MODELS_VARIABLE) as part:
        part.write_text(Choices(history=tuple(kept[-_KEPT:])).model_dump_json(), encoding="utf8")


def _path() -> Path:
    return models_dir() / _FILE
