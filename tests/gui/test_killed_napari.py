"""A real napari, killed while somebody paints: the next one offers the edits, all but the stroke in hand."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from napari_nucseg.data.journal import abandoned_journals, replay

TIMEOUT_MS = 60_000
PAINTER = textwrap.dedent("""
    import napari, numpy as np
    from qtpy.QtWidgets import QApplication
    viewer = napari.Viewer(show=True)
    viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")
    viewer.add_image(np.arange(120 * 160, dtype=np.uint16).reshape(120, 160), name="cells")
    layer = viewer.add_labels(np.zeros((120, 160), np.int32), name="masks")
    stroke = 0
    while True:
        stroke += 1
        layer.selected_label = stroke
        layer.paint((10 + stroke % 100, 10 + stroke % 140), stroke)
        QApplication.processEvents()
        print(stroke, flush=True)
""")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_killed_while_painting(tmp_path, monkeypatch, viewer, qtbot):
    monkeypatch.setenv("NUCSEG_JOURNAL", str(tmp_path / "journals"))
    painter = subprocess.Popen(
        [sys.executable, "-c", PAINTER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    told = 0
    while told < 20:
        line = painter.stdout.readline()
        assert line, "the other napari did not come up"
        told = int(line)
    painter.kill()
    told = int(([str(told).encode(), *painter.stdout.read().split(b"\n")[:-1]])[-1])
    painter.wait()
    painter.stdout.close()

    ((path, header),) = abandoned_journals()
    found = replay(path)
    assert found.n_edits >= told
    assert int(found.labels.max()) in (told, told + 1)
    assert header.image_name == "cells"

    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")
    viewer.add_image(np.arange(120 * 160, dtype=np.uint16).reshape(120, 160), name="the same cells")
    qtbot.waitUntil(widget.form.banner.isVisible, timeout=TIMEOUT_MS)
    widget.controller.restore()
    np.testing.assert_array_equal(viewer.layers["masks restored"].data, found.labels)
    widget.shut()
