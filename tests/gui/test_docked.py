"""How dock widgets end: by the × of their dock and with napari's window; moving and hiding a dock ends nothing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_nucseg._napari.correct_tools import EDIT_TOOLS
from napari_nucseg._napari.docked import Docked
from napari_nucseg._napari.layer_state import read_corrections
from napari_nucseg.data.correction_set import open_correction_set
from napari_nucseg.data.journal import journal_dir
from napari_nucseg.data.synthetic import synthetic_fluorescence

TIMEOUT_MS = 60_000
TITLES = ("Segment nuclei", "Correct nuclei", "Fine-tune", "Work through a folder", "My models")
TOOLS = {tool.name: tool for tool in EDIT_TOOLS}


@pytest.fixture(autouse=True)
def _own_work(tmp_path, monkeypatch):
    monkeypatch.setenv("NUCSEG_JOURNAL", str(tmp_path / "journals"))
    monkeypatch.setenv("NUCSEG_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def opened(viewer, qtbot):
    """Open a widget as the menu does: its dock and itself. What a test leaves open is shut."""
    widgets = []

    def open_widget(title):
        dock, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", title)
        widgets.append(widget)
        qtbot.waitUntil(widget.isVisible, timeout=TIMEOUT_MS)
        return dock, widget

    yield open_widget
    while widgets:
        widgets.pop().shut()
    # whoever lists models imports torch: no thread may outlive the tests
    qtbot.waitUntil(lambda: not QThreadPool.globalInstance().activeThreadCount(), timeout=TIMEOUT_MS)


def _end_by_cross(dock, viewer):
    dock.title.close_button.click()


def _end_with_window(dock, viewer):
    window = viewer.window._qt_window
    window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)  # the fixture closes it again
    window.close()


ENDS = [pytest.param(_end_by_cross, id="cross"), pytest.param(_end_with_window, id="window")]


@pytest.mark.parametrize("end", ENDS)
def test_strokes_painted_just_before_are_kept(viewer, opened, tmp_path, qtbot, end):
    (tmp_path / "slides").mkdir()
    image = synthetic_fluorescence((96, 128), seed=0).image.astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "slides" / "a.png")
    dock, widget = opened("Work through a folder")
    with qtbot.waitSignal(widget.controller.shown, timeout=TIMEOUT_MS):
        widget.controller.open(tmp_path / "slides", tmp_path / "kept")
    viewer.layers["Nuclei in work"].paint((40, 50), 3)
    end(dock, viewer)
    assert open_correction_set(tmp_path / "kept" / "a").labels[40, 50] == 3


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_kept_at_the_end_is_not_offered_again(viewer, opened, tmp_path, qtbot, order):
    """Whichever of the two widgets is shut first: the one that saves, or the one with the journal."""
    (tmp_path / "slides").mkdir()
    Image.fromarray(np.eye(64, 80, dtype=np.uint8)).save(tmp_path / "slides" / "a.png")
    titles = ("Correct nuclei", "Work through a folder")[::order]
    docks = {title: opened(title) for title in titles}
    _, widget = docks["Work through a folder"]
    with qtbot.waitSignal(widget.controller.shown, timeout=TIMEOUT_MS):
        widget.controller.open(tmp_path / "slides", tmp_path / "kept")
    viewer.layers["Nuclei in work"].paint((40, 50), 3)
    qtbot.waitUntil(lambda: any(journal_dir().glob("*")), timeout=TIMEOUT_MS)
    _end_with_window(docks["Correct nuclei"][0], viewer)
    assert open_correction_set(tmp_path / "kept" / "a").labels[40, 50] == 3
    assert not list(journal_dir().iterdir())


def test_the_journal_stays_where_more_was_reviewed_while_it_was_kept(viewer, opened, tmp_path, qtbot):
    (tmp_path / "slides").mkdir()
    Image.fromarray(np.eye(64, 80, dtype=np.uint8)).save(tmp_path / "slides" / "a.png")
    opened("Correct nuclei")
    _, widget = opened("Work through a folder")
    with qtbot.waitSignal(widget.controller.shown, timeout=TIMEOUT_MS):
        widget.controller.open(tmp_path / "slides", tmp_path / "kept")
    layer = viewer.layers["Nuclei in work"]
    layer.paint((40, 50), 3)
    widget.controller._save_soon()
    read_corrections(layer).trust[:20] = 1
    qtbot.waitUntil(lambda: not widget.controller.busy, timeout=TIMEOUT_MS)
    assert open_correction_set(tmp_path / "kept" / "a").labels[40, 50] == 3
    assert read_corrections(layer).journal.exists()


@pytest.mark.parametrize("end", ENDS)
def test_every_widget_lets_go(viewer, opened, end):
    docks, widgets = zip(*map(opened, TITLES), strict=True)
    for dock in docks:
        end(dock, viewer)
    assert all(widget._is_shut for widget in widgets)


def test_a_tool_in_hand_is_put_down_and_the_journal_goes_on_in_the_next(viewer, opened, hand):
    labels = np.zeros((100, 100), np.int32)
    labels[10:30, 10:30] = 1
    layer = viewer.add_labels(labels, name="masks")
    dock, widget = opened("Correct nuclei")
    layer.paint((60, 60), 7)
    widget.controller.take(TOOLS["delete"])
    dock.title.close_button.click()
    assert layer.mouse_pan
    hand.draw((5, 5), (40, 40))
    assert 1 in layer.data, "the tool is gone with its dock"
    _, again = opened("Correct nuclei")
    layer.paint((60, 80), 8)
    assert [again.controller.session.keeper.path] == list(journal_dir().iterdir())
    assert read_corrections(layer).journal == again.controller.session.keeper.path


def test_moved_floating_in_tabs_and_hidden_it_goes_on(viewer, opened, qtbot):
    dock, widget = opened("Correct nuclei")
    other, _ = opened("Work through a folder")
    dock.setFloating(True)
    dock.setFloating(False)
    viewer.window._qt_window.tabifyDockWidget(other, dock)
    dock.hide()
    dock.show()
    dock.close()  # as the menu hides it
    qtbot.wait(50)
    assert not widget._is_shut


def test_a_window_that_stays_open_after_all_keeps_its_widgets(qtbot):
    """As napari's does where the user answers its question with no."""

    class Window(QMainWindow):
        stays = True

        def closeEvent(self, event):
            event.setAccepted(not self.stays)

    class Counted(Docked):
        ends = 0

        def let_go(self):
            self.ends += 1

    window, dock, widget = Window(), QDockWidget(), Counted(QWidget())
    qtbot.addWidget(window)
    dock.setWidget(widget)
    window.addDockWidget(dock.allowedAreas().LeftDockWidgetArea, dock)
    window.show()
    assert not window.close()
    assert widget.ends == 0
    window.stays = False
    assert window.close()
    assert widget.ends == 1


@pytest.mark.parametrize(("height", "shared"), [(700, True), (1050, False)])
def test_a_dock_joins_another_on_a_tab_where_the_window_is_too_low_for_both(viewer, qtbot, height, shared):
    viewer.window.resize(1366, height)
    work, _ = viewer.window.add_plugin_dock_widget("napari-nucseg", "Work through a folder")
    qtbot.wait(100)
    segment, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Segment nuclei")
    qtbot.wait(200)
    window = work.parentWidget()
    assert (work in window.tabifiedDockWidgets(segment)) == shared
    assert widget.form.run.isVisible()
    assert not segment.visibleRegion().isEmpty(), "the new one is in front"
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, segment)
    qtbot.wait(100)
    assert not window.tabifiedDockWidgets(segment), "where the user puts it, it stays"
