"""What all dock widgets do when they are closed: by their ×, with napari's window, or with the program.

Qt tells a widget in a dock of none of these. napari's × takes it out of its dock; closing the window hides it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication, QEvent, QTimer
from qtpy.QtWidgets import QWidget

from napari_nucseg._napari.dock_column import fill
from napari_nucseg._napari.dock_place import join_tabs_where_low
from napari_nucseg._napari.failure import show_failure

if TYPE_CHECKING:
    from qtpy.QtCore import QObject
    from qtpy.QtGui import QCloseEvent, QShowEvent


class Docked(QWidget):
    """A widget that lets go of the viewer when it is closed, however that happens.

    A dock that is moved, made to float or hidden is not closed. One whose × was clicked is not used again: napari makes
    a new one.

    Parameters
    ----------
    form
        All that is seen of it; ``say`` shows a line.
    """

    def __init__(self, form: QWidget) -> None:
        super().__init__()
        self.form = form
        fill(self, form)
        self._is_shut = False
        self._window_closes = False
        # once napari has put the dock into its window, and not while Qt lays it out
        self._placing = QTimer(self, singleShot=True, interval=0)
        self._placing.timeout.connect(lambda: join_tabs_where_low(self, Docked))
        self._is_placed = False
        self.installEventFilter(self)
        QCoreApplication.instance().aboutToQuit.connect(self.shut)

    def shut(self) -> None:
        """Let go of the viewer; safe to call twice."""
        if not self._is_shut:
            self._is_shut = True
            self.let_go()

    def let_go(self) -> None:
        """Keep what was done, stop all work, disconnect from the viewer; for each widget to say how."""
        raise NotImplementedError

    def closeEvent(self, event: QCloseEvent) -> None:
        """Shut a widget that is no dock's."""
        self.shut()
        super().closeEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Follow the window: only now is the dock in it."""
        super().showEvent(event)
        if not self._is_placed:
            self._is_placed = True
            self._placing.start()
        window: QWidget = self
        while window.parentWidget() is not None:  # a floating dock is a window, too, within napari's
            window = window.parentWidget()
        if window is not self:
            window.installEventFilter(self)  # not remembered: it would keep a closed viewer in memory

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Shut when taken out of the dock, and once the window has closed: napari may ask and stay open."""
        kind = event.type()
        if watched is self:
            if kind == QEvent.Type.ParentChange and self.parent() is None:
                self.shut()
        elif kind == QEvent.Type.Close:
            self._window_closes = True
            if not watched.isVisible():
                self.shut()
        elif kind == QEvent.Type.Hide and self._window_closes and not event.spontaneous():
            self.shut()
        return super().eventFilter(watched, event)

    def _show_failure(self, message: str) -> None:
        show_failure(self.form.say, message)
