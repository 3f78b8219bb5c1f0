"""Chooser of an image layer that follows the viewer: layers added, renamed, removed, made active."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.utils.events import Event


class ImageLayerChoice(QComboBox):
    """Names of the viewer's image layers; the active image layer is chosen when it becomes active.

    ``layer_changed`` is emitted when another layer (or none) is chosen, never for a mere renaming.
    """

    layer_changed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layers: list[Image] = []
        self._told: Image | None = None
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        viewer.layers.events.inserted.connect(self._refill)
        viewer.layers.events.removed.connect(self._refill)
        viewer.layers.events.reordered.connect(self._refill)
        viewer.layers.selection.events.active.connect(self._follow_active)
        self.currentIndexChanged.connect(self._tell)
        self._refill()
        self._choose(viewer.layers.selection.active)

    @property
    def layer(self) -> Image | None:
        """The chosen layer; None where the viewer shows no image."""
        index = self.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def disconnect_viewer(self) -> None:
        """Stop following the viewer; napari's events outlive this widget."""
        events = self._viewer.layers.events
        for emitter in (events.inserted, events.removed, events.reordered):
            emitter.disconnect(self._refill)
        self._viewer.layers.selection.events.active.disconnect(self._follow_active)
        for layer in self._layers:
            layer.events.name.disconnect(self._rename)

    def _refill(self, event: Event | None = None) -> None:
        chosen = self.layer
        added = getattr(event, "value", None) if getattr(event, "type", "") == "inserted" else None
        for layer in self._layers:
            layer.events.name.disconnect(self._rename)
        self._layers = [layer for layer in reversed(self._viewer.layers) if isinstance(layer, Image)]
        for layer in self._layers:
            layer.events.name.connect(self._rename)
        self.blockSignals(True)
        self.clear()
        self.addItems([layer.name for layer in self._layers])
        self.blockSignals(False)
        self._choose(added if isinstance(added, Image) and added.visible else chosen)
        self._tell()

    def _rename(self, event: Event | None = None) -> None:
        for index, layer in enumerate(self._layers):
            self.setItemText(index, layer.name)

    def _follow_active(self, event: Event | None = None) -> None:
        self._choose(self._viewer.layers.selection.active)

    def _choose(self, layer: Layer | None) -> None:
        if isinstance(layer, Image) and layer in self._layers:
            self.setCurrentIndex(self._layers.index(layer))

    def _tell(self) -> None:
        layer = self.layer
        if layer != self._told:  # napari hands plugins proxies: two of one layer are equal, not identical
            self._told = layer
            self.setToolTip(layer.name if layer is not None else "")
            self.layer_changed.emit()
