"""Which controls of a dock the keyboard reaches, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TABBED = (Qt.FocusPolicy.TabFocus, Qt.FocusPolicy.StrongFocus, Qt.FocusPolicy.WheelFocus)


def can_take_focus(control: QWidget) -> bool:
    """Whether Tab may stop at a control as it is now."""
    is_stop = control.focusPolicy() in TABBED and control.focusProxy() is None
    return is_stop and control.isVisible() and control.isEnabled()


def in_tab_order(start: QWidget, within: QWidget) -> Iterator[QWidget]:
    """Give the parts of a widget in the order of Tab, once round from one of them, which comes first."""
    part = start
    while True:
        if within.isAncestorOf(part):
            yield part
        part = part.nextInFocusChain()
        if part is start:
            return


def put_in_tab_order(container: QWidget, controls: Iterable[QWidget]) -> None:
    """Let Tab reach controls that were made late where their container stands; Qt puts them at the window's end."""
    before = container.previousInFocusChain()
    while before.focusPolicy() not in TABBED and before is not container:
        before = before.previousInFocusChain()
    for control in controls:
        QWidget.setTabOrder(before, control)
        before = control
