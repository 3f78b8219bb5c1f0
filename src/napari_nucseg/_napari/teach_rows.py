"""Rows of *Fine-tune*: an example or a pinned image each, in two lines that fit a narrow dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFrame, QGridLayout, QToolButton, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_nucseg._napari.tab_order import put_in_tab_order
from napari_nucseg._napari.words import Words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_nucseg._napari.teach_examples import Source

USES = {"Auto": "auto", "Learn": "learn", "Check": "check"}
USE_TIP = (
    "Auto: some examples, or a part of one, are kept aside to check the outcome.\n"
    "Learn: never kept aside.\nCheck: never learned from."
)


class SourceRow(QFrame):
    """Name, what it offers, and what the user wants of it."""

    use_changed = Signal(object, str)
    removed = Signal(object)

    def __init__(self, source: Source, use: str | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.source = source
        self.name = QElidingLabel(source.name)
        self.name.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.name.setStyleSheet("font-weight: bold;")
        self.name.setToolTip(source.where)
        self.detail = Words("…")
        self.use = QComboBox()
        self.use.addItems(list(USES))
        self.use.setToolTip(USE_TIP)
        if use is None:  # pinned: there is nothing to choose
            self.use.hide()
        else:
            self.use.setCurrentIndex(list(USES.values()).index(use))
        self.use.currentTextChanged.connect(lambda words: self.use_changed.emit(self.source, USES[words]))
        self.remove = QToolButton(text="✕", autoRaise=True)
        self.remove.setToolTip("Take this out of the list. Nothing is deleted.")
        if use is not None and source.folder is None:  # a layer is listed as long as it is corrected
            self.remove.hide()
        self.remove.clicked.connect(lambda: self.removed.emit(self.source))
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 2)
        grid.setSpacing(2)
        grid.setColumnStretch(0, 1)
        grid.addWidget(self.name, 0, 0)
        grid.addWidget(self.use, 0, 1)
        grid.addWidget(self.remove, 0, 2)
        grid.addWidget(self.detail, 1, 0, 1, 3)

    def say(self, text: str) -> None:
        """Show what the source offers."""
        self.detail.setText(text)


class SourceList(QWidget):
    """Rows below each other; made anew only when other sources are to be shown."""

    use_changed = Signal(object, str)
    removed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[SourceRow] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)
        self.setVisible(False)

    def show_sources(self, sources: Iterable[tuple[Source, str | None]]) -> None:
        """Show these sources, each with the user's choice for it; None where there is nothing to choose."""
        wanted = list(sources)
        if [(row.source, row.source.name) for row in self.rows] == [(s, s.name) for s, _ in wanted]:
            return
        said = {row.source: row.detail.text() for row in self.rows}
        for row in self.rows:
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = [SourceRow(source, use) for source, use in wanted]
        for row in self.rows:
            row.say(said.get(row.source, "…"))
            row.use_changed.connect(self.use_changed)
            row.removed.connect(self.removed)
            self._column.addWidget(row)
        put_in_tab_order(self, [control for row in self.rows for control in (row.use, row.remove)])
        self.setVisible(bool(self.rows))
