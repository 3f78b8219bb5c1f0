"""Tells which part of a Labels layer's array changed, whoever changed it: a brush, a tool, undo, another widget."""

from __future__ import annotations

import math
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucseg._napari.camera import shows_y_and_x
from napari_nucseg._napari.correct_subject import Subject
from napari_nucseg._napari.layer_state import read_state

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels
    from napari.utils.events import Event
    from numpy.typing import NDArray

    from napari_nucseg._napari.planes import PlaneIndex

SETTLE_MS = 50
WHOLE_STACK_PIXELS = 32_000_000
"""Stacks above this are searched in the plane in view first, then bit by bit, when nobody says where they changed."""
PAUSE_MS = 20
BIT_S = 0.01
"""A large stack is searched for this long between two pauses: the window stays awake."""

NdBox = tuple[slice, ...]


class LayerWatch(QObject):
    """Follows one layer until :meth:`stop`.

    Signals: ``changed(box)`` with the changed rectangle, while :attr:`known` still holds what was there before;
    ``replaced()`` when the layer got another array, unless that is of a larger type: its nuclei are the same;
    ``predicted()`` when a model found nuclei in it once more.

    Painting says where it happened (``labels_update``). Undo, assignments and brushes of three dimensions do not, so
    after those the array is compared with a copy.
    """

    changed = Signal(object)
    replaced = Signal()
    predicted = Signal()

    def __init__(self, viewer: ViewerModel, layer: Labels, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.layer = layer
        self.known: NDArray[np.integer] = np.array(layer.data, copy=True)
        self._subject = Subject(viewer, layer)
        self._data = layer.data
        self._origin = read_state(layer)
        self._timer = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._timer.timeout.connect(self.look_soon)
        # Planes of a large stack that are still to be searched, from the one after ``_plane`` on and round.
        self._n_left = 0
        self._plane = 0
        self._pause = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._pause.timeout.connect(self._look_on)
        layer.events.labels_update.connect(self._updated)
        layer.events.set_data.connect(self._maybe_changed)
        layer.events.metadata.connect(self._maybe_predicted)

    def stop(self) -> None:
        """Let go of the layer."""
        self._timer.stop()
        self._pause.stop()
        self.layer.events.labels_update.disconnect(self._updated)
        self.layer.events.set_data.disconnect(self._maybe_changed)
        self.layer.events.metadata.disconnect(self._maybe_predicted)

    def look(self) -> None:
        """Find what changed since it was told last; to be called before anybody relies on it."""
        self._timer.stop()
        self._pause.stop()
        if self._was_replaced():
            return
        self._n_left = 0
        for index in np.ndindex(self.layer.data.shape[:-2]):
            self._search(index)

    def look_soon(self) -> None:
        """Find what changed in the plane in view now, in the others of a large stack while nothing else happens."""
        data = self.layer.data
        if data.size <= WHOLE_STACK_PIXELS or data.ndim == 2:
            self.look()
            return
        self._timer.stop()
        if self._was_replaced():
            return
        self._search(self._subject.index)
        self._n_left = math.prod(data.shape[:-2])
        self._pause.start()

    def _look_on(self) -> None:
        if self._was_replaced():
            return
        shape, end = self.layer.data.shape[:-2], perf_counter() + BIT_S
        while self._n_left and perf_counter() < end:
            self._n_left -= 1
            self._plane = (self._plane + 1) % math.prod(shape)
            self._search(tuple(int(i) for i in np.unravel_index(self._plane, shape)))
        if self._n_left:
            self._pause.start()

    def _search(self, index: PlaneIndex) -> None:
        """Tell of what changed in a plane."""
        different = self.layer.data[index] != self.known[index]
        if different.any():
            rows, columns = (np.flatnonzero(different.any(axis=axis)) for axis in (1, 0))
            self._tell(_nd(index, (rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)))

    def _updated(self, event: Event) -> None:
        in_plane = shows_y_and_x(self._subject.viewer)
        if not in_plane or self.layer.n_edit_dimensions > 2:  # it tells of the plane in view alone
            self._timer.start()
            return
        if self._was_replaced():
            return
        (y, x), (height, width) = event.offset, event.data.shape
        box = _nd(self._subject.index, (y, y + height), (x, x + width))
        if not np.array_equal(self.layer.data[box], self.known[box]):
            self._tell(box)

    def _maybe_changed(self, event: Event) -> None:
        self._timer.start()

    def _maybe_predicted(self, event: Event) -> None:
        origin = read_state(self.layer)
        if origin is not self._origin:
            self._origin = origin
            self.predicted.emit()

    def _was_replaced(self) -> bool:
        if self.layer.data is self._data:
            return False
        before, self._data = self._data, self.layer.data
        if _is_widened(before, self._data):
            return False
        self.known = np.array(self._data, copy=True)
        self._n_left = 0
        self.replaced.emit()
        return True

    def _tell(self, box: NdBox) -> None:
        self.changed.emit(box)
        # only now: whoever is told needs what was there in the type it had
        self.known = self.known.astype(self._data.dtype, copy=False)
        self.known[box] = self.layer.data[box]


def _is_widened(before: NDArray[np.integer], now: NDArray[np.integer]) -> bool:
    """Whether an array took another's place to hold larger numbers, of the same nuclei."""
    return now.shape == before.shape and now.dtype != before.dtype and np.can_cast(before.dtype, now.dtype)


def _nd(index: tuple[int, ...], rows: tuple[int, int], columns: tuple[int, int]) -> NdBox:
    return (
        *(slice(i, i + 1) for i in index),
        slice(int(rows[0]), int(rows[1])),
        slice(int(columns[0]), int(columns[1])),
    )
