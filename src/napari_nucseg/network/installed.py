"""The models there are, by name: those that come with the package and the user's own. None is loaded.

And which of the user's own files are left out, and why.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from napari_nucseg.errors import ModelFileError
from napari_nucseg.network.choices import AUTO, read_choices
from napari_nucseg.network.model_card import begins_as_ours, read_card
from napari_nucseg.network.places import BUNDLED_DIR, SUFFIX, models_dir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucseg.network.model_card import ModelCard

DEFAULT_MODEL = "nuclei-unet"
FLUORESCENCE_MODEL = "nuclei-unetpp"


@dataclass(frozen=True)
class ModelInfo:
    """A model file that is there, not loaded."""

    name: str
    path: Path
    card: ModelCard

    def __repr__(self) -> str:
        return f"<ModelInfo {self.name}: {self.card.architecture.kind} in {self.path}>"

    @property
    def bundled(self) -> bool:
        """Whether the model comes with the package."""
        return self.path.parent.resolve() == BUNDLED_DIR.resolve()

    @property
    def title(self) -> str:
        """What people know the model by: the title of one that comes with the package, else the name it was given."""
        return self.card.title if self.bundled else self.name


@dataclass(frozen=True)
class LeftOut:
    """A file in the folder of the user's own models that is not listed among them.

    Attributes
    ----------
    path
        The file.
    reason
        Why, and what to do.
    is_broken
        Whether it is a model file of ours that is damaged: no version of this program could use it.
    """

    path: Path
    reason: str
    is_broken: bool

    @property
    def name(self) -> str:
        """Name of the file, in place of the card's."""
        return self.path.stem


def list_models() -> tuple[ModelInfo, ...]:
    """Return bundled and user's models, the default first; ``left_out_models`` tells what is not among them."""
    found, _ = _read_all()
    preferred = read_choices().latest
    return tuple(sorted(found, key=lambda m: (m.name != preferred, m.name != DEFAULT_MODEL, m.name)))


def left_out_models() -> tuple[LeftOut, ...]:
    """Return the files of the user's own that cannot be read, or whose model's name another has."""
    _, left_out = _read_all()
    return left_out


def left_out_model(name: str) -> LeftOut | None:
    """Return the file of this name among those that are left out; None where there is none."""
    return next((each for each in left_out_models() if each.name == name), None)


def automatic_model(models: Sequence[ModelInfo], *, fluorescence: bool = False) -> ModelInfo | None:
    """Choose among models listed by ``list_models`` for ``auto``: the only place where that is decided.

    The one the user made the default; else the bundled U-Net++ for ``fluorescence``, and the bundled U-Net, which is
    good on every kind of image, for all others; where none of these is there, the first.
    """
    by_name = {model.name: model for model in models}
    bundled = (FLUORESCENCE_MODEL, DEFAULT_MODEL) if fluorescence else (DEFAULT_MODEL,)
    wanted = (read_choices().latest or "", *bundled)
    return next((by_name[name] for name in wanted if name in by_name), models[0] if models else None)


def automatic_models(models: Sequence[ModelInfo]) -> tuple[ModelInfo, ...]:
    """Return all that ``auto`` may stand for: the model for any image, then the one for fluorescence if another."""
    found = (automatic_model(models), automatic_model(models, fluorescence=True))
    return tuple({model.name: model for model in found if model is not None}.values())


def find_model(name_or_path: str | Path = "auto", *, fluorescence: bool = False) -> Path:
    """Path of a model by its name, or the path itself; ``auto`` is what ``automatic_model`` chooses.

    Raises
    ------
    ModelFileError
        If there is no such model, or its file cannot be read.
    """
    path = Path(os.path.expanduser(str(name_or_path)))
    if path.suffix == SUFFIX:
        if not path.is_file():
            raise ModelFileError(
                f"there is no model file {path}. Check the path, or give a name from 'nucseg models'."
            )
        return path
    name = str(name_or_path)
    automatic = automatic_model(list_models(), fluorescence=fluorescence) if name == AUTO else None
    return (automatic or installed_model(name)).path


def installed_model(name: str) -> ModelInfo:
    """Return the model of this name.

    Raises
    ------
    ModelFileError
        If there is no such model, or its file cannot be read.
    """
    models = list_models()
    if found := next((model for model in models if model.name == name), None):
        return found
    if left_out := left_out_model(name):
        raise ModelFileError(left_out.reason)
    known = ", ".join(model.name for model in models) or "none"
    raise ModelFileError(f"got model {name!r}; installed are: {known}. A file's name ends in {SUFFIX}.")


def _read_all() -> tuple[tuple[ModelInfo, ...], tuple[LeftOut, ...]]:
    """Read all cards; of several models of one name the bundled counts, else the one whose file is called so."""
    read, left_out = [], []
    for folder in (BUNDLED_DIR, models_dir()):
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                card = read_card(path)
            except ModelFileError as error:
                if folder != BUNDLED_DIR:
                    is_broken = isinstance(error.__cause__, SafetensorError) and begins_as_ours(path)
                    left_out.append(LeftOut(path, str(error), is_broken))
            else:
                read.append(ModelInfo(card.name, path, card))
    found: dict[str, ModelInfo] = {}
    for model in sorted(read, key=lambda m: (not m.bundled, m.path.stem != m.name)):
        first = found.setdefault(model.name, model)
        if first is not model:
            left_out.append(LeftOut(model.path, _second_of_its_name(model, first), is_broken=False))
    return tuple(found.values()), tuple(left_out)


def _second_of_its_name(model: ModelInfo, first: ModelInfo) -> str:
    holder = "a model that comes with napari-nucseg" if first.bundled else first.path.name
    return (
        f"{model.path} is left out: its model is called {model.name}, and so is that of {holder}. "
        "Move it out of the folder; imported from there it can have another name."
    )
