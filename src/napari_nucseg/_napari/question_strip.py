"""A question in the dock itself: nothing waits for its answer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout

from napari_nucseg._napari.tab_order import put_in_tab_order
from napari_nucseg._napari.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qtpy.QtGui import QKeyEvent


class QuestionStrip(QFrame):
    """Framed words with buttons below; hidden until something is asked, and again once it is answered.

    Signal: ``asked()`` when something is.
    """

    asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("nucseg-question")
        self.setStyleSheet("#nucseg-question { border: 1px solid #ffd166; border-radius: 4px; }")
        self.text = Words()
        self.buttons: dict[str, QPushButton] = {}
        self._harmless: QPushButton | None = None
        self._row = QHBoxLayout()
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self.text)
        column.addLayout(self._row)
        self.setVisible(False)

    @property
    def asks(self) -> bool:
        """Whether a question waits for its answer."""
        return bool(self.buttons)

    def ask(self, text: str, answers: Mapping[str, Callable[[], None] | None], *, harmless: str = "") -> None:
        """Ask; each button does what belongs to it, the first is the default. A question before is dropped.

        Escape gives the ``harmless`` answer, or the one that does nothing.
        """
        self.drop()
        self.text.setText(text)
        for words, act in answers.items():
            button = QPushButton(words)
            button.clicked.connect(partial(self._answer, act))
            self._row.addWidget(button)
            self.buttons[words] = button
            if act is None or words == harmless:
                self._harmless = button
        put_in_tab_order(self, self.buttons.values())
        self.setVisible(True)
        self.asked.emit()

    def drop(self) -> None:
        """Take the question back."""
        for button in self.buttons.values():
            self._row.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.buttons, self._harmless = {}, None
        self.setVisible(False)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take Escape for the answer that changes nothing."""
        if event.key() == Qt.Key.Key_Escape and self._harmless is not None:
            self._harmless.click()
        else:
            super().keyPressEvent(event)

    def _answer(self, act: Callable[[], None] | None, checked: bool = False) -> None:
        self.drop()
        if act is not None:
            act()
