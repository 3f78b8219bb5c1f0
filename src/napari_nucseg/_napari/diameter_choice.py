"""Nucleus diameter: found by the program, typed in pixels or micrometres, or measured by drawing a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QPushButton, QWidget

from napari_nucseg._napari.rows import growing_combo
from napari_nucseg._napari.spatial import pixel_size_um

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.utils.events import Event, EventEmitter

AUTO, PIXELS, MICROMETRES = "Automatic", "Pixels", "µm"


class DiameterChoice(QWidget):
    """Unit, number and *Measure* in one row.

    ``measure_requested(bool)`` tells that a line shall be drawn, or no longer.
    """

    measure_requested = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: Image | None = None
        self._pixel_size_um: float | None = None
        self.unit = growing_combo()
        self.unit.setMinimumContentsLength(6)
        self.unit.addItems([AUTO, PIXELS])
        self.unit.setToolTip("Median diameter of the nuclei. Automatic: estimated from the image.")
        self.number = QDoubleSpinBox()
        self.number.setRange(1, 1000)
        self.number.setDecimals(1)
        self.number.setValue(20)
        self.number.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.number.setMinimumWidth(64)
        self.number.setVisible(False)
        self.measure = QPushButton("Measure")
        self.measure.setCheckable(True)
        self.measure.setToolTip("Draw a line across a typical nucleus in the image.")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.unit, self.number, self.measure):
            row.addWidget(widget)
        self.unit.currentTextChanged.connect(self._show_unit)
        self.measure.toggled.connect(self.measure_requested)

    def follow(self, image: Image | None) -> None:
        """Offer micrometres only while this image's pixel size is known; it may become known later."""
        if self._image is not None:
            for event in _telling(self._image):
                event.disconnect(self._read_pixel_size)
        self._image = image
        if image is not None:
            for event in _telling(image):
                event.connect(self._read_pixel_size)
        self._read_pixel_size()

    def set_diameter_px(self, diameter_px: float) -> None:
        """Show a measured diameter, in the unit that is chosen (pixels where none is)."""
        if self.unit.currentText() == AUTO:
            self.unit.setCurrentText(PIXELS if self._pixel_size_um is None else MICROMETRES)
        in_um = self.unit.currentText() == MICROMETRES
        self.number.setValue(diameter_px * (self._pixel_size_um or 1) if in_um else diameter_px)

    def choices(self) -> dict[str, float | None]:
        """Return the fields of ``SegmentationSettings`` this row decides."""
        unit, number = self.unit.currentText(), self.number.value()
        return {
            "diameter_px": number if unit == PIXELS else None,
            "diameter_um": number if unit == MICROMETRES else None,
            "pixel_size_um": self._pixel_size_um,
        }

    def _read_pixel_size(self, event: Event | None = None) -> None:
        self._pixel_size_um = None if self._image is None else pixel_size_um(self._image)
        index = self.unit.findText(MICROMETRES)
        if self._pixel_size_um is not None and index < 0:
            self.unit.addItem(MICROMETRES)
        elif self._pixel_size_um is None and index >= 0:
            if self.unit.currentIndex() == index:  # so many micrometres are not so many pixels
                self.unit.setCurrentText(AUTO)
            self.unit.removeItem(index)

    def _show_unit(self, unit: str) -> None:
        self.number.setVisible(unit != AUTO)
        self.number.setSuffix(" µm" if unit == MICROMETRES else " px")


def _telling(image: Image) -> tuple[EventEmitter, ...]:
    """Emitters that tell when an image's pixel size may be another one: a file states that of its own pixels alone."""
    return image.events.scale, image.events.units, image.events.data
