"""Names and paths in docks: whole when read and copied, broken where the dock ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from napari.settings import get_settings
from napari.utils.notifications import notification_manager
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtGui import QTextDocument
from qtpy.QtWidgets import QLabel

from napari_nucseg._napari.dock_column import DOCK_WIDTH_PX
from napari_nucseg._napari.failure import sentence
from napari_nucseg._napari.model_choice import ModelChoice
from napari_nucseg._napari.words import Words
from napari_nucseg.network.installed import list_models

TIMEOUT_MS = 60_000
TITLES = ("Segment nuclei", "Correct nuclei", "Fine-tune", "My models", "Work through a folder")
PATH = "/home/" + "x" * 64 + "/of two parts/" + "y" * 200 + ".tif"


def test_a_long_path_is_no_wider_than_a_dock_and_copied_whole(qtbot, clipboard):
    words = Words(f"cannot write {PATH}: the disk is full.")
    words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    qtbot.addWidget(words)
    words.show()
    assert words.minimumSizeHint().width() < DOCK_WIDTH_PX / 2
    assert words.text() == f"cannot write {PATH}: the disk is full."
    words.setSelection(0, len(QLabel.text(words)))
    qtbot.keyClick(words, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert clipboard.text() == f"cannot write {PATH}: the disk is full."


@pytest.mark.parametrize("title", TITLES)
def test_no_text_makes_a_dock_wider(viewer, qtbot, title):
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", title)
    qtbot.wait(100)
    before = widget.minimumSizeHint().width()
    widget.form.say(f"⚠ {PATH} cannot be read")
    qtbot.wait(100)
    assert widget.minimumSizeHint().width() == before
    assert widget.form.status.text() == f"⚠ {PATH} cannot be read"


def test_a_folder_of_long_names_makes_the_dock_no_wider(viewer, qtbot, tmp_path):
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Work through a folder")
    qtbot.wait(100)
    before = widget.minimumSizeHint().width()
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    Image.new("L", (64, 64)).save(folder / f"{'a' * 64}.png")
    widget.controller.open(folder, folder.with_name("corrections"))
    qtbot.waitUntil(lambda: not widget.controller.busy, timeout=TIMEOUT_MS)
    qtbot.wait(100)
    assert widget.minimumSizeHint().width() == before
    assert str(folder) in widget.form.places.text()


def test_what_a_card_says_is_no_markup_in_a_tooltip_either(qtbot):
    said = "<b>bold</b> & for a < b"
    model = list_models()[0]
    choice, document = ModelChoice(by_image=False), QTextDocument()
    qtbot.addWidget(choice)
    choice.show_models([replace(model, card=model.card.model_copy(update={"description": said}))])
    for place in range(2):
        document.setHtml(choice.itemData(place, Qt.ItemDataRole.ToolTipRole))
        assert document.toPlainText() == said


@pytest.fixture
def large_font():
    appearance = get_settings().appearance
    before = appearance.font_size
    appearance.font_size = 16
    yield
    appearance.font_size = before


def test_large_fonts_leave_room_for_the_image(large_font, viewer, qtbot):
    for title in TITLES:
        _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", title, tabify=True)
        qtbot.wait(100)
        assert widget.minimumSizeHint().width() < 500, title


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        pytest.param("got 3 channels", "Got 3 channels", id="sentence"),
        pytest.param("cells.tif cannot be read", "cells.tif cannot be read", id="file"),
        pytest.param("my-nuclei comes with it", "my-nuclei comes with it", id="model"),
        pytest.param("channel: too large", "channel: too large", id="setting"),
        pytest.param("c:\\cells is gone", "c:\\cells is gone", id="folder"),
        pytest.param("“my cells” is a stack", "“my cells” is a stack", id="quoted"),
    ],
)
def test_a_message_begins_with_a_capital_unless_a_name_stands_there(message, shown):
    assert sentence(message) == shown


@pytest.mark.parametrize("title", TITLES)
def test_what_failed_is_said_in_whole_sentences(viewer, title):
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", title)
    noted = []
    notification_manager.notification_ready.connect(noted.append)
    widget.controller.failed.emit("there is no image. Open one.")
    notification_manager.notification_ready.disconnect(noted.append)
    assert widget.form.status.text() == "⚠ There is no image. Open one."
    assert [note.message for note in noted] == ["There is no image.\nOpen one."]
