"""Asks what shall happen to painted edits when an image is segmented again."""

from __future__ import annotations

from enum import Enum

from qtpy.QtWidgets import QMessageBox


class EditsChoice(Enum):
    """What the user wants done with the edits."""

    KEEP = "Keep edits"
    REPLACE = "Replace"
    NEW_LAYER = "New layer"
    CANCEL = "Cancel"


def ask_about_edits(layer_name: str, *, new_layer: bool = True) -> EditsChoice:
    """Ask, in a modal box; closing it means cancel. Without ``new_layer``, that is no choice."""
    box = QMessageBox()
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Segment nuclei")
    box.setText(f"You have edited or reviewed “{layer_name}”.")
    box.setInformativeText(
        "Keep edits: nuclei you changed or reviewed stay, the new result is painted around them.\n"
        "Replace: the new result takes their place."
        + ("\nNew layer: this layer stays as it is." if new_layer else "")
    )
    buttons = {
        box.addButton(EditsChoice.KEEP.value, QMessageBox.ButtonRole.AcceptRole): EditsChoice.KEEP,
        box.addButton(EditsChoice.REPLACE.value, QMessageBox.ButtonRole.DestructiveRole): EditsChoice.REPLACE,
    }
    if new_layer:
        button = box.addButton(EditsChoice.NEW_LAYER.value, QMessageBox.ButtonRole.ActionRole)
        buttons[button] = EditsChoice.NEW_LAYER
    buttons[box.addButton(QMessageBox.StandardButton.Cancel)] = EditsChoice.CANCEL
    box.setDefaultButton(next(iter(buttons)))
    box.exec()
    return buttons.get(box.clickedButton(), EditsChoice.CANCEL)
