"""The column of a dock widget: scrolls up and down only, and is always as wide as its content needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QStyle, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtCore import QObject
    from qtpy.QtGui import QResizeEvent

DOCK_WIDTH_PX = 310


def fill(outer: QWidget, content: QWidget) -> None:
    """Let a widget be its content and no more; without the same size policy napari puts an empty half below it."""
    column = QVBoxLayout(outer)
    column.setContentsMargins(0, 0, 0, 0)
    column.addWidget(content)
    outer.setSizePolicy(content.sizePolicy())


class DockColumn(QScrollArea):
    """Parts below each other; the last may grow."""

    def __init__(self, parts: Sequence[QWidget], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(6)
        for part in parts:
            column.addWidget(part)
        column.addStretch(1)
        self._revealed: QWidget | None = None
        self._laid_out = QTimer(self, singleShot=True, interval=0)
        self._laid_out.timeout.connect(self._scroll)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def reveal(self, part: QWidget) -> None:
        """Scroll to a part that was just shown, once the column is laid out with it."""
        self._revealed = part
        self._laid_out.start()

    def _scroll(self) -> None:
        self._keep_room()
        self.widget().layout().activate()
        self.ensureWidgetVisible(self._revealed, 0, 0)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the content when rows appear or go."""
        if event.type() == QEvent.Type.LayoutRequest and self.widget() is not None:
            bar = self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
            needed = self.widget().minimumSizeHint().width() + bar
            self.setMinimumWidth(max(DOCK_WIDTH_PX + bar, needed))
            self._keep_room()
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Follow the dock's width: words wrap."""
        super().resizeEvent(event)
        self._keep_room()

    def _keep_room(self) -> None:
        """Scroll rather than squeeze: Qt's own minimum forgets that wrapped words are higher in a narrow column."""
        content = self.widget()
        height = content.layout().minimumHeightForWidth(self.viewport().width())
        if height != content.minimumHeight():
            content.setMinimumHeight(max(height, 0))
