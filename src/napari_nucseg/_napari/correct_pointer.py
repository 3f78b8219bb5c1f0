"""Drawing with the mouse on a Labels layer: a click, a line, a box or an outline, shown while it is drawn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucseg._napari.camera import camera_of
from napari_nucseg._napari.correct_tools import Gesture
from napari_nucseg._napari.shortcuts import ViewerShortcut
from napari_nucseg._napari.spatial import spatial_attributes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel
    from napari.layers import Labels
    from napari.utils.events import Event, EventEmitter
    from numpy.typing import NDArray

ESCAPE_KEY = "Escape"
PREVIEW_LAYER = "Drawing (NucSeg)"
PREVIEW_INTERVAL_S = 0.03
PREVIEW_WIDTH_PX = 2
"""Width of the preview's line, in pixels of the screen."""


class Pointer(QObject):
    """Lets the user draw one gesture after the other on a layer, until it is disarmed.

    Signals: ``drawn(points)`` with (N, 2) points in pixels of the plane in view; ``disarmed()`` when the user turned to
    something else (another mode of the layer, another layer, another view) or pressed Escape.
    """

    drawn = Signal(object)
    disarmed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Labels | None = None
        self._gesture = Gesture.CLICK
        self._escape: ViewerShortcut | None = None
        self._n_disarmed = 0
        self._shown_at = 0.0
        # later: a layer that is added becomes the active one until whoever adds it says otherwise
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._maybe_left)

    def arm(self, layer: Labels, gesture: Gesture) -> None:
        """Await a gesture on a layer, which becomes the active one."""
        self.disarm()
        if gesture is not Gesture.CLICK:
            self._preview_on(layer)
        self._gesture = gesture
        self._viewer.layers.selection.active = layer
        layer.mode = "pan_zoom"
        layer.mouse_pan = False
        layer.cursor = "cross" if gesture is not Gesture.CLICK else "pointing"
        layer.mouse_drag_callbacks.append(self._drag)
        self._layer = layer
        # only now: else it is napari's, for a polygon that is being drawn
        self._escape = ViewerShortcut(self._viewer, ESCAPE_KEY, self._turned)
        for emitter in self._turns(layer):
            emitter.connect(self._turned)
        self._viewer.layers.selection.events.active.connect(self._active_changed)

    def disarm(self) -> None:
        """Give the mouse back to napari."""
        layer = self._layer
        if layer is None:
            return
        for emitter in self._turns(layer):
            emitter.disconnect(self._turned)
        if self._escape is not None:
            self._escape.release()
        self._viewer.layers.selection.events.active.disconnect(self._active_changed)
        self._layer = None
        self._n_disarmed += 1
        if self._drag in layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks.remove(self._drag)
        layer.mouse_pan = str(layer.mode) == "pan_zoom"
        if str(layer.mode) == "pan_zoom":
            layer.cursor = "standard"
        self._hide()

    def _turns(self, layer: Labels) -> tuple[EventEmitter, ...]:
        """Events after which nothing can be drawn on a layer as before."""
        view = self._viewer.dims.events
        return layer.events.mode, view.ndisplay, view.order

    def _turned(self, event: Event | None = None) -> None:
        self.disarm()
        self.disarmed.emit()

    def _active_changed(self, event: Event) -> None:
        self._soon.start()

    def _maybe_left(self) -> None:
        if self._layer is not None and self._viewer.layers.selection.active != self._layer:
            self._turned()

    def _drag(self, layer: Labels, event: Event) -> Iterator[None]:
        """Mouse callback of napari: runs to the next ``yield`` with every move, and on at the release."""
        if event.button != 1 or event.modifiers:
            return
        n_disarmed = self._n_disarmed  # what was begun with one tool is not for the next one
        points = [_place(layer, event)]
        yield
        while event.type == "mouse_move" and self._n_disarmed == n_disarmed:
            points.append(_place(layer, event))
            if time.monotonic() - self._shown_at >= PREVIEW_INTERVAL_S:
                self._show(np.array(points))
            yield
        self._hide()
        if self._n_disarmed == n_disarmed:
            self.drawn.emit(np.array(points))

    def _preview_on(self, layer: Labels) -> Shapes:
        """Give the layer that shows what is drawn, on the pixels of another. It is hidden after use, never removed."""
        placed = spatial_attributes(layer, (layer.ndim - 2, layer.ndim - 1))
        preview = self._preview
        if preview is None:
            preview = Shapes(name=PREVIEW_LAYER, ndim=2, visible=False, opacity=0.9, **placed)
            self._viewer.add_layer(preview)
        else:
            for name, value in placed.items():
                setattr(preview, name, value)
            if self._viewer.layers[-1] != preview:
                self._viewer.layers.move(self._viewer.layers.index(preview), len(self._viewer.layers))
        return preview

    @property
    def _preview(self) -> Shapes | None:
        return self._viewer.layers[PREVIEW_LAYER] if PREVIEW_LAYER in self._viewer.layers else None

    def _show(self, points: np.ndarray) -> None:
        preview = self._preview
        if preview is None or self._layer is None or self._gesture is Gesture.CLICK or len(points) < 2:
            return
        shape_type, corners = _shape(self._gesture, points)
        if corners is None:
            return
        width = PREVIEW_WIDTH_PX / max(camera_of(self._viewer).zoom * float(self._layer.scale[-1]), 1e-9)
        preview.data = []
        preview.add(
            corners, shape_type=shape_type, edge_color="#ffd166", face_color="#ffd16630", edge_width=width
        )
        preview.selected_data = set()
        preview.visible = True
        self._shown_at = time.monotonic()

    def _hide(self) -> None:
        preview = self._preview
        if preview is not None and preview.visible:
            preview.visible = False
            preview.data = []


def _place(layer: Labels, event: Event) -> NDArray[np.float64]:
    """Y and X of the pointer in pixels of a layer."""
    return np.asarray(layer.world_to_data(event.position), np.float64)[-2:]


def _shape(gesture: Gesture, points: np.ndarray) -> tuple[str, np.ndarray | None]:
    """Kind and corners of the shape that shows a gesture; no corners where it is a mere point so far."""
    if np.ptp(points, axis=0).max() < 0.5:
        return "path", None
    if gesture is Gesture.BOX:
        (y0, x0), (y1, x1) = points[0], points[-1]
        return "rectangle", np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)])
    return "path", points
