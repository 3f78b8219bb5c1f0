"""Layout of *Correct nuclei*: which buttons there are and in which order. No behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFrame,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_nucseg._napari.correct_tools import (
    CHECKED_KEY,
    EDIT_TOOLS,
    NEXT_KEY,
    PREVIOUS_KEY,
    TRUST_TOOLS,
    VIEW_KEY,
)
from napari_nucseg._napari.dock_column import DockColumn, fill
from napari_nucseg._napari.image_line import ImageLine
from napari_nucseg._napari.item_list import ItemList
from napari_nucseg._napari.layer_choice import LabelsLayerChoice
from napari_nucseg._napari.question_strip import QuestionStrip
from napari_nucseg._napari.rows import add_row, form_rows, tipped_button
from napari_nucseg._napari.saving import OUTLINES, OUTLINES_TIP, TABLE, TABLE_TIP
from napari_nucseg._napari.words import Words

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel

    from napari_nucseg._napari.correct_tools import Tool

EMPTY_STATE = "Open or make labels first:\nSegment nuclei, or any Labels layer"
IDLE_HINT = "Take a tool. Ctrl+Z takes a step back."
LIST_HEIGHT_PX = 96
SAVE_NEW = "Save corrections…"
SAVE_TIP = "Image, labels and what was reviewed, as a folder to teach from."


class CorrectForm(QWidget):
    """All parts of *Correct nuclei*, in a column that scrolls where the window is low."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.empty = QLabel(EMPTY_STATE, alignment=Qt.AlignmentFlag.AlignCenter)
        self.layer = LabelsLayerChoice(viewer)
        self.layer.setToolTip("Labels to correct: ours, a dataset's, or those of any other program.")
        self.image = ImageLine(viewer)
        self.tools = {tool: _tool_button(tool) for tool in (*EDIT_TOOLS, *TRUST_TOOLS)}
        self.overwrite = QCheckBox("Overwrite neighbours")
        self.overwrite.setToolTip("Off: a new outline takes only pixels that belong to no nucleus.")
        self.status = _two_lines()
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.view = tipped_button("View", f"Marks all that is in view as reviewed ({VIEW_KEY}).")
        self.whole = QPushButton("All")
        self.unmark = QPushButton("Clear")
        self.reviewed = Words()
        self.changes_title = Words()
        self.changes = ItemList(by_walking=True)
        self.changes.setFixedHeight(LIST_HEIGHT_PX)
        self.changes.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.changes.setToolTip("Click to look at a change.")
        self.previous = tipped_button(
            "◀", f"Previous nucleus that is not checked ({PREVIOUS_KEY.replace('-', '+')})."
        )
        self.next = tipped_button(
            "Next ▶", f"Next nucleus that is not checked, the most doubtful first ({NEXT_KEY})."
        )
        self.checked = tipped_button(
            "✓ Checked", f"This nucleus is right, as it is now; on to the next ({CHECKED_KEY})."
        )
        self.review = Words()
        self.save = tipped_button(SAVE_NEW, SAVE_TIP)
        self.save_as = tipped_button("Save as…", "Save in another folder; the one before stays as it is.")
        self.question = QuestionStrip()
        self.open = tipped_button("Open…", "Open corrections that were saved.")
        self.table = tipped_button(TABLE, TABLE_TIP)
        self.outlines = tipped_button(OUTLINES, OUTLINES_TIP)
        self.banner, self.banner_text, self.restore, self.discard = _make_banner()
        self.body = self._make_body()
        column = DockColumn([self.banner, self.empty, self.body, self._make_files()])
        fill(self, column)
        self.banner.setVisible(False)
        self.show_place(None)
        self.show_part("the image")
        self.say("")

    def say(self, text: str) -> None:
        """Show a line below the tools."""
        self.status.setText(text or IDLE_HINT)

    def show_place(self, folder: Path | None) -> None:
        """Show where the corrections are saved; before the first time, that is asked."""
        self.save.setText(SAVE_NEW if folder is None else "Save corrections")
        self.save.setToolTip(SAVE_TIP if folder is None else f"Save in {folder}")
        self.save_as.setVisible(folder is not None)

    def show_part(self, part: str) -> None:
        """Show what *All* and *Clear* mark: the image, or the slice of a stack that is in view."""
        self.whole.setToolTip(f"Marks all of {part} as reviewed.")
        self.unmark.setToolTip(f"Takes all marks of {part} back, after asking.")

    def show_empty(self, empty: bool) -> None:
        """Show the hint for a viewer without labels in place of the tools."""
        self.empty.setVisible(empty)
        self.body.setVisible(not empty)

    def show_changes(self, words: list[str]) -> None:
        """List changes, if any; the one that was looked at last stays chosen, for whoever goes on by keys."""
        seen = {item.text() for item in self.changes.selectedItems()}
        items = [QListWidgetItem(text) for text in words]
        self.changes.show_items(items, next((item for item in items if item.text() in seen), None))
        self.changes.setVisible(bool(words))

    def show_editable(self, editable: bool) -> None:
        """Show whether there is anything to do with the layer; where not, nothing of another one stays on show."""
        for part in (*self.boxes, self.save, self.exports):
            part.setEnabled(editable)
        if not editable:
            for text in (self.changes_title, self.reviewed, self.review):
                text.clear()
            self.show_changes([])

    def _make_body(self) -> QWidget:
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        rows = form_rows()
        add_row(rows, "Labels", self.layer)
        column.addLayout(rows)
        column.addWidget(self.image)
        self.boxes = (self._make_trust(), self._make_changes(), self._make_review())
        for part in (self._make_tools(), *self.boxes):
            column.addWidget(part)
        return body

    def _make_tools(self) -> QGroupBox:
        box = QGroupBox("Tools")
        grid = QGridLayout(box)
        grid.setSpacing(4)
        for place, tool in enumerate(EDIT_TOOLS):
            grid.addWidget(self.tools[tool], place // 3, place % 3)
        grid.addWidget(self.overwrite, 2, 1, 1, 2)
        grid.addWidget(self.status, 3, 0, 1, 3)
        return box

    def _make_trust(self) -> QGroupBox:
        box = QGroupBox("Reviewed")
        box.setToolTip(
            "What you vouch for. Only that is ever taught, and nuclei you changed in what Segment nuclei found."
        )
        grid = QGridLayout(box)
        grid.setSpacing(4)
        parts = (self.view, *(self.tools[tool] for tool in TRUST_TOOLS), self.whole, self.unmark)
        for place, part in enumerate(parts):
            grid.addWidget(part, place // 3, place % 3)
        grid.addWidget(self.reviewed, 2, 0, 1, 3)
        return box

    def _make_changes(self) -> QGroupBox:
        box = QGroupBox("Changes")
        column = QVBoxLayout(box)
        column.setSpacing(4)
        column.addWidget(self.changes_title)
        column.addWidget(self.changes)
        return box

    def _make_review(self) -> QGroupBox:
        box = QGroupBox("Look at doubtful nuclei")
        column = QVBoxLayout(box)
        column.setSpacing(4)
        row = QHBoxLayout()
        row.addWidget(self.previous)
        row.addWidget(self.next, stretch=1)
        row.addWidget(self.checked, stretch=1)
        column.addLayout(row)
        column.addWidget(self.review)
        return box

    def _make_files(self) -> QWidget:
        files = QWidget()
        column = QVBoxLayout(files)
        column.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self.save, stretch=1)
        row.addWidget(self.save_as)
        row.addWidget(self.open)
        column.addWidget(self.question)
        column.addLayout(row)
        self.exports = QWidget()
        row = QHBoxLayout(self.exports)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.table)
        row.addWidget(self.outlines)
        column.addWidget(self.exports)
        return files


def _two_lines() -> QLabel:
    """Label that keeps room for two lines, so that nothing below it jumps when its text changes."""
    label = Words()
    label.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
    label.setMinimumHeight(2 * label.fontMetrics().lineSpacing() + 4)
    return label


def _tool_button(tool: Tool) -> QPushButton:
    button = tipped_button(tool.title, f"{tool.hint} ({tool.key_text})")
    button.setCheckable(True)
    return button


def _make_banner() -> tuple[QFrame, QLabel, QPushButton, QPushButton]:
    """Strip that offers edits a crash left behind."""
    banner = QFrame()
    banner.setObjectName("nucseg-banner")
    banner.setStyleSheet("#nucseg-banner { border: 1px solid #ffd166; border-radius: 4px; }")
    text = _two_lines()
    restore = tipped_button("Restore", "Open these edits as a layer of their own.")
    discard = tipped_button("Discard", "Throw these edits away for good.")
    column = QVBoxLayout(banner)
    column.setContentsMargins(6, 6, 6, 6)
    row = QHBoxLayout()
    row.addWidget(restore)
    row.addWidget(discard)
    column.addWidget(text)
    column.addLayout(row)
    return banner, text, restore, discard
