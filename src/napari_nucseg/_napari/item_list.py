"""A list that is used with the mouse or with keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QKeyEvent


class ItemList(QListWidget):
    """List of items that are chosen by a click or Enter and, where that costs nothing, by walking through them.

    Signal: ``chosen(QListWidgetItem)``.
    """

    chosen = Signal(QListWidgetItem)

    def __init__(self, *, by_walking: bool = False) -> None:
        super().__init__()
        self._by_walking = by_walking
        self._walks = False
        self.itemClicked.connect(self._choose)

    @property
    def walked_to(self) -> QListWidgetItem | None:
        """Item that keys have led to, and that was not chosen yet."""
        return self.currentItem() if self._walks and self.window().focusWidget() is self else None

    def show_items(self, items: Sequence[QListWidgetItem], current: QListWidgetItem | None) -> None:
        """Show other items, one of them as the current one; nothing is told of that."""
        self.blockSignals(True)
        self.clear()
        for item in items:
            self.addItem(item)
        self.setCurrentItem(current)
        self.blockSignals(False)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Choose with Enter; the arrow keys begin at the first item, where Qt would leave that out."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if not event.isAutoRepeat():
                self._choose(self.currentItem())
            return
        if not self.selectedItems():
            self.setCurrentRow(-1)
        before = self.currentRow()
        super().keyPressEvent(event)
        self._walks = self._walks or self.currentRow() != before
        if self._walks and self._by_walking:
            self._choose(self.currentItem())

    def _choose(self, item: QListWidgetItem | None) -> None:
        self._walks = False
        if item is not None and item.flags() & Qt.ItemFlag.ItemIsEnabled:
            self.chosen.emit(item)
