"""Which model: one of those installed, or the program's choice, which says what it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_warning
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox

from napari_nucseg._napari.rows import let_grow
from napari_nucseg._napari.words import plain_tip
from napari_nucseg.network.choices import AUTO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucseg.network.installed import ModelInfo


class ModelChoice(QComboBox):
    """Combo box whose data are names of models; the first entry is *Automatic*.

    Parameters
    ----------
    by_image : whether *Automatic* may stand for another model from image to image.
    """

    def __init__(self, *, by_image: bool) -> None:
        super().__init__()
        self._by_image = by_image
        self._models: dict[str, ModelInfo] = {}
        self._automatic: ModelInfo | None = None
        let_grow(self)
        self.addItem("Reading models…", AUTO)

    @property
    def chosen(self) -> ModelInfo | None:
        """What is chosen; of *Automatic* the model for any image. None as long as none is known."""
        return self._models.get(self.currentData(), self._automatic)

    def show_models(self, models: Sequence[ModelInfo]) -> None:
        """Offer these models and say which one *Automatic* stands for.

        A choice that was made stays, under another name where the model was renamed; where it is gone, that is said.
        """
        # models are listed, so torch, which this imports, is there already
        from napari_nucseg.network.installed import automatic_models
        from napari_nucseg.network.lineage import renamed

        chosen = self._models.get(self.currentData())
        self._models = {model.name: model for model in models}
        found = chosen and (self._models.get(chosen.name) or renamed(chosen, models))
        automatic = automatic_models(models)
        self._automatic = automatic[0] if automatic else None
        self.clear()
        self.addItem("no model installed", AUTO)
        for model in models:
            self.addItem(model.title, model.name)
            self.setItemData(self.count() - 1, plain_tip(model.card.description), Qt.ItemDataRole.ToolTipRole)
        self.setCurrentIndex(self.findData(found.name) if found else 0)
        if chosen and not found:
            show_warning(
                f"The model “{chosen.title}”, which was chosen, is gone: “Automatic” stands in its place. "
                "Choose another model if that is not meant."
            )
        if not automatic:
            return
        general, *special = automatic
        if special and self._by_image:
            text = "Automatic: by the image"
            tip = f"Fluorescence: {special[0].title}. All other images: {general.title}."
        else:
            text, tip = f"Automatic: {general.title}", general.card.description
        self.setItemText(0, text)
        self.setItemData(0, plain_tip(tip), Qt.ItemDataRole.ToolTipRole)
