"""Put model files into the user's own folder, rename them there, and take them out again."""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save

from napari_nucseg.errors import ModelFileError, NameTakenError
from napari_nucseg.files import not_deleted, written_whole
from napari_nucseg.network.choices import read_choices, write_choices
from napari_nucseg.network.installed import (
    ModelInfo,
    find_model,
    installed_model,
    left_out_model,
    left_out_models,
    list_models,
)
from napari_nucseg.network.lineage import sha256_of
from napari_nucseg.network.model_card import HEADER_KEY, ModelCard, foreign_words, read_card
from napari_nucseg.network.model_file import load_model
from napari_nucseg.network.names import checked_name
from napari_nucseg.network.places import MODELS_VARIABLE, SUFFIX, models_dir


def install_model(path: str | Path, name: str | None = None, *, force: bool = False) -> ModelInfo:
    """Copy a model file into the folder of the user's own models, whole or not at all.

    Parameters
    ----------
    path : the file; it is read to its end and checked before anything is written.
    name : name to install it under; its own by default. Its card is changed accordingly.
    force : replace a model of the user's own that has this name, or a file of that name which is no model of ours; a
        damaged model gives way without, a file that holds a model of another name never does.

    Returns
    -------
    ModelInfo
        The installed model: its name, path and card with the licence.

    Raises
    ------
    NameTakenError
        If a model or file of that name is there, which comes with the package or is not to be replaced.
    ModelFileError
        If the file is missing, damaged, made by a newer version or is not ours, or the name is no name.
    OutputError
        If it cannot be written.
    """
    source = Path(path)
    if source.suffix != SUFFIX:
        words = foreign_words(source) or f"got {source.name}; a model file's name ends in {SUFFIX}."
        raise ModelFileError(words)
    if not source.is_file():
        raise ModelFileError(f"there is no model file {source}. Check the path.")
    card = load_model(source).card
    target = _place_for(name or card.name, source, force=force)
    return copy_model(source, name or card.name, target, MODELS_VARIABLE)


def rename_model(old: str, new: str) -> ModelInfo:
    """Give a model of the user's own another name; models made from it still know it, and a default stays one.

    Raises
    ------
    ModelFileError
        If there is no such model, it comes with the package, or the new name is taken or no name.
    OutputError
        If it cannot be written.
    """
    model = _own(old, "renamed")
    renamed = copy_model(model.path, new, _place_for(new, model.path), MODELS_VARIABLE)
    history = read_choices().history
    if old in history:
        write_choices(tuple(new if name == old else name for name in history))
    if not renamed.path.samefile(model.path):
        _delete(model.path)
    return renamed


def export_model(name: str, target: str | Path, *, force: bool = False) -> Path:
    """Copy an installed model to a file of its own, or into a folder, and return where it is.

    Raises
    ------
    ModelFileError
        If there is no such model, the file is there already, or would lie among the user's own models.
    OutputError
        If it cannot be written.
    """
    source, target = find_model(name), Path(target)
    if target.is_dir():
        target /= f"{read_card(source).name}{SUFFIX}"
    if target.suffix != SUFFIX:
        raise ModelFileError(
            f"there is no folder {target}, and a model file's name ends in {SUFFIX}: make the folder first, or name "
            "a file."
        )
    if target.parent.resolve() == models_dir().resolve():
        raise ModelFileError(
            f"{models_dir()} is the folder of your own models, where a copy would be a second {name}. "
            "Choose another folder."
        )
    if target.exists() and not force:
        raise ModelFileError(f"{target} is there already. Choose another name, or replace it with --force.")
    with written_whole(target) as part:
        part.write_bytes(source.read_bytes())
    return target


def remove_model(name: str) -> Path:
    """Delete a model of the user's own, or a file that is left out among them, by its own name; return where it was.

    Raises
    ------
    ModelFileError
        If there is no such model, or it comes with the package.
    OutputError
        If the file cannot be deleted.
    """
    models = {model.name: model for model in list_models()}
    is_bundled = name in models and models[name].bundled
    left_out = left_out_model(name) if is_bundled or name not in models else None
    path = left_out.path if left_out else _own(name, "removed").path
    _delete(path)
    history = read_choices().history
    if name in history and not is_bundled:  # what goes is a file that is called like one that stays
        write_choices(tuple(choice for choice in history if choice != name))
    return path


def copy_model(source: Path, name: str, target: Path, named_by: str = "") -> ModelInfo:
    """Copy a model file, in place of what is there; under another name its card keeps the hash its children know it by.

    ``named_by`` is as for ``files.in_words``.

    Raises
    ------
    ModelFileError
        If it cannot be read.
    OutputError
        If it cannot be written.
    """
    card, content = read_card(source), source.read_bytes()
    if name != card.name:
        known = (*card.former_sha256, sha256_of(source))
        title = name if card.title == card.name else card.title
        card = card.model_copy(update={"name": name, "title": title, "former_sha256": known})
        content = _with_card(source, card)
    with written_whole(target, named_by) as part:
        part.write_bytes(content)
        read_card(part)  # what could not be read again takes no place
    return ModelInfo(name, target, card)


def _own(name: str, done: str) -> ModelInfo:
    """Find a model of the user's own; ``done`` says what is to be done to it."""
    model = installed_model(name)
    if model.bundled:
        own = ", ".join(model.name for model in list_models() if not model.bundled) or "none"
        raise ModelFileError(
            f"{name} comes with napari-nucseg and stays; only your own models can be {done}: {own}."
        )
    return model


def _delete(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise not_deleted(error, path) from error


def _place_for(name: str, source: Path, *, force: bool | None = None) -> Path:
    """File that a model of this name may be written to; ``force`` is None where there is no such choice."""
    try:
        checked_name(name)
    except ValueError as error:
        raise ModelFileError(str(error)) from error
    namesake = next((model for model in list_models() if model.name == name), None)
    if namesake is not None and namesake.bundled:
        what = f"a model “{name}” comes with napari-nucseg"
        raise NameTakenError(f"{what}. Choose another name.", what, can_give_way=False)
    target = namesake.path if namesake is not None else models_dir() / f"{name}{SUFFIX}"
    if target.exists() and target.samefile(source):
        if namesake is None:  # somebody renamed the file, and now the model
            return target
        raise ModelFileError(f"{source} is the installed model {name} already.")
    is_broken = any(each.path == target and each.is_broken for each in left_out_models())
    if target.exists() and not is_broken:
        taken = _taken(
            name, target, namesake, way="" if force is None else ", or replace it with --force (force=True)"
        )
        if not (force and taken.can_give_way):
            raise taken
    return target


def _taken(name: str, target: Path, namesake: ModelInfo | None, way: str) -> NameTakenError:
    """Say exactly what would be overwritten, so that nobody agrees to more than that."""
    if namesake is not None:
        place = f", in {target.name}" if target.stem != name else ""
        what, can_give_way = f"there is a model “{name}” already{place}", True
    else:
        held = _name_in(target)
        holds = f"holds the model “{held}”" if held else "is no model that can be used here"
        what, can_give_way = f"a file {target.name} is among your models already, and {holds}", held is None
    return NameTakenError(
        f"{what}. Choose another name{way if can_give_way else ''}.", what, can_give_way=can_give_way
    )


def _name_in(path: Path) -> str | None:
    """Name of the model in a file; None where it holds none that can be read."""
    try:
        return read_card(path).name
    except ModelFileError:
        return None


def _with_card(path: Path, card: ModelCard) -> bytes:
    """Content of a model file with another card; the weights stay as they are."""
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}
    return save(tensors, {HEADER_KEY: card.model_dump_json()})
