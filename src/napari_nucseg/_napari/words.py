"""Text in a dock: lines break anywhere in names and paths, so that none of them makes the dock wider."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QApplication, QLabel, QMenu

if TYPE_CHECKING:
    from qtpy.QtGui import QContextMenuEvent, QKeyEvent

BREAK = "\N{ZERO WIDTH SPACE}"
LONG_WORD = re.compile(r"\S{16,}")


class Words(QLabel):
    """Label of plain text that wraps; ``text()`` and what is copied are without the breaks that long words get."""

    def __init__(self, text: str = "") -> None:
        super().__init__(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self.setText(text)

    def setText(self, text: str) -> None:
        """Show a text; words that may be wider than the dock can break after every letter."""
        super().setText(LONG_WORD.sub(lambda word: _breakable(word.group()), text))

    def text(self) -> str:
        """Text as it was set."""
        return super().text().replace(BREAK, "")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy a selection as it was set."""
        if event.matches(QKeySequence.StandardKey.Copy) and self.hasSelectedText():
            self._copy()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer to copy a selection as it was set."""
        if not self.hasSelectedText():
            return
        menu = QMenu(self)
        menu.addAction("Copy", self._copy)
        menu.exec(event.globalPos())

    def _copy(self) -> None:
        QApplication.clipboard().setText(self.selectedText().replace(BREAK, "").replace("\u2029", "\n"))


def plain_tip(text: str) -> str:
    """Tooltip that shows a text as it stands there, line by line, and wraps it."""
    return f"<qt>{html.escape(text).replace(chr(10), '<br>')}</qt>" if text else ""


def _breakable(word: str) -> str:
    """Put a break after every letter, its accents included."""
    return "".join(letter if unicodedata.combining(letter) else BREAK + letter for letter in word).lstrip(
        BREAK
    )
