"""A real napari in which somebody paints without end, and another in which the edits are restored.

    python _napari_painter.py paint            # tells "begins N KIND" and "did N KIND" of every stroke, until killed
    python _napari_painter.py restore FILE     # waits for the offer, takes it, and writes the labels to a .npy

Most strokes are lines, each on a row of its own. Every fourth fills the large block at the right: that is no stroke to
the journal, which is then written anew.
"""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels
    from qtpy.QtWidgets import QWidget

SHAPE = (400, 640)
LINE = (20, 80)
"""First and last column of a line."""
BLOCK = np.s_[:, 240:]
BLOCK_NUMBER = 10_000
"""Number of the block at the start; filled by stroke N it is greater by N."""
STROKES = SHAPE[0] // 3
LINES_TO_A_FILL = 3
POINTS = 6
"""Of the mouse on a line."""
OFFER_S = 60


def kind_of(stroke: int) -> str:
    """Line or fill; strokes are counted from 1."""
    return "line" if stroke % (LINES_TO_A_FILL + 1) else "fill"


def row_of(stroke: int) -> int:
    """Row of a line."""
    return 3 * stroke - 1


def before() -> np.ndarray:
    """Labels before the first stroke."""
    labels = np.zeros(SHAPE, np.int32)
    labels[BLOCK] = BLOCK_NUMBER
    return labels


def after(stroke: int) -> np.ndarray:
    """Labels after a number of strokes."""
    labels = before()
    for number in range(1, stroke + 1):
        if kind_of(number) == "line":
            labels[row_of(number), LINE[0] : LINE[1] + 1] = number
        else:
            labels[BLOCK] = BLOCK_NUMBER + number
    return labels


def strokes_wrong(labels: np.ndarray, told: int) -> int:
    """Count strokes that are not there as they were painted; one more than told may be there, in part or whole."""
    done, in_hand = after(told), after(told + 1)
    return np.unique(done[(labels != done) & (labels != in_hand)]).size


def paint() -> None:
    """Paint until killed."""
    viewer = _napari()
    layer = viewer.add_labels(before(), name="masks")
    layer.brush_size = 1
    _process_events()
    for stroke in range(1, STROKES + 1):
        print("begins", stroke, kind_of(stroke), flush=True)
        if kind_of(stroke) == "line":
            layer.selected_label, layer.mode = stroke, "paint"
            _drag(layer, row_of(stroke))
        else:
            layer.fill((0, SHAPE[1] - 1), BLOCK_NUMBER + stroke)
        _process_events()
        print("did", stroke, kind_of(stroke), flush=True)


def restore(path: str) -> None:
    """Wait until the edits are offered, take them, and write the labels."""
    viewer = _napari()
    form = _dock(viewer).form
    until = time.monotonic() + OFFER_S
    while not form.banner.isVisible() and time.monotonic() < until:
        _process_events()
    if not form.banner.isVisible():
        sys.exit(f"napari did not offer to restore within {OFFER_S} s")
    print(form.banner_text.text())
    form.restore.click()
    np.save(path, viewer.layers["masks restored"].data)


def _napari() -> Viewer:
    import napari

    viewer = napari.Viewer(show=True)
    _dock(viewer)
    viewer.add_image(np.arange(np.prod(SHAPE), dtype=np.uint32).reshape(SHAPE), name="cells")
    return viewer


def _dock(viewer: Viewer) -> QWidget:
    """Widget *Correct nuclei*; the one that is open already where there is one."""
    return viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")[1]


def _drag(layer: Labels, row: int) -> None:
    """Draw a line as the mouse does; the window goes on living between two of its points."""
    from napari.utils.interactions import (
        mouse_move_callbacks,
        mouse_press_callbacks,
        mouse_release_callbacks,
    )

    event = SimpleNamespace(type="mouse_press", button=1, modifiers=(), is_dragging=True)
    event.position = (row, LINE[0])
    mouse_press_callbacks(layer, event)
    event.type = "mouse_move"
    for column in np.linspace(*LINE, POINTS):
        event.position = (row, round(column))
        mouse_move_callbacks(layer, event)
        _process_events()
    event.type = "mouse_release"
    mouse_release_callbacks(layer, event)


def _process_events() -> None:
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()


if __name__ == "__main__":
    {"paint": paint, "restore": restore}[sys.argv[1]](*sys.argv[2:])
