"""Temporary Shapes layers a user draws on: a line across a nucleus, a region to segment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucseg._napari.spatial import spatial_attributes

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from napari.utils.events import Event

REGION_LAYER = "Region to segment"
LINE_LAYER = "Line across a nucleus"


def begin_drawing(viewer: ViewerModel, image: Image, name: str, mode: str) -> Shapes:
    """Lay an empty Shapes layer on an image's pixel grid, ready to draw in a mode such as add_rectangle.

    One of this name is used again. It is not removed after use: on Mesa's OpenGL, napari 0.9 can crash when it paints
    after a Shapes layer has gone.
    """
    placed = spatial_attributes(image, (image.ndim - 2, image.ndim - 1))
    if name not in viewer.layers:
        viewer.add_layer(Shapes(name=name, ndim=2, edge_color="#ffd166", face_color="#ffd16620", **placed))
    layer = viewer.layers[name]
    layer.selected_data = set()
    layer.data = []
    for attribute, value in placed.items():
        setattr(layer, attribute, value)
    layer.current_edge_width = _visible_width(image)
    layer.visible = True
    viewer.layers.selection.active = layer
    layer.mode = mode
    return layer


def last_shape(layer: Shapes) -> tuple[np.ndarray, str] | None:
    """Vertices (N, 2) in pixels and kind of the selected shape, else of the last drawn; None if none is."""
    if not layer.data:
        return None
    selected = sorted(layer.selected_data)
    index = selected[-1] if selected else len(layer.data) - 1
    return np.asarray(layer.data[index]), str(layer.shape_type[index])


class LineMeasure(QObject):
    """Lets the user draw one line across a nucleus; ``measured(float)`` gives its length in pixels.

    The layer it is drawn on is hidden afterwards and used again.
    """

    measured = Signal(float)
    ended = Signal()

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Shapes | None = None
        self._image: Image | None = None

    def start(self, image: Image) -> None:
        """Show an empty layer and wait for the line."""
        self.stop()
        self._image = image
        layer = begin_drawing(self._viewer, image, LINE_LAYER, "add_line")
        layer.events.data.connect(self._line_drawn)
        self._viewer.layers.events.removed.connect(self._layer_removed)
        self._layer = layer

    def stop(self, *, back: bool = True) -> None:
        """Hide the layer and make the image the active one again, unless another one is worked on: not ``back``."""
        layer, self._layer = self._layer, None
        if layer is None:
            return
        layer.events.data.disconnect(self._line_drawn)
        self._viewer.layers.events.removed.disconnect(self._layer_removed)
        layer.visible = False
        if back and self._image in self._viewer.layers:
            self._viewer.layers.selection.active = self._image
        self.ended.emit()

    def _layer_removed(self, event: Event) -> None:
        if event.value == self._layer:
            self.stop()

    def _line_drawn(self, event: Event) -> None:
        if event.action == "added":
            QTimer.singleShot(0, self._finish)  # the layer is still handling the mouse

    def _finish(self) -> None:
        if self._layer is None or (shape := last_shape(self._layer)) is None:
            return
        vertices, _ = shape
        length = float(np.linalg.norm(vertices[-1] - vertices[0]))
        self.stop()
        if length >= 1:
            self.measured.emit(length)


def _visible_width(image: Image) -> float:
    """Line width in pixels of the image that is visible on any size of image."""
    return max(1.0, max(image.extent.data[1][-2:] - image.extent.data[0][-2:]) / 300)
