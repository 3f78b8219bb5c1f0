"""Which model: one of those installed, or the program's choice, which says what it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox

from napari_nucseg._napari.rows import let_grow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucseg.network.model_file import ModelInfo

AUTO = "auto"


class ModelChoice(QComboBox):
    """Combo box whose data are names of models; the first entry is *Automatic*."""

    def __init__(self) -> None:
        super().__init__()
        let_grow(self)
        self.addItem("Reading models…", AUTO)

    def show_models(self, models: Sequence[ModelInfo]) -> None:
        """Offer these models and say which one *Automatic* stands for; a choice that was made stays."""
        chosen = self.currentData()
        self.clear()
        self.addItem("no model installed", AUTO)
        for model in models:
            self.addItem(model.card.title, model.name)
            self.setItemData(self.count() - 1, model.card.description, Qt.ItemDataRole.ToolTipRole)
        self.setCurrentIndex(max(0, self.findData(chosen)))
        # models are listed, so torch, which this imports, is there already
        from napari_nucseg.network.model_file import automatic_model

        automatic = automatic_model(models)
        if automatic is not None:
            self.setItemText(0, f"Automatic: {automatic.card.title}")
            self.setItemData(0, automatic.card.description, Qt.ItemDataRole.ToolTipRole)
