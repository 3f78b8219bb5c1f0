"""What *My models* does, without its look: list, take up, go back, rename, copy, delete, compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_nucseg._napari.models_compare import compare_steps
from napari_nucseg._napari.models_watch import ModelsWatch
from napari_nucseg._napari.teach_examples import Examples
from napari_nucseg._napari.torch_import import make_torch_safe
from napari_nucseg._napari.workers import Runs
from napari_nucseg.errors import NameTakenError
from napari_nucseg.network.places import models_dir
from napari_nucseg.teaching.runs import forget_run_of, rename_run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from napari.components import ViewerModel

    from napari_nucseg.network.lineage import Descent


@dataclass(frozen=True)
class Family:
    """All models, children below their parents, and what is wrong among them in words.

    ``automatic`` names those that *Automatic* may stand for; ``can_go_back`` tells if there was another default.
    """

    descents: tuple[Descent, ...]
    automatic: tuple[str, ...]
    can_go_back: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Taken:
    """A file not added since its name is taken: ``what`` says by what, ``can_give_way`` if that may be replaced."""

    path: Path
    name: str
    what: str
    can_give_way: bool


@dataclass(frozen=True)
class _Acted:
    """What was done, in words, and the model it left under a new name."""

    said: str
    shown: str = ""


class ModelsController(QObject):
    """Acts on models, one thing at a time, off the GUI thread: asking for them loads torch.

    Signals: ``listed(Family)``; ``said(str)`` what was done or goes on; ``made(str)`` the name of a model that was not
    there before; ``taken(Taken)`` of a file that waits for a decision; ``compared(Compared)`` and, whatever came of it,
    ``comparing_ended()``; ``acting_changed()`` when an action begins and ends; ``failed(str)``.
    """

    listed = Signal(object)
    said = Signal(str)
    made = Signal(str)
    taken = Signal(object)
    compared = Signal(object)
    comparing_ended = Signal()
    acting_changed = Signal()
    failed = Signal(str)

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._examples = Examples(viewer)
        self._listing, self._acting, self._comparing = Runs(self), Runs(self), Runs(self)
        self._watch = ModelsWatch(models_dir(), self)
        self._watch.changed.connect(self.refresh)
        self._listing.returned.connect(self.listed)
        self._acting.returned.connect(self._acted)
        self._acting.ended.connect(self.acting_changed)
        self._comparing.progressed.connect(self.said.emit)
        self._comparing.returned.connect(self.compared)
        self._comparing.cancelled.connect(lambda: self.said.emit("Cancelled. Nothing was changed."))
        self._comparing.ended.connect(self.comparing_ended)
        for runs in (self._listing, self._acting, self._comparing):
            runs.failed.connect(self.failed)
        for runs in (self._acting, self._comparing):
            runs.failed.connect(self.refresh)  # a model may be gone or damaged

    def refresh(self) -> None:
        """List models again."""
        self._listing.start(_list)

    def use(self, name: str) -> None:
        """Make a model the default."""
        self._act(lambda n: n.preferred.prefer_model(name), f"“{name}” is used from now on.")

    def go_back(self) -> None:
        """Return to the default before."""
        self._act(lambda n: n.preferred.go_back(), "Back to the model before.")

    def rename(self, old: str, new: str) -> None:
        """Give a model another name, and what its teaching left."""

        def act(network: Any) -> None:
            network.installing.rename_model(old, new)
            rename_run_of(old, new)

        self._act(act, f"“{old}” is called “{new}” now.", shown=new)

    def export(self, name: str, path: Path) -> None:
        """Copy a model to a file of the user's choice, which Qt's dialog has asked about if it was there."""
        self._act(
            lambda n: n.installing.export_model(name, path, force=True), f"“{name}” was saved as {path}."
        )

    def install(self, path: Path, name: str | None = None, *, replace: bool = False) -> None:
        """Copy a model file among the user's own, under its own name or another; asks where that is taken."""
        self._start(lambda: _install(path, name, replace=replace))

    def delete(self, name: str) -> None:
        """Delete a model, and what its teaching left."""

        def act(network: Any) -> None:
            network.installing.remove_model(name)
            forget_run_of(name)

        self._act(act, f"“{name}” was deleted.")

    def compare(self, old: str, new: str, folder: Path | None = None) -> None:
        """Try two models on a folder of images with labels, else on the corrected layers of the viewer."""
        collected = self._examples.collect() if folder is None else ()
        self._comparing.start(lambda: compare_steps(old, new, collected, folder))

    def cancel(self) -> None:
        """Stop comparing."""
        self._comparing.cancel()

    @property
    def acting(self) -> bool:
        """Whether something is being done with a model; anything else would give it up."""
        return self._acting.running

    @property
    def comparing(self) -> bool:
        """Whether two models are being compared."""
        return self._comparing.running

    @property
    def has_layers(self) -> bool:
        """Whether the viewer has corrected layers to compare models on."""
        return bool(self._examples.sources)

    def stop(self) -> None:
        """Let go."""
        self._watch.stop()
        for runs in (self._listing, self._acting, self._comparing):
            runs.forget()

    def _act(self, act: Callable[[Any], object], said: str, shown: str = "") -> None:
        self._start(lambda: _do(act, _Acted(said, shown)))

    def _start(self, steps: Callable[[], Generator[None, None, _Acted | Taken]]) -> None:
        self._acting.start(steps)
        self.acting_changed.emit()

    def _acted(self, acted: _Acted | Taken) -> None:
        if isinstance(acted, Taken):
            self.taken.emit(acted)
            return
        self.said.emit(acted.said)
        if acted.shown:
            self.made.emit(acted.shown)
        self.refresh()


def _network() -> Any:
    """Import what needs torch, here in the worker's thread."""
    make_torch_safe()
    import napari_nucseg.network as network
    from napari_nucseg.network import installed, installing, lineage, model_card, preferred  # noqa: F401

    return network


def _do(act: Callable[[Any], object], acted: _Acted) -> Generator[None, None, _Acted]:
    yield
    act(_network())
    return acted


def _install(path: Path, name: str | None, *, replace: bool) -> Generator[None, None, _Acted | Taken]:
    yield
    network = _network()
    try:
        model = network.installing.install_model(path, name, force=replace)
    except NameTakenError as error:
        wanted = name or network.model_card.read_card(path).name
        return Taken(path, wanted, error.what, error.can_give_way)
    return _Acted(f"{path.name} was added to your models as “{model.name}”.", model.name)


def _list() -> Generator[None, None, Family]:
    yield
    network = _network()
    descents = network.lineage.lineage()
    automatic = network.installed.automatic_models([d.model for d in descents])
    names = tuple(model.name for model in automatic)
    return Family(descents, names, network.preferred.can_go_back(), network.preferred.model_problems())
