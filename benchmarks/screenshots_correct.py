"""Walk through *Correct nuclei* and *Work through a folder* as a user would and keep pictures of the window.

``python benchmarks/screenshots_correct.py FOLDER`` (under ``xvfb-run -a -s "-screen 0 1280x940x24"`` where there is no
screen). The pictures show made images only.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import napari
import numpy as np
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_nucseg._napari.correct_tools import EDIT_TOOLS, TRUST_TOOLS
from napari_nucseg._napari.layer_state import read_corrections, write_corrections
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_PX = (1280, 940)
TOOLS = {tool.name: tool for tool in (*EDIT_TOOLS, *TRUST_TOOLS)}


def wait(condition: Callable[[], bool], seconds: float) -> None:
    """Let the window live until a condition holds, or so many seconds."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.01)


class Tour:
    """One napari window, and a folder for its pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*WINDOW_PX)

    def dock(self, title: str):
        """Open one of the plugin's widgets."""
        return self.viewer.window.add_plugin_dock_widget("napari-nucseg", title)[1]

    def picture(self, name: str) -> None:
        """Save the whole window, docks included, once it has settled."""
        wait(lambda: False, 1.0)
        self.viewer.window.screenshot(str(self.folder / f"{name}.png"), canvas_only=False, flash=False)

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


def correct(tour: Tour) -> None:
    """Split, merge, delete, add, mark and review on made fluorescence."""
    viewer = tour.viewer
    widget = tour.dock("Correct nuclei")
    tour.picture("1-empty")
    made = synthetic_fluorescence((320, 400), seed=4, diameter_px=30)
    viewer.add_image(made.image, name="Synthetic fluorescence")
    viewer.add_labels(made.labels.copy(), name="Synthetic fluorescence nuclei")
    numbers = np.argsort(-np.bincount(made.labels.ravel())[1:])[:4] + 1
    centres = [np.argwhere(made.labels == n).mean(axis=0) for n in numbers]
    widget.controller.take(TOOLS["split"])
    (y, x) = centres[0]
    tour.draw((y - 30, x), (y, x + 2), (y + 30, x + 4), release=False)
    tour.picture("2-splitting")
    tour.release()
    widget.controller.take(TOOLS["delete"])
    tour.draw(tuple(centres[1]))
    widget.controller.take(TOOLS["review_box"])
    tour.draw((20, 20), (100, 200), (200, 300))
    widget.controller.take(TOOLS["ignore_outline"])
    tour.draw((220, 300), (220, 380), (300, 380), (300, 300))
    widget.controller.put_down()
    wait(lambda: not widget.controller.session.changes.busy, 60)
    tour.picture("3-corrected")
    widget.form.next.click()
    wait(lambda: not widget.controller.session.review.ranking, 20)
    widget.form.checked.click()
    tour.picture("4-review")
    session = widget.controller.session
    session.keeper._journal.close()  # what the system does when a process is killed; no layer knows of it then
    state = read_corrections(session.subject.layer)
    write_corrections(session.subject.layer, state.model_copy(update={"journal": None}))
    widget.controller.look_for_journals()
    viewer.reset_view()
    tour.picture("5-after-a-crash")
    widget.controller.discard()


def work(tour: Tour, folder: Path) -> None:
    """Open a folder of five images, mark one as done, and go on."""
    images = folder / "slides"
    images.mkdir()
    for seed in range(5):
        make = synthetic_histology if seed % 2 else synthetic_fluorescence
        picture = make((256, 320), seed=seed).image
        Image.fromarray(picture.astype(np.uint8)).save(images / f"slide-{seed + 1}.png")
    for layer in tour.viewer.layers:
        layer.visible = False
    widget = tour.dock("Work through a folder")
    tour.picture("6-work-empty")
    widget.controller.open(images, folder / "slides corrections")
    wait(lambda: not widget.controller.busy, 60)
    wait(lambda: False, 0.5)
    widget.controller.mark_done()
    wait(lambda: not widget.controller.busy, 60)
    wait(lambda: False, 0.5)
    tour.picture("7-work")


def main() -> None:
    """Read the folder from the command line and walk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    choices = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["NUCSEG_JOURNAL"] = f"{scratch}/journals"
        tour = Tour(choices.folder)
        correct(tour)
        work(tour, Path(scratch))
        tour.viewer.close()


if __name__ == "__main__":
    main()
