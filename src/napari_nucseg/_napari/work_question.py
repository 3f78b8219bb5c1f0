"""Asks what shall happen to corrections that do not fit their image any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QMessageBox

from napari_nucseg._napari.failure import sentence

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_nucseg._napari.work_steps import Refused


def ask_to_begin_anew(refused: Refused, parent: QWidget) -> bool:
    """Ask, in a modal box, whether to work on an image as if nothing had been done; closing it means no."""
    kept = "" if refused.kept_in is None else f" What was corrected before is kept in {refused.kept_in}."
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Work through a folder")
    box.setText(f"“{refused.name}” cannot be opened with what was corrected.")
    box.setInformativeText(
        f"{sentence(refused.reason)}\n\nBegin anew: the image is opened as it is now.{kept}"
    )
    anew = box.addButton("Begin anew", QMessageBox.ButtonRole.AcceptRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.exec()
    return bool(box.clickedButton() == anew)
