"""How examples and pinned images get into *Fine-tune*: joins their lists to the controller."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QMenu

from napari_nucseg._napari.teach_drafts import Described
from napari_nucseg._napari.teach_examples import Source, source_in
from napari_nucseg._napari.teach_text import example_words, pinned_words, refusal, refusal_of_pinned

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_nucseg._napari.teach_controller import TeachController
    from napari_nucseg._napari.teach_form import TeachForm


class Choosing(QObject):
    """Keeps the lists as the viewer's layers and the user want them.

    Signal: ``changed()`` when it may be another matter whether learning can start.
    """

    changed = Signal()

    def __init__(self, form: TeachForm, controller: TeachController, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._form = form
        self._controller = controller
        self._described = Described((), ())
        self._problem = ""
        form.add_folder.clicked.connect(self._add_folder)
        form.examples.use_changed.connect(partial(self._change, controller.examples.set_use))
        form.examples.removed.connect(partial(self._change, controller.examples.remove))
        form.pin.clicked.connect(self._offer_pins)
        form.pinned.removed.connect(partial(self._change, controller.examples.unpin))
        controller.listed.connect(self._show_sources)
        controller.described.connect(self._show_uses)
        controller.undescribed.connect(self._show_problem)

    def refusal(self) -> str:
        """Say why nothing can be learned from these examples; empty where it can."""
        examples = self._controller.examples
        chosen = [examples.use_of(source) for source in examples.sources]
        uses, pinned = self._described.examples, self._described.pinned
        return self._problem or refusal(uses, chosen) or refusal_of_pinned(pinned)

    def _show_sources(self) -> None:
        examples, form = self._controller.examples, self._form
        sources = examples.sources
        form.examples.show_sources([(source, examples.use_of(source)) for source in sources])
        form.pinned.show_sources([(source, None) for source in examples.pinned])

    def _show_uses(self, described: Described) -> None:
        self._described, self._problem = described, ""
        collected, pins = self._controller.collected, self._controller.collected_pins
        known = {
            c.source: example_words(use, c.shape, c.taken_from, predicted=c.predicted)
            for c, use in zip(collected, described.examples, strict=True)
        }
        known |= {c.source: pinned_words(use, c.shape) for c, use in zip(pins, described.pinned, strict=True)}
        for row in (*self._form.examples.rows, *self._form.pinned.rows):
            if row.source in known:
                row.say(known[row.source])
        self.changed.emit()

    def _show_problem(self, message: str) -> None:
        self._described, self._problem = Described((), ()), message
        self.changed.emit()

    def _add_folder(self) -> None:
        folder = _ask_for_folder(self._form, "Choose corrections, a folder worked through, or a dataset")
        if folder is not None:
            self._change(self._controller.examples.add, folder)

    def _offer_pins(self) -> None:
        menu = QMenu(self._form)
        for source in self._controller.examples.sources:
            menu.addAction(source.name, partial(self._pin, source))
        menu.addAction("Folder…", self._pin_folder)
        menu.popup(self._form.pin.mapToGlobal(self._form.pin.rect().bottomLeft()))

    def _pin_folder(self) -> None:
        folder = _ask_for_folder(self._form, "Choose images with nuclei to keep good on")
        if folder is not None:
            self._pin(source_in(folder))

    def _pin(self, source: Source) -> None:
        self._change(self._controller.examples.pin, source)

    def _change(self, change: Callable[..., None], *what: object) -> None:
        """Change what is listed, and show and describe it as it is then."""
        change(*what)
        self._controller.refresh()


def _ask_for_folder(form: TeachForm, title: str) -> Path | None:
    folder = QFileDialog.getExistingDirectory(form, title)
    return Path(folder) if folder else None
