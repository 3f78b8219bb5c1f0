"""Where a dock goes: below the others and as high, or onto a tab with one of ours where the window is too low."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

DOCK_HEIGHT_PX = 500
"""Height of a window, for each dock, in which it shows most of its buttons without scrolling."""


def join_tabs_where_low(widget: QWidget, kind: type[QWidget]) -> None:
    """Put a widget's dock onto a tab with another that holds one of this kind, if one more would be too low.

    Else all get the same height.
    """
    dock = _above(widget, QDockWidget)
    window = _above(widget, QMainWindow)
    if dock is None or window is None or dock.isFloating() or window.tabifiedDockWidgets(dock):
        return
    beside = [
        other
        for other in window.findChildren(QDockWidget)
        if other is not dock
        and not (other.isFloating() or other.isHidden())
        and window.dockWidgetArea(other) == window.dockWidgetArea(dock)
        and other.findChild(kind) is not None
    ]
    places = {frozenset([other, *window.tabifiedDockWidgets(other)]) for other in beside}
    if places and window.height() < DOCK_HEIGHT_PX * (len(places) + 1):
        window.tabifyDockWidget(beside[-1], dock)
        dock.show()
        dock.raise_()
    elif places:
        docks = [*(next(iter(place)) for place in places), dock]
        window.resizeDocks(docks, [1] * len(docks), Qt.Orientation.Vertical)  # the same for each


def _above(widget: QWidget, kind: type[QWidget]) -> QWidget | None:
    """Nearest widget of a kind that this one lies in."""
    found = widget.parentWidget()
    while found is not None and not isinstance(found, kind):
        found = found.parentWidget()
    return found
