"""A napari window that is walked through as a user would, and kept pictures of."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import napari
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Tour:
    """One napari window, and a folder for its pictures."""

    def __init__(self, folder: Path, size_px: tuple[int, int]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*size_px)

    def dock(self, title: str):
        """Open one of the plugin's widgets."""
        return self.viewer.window.add_plugin_dock_widget("napari-nucseg", title)[1]

    def picture(self, name: str, settle_s: float = 1.0) -> None:
        """Save the whole window, docks included, once it has settled."""
        wait(lambda: False, settle_s)
        self.viewer.window.screenshot(str(self.folder / f"{name}.png"), canvas_only=False, flash=False)

    def hide_layers(self) -> None:
        """Make room for the next image. Hidden, not removed: napari 0.9 can crash after that on software OpenGL."""
        for layer in self.viewer.layers:
            layer.visible = False

    def draw(self, *points, release: bool = True) -> None:
        """Press the mouse on the active layer, move it, and let it go."""
        layer = self.viewer.layers.selection.active
        self.event = event = SimpleNamespace(
            type="mouse_press", button=1, is_dragging=True, modifiers=(), position=None
        )
        event.position = tuple(layer.data_to_world(points[0]))
        mouse_press_callbacks(layer, event)
        for point in points[1:]:
            event.type, event.position = "mouse_move", tuple(layer.data_to_world(point))
            mouse_move_callbacks(layer, event)
            wait(lambda: False, 0.05)
        if release:
            self.release()

    def release(self) -> None:
        """Let the mouse go."""
        self.event.type = "mouse_release"
        mouse_release_callbacks(self.viewer.layers.selection.active, self.event)


def wait(condition: Callable[[], bool], seconds: float) -> None:
    """Let the window live until a condition holds, or so many seconds."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.01)
