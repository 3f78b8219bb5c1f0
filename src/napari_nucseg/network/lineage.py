"""Which model was made from which: told by the hash of the parent's file that stands in each card."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from napari_nucseg.files import file_sha256
from napari_nucseg.network.installed import ModelInfo, list_models

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_nucseg.network.model_card import ModelCard


@dataclass(frozen=True)
class Descent:
    """A model in the family tree.

    Attributes
    ----------
    model
        The model.
    parent
        Name of the model it was made from, or the beginning of its hash where no name is known; empty where it has
        none.
    parent_installed
        Whether that model is still there.
    generation
        0 for models whose parent is not installed, else one more than the parent's.
    parent_changed
        Whether a model of the parent's name is there, but in another file than it was made from: a newer version.
    """

    model: ModelInfo
    parent: str
    parent_installed: bool
    generation: int
    parent_changed: bool = False

    @property
    def parent_words(self) -> str:
        """The parent's name, with a remark where it is not what is installed now; empty where there is none."""
        if not self.parent or self.parent_installed:
            return self.parent
        return f"{self.parent} ({'a former version' if self.parent_changed else 'no longer installed'})"


def lineage() -> tuple[Descent, ...]:
    """Order the installed models as a family tree: children right after their parent, else as they are listed."""
    models = list_models()
    parents = {model.name: _parent(model, models) for model in models}
    names = set(parents)
    placed: dict[str, Descent] = {}

    def place(model: ModelInfo, generation: int) -> Iterator[Descent]:
        if model.name in placed:  # cards may say anything, even that two are each other's parent
            return
        parent = parents[model.name]
        named = parent.name if parent else _remembered_parent(model)
        placed[model.name] = Descent(
            model, named, parent is not None, generation, not parent and named in names
        )
        yield placed[model.name]
        for child in models:
            if parents[child.name] is model:
                yield from place(child, generation + 1)

    tree = [descent for model in models if parents[model.name] is None for descent in place(model, 0)]
    return (*tree, *(descent for model in models for descent in place(model, 0)))


def children_of(name: str) -> tuple[str, ...]:
    """Names of the installed models that were made from this one."""
    return tuple(d.model.name for d in lineage() if d.parent == name and d.parent_installed)


def renamed(model: ModelInfo, models: Sequence[ModelInfo]) -> ModelInfo | None:
    """Find a renamed model: the one with its card, which remembers more hashes since; None where it is gone."""
    known = model.card.former_sha256
    for other in models:
        former = other.card.former_sha256
        names = {"name": model.name, "title": model.card.title, "former_sha256": known}
        if (
            len(former) > len(known)
            and former[: len(known)] == known
            and other.card.model_copy(update=names) == model.card
        ):
            return other
    return None


def sha256_of(path: Path) -> str:
    """Hash of a model file, as it stands in the cards of its children; computed once as long as it does not change."""
    status = path.stat()
    return _sha256(path, status.st_mtime_ns, status.st_size)


def first_sha256(card: ModelCard, sha256: str) -> str:
    """Hash that a file had under its first name: it stays while its card changes and its weights do not."""
    return card.former_sha256[0] if card.former_sha256 else sha256


def find_by_first_sha256(wanted: str, name: str) -> Path | None:
    """Installed model with these weights, whatever it is called now; of several the one of a name comes first."""
    models = sorted(list_models(), key=lambda model: model.name != name)
    return next((m.path for m in models if first_sha256(m.card, sha256_of(m.path)) == wanted), None)


@lru_cache(maxsize=256)
def _sha256(path: Path, _modified_ns: int, _size: int) -> str:
    return file_sha256(path)


def _parent(model: ModelInfo, models: Sequence[ModelInfo]) -> ModelInfo | None:
    wanted = model.card.parent_sha256
    if wanted is None:
        return None
    others = [other for other in models if other.name != model.name]
    exact = [other for other in others if sha256_of(other.path) == wanted]
    # a renamed model, or a copy under another name, has another hash; its card remembers those it had
    known = exact or [other for other in others if wanted in other.card.former_sha256]
    named = (other for other in known if other.name == model.card.parent_name)
    return next(named, known[0] if known else None)


def _remembered_parent(model: ModelInfo) -> str:
    return model.card.parent_name or (model.card.parent_sha256 or "")[:8]
