"""Docks by keyboard: where the focus goes, in which order Tab goes on, what Enter and Escape do."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QWidget,
)

from napari_nucseg._napari.dock_column import DockColumn
from napari_nucseg._napari.item_list import ItemList, QListWidgetItem
from napari_nucseg._napari.question_strip import QuestionStrip
from napari_nucseg._napari.tab_order import can_take_focus, in_tab_order

Key = Qt.Key


@pytest.fixture
def dock(qtbot):
    """A column between a canvas and a button that is not its own, as napari's window has them."""
    window = QWidget()
    window.canvas, window.other = QLineEdit(), QPushButton("hide this panel")
    window.above, window.below, window.name = QPushButton("above"), QPushButton("below"), QLineEdit()
    window.strip, window.late = QuestionStrip(), QPushButton("late")
    window.late.hide()
    window.column = DockColumn([window.name, window.above, window.strip, window.below, window.late])
    row = QHBoxLayout(window)
    for part in (window.canvas, window.column, window.other):
        row.addWidget(part)
    qtbot.addWidget(window)
    window.show()
    QApplication.setActiveWindow(window)
    return window


@pytest.fixture
def press(qtbot, dock):
    """Press a key where the focus is; in the window, since others on the screen may get in front of it."""

    def press(key):
        qtbot.keyClick(dock.focusWidget(), key)
        qtbot.wait(20)

    return press


@pytest.mark.parametrize(
    "take", [QWidget.hide, lambda button: button.setEnabled(False)], ids=["hide", "disable"]
)
class TestFocus:
    @staticmethod
    def _lose_the_only_control(dock, press, take):
        for part in (dock.name, dock.above):
            part.hide()
        dock.below.clicked.connect(lambda: take(dock.below))
        dock.below.setFocus()
        press(Key.Key_Space)

    def test_goes_to_the_next_control(self, dock, press, take):
        dock.above.clicked.connect(lambda: take(dock.above))
        dock.above.setFocus()
        press(Key.Key_Space)
        assert dock.focusWidget() is dock.below

    def test_goes_from_the_last_to_the_first(self, dock, press, take):
        dock.below.clicked.connect(lambda: take(dock.below))
        dock.below.setFocus()
        press(Key.Key_Space)
        assert dock.focusWidget() is dock.name

    def test_waits_for_what_comes_later(self, dock, press, take, qtbot):
        self._lose_the_only_control(dock, press, take)
        press(Key.Key_Space)
        assert dock.focusWidget() is dock.column, "nothing else is pressed"
        dock.late.show()
        qtbot.waitUntil(lambda: dock.focusWidget() is dock.late)

    def test_that_is_not_in_the_dock_stays_there(self, dock, take, qtbot):
        dock.canvas.setFocus()
        take(dock.above)
        dock.late.show()
        qtbot.wait(20)
        assert dock.focusWidget() is dock.canvas

    def test_stays_where_the_user_has_gone_meanwhile(self, dock, press, take, qtbot):
        self._lose_the_only_control(dock, press, take)
        dock.canvas.setFocus()
        dock.late.show()
        qtbot.wait(20)
        assert dock.focusWidget() is dock.canvas


def test_focus_is_handed_on_where_another_program_is_in_front(dock, qtbot):
    dock.above.setFocus()
    QApplication.setActiveWindow(None)
    dock.above.hide()
    qtbot.waitUntil(lambda: dock.focusWidget() is dock.below)


def test_a_click_on_words_is_not_taken_for_a_lost_focus(dock, qtbot):
    words = QLabel("words", textInteractionFlags=Qt.TextInteractionFlag.TextSelectableByMouse)
    dock.column.widget().layout().addWidget(words)
    words.show()
    words.setFocus()
    dock.late.show()
    qtbot.wait(20)
    assert dock.focusWidget() is words


def test_questions_are_reached_where_they_stand(dock, press):
    for _ in range(2):  # its buttons are made anew each time
        dock.strip.ask("Which?", {"first": None, "second": None})
    dock.above.setFocus()
    for control in (*dock.strip.buttons.values(), dock.below):
        press(Key.Key_Tab)
        assert dock.focusWidget() is control


@pytest.mark.parametrize(
    ("answers", "answered"),
    [
        pytest.param(("throws away", "nothing", "more"), ["nothing"], id="one does nothing"),
        pytest.param(("throws away", "more"), [], id="each does something"),
    ],
)
def test_escape_gives_the_answer_that_does_nothing(dock, press, answers, answered):
    done, pressed = [], []
    acts = {
        words: None if words == "nothing" else (lambda words=words: done.append(words)) for words in answers
    }
    dock.strip.ask("What now?", acts)
    for words, button in dock.strip.buttons.items():
        button.clicked.connect(lambda checked, words=words: pressed.append(words))
    dock.strip.buttons["throws away"].setFocus()
    press(Key.Key_Escape)
    assert (done, pressed) == ([], answered)
    assert dock.strip.asks == (not answered)


@pytest.mark.parametrize("key", [Key.Key_Return, Key.Key_Enter])
@pytest.mark.parametrize("kind", [QPushButton, QToolButton])
def test_enter_presses_the_button_with_the_focus(dock, press, kind, key):
    button, pressed = kind(), []
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    button.clicked.connect(lambda: pressed.append(button))
    dock.column.widget().layout().addWidget(button)
    button.show()
    button.setFocus()
    press(key)
    assert pressed == [button]
    dock.name.setFocus()
    press(key)
    assert pressed == [button], "a line edit is no button"


@pytest.mark.parametrize("title", ["Correct nuclei", "Fine-tune"])
def test_focus_is_seen_and_moves_nothing(viewer, qtbot, title):
    viewer.add_labels(np.eye(40, dtype=np.uint8))
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", title)
    QApplication.setActiveWindow(viewer.window._qt_window)
    column = widget.findChild(DockColumn)
    qtbot.waitUntil(lambda: any(map(can_take_focus, in_tab_order(column.widget(), column.widget()))))
    controls = [c for c in in_tab_order(column.widget(), column.widget()) if can_take_focus(c)]
    for control in controls:
        column.setFocus()
        without, size = control.grab().toImage(), control.sizeHint()
        control.setFocus()
        QApplication.setActiveWindow(control.window())  # others on the screen may have got in front of it
        assert control.sizeHint() == size, control
        assert control.grab().toImage() != without, control


@pytest.mark.parametrize("by_walking", [True, False])
def test_a_list_is_walked_through_from_its_first_item(dock, press, by_walking):
    items, chosen = ItemList(by_walking=by_walking), []
    items.show_items([QListWidgetItem(text) for text in "abc"], None)
    items.chosen.connect(lambda item: chosen.append(item.text()))
    dock.column.widget().layout().addWidget(items)
    items.show()
    items.setFocus()
    assert not chosen
    press(Key.Key_Down)
    press(Key.Key_Down)
    assert chosen == (["a", "b"] if by_walking else [])
    press(Key.Key_Return)
    assert chosen[-1] == "b"


def test_enter_chooses_once_however_long_it_is_held(qtbot):
    items, chosen = ItemList(), []
    qtbot.addWidget(items)
    items.show_items([here := QListWidgetItem("here"), QListWidgetItem("there")], here)
    items.chosen.connect(lambda item: chosen.append(item.text()))
    for is_repeated in (False, True, True):
        QApplication.sendEvent(
            items,
            QKeyEvent(
                QEvent.Type.KeyPress, Key.Key_Return, Qt.KeyboardModifier.NoModifier, "\r", is_repeated
            ),
        )
    assert chosen == ["here"]


def test_enter_chooses_no_item_that_a_click_would_not(qtbot):
    items, chosen = ItemList(), []
    qtbot.addWidget(items)
    gone = QListWidgetItem("no longer there")
    gone.setFlags(gone.flags() & ~Qt.ItemFlag.ItemIsEnabled)
    items.show_items([gone], gone)
    items.chosen.connect(chosen.append)
    qtbot.keyClick(items, Key.Key_Return)
    assert not chosen
