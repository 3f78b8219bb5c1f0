"""The column of a dock widget: scrolls up and down only, is as wide as its content needs, and keeps the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import (
    QFrame,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStyle,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_nucseg._napari.tab_order import can_take_focus, in_tab_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtCore import QObject
    from qtpy.QtGui import QKeyEvent, QResizeEvent

DOCK_WIDTH_PX = 310
# napari shows on no button that it has the focus; its paddings, less the border's width, so that nothing moves
FOCUS_STYLE = "".join(
    f"{controls} {{ border: 1px solid #ff7a1a; padding: {padding}; }}"
    for controls, padding in {
        "QPushButton:focus, QToolButton:focus": "3px",
        "QComboBox:focus": "2px 9px 2px 7px",
        "QLineEdit:focus": "1px",
        "QAbstractSpinBox:focus": "0px 9px",
        "QAbstractItemView:focus, QCheckBox::indicator:focus, QSlider::handle:focus": "0px",
    }.items()
)


def fill(outer: QWidget, content: QWidget) -> None:
    """Let a widget be its content and no more; without the same size policy napari puts an empty half below it."""
    column = QVBoxLayout(outer)
    column.setContentsMargins(0, 0, 0, 0)
    column.addWidget(content)
    outer.setSizePolicy(content.sizePolicy())


class DockColumn(QScrollArea):
    """Parts below each other; the last may grow.

    When the control with the focus is hidden or disabled, the next one that can be used gets it, and after the last
    the first. Where there is none yet, the column waits for one. Qt would give it to whatever dock comes next.
    """

    def __init__(self, parts: Sequence[QWidget]) -> None:
        super().__init__()
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
        self._lost: list[QWidget] = []  # control that had the focus, and what it lies in, which stays longer
        self._changed = QTimer(self, singleShot=True, interval=0)  # once all is shown that takes its place
        self._changed.timeout.connect(self._hand_focus_on)
        self.setStyleSheet(FOCUS_STYLE)
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

    def focusNextPrevChild(self, forwards: bool) -> bool:
        """Keep the focus that a control loses because it is hidden or disabled; on Tab, let it go on."""
        if (lost := self._unusable_in_focus()) is None:
            return super().focusNextPrevChild(forwards)
        self._wait_in_place_of(lost)
        return True

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Enter press the button that has the focus, as in a dialog."""
        focused = self.window().focusWidget()
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.isAutoRepeat()
        if is_enter and isinstance(focused, QPushButton | QToolButton):
            focused.click()
        else:
            super().keyPressEvent(event)

    def _unusable_in_focus(self) -> QWidget | None:
        """Return the part that has the focus where it is hidden or disabled."""
        focused = self.window().focusWidget()
        is_ours = self.isVisible() and focused is not None and self.widget().isAncestorOf(focused)
        return focused if is_ours and not (focused.isVisible() and focused.isEnabled()) else None

    def _wait_in_place_of(self, lost: QWidget) -> None:
        self._lost = [lost]
        while self._lost[-1] is not self.widget():
            self._lost.append(self._lost[-1].parentWidget())
        self.setFocus()
        self._changed.start()

    def _hand_focus_on(self) -> None:
        if (lost := self._unusable_in_focus()) is not None:  # hidden while another program was in front
            self._wait_in_place_of(lost)
        if self.window().focusWidget() is not self:  # the user has turned to something else
            self._lost = []
        place = next(filter(isalive, self._lost), None)
        if place is None:
            return
        control = next(filter(can_take_focus, in_tab_order(place, self.widget())), None)
        if control is not None:
            self._lost = []
            control.setFocus(Qt.FocusReason.TabFocusReason)
            if not self._laid_out.isActive():  # else something more important is to be seen
                self._revealed = control
                self._scroll()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the content when rows appear or go."""
        if event.type() == QEvent.Type.LayoutRequest and self.widget() is not None:
            bar = self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
            needed = self.widget().minimumSizeHint().width() + bar
            self.setMinimumWidth(max(DOCK_WIDTH_PX + bar, needed))
            self._keep_room()
            self._changed.start()
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
