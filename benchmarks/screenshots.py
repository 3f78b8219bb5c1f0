"""Walk through napari as a user would and keep pictures of the window: sample, segmented, sliders, advanced.

``python benchmarks/screenshots.py FOLDER`` (under ``xvfb-run -a -s "-screen 0 1280x800x24"`` where there is no
screen). The pictures show synthetic samples and scikit-image's immunohistochemistry only.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import napari
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QAbstractButton

    from napari_nucseg._napari.segment_widget import SegmentWidget

WINDOW_PX = (1280, 800)


class Tour:
    """One napari window with the dock widget, and a folder for its pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*WINDOW_PX)
        _, widget = self.viewer.window.add_plugin_dock_widget("napari-nucseg", "Segment nuclei")
        self.widget: SegmentWidget = widget

    def picture(self, name: str) -> None:
        """Save the whole window, docks included, once it has settled."""
        wait(lambda: False, 1.0)
        self.viewer.window.screenshot(str(self.folder / f"{name}.png"), canvas_only=False)

    def click(self, button: QAbstractButton) -> None:
        """Click a button with the mouse."""
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def segment(self) -> None:
        """Click the big button and wait for the result."""
        self.click(self.widget.form.run)
        wait(lambda: not self.widget.controller.running, 120)

    def hide_layers(self) -> None:
        """Make room for the next sample. Hidden, not removed: napari 0.9 can crash after that on software OpenGL."""
        for layer in self.viewer.layers:
            layer.visible = False

    def slide(self, name: str, value: float) -> None:
        """Move a slider of the result."""
        self.widget.form.result.form.editors[name].widget.setValue(value)
        wait(lambda: not self.widget.live.busy, 30)


def wait(condition: Callable[[], bool], seconds: float) -> None:
    """Let the window live until a condition holds, or so many seconds."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.01)


def walk(tour: Tour) -> None:
    """Go from the empty window to adjusted nuclei."""
    viewer, form = tour.viewer, tour.widget.form
    wait(lambda: form.device.count() > 1, 60)
    tour.picture("1-empty")
    viewer.open_sample("napari-nucseg", "synthetic_fluorescence")
    tour.picture("2-sample")
    tour.click(form.run)
    wait(lambda: form.progress.value() > 20, 30)
    viewer.window.screenshot(str(tour.folder / "3-running.png"), canvas_only=False)
    wait(lambda: not tour.widget.controller.running, 120)
    tour.picture("4-segmented")
    tour.slide("core_threshold", 0.6)
    tour.slide("foreground_threshold", 0.4)
    tour.picture("5-sliders")
    tour.click(form.advanced.toggleButton())
    form.diameter.unit.setCurrentText("µm")
    form.where.where.setCurrentText("Drawn region")
    tour.picture("6-advanced")
    tour.click(form.advanced.toggleButton())
    form.where.where.setCurrentText("Whole image")
    form.diameter.unit.setCurrentText("Automatic")
    tour.hide_layers()
    viewer.open_sample("napari-nucseg", "synthetic_histology")
    tour.segment()
    viewer.layers[-1].contour = 2
    tour.picture("7-histology")
    tour.hide_layers()
    viewer.open_sample("napari-nucseg", "immunohistochemistry")
    tour.segment()
    viewer.layers[-1].contour = 2
    tour.picture("8-immunohistochemistry")


def main() -> None:
    """Read the folder from the command line and walk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--readme", type=Path, help="also write the README's picture, in 256 colours")
    choices = parser.parse_args()
    tour = Tour(choices.folder)
    walk(tour)
    tour.viewer.close()
    if choices.readme is not None:
        choices.readme.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.open(choices.folder / "4-segmented.png").convert("RGB")
        few = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
        few.save(choices.readme, optimize=True)


if __name__ == "__main__":
    main()
