"""Layout of *Work through a folder*. No behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListWidgetItem,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from napari_nucseg._napari.dock_column import DockColumn, fill
from napari_nucseg._napari.item_list import ItemList
from napari_nucseg._napari.rows import running_row, tipped_button
from napari_nucseg._napari.words import Words
from napari_nucseg.jobs.work_item import Status

if TYPE_CHECKING:
    from napari_nucseg.jobs.work_item import WorkItem
    from napari_nucseg.jobs.worklist import WorkList

EMPTY_STATE = "Choose a folder of images or a dataset.\nWhat you do is saved by itself."
SIGNS = {Status.UNTOUCHED: "○", Status.SEGMENTED: "◔", Status.IN_WORK: "◑", Status.DONE: "●"}
LIST_HEIGHT_PX = 110


class WorkForm(QWidget):
    """All parts of *Work through a folder*."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.empty = QLabel(EMPTY_STATE, alignment=Qt.AlignmentFlag.AlignCenter)
        self.choose = tipped_button(
            "Choose images…", "A folder of images, or of a dataset (DSB2018, Lizard, CPM, …)."
        )
        self.output = tipped_button(
            "Save in…", "Where corrections are saved. By default in a folder beside the images."
        )
        self.places = Words()
        self.summary = QLabel()
        self.summary.setStyleSheet("font-weight: bold;")
        self.items = ItemList()
        self.items.setMinimumHeight(LIST_HEIGHT_PX)
        self.items.setToolTip(
            "○ untouched   ◔ segmented   ◑ in work   ● done   ⚠ cannot be opened. Click to open."
        )
        self.previous = tipped_button("◀ Previous", "Save, and open the image before.")
        self.next = tipped_button("Next ▶", "Save, and open the image after.")
        self.done = tipped_button(
            "✓ Done, next", "Mark this image as done, save, and open the next that is not."
        )
        self.segment = tipped_button(
            "Segment all remaining", "Finds nuclei in all untouched images, in the background."
        )
        self.progress = QProgressBar()
        self.cancel = tipped_button("Cancel", "Stops; what is finished stays.")
        self.status = Words()
        self.running = running_row(self.progress, self.cancel)
        self.body = self._make_body()
        column = DockColumn([self._make_top(), self.empty, self.body, self.status])
        fill(self, column)
        self.show_list(None)
        self.running.setVisible(False)

    def show_list(self, worklist: WorkList | None) -> None:
        """Show how far each image is."""
        self.empty.setVisible(worklist is None)
        self.body.setVisible(worklist is not None)
        self.output.setEnabled(worklist is not None)
        if worklist is None:
            return
        self.places.setText(f"{worklist.dataset.root}\n→ {worklist.output}")
        self.summary.setText(worklist.summary)
        n_remaining = len(worklist.remaining)
        self.segment.setText(f"Segment all remaining ({n_remaining})")
        self.segment.setEnabled(n_remaining > 0 and not self.running.isVisible())
        self._fill(worklist)

    def say(self, text: str) -> None:
        """Show a line at the end; an empty one hides it."""
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def _fill(self, worklist: WorkList) -> None:
        walked_to = self.items.walked_to
        wanted = worklist.current if walked_to is None else walked_to.data(Qt.ItemDataRole.UserRole)
        rows: dict[str, QListWidgetItem] = {}
        for item in worklist.items:
            rows[item.name] = row = QListWidgetItem(_in_words(item))
            row.setData(Qt.ItemDataRole.UserRole, item.name)
            row.setToolTip(item.error or f"{item.name}: {item.status}")
            if item.missing:
                row.setFlags(row.flags() & ~Qt.ItemFlag.ItemIsEnabled)
        self.items.show_items(list(rows.values()), rows.get(wanted))

    def _make_top(self) -> QWidget:
        top = QWidget()
        row = QHBoxLayout(top)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.choose, stretch=1)
        row.addWidget(self.output)
        return top

    def _make_body(self) -> QWidget:
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.places)
        column.addWidget(self.summary)
        column.addWidget(self.items, stretch=1)
        steps = QGridLayout()
        steps.setSpacing(4)
        steps.addWidget(self.previous, 0, 0)
        steps.addWidget(self.next, 0, 1)
        steps.addWidget(self.done, 1, 0, 1, 2)
        column.addLayout(steps)
        column.addWidget(self.segment)
        column.addWidget(self.running)
        return body


def _in_words(item: WorkItem) -> str:
    if item.missing:
        return f"– {item.name} (no longer there)"
    return f"{'⚠' if item.error else SIGNS[item.status]} {item.name}"
