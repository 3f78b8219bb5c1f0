"""Files among the user's own models that are no model here: damaged, cut short, of a newer version, or not ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from napari_nucseg.errors import ModelFileError
from napari_nucseg.network.model_card import read_card
from napari_nucseg.network.places import SUFFIX, models_dir

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class UnreadableModel:
    """A file in the folder of the user's own models that cannot be listed among them.

    Attributes
    ----------
    path
        The file.
    reason
        Why, and what to do.
    is_broken
        Whether it is damaged as a file: no version of this program could use it.
    """

    path: Path
    reason: str
    is_broken: bool

    @property
    def name(self) -> str:
        """Name of the file, in place of the card's."""
        return self.path.stem


def unreadable_models() -> tuple[UnreadableModel, ...]:
    """Return the files of the user's own models that cannot be read, with the reasons."""
    found = []
    for path in sorted(models_dir().glob(f"*{SUFFIX}")):
        try:
            read_card(path)
        except ModelFileError as error:
            found.append(UnreadableModel(path, str(error), isinstance(error.__cause__, SafetensorError)))
    return tuple(found)


def unreadable_model(name: str) -> UnreadableModel | None:
    """Return the file of this name among those that cannot be read; None where there is none."""
    return next((each for each in unreadable_models() if each.name == name), None)
