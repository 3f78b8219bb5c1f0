"""Walk through napari as a user would and keep pictures of the window: sample, segmented, sliders, advanced.

``python benchmarks/screenshots.py FOLDER`` (under ``xvfb-run -a -s "-screen 0 1280x800x24"`` where there is no
screen). The pictures show synthetic samples and scikit-image's immunohistochemistry only.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from _tour import Tour, wait
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

if TYPE_CHECKING:
    from qtpy.QtWidgets import QAbstractButton

    from napari_nucseg._napari.segment_widget import SegmentWidget

WINDOW_PX = (1280, 800)


def walk(tour: Tour) -> None:
    """Go from the empty window to adjusted nuclei."""
    viewer, widget = tour.viewer, tour.dock("Segment nuclei")
    form = widget.form
    wait(lambda: form.device.count() > 1, 60)
    tour.picture("1-empty")
    viewer.open_sample("napari-nucseg", "synthetic_fluorescence")
    tour.picture("2-sample")
    click(form.run)
    wait(lambda: form.progress.value() > 20, 30)
    tour.picture("3-running", settle_s=0)
    wait(lambda: not widget.controller.running, 120)
    tour.picture("4-segmented")
    slide(widget, "core_threshold", 0.6)
    slide(widget, "foreground_threshold", 0.4)
    tour.picture("5-sliders")
    click(form.advanced.toggleButton())
    form.diameter.unit.setCurrentText("µm")
    form.where.where.setCurrentText("Drawn region")
    tour.picture("6-advanced")
    click(form.advanced.toggleButton())
    form.where.where.setCurrentText("Whole image")
    form.diameter.unit.setCurrentText("Automatic")
    for sample, picture in (
        ("synthetic_histology", "7-histology"),
        ("immunohistochemistry", "8-immunohistochemistry"),
    ):
        tour.hide_layers()
        viewer.open_sample("napari-nucseg", sample)
        click(form.run)
        wait(lambda: not widget.controller.running, 120)
        viewer.layers[-1].contour = 2
        tour.picture(picture)


def click(button: QAbstractButton) -> None:
    """Click a button with the mouse."""
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def slide(widget: SegmentWidget, name: str, value: float) -> None:
    """Move a slider of the result."""
    widget.form.result.form.editors[name].widget.setValue(value)
    wait(lambda: not widget.live.busy, 30)


def main() -> None:
    """Read the folder from the command line and walk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--readme", type=Path, help="also write the README's picture, in 256 colours")
    choices = parser.parse_args()
    tour = Tour(choices.folder, WINDOW_PX)
    walk(tour)
    tour.viewer.close()
    if choices.readme is not None:
        choices.readme.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.open(choices.folder / "4-segmented.png").convert("RGB")
        few = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
        few.save(choices.readme, optimize=True)


if __name__ == "__main__":
    main()
