"""What stands below the button once there is a result: summary, sliders on the cached maps, table, texts."""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QGroupBox, QVBoxLayout, QWidget

from napari_nucseg._napari.parameter_form import OptionalIntSlider, SettingsForm
from napari_nucseg._napari.rows import tipped_button
from napari_nucseg._napari.saving import OUTLINES, OUTLINES_TIP, TABLE, TABLE_TIP
from napari_nucseg.nuclei.decoding import DecodingSettings

if TYPE_CHECKING:
    from napari_nucseg._napari.layer_state import LayerState

SLIDERS = ("foreground_threshold", "core_threshold", "certainty", "min_area_px", "exclude_border")


class ResultBox(QWidget):
    """Sliders and buttons for one result layer."""

    decoding_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._standard = DecodingSettings()
        self.form = SettingsForm(DecodingSettings, SLIDERS)
        self.defaults = tipped_button("Defaults", "Back to the settings that serve the model best.")
        self.table = tipped_button(TABLE, TABLE_TIP)
        self.outlines = tipped_button(OUTLINES, OUTLINES_TIP)
        self.python = tipped_button("Copy as Python", "Python that repeats this segmentation.")
        self.methods = tipped_button(
            "Copy methods text", "Sentences for a methods section: model, settings, citations."
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.adjust = self._make_adjust()
        column.addWidget(self.adjust)
        column.addWidget(self._make_export())
        self.form.changed.connect(self._tell)
        self.defaults.clicked.connect(self._reset)

    def show_state(self, state: LayerState) -> None:
        """Show a layer's settings without changing it."""
        run = state.runs_of_model[-1]
        self._standard = DecodingSettings(**run.model.card.thresholds.model_dump())
        nucleus_px = pi / 4 * run.diameter_px**2
        area = self.form.editors["min_area_px"]
        if isinstance(area, OptionalIntSlider):
            area.set_automatic(round(nucleus_px / 20), round(nucleus_px))
        self.form.editors["certainty"].widget.setEnabled(run.judge is not None)
        self.form.set_values(state.settings.decoding)

    def moved(self) -> DecodingSettings:
        """Return the sliders that were moved off the model's own; the next run's model decides over the others."""
        values = self.form.values().items()
        return DecodingSettings(
            **{name: value for name, value in values if value != getattr(self._standard, name)}
        )

    def _make_adjust(self) -> QGroupBox:
        box = QGroupBox("Adjust")
        box.setToolTip("Moves the outlines at once; the network is not run again. Nuclei you edited stay.")
        column = QVBoxLayout(box)
        column.addWidget(self.form)
        column.addWidget(self.defaults, alignment=Qt.AlignmentFlag.AlignRight)
        return box

    def _make_export(self) -> QGroupBox:
        box = QGroupBox("Export")
        grid = QGridLayout(box)
        buttons = (self.table, self.outlines, self.python, self.methods)
        for number, button in enumerate(buttons):
            grid.addWidget(button, *divmod(number, 2))
        return box

    def _tell(self) -> None:
        self.decoding_changed.emit(DecodingSettings(**self.form.values()))

    def _reset(self) -> None:
        self.form.set_values(self._standard)
        self._tell()
