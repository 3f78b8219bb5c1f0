"""Seconds from a slider's move to the new labels in a real window, the network not run again.

xvfb-run -a python benchmarks/sliders.py
"""

from __future__ import annotations

import time

import napari
import numpy as np
from _common import machine, print_table
from qtpy.QtTest import QTest

from napari_nucseg._napari.segment_widget import SegmentWidget
from napari_nucseg.data.synthetic import synthetic_fluorescence

SIZES_PX = (512, 1024, 2048)
THRESHOLDS = (0.6, 0.4, 0.7, 0.3, 0.55)


def main() -> None:
    rows = [measure(size) for size in SIZES_PX]
    print(
        f"{machine()}\n\nSeconds from a slider's move to new labels on show, 40 ms of them a wait for more moves:\n"
    )
    print_table(["image", "nuclei", "median", "slowest"], rows)


def measure(size: int) -> list[object]:
    """Segment an image in a window of its own, then move the threshold slider."""
    viewer = napari.Viewer()
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Segment nuclei")
    assert isinstance(widget, SegmentWidget)
    viewer.add_image(synthetic_fluorescence((size, size), seed=0).image)
    widget.segment()
    _wait(widget)
    slider = widget.form.result.form.editors["foreground_threshold"].widget
    seconds = []
    for threshold in THRESHOLDS:
        started = time.perf_counter()
        slider.setValue(threshold)
        _wait(widget)
        seconds.append(time.perf_counter() - started)
    n_nuclei = len(np.unique(viewer.layers[-1].data)) - 1
    viewer.close()
    return [f"{size}²", n_nuclei, float(np.median(seconds)), max(seconds)]


def _wait(widget: SegmentWidget) -> None:
    QTest.qWait(5)
    while widget.controller.running or widget.live.busy or widget.summaries.busy:
        QTest.qWait(5)


if __name__ == "__main__":
    main()
