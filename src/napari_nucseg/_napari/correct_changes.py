"""The live list of changes: what differs from the prediction in the plane in view, found off the GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucseg._napari.workers import Runs
from napari_nucseg.nuclei.corrections import Comparison

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_nucseg._napari.correct_subject import Subject
    from napari_nucseg._napari.correct_watch import LayerWatch, NdBox
    from napari_nucseg._napari.planes import PlaneIndex
    from napari_nucseg.nuclei.corrections import Change
    from napari_nucseg.nuclei.strokes import Box

THROTTLE_MS = 150


class LiveChanges(QObject):
    """Changes of one layer.

    Signals: ``updated()`` when :attr:`changes` are new; ``failed(str)``.
    """

    updated = Signal()
    failed = Signal(str)

    def __init__(self, subject: Subject, watch: LayerWatch, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.changes: tuple[Change, ...] = ()
        self._subject = subject
        self._comparison: Comparison | None = None
        self._plane: PlaneIndex | None = None
        self._data = subject.layer.data
        self._dirty: list[Box] = []
        self._timer = QTimer(self, singleShot=True, interval=THROTTLE_MS)
        self._timer.timeout.connect(self._start)
        self._runs = Runs(self)
        self._runs.returned.connect(self._show)
        self._runs.failed.connect(self.failed)
        watch.changed.connect(self._note)
        watch.replaced.connect(self.rebuild)
        watch.predicted.connect(self.rebuild)

    @property
    def busy(self) -> bool:
        """Whether newer changes will be told soon."""
        return self._timer.isActive() or self._runs.running

    def rebuild(self) -> None:
        """Compare all of the plane in view again."""
        self._runs.forget()  # what it compares is no longer there
        self._comparison = None
        self._dirty = []
        self._timer.start()

    def follow_plane(self) -> None:
        """Compare another plane, where the viewer shows another one."""
        if self._subject.index != self._plane:
            self.rebuild()

    def stop(self) -> None:
        """Let go of the layer."""
        self._timer.stop()
        self._runs.forget()

    def _note(self, box: NdBox) -> None:
        rows, columns = box[-2:]
        self._dirty.append((rows, columns))
        if not self._timer.isActive():  # throttled, not debounced: it moves on while somebody paints
            self._timer.start()

    def _start(self) -> None:
        if self._runs.running:
            self._timer.start()
            return
        subject, snapshot = self._subject, self._subject.snapshot
        if snapshot is None:
            self._show((None, ()))
            return
        is_of_these = subject.index == self._plane and subject.layer.data is self._data
        comparison = self._comparison if is_of_these else None
        self._plane, self._data = subject.index, subject.layer.data
        labels, dirty, self._dirty = subject.labels, self._dirty, []
        self._runs.start(lambda: _compare(comparison, snapshot, labels, dirty))

    def _show(self, result: tuple[Comparison | None, tuple[Change, ...]]) -> None:
        self._comparison, self.changes = result
        self.updated.emit()


def _compare(
    comparison: Comparison | None,
    snapshot: NDArray[np.integer],
    labels: NDArray[np.integer],
    dirty: list[Box],
) -> Generator[None, None, tuple[Comparison, tuple[Change, ...]]]:
    """Bring a comparison up to date where labels changed, or begin it."""
    yield
    if comparison is None:
        comparison = Comparison(snapshot, np.asarray(labels))
    for box in dirty:
        comparison.update(box)
    yield
    return comparison, comparison.changes()


def in_words(change: Change) -> str:
    """Say one change: "split 12 → 12, 143"."""
    before, after = (", ".join(map(str, numbers)) for numbers in (change.before, change.after))
    if not before or not after or before == after:
        return f"{change.kind} {after or before}"
    return f"{change.kind} {before} → {after}"
