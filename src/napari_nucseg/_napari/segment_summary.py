"""What is said of result layers, one text a layer: nuclei are counted in the background, since stacks take long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_nucseg._napari.layer_state import read_state
from napari_nucseg._napari.text import count_steps, diameter_text, summary_text
from napari_nucseg._napari.workers import Runs

if TYPE_CHECKING:
    from uuid import UUID

    from napari.layers import Labels

    from napari_nucseg._napari.text import Counted


class Summaries(QObject):
    """Texts of result layers.

    Signal: ``ready(layer, text)`` when a layer was counted, the newest only.
    """

    ready = Signal(object, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._texts: dict[UUID, str] = {}
        self._asked: tuple[Labels, list[str]] | None = None
        self._counting = Runs(self)
        self._counting.returned.connect(self._counted)

    @property
    def busy(self) -> bool:
        """Whether nuclei are being counted."""
        return self._counting.running

    def of(self, layer: Labels | None) -> str:
        """Text of a layer; empty where there is none."""
        return "" if layer is None else self._texts.get(layer.unique_id, "")

    def make(self, layer: Labels, more: list[str]) -> None:
        """Count a layer's nuclei, and put what more there is to say after them: one remark, then lines."""
        self._asked = layer, more
        self._counting.start(lambda: count_steps(layer.data))

    def stop(self) -> None:
        """Count no more."""
        self._counting.forget()

    def _counted(self, counted: Counted) -> None:
        layer, (first, *rest) = self._asked
        state = read_state(layer)
        if state is None:
            return
        line = summary_text(counted, state.settings.pixel_size_um, f"{state.model_title} · {first}")
        sizes = [s for s in map(state.maps.get, state.maps) if s is not None and s.diameter is not None]
        if sizes:
            rest = [diameter_text(sizes[-1].diameter), *rest]
        self._texts[layer.unique_id] = text = "\n".join([line, *rest])
        self.ready.emit(layer, text)
