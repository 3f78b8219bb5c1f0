"""Layout of the dock widget: which rows there are and in which order. No behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_nucseg._napari.device_choice import DeviceChoice
from napari_nucseg._napari.diameter_choice import DiameterChoice
from napari_nucseg._napari.dock_column import DockColumn, fill
from napari_nucseg._napari.image_choice import AxesChoice, WhereChoice
from napari_nucseg._napari.layer_choice import ImageLayerChoice
from napari_nucseg._napari.model_choice import ModelChoice
from napari_nucseg._napari.parameter_form import SettingsForm
from napari_nucseg._napari.result_box import ResultBox
from napari_nucseg._napari.rows import add_row, folded, form_rows, running_row, tipped_button
from napari_nucseg._napari.shortcuts import SEGMENT_KEY_TEXT
from napari_nucseg._napari.words import Words
from napari_nucseg.segmentation.settings import SegmentationSettings

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from superqt import QCollapsible

EMPTY_STATE = "Open an image first:\nFile ▸ Open Sample ▸ NucSeg"
ADVANCED = ("precision", "tile_px", "batch_size")


class SegmentForm(QWidget):
    """All parts of *Segment nuclei*, laid out, in a column that scrolls where the window is low."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.empty = QLabel(EMPTY_STATE, alignment=Qt.AlignmentFlag.AlignCenter)
        self.image = ImageLayerChoice(viewer)
        self.axes = AxesChoice()
        self.model = ModelChoice(by_image=True)
        self.model.setToolTip("Automatic: your default model, else the one that suits the image.")
        self.quality_form = SettingsForm(SegmentationSettings, ("quality",))
        self.diameter = DiameterChoice()
        self.where = WhereChoice()
        self.device = DeviceChoice()
        self.advanced_form = SettingsForm(SegmentationSettings, ADVANCED)
        self.advanced = self._make_advanced()
        self.run = QPushButton("Segment nuclei")
        self.run.setMinimumHeight(40)
        self.run.setStyleSheet("font-weight: bold;")
        self.run.setToolTip(
            f"Find the nuclei ({SEGMENT_KEY_TEXT}). While it runs, another click starts again."
        )
        self.progress = QProgressBar()
        self.progress.setRange(0, 100)
        self.cancel = tipped_button("Cancel", "Stops; nuclei stay as they were.")
        self.running = running_row(self.progress, self.cancel)
        self.status = Words()
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.result = ResultBox()
        self.choices = self._make_choices()
        self._lay_out()
        self.running.setVisible(False)
        self.result.setVisible(False)
        self.status.setVisible(False)

    def say(self, text: str) -> None:
        """Show a line below the button; an empty one hides it."""
        self.status.setText(text.replace(" · ", "\N{NO-BREAK SPACE}· "))
        self.status.setVisible(bool(text))

    def show_empty(self, empty: bool) -> None:
        """Show the hint for a viewer without images in place of the form."""
        self.empty.setVisible(empty)
        self.choices.setVisible(not empty)
        self.run.setEnabled(not empty)

    def _make_choices(self) -> QWidget:
        choices = QWidget()
        rows = form_rows(choices)
        add_row(rows, "Image", self.image)
        rows.addRow(self.axes)
        add_row(rows, "Model", self.model)
        rows.addRow(self.quality_form)
        add_row(rows, "Diameter", self.diameter)
        add_row(rows, "Where", self.where)
        rows.addRow(self.advanced)
        return choices

    def _make_advanced(self) -> QCollapsible:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        device = form_rows()
        add_row(device, "Device", self.device)
        column.addLayout(device)
        column.addWidget(self.advanced_form)
        return folded(content)

    def _lay_out(self) -> None:
        column = DockColumn([self.empty, self.choices, self.run, self.running, self.status, self.result])
        fill(self, column)
