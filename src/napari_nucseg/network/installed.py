"""The models there are, by name: those that come with the package and the user's own. None is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg.errors import ModelFileError
from napari_nucseg.network.choices import AUTO, read_choices
from napari_nucseg.network.model_card import read_card
from napari_nucseg.network.places import BUNDLED_DIR, SUFFIX, models_dir
from napari_nucseg.network.unreadable import unreadable_model

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

    @property
    def bundled(self) -> bool:
        """Whether the model comes with the package."""
        return self.path.parent.resolve() == BUNDLED_DIR.resolve()

    @property
    def title(self) -> str:
        """What people know the model by: the title of one that comes with the package, else the name it was given."""
        return self.card.title if self.bundled else self.name


def list_models() -> tuple[ModelInfo, ...]:
    """Return bundled and user's models, the default first; ``unreadable_models`` tells what cannot be read."""
    found: dict[str, ModelInfo] = {}
    for folder in (BUNDLED_DIR, models_dir()):
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                card = read_card(path)
            except ModelFileError:
                continue
            found.setdefault(card.name, ModelInfo(card.name, path, card))
    preferred = read_choices().latest
    return tuple(sorted(found.values(), key=lambda m: (m.name != preferred, m.name != DEFAULT_MODEL, m.name)))


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
    path = Path(name_or_path)
    if path.suffix == SUFFIX:
        if not path.is_file():
            raise ModelFileError(
                f"there is no model file {path}. Check the path, or give a name from 'nucseg models'."
            )
        return path
    models = list_models()
    if str(name_or_path) == AUTO:
        found = automatic_model(models, fluorescence=fluorescence)
    else:
        found = next((model for model in models if model.name == str(name_or_path)), None)
    if found is not None:
        return found.path
    if unreadable := unreadable_model(str(name_or_path)):
        raise ModelFileError(unreadable.reason)
    known = ", ".join(m.name for m in models) or "none"
    raise ModelFileError(
        f"got model {str(name_or_path)!r}; installed are: {known}. A file's name ends in {SUFFIX}."
    )
