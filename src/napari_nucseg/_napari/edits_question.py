"""Asks what shall happen to painted edits when an image is segmented again."""

from __future__ import annotations

from enum import Enum

from qtpy.QtWidgets import QMessageBox, QWidget


class EditsChoice(Enum):
    """What the user wants done with the edits."""

    KEEP = "Keep edits"
    REPLACE = "Replace"
    NEW_LAYER = "New layer"
    CANCEL = "Cancel"


def ask_about_edits(layer_name: str, parent: QWidget | None = None) -> EditsChoice:
    """Ask, in a modal box; closing it means cancel."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Segment nuclei")
    box.setText(f"You have edited “{layer_name}”.")
    box.setInformativeText(
        "Keep edits: nuclei you changed stay, the new result is painted around them.\n"
        "Replace: the new result takes their place.\n"
        "New layer: this layer stays as it is."
    )
    buttons = {
        box.addButton(EditsChoice.KEEP.value, QMessageBox.ButtonRole.AcceptRole): EditsChoice.KEEP,
        box.addButton(EditsChoice.REPLACE.value, QMessageBox.ButtonRole.DestructiveRole): EditsChoice.REPLACE,
        box.addButton(EditsChoice.NEW_LAYER.value, QMessageBox.ButtonRole.ActionRole): EditsChoice.NEW_LAYER,
        box.addButton(QMessageBox.StandardButton.Cancel): EditsChoice.CANCEL,
    }
    box.setDefaultButton(next(iter(buttons)))
    box.exec()
    return buttons.get(box.clickedButton(), EditsChoice.CANCEL)
