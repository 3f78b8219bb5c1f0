"""Tells when models came, went, changed, were renamed or another became the default, whoever did it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

from napari_nucseg.network.places import SUFFIX

if TYPE_CHECKING:
    from pathlib import Path

SETTLE_MS = 300


class ModelsWatch(QObject):
    """Follows the folder of the user's own models, also one that is not there yet.

    Signal: ``changed()``, once things have settled in the folder, or it came or went; not for what lies around it.
    """

    changed = Signal()

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder = folder
        self._followed: Path | None = None
        self._watcher = QFileSystemWatcher(self)
        self._timer = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._timer.timeout.connect(self._tell)
        self._watcher.directoryChanged.connect(lambda path: self._timer.start())
        self._watcher.fileChanged.connect(lambda path: self._timer.start())
        self._follow()

    def stop(self) -> None:
        """Hear no more of it."""
        self._timer.stop()
        self._let_go()

    def _follow(self) -> None:
        """Follow the folder and its models; where it is missing, the nearest above it until it is there."""
        self._let_go()
        places = (self._folder, *self._folder.parents)
        self._followed = next((path for path in places if path.is_dir()), None)
        if self._followed is not None:
            files = self._folder.glob(f"*{SUFFIX}")  # the folder tells nothing of what is written into them
            self._watcher.addPaths([str(path) for path in (self._followed, *files)])

    def _let_go(self) -> None:
        if paths := [*self._watcher.directories(), *self._watcher.files()]:
            self._watcher.removePaths(paths)

    def _tell(self) -> None:
        before = self._followed
        self._follow()
        if self._folder in (before, self._followed):
            self.changed.emit()
