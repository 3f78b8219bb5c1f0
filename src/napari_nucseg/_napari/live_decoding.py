"""Decode a layer's cached maps again when the sliders move: off the GUI thread, the newest setting only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucseg._napari.layer_state import read_state, write_state
from napari_nucseg._napari.results import check_takes_nuclei, takes_nuclei, update_layer
from napari_nucseg._napari.workers import Runs
from napari_nucseg.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.layers import Labels

    from napari_nucseg._napari.layer_state import LayerState
    from napari_nucseg._napari.planes import PlaneIndex
    from napari_nucseg.nuclei.decoding import DecodingSettings
    from napari_nucseg.segmentation.segment import Segmentation

DEBOUNCE_MS = 40

Decoded = dict["PlaneIndex", "Segmentation"]


class LiveDecoding(QObject):
    """Decodes the visible plane at once and the layer's other cached planes after it.

    Signals: ``decoded(layer)`` after the first plane and after the last; ``failed(str)``.
    """

    decoded = Signal(object)
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wanted: tuple[Labels, DecodingSettings, PlaneIndex] | None = None
        self._layer: Labels | None = None
        self._applied: set[PlaneIndex] = set()
        self._interrupted = False
        self._timer = QTimer(self, singleShot=True, interval=DEBOUNCE_MS)
        self._timer.timeout.connect(self._start)
        self._runs = Runs(self)
        self._runs.progressed.connect(self._follow)
        self._runs.returned.connect(self._finish)
        self._runs.failed.connect(self.failed)

    @property
    def busy(self) -> bool:
        """Whether a setting waits or is being worked on."""
        return self._timer.isActive() or self._runs.running

    def request(self, layer: Labels, decoding: DecodingSettings, visible: PlaneIndex) -> None:
        """Decode a layer with these settings, soon; a request before is dropped."""
        self._wanted = (layer, decoding, visible)
        self._timer.start()

    def stop(self) -> None:
        """Forget what waits and what is under way."""
        self._interrupted = False
        self._timer.stop()
        self._runs.forget()

    def interrupt(self) -> None:
        """Leave what waits and what is under way for :meth:`go_on`."""
        interrupted = self._interrupted or self.busy
        self.stop()
        self._interrupted = interrupted

    def go_on(self) -> None:
        """Take up what was interrupted, if anything was."""
        if self._interrupted:
            self._interrupted = False
            self._timer.start()

    def _start(self) -> None:
        if self._wanted is None:
            return
        layer, decoding, visible = self._wanted
        state = read_state(layer)
        if state is None:  # its labels were replaced meanwhile
            return
        try:
            check_takes_nuclei(layer, state.layout)
        except ImageError as error:
            self.failed.emit(str(error))
            return
        self._layer, self._applied = layer, set()
        settings = state.settings.model_copy(update={"decoding": decoding})
        write_state(layer, state.model_copy(update={"settings": settings}))
        self._runs.start(lambda: decode_again(state, decoding, visible))

    def _follow(self, decoded: Decoded) -> None:
        first = not self._applied
        self._apply(decoded)
        if first:
            self.decoded.emit(self._layer)

    def _finish(self, decoded: Decoded) -> None:
        self._apply(decoded)
        if len(decoded) > 1:
            self.decoded.emit(self._layer)

    def _apply(self, decoded: Decoded) -> None:
        """Put planes into the layer as they come: all of a stack at once would block the window."""
        layer = self._layer
        for index, segmentation in decoded.items():
            state = read_state(layer)
            if index in self._applied or state is None or not takes_nuclei(layer, state.layout):
                continue
            self._applied.add(index)
            state.maps.put(index, segmentation)
            update_layer(layer, state, {index: segmentation}, state.regions.get(index), keep=True)


def decode_again(
    state: LayerState, decoding: DecodingSettings, visible: PlaneIndex
) -> Generator[Decoded, None, Decoded]:
    """Decode every cached plane, the visible one first; yield and return all that are done."""
    done: Decoded = {}
    for index in sorted(state.maps, key=lambda index: index != visible):
        if (segmentation := state.maps.get(index)) is not None:
            done[index] = segmentation.redecode(decoding)
            yield dict(done)
    return done
