"""Put model files into the user's own folder, and take them out again."""

from __future__ import annotations

import re
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save

from napari_nucseg.errors import ModelFileError, OutputError
from napari_nucseg.files import written_whole
from napari_nucseg.network.model_file import (
    HEADER_KEY,
    SUFFIX,
    ModelCard,
    ModelInfo,
    list_models,
    load_model,
    models_dir,
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def install_model(path: str | Path, name: str | None = None, *, force: bool = False) -> ModelInfo:
    """Copy a model file into the folder of the user's own models, whole or not at all.

    Parameters
    ----------
    path : the file; it is read to its end and checked before anything is written.
    name : name to install it under; its own by default. Its card is changed accordingly.
    force : replace a model of the user's own that has this name.

    Returns
    -------
    ModelInfo
        The installed model: its name, path and card with the licence.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, made by a newer version or is not ours, or the name is taken or no name.
    OutputError
        If it cannot be written.
    """
    source = Path(path)
    if source.suffix != SUFFIX:
        raise ModelFileError(f"got {source.name}; a model file's name ends in {SUFFIX}.")
    card = load_model(source).card
    renamed = card.model_copy(update={"name": name or card.name})
    target = _place_for(renamed.name, source, force=force)
    content = source.read_bytes() if renamed == card else _with_card(source, renamed)
    with written_whole(target) as part:
        part.write_bytes(content)
    return ModelInfo(renamed.name, target, renamed)


def remove_model(name: str) -> Path:
    """Delete a model of the user's own and return where it was.

    Raises
    ------
    ModelFileError
        If there is no such model, or it comes with the package.
    OutputError
        If the file cannot be deleted.
    """
    models = {model.name: model for model in list_models()}
    own = ", ".join(model.name for model in models.values() if not model.bundled) or "none"
    if name not in models:
        raise ModelFileError(f"got model {name!r}, which is not installed; your own models are: {own}.")
    if models[name].bundled:
        raise ModelFileError(
            f"{name} comes with napari-nucseg and stays; only your own models can be removed: {own}."
        )
    path = models[name].path
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(f"cannot delete {path}: {error.strerror or error}.") from error
    return path


def _place_for(name: str, source: Path, *, force: bool) -> Path:
    """File that a model of this name may be written to."""
    if not _NAME.fullmatch(name) or name == "auto":
        raise ModelFileError(
            f"{name!r} cannot be a model's name: letters, digits, '.', '_' and '-' are allowed, and not 'auto'. "
            "Choose another name."
        )
    namesake = next((model for model in list_models() if model.name == name), None)
    if namesake is not None and namesake.bundled:
        raise ModelFileError(f"{name} comes with napari-nucseg. Choose another name.")
    target = namesake.path if namesake is not None else models_dir() / f"{name}{SUFFIX}"
    if target.exists() and target.samefile(source):
        raise ModelFileError(f"{source} is the installed model {name} already.")
    if target.exists() and not force:
        raise ModelFileError(
            f"{target} is there already. Choose another name, or replace it with --force (force=True)."
        )
    return target


def _with_card(path: Path, card: ModelCard) -> bytes:
    """Content of a model file with another card; the weights stay as they are."""
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}
    return save(tensors, {HEADER_KEY: card.model_dump_json()})
