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
        self._models: tuple[ModelInfo, ...] = ()
        self.addItem("Reading models…", AUTO)

    def show_models(self, models: Sequence[ModelInfo], quality: str) -> None:
        """Offer these models, and let the program choose among them for a quality; a choice that was made stays."""
        self._models = tuple(models)
        chosen = self.currentData()
        self.clear()
        self.addItem("no model installed", AUTO)
        for model in models:
            self.addItem(model.card.title, model.name)
            self.setItemData(self.count() - 1, model.card.description, Qt.ItemDataRole.ToolTipRole)
        self.setCurrentIndex(max(0, self.findData(chosen)))
        self.show_quality(quality)

    def show_quality(self, quality: str) -> None:
        """Say which model *Automatic* stands for in a quality."""
        if not self._models:
            return
        # models are listed, so torch, which this imports, is there already
        from napari_nucseg.network.model_file import automatic_model

        chosen = automatic_model(self._models, quality)
        self.setItemText(0, f"Automatic: {chosen.card.title}")
        self.setItemData(
            0, f"{chosen.card.title}, the choice for {quality} quality.", Qt.ItemDataRole.ToolTipRole
        )
