"""Choosers of a layer that follow the viewer: layers added, renamed, removed, made active."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_nucseg._napari.image_layout import image_data
from napari_nucseg._napari.layer_state import OVERLAYS, is_work_on, read_state
from napari_nucseg._napari.rows import let_grow
from napari_nucseg.data.nuclear_dyes import names_nuclei

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.utils.events import Event


class LayerChoice(QComboBox):
    """Names of the viewer's layers of one kind; one of them is chosen when it becomes active.

    ``layer_changed`` is emitted when another layer (or none) is chosen, never for a mere renaming.
    """

    layer_changed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layers: list[Layer] = []
        self._told: Layer | None = None
        let_grow(self)
        viewer.layers.events.inserted.connect(self._refill)
        viewer.layers.events.removed.connect(self._refill)
        viewer.layers.events.reordered.connect(self._refill)
        viewer.layers.selection.events.active.connect(self._follow_active)
        self.currentIndexChanged.connect(self._tell)
        self._refill()
        self._follow_active()

    def offers(self, layer: Layer) -> bool:
        """Whether a layer is of this kind."""
        raise NotImplementedError

    @property
    def layer(self) -> Layer | None:
        """The chosen layer; None where the viewer has none of this kind."""
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
        added = event.value if event is not None and event.type == "inserted" else None
        for layer in self._layers:
            layer.events.name.disconnect(self._rename)
        self._layers = [layer for layer in reversed(self._viewer.layers) if self.offers(layer)]
        for layer in self._layers:
            layer.events.name.connect(self._rename)
        self.blockSignals(True)
        self.clear()
        self.addItems([layer.name for layer in self._layers])
        self.blockSignals(False)
        if added is not None and self.offers(added) and added.visible:
            chosen = added
        elif chosen not in self._layers:
            chosen = next((layer for layer in self._layers if layer.visible), None)
        self._choose(chosen)
        self._tell()

    def _rename(self, event: Event | None = None) -> None:
        for index, layer in enumerate(self._layers):
            self.setItemText(index, layer.name)

    def _follow_active(self, event: Event | None = None) -> None:
        self._choose(self._viewer.layers.selection.active)

    def _choose(self, layer: Layer | None) -> None:
        if layer is not None and layer in self._layers:
            self.setCurrentIndex(self._layers.index(layer))

    def _tell(self) -> None:
        layer = self.layer
        if layer != self._told:  # napari hands plugins proxies: two of one layer are equal, not identical
            self._told = layer
            self.setToolTip(layer.name if layer is not None else "")
            self.layer_changed.emit()


class ImageLayerChoice(LayerChoice):
    """Images; one is chosen as well when nuclei that were found in it, or that go with it, become active."""

    _held = False
    _active: Layer | None = None
    _added: Layer | None = None

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        viewer.layers.events.inserted.connect(self._remember_added)
        # napari makes the last one active that is opened; if another one is, somebody clicked on it
        if self._layers[:1] == [self.layer] and not isinstance(viewer.layers.selection.active, Labels):
            self._choose(self._of_nuclei(self.layer))

    def disconnect_viewer(self) -> None:
        """Stop following the viewer."""
        self._viewer.layers.events.inserted.disconnect(self._remember_added)
        super().disconnect_viewer()

    def hold(self, held: bool) -> None:
        """Stay with the image while layers become active that nobody clicked on."""
        self._held = held

    def offers(self, layer: Layer) -> bool:
        """Whether a layer is an image."""
        return isinstance(layer, Image)

    def _follow_active(self, event: Event | None = None) -> None:
        before, self._active = self._active, self._viewer.layers.selection.active
        if self._held or self._active == before:
            return
        if isinstance(self._active, Labels):
            self._choose(self._image_of(self._active))
        elif self._active is not None and self._active == self._added:
            # napari makes what is added the active one, though nobody clicked on it
            self._added = None
            self._choose(self._of_nuclei(self._active))
        else:
            self._choose(self._active)

    def _remember_added(self, event: Event) -> None:
        self._added = event.value

    def _of_nuclei(self, image: Layer | None) -> Layer | None:
        """Image that was opened with this one, from the same file, and whose name says that it shows nuclei."""
        if not isinstance(image, Image) or image.source.path is None or names_nuclei(image.name):
            return image
        together = [
            other
            for other in reversed(self._layers)
            if other.source.path == image.source.path and image_data(other).shape == image_data(image).shape
        ]
        return next((other for other in together if names_nuclei(other.name)), image)

    def _image_of(self, labels: Labels) -> Layer | None:
        """Image that nuclei were found in, else the one that a work list shows with them."""
        origin = read_state(labels)
        if origin is None:
            return next((image for image in self._layers if is_work_on(labels, image)), None)
        return next((image for image in self._layers if image.unique_id == origin.image_id), None)


class LabelsLayerChoice(LayerChoice):
    """Labels that may be corrected; overlays and previews are none."""

    def offers(self, layer: Layer) -> bool:
        """Whether a layer holds nuclei."""
        return isinstance(layer, Labels) and not OVERLAYS & set(layer.metadata)
