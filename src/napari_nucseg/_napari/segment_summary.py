"""What is said of result layers, one text a layer: nuclei are counted in the background, since stacks take long."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from qtpy.QtCore import QObject, Signal

from napari_nucseg._napari.layer_state import read_state
from napari_nucseg._napari.text import (
    count_steps,
    diameter_text,
    given_diameter_text,
    summary_text,
)
from napari_nucseg._napari.workers import Runs

if TYPE_CHECKING:
    from collections.abc import Generator
    from uuid import UUID

    from napari.layers import Labels
    from napari.utils.events import Event

    from napari_nucseg._napari.layer_state import LayerState
    from napari_nucseg._napari.text import Counted

AGAIN = "segmented again"
"""Remark on a layer that another dock segmented anew, with another model."""


def adjusted_lines(state: LayerState | None) -> list[str]:
    """Say that sliders moved a layer's nuclei, and which of its slices they did not move."""
    if state is None or len(state.maps) == len(state.runs):
        return ["adjusted"]
    return [
        f"adjusted in {len(state.maps)} of {len(state.runs)} slices",
        "Segment the others again: their maps are no longer in memory.",
    ]


class Summaries(QObject):
    """Texts of result layers, each made anew when another model segmented its layer.

    Signal: ``ready(layer, text)`` when a layer was counted, the newest only.
    """

    ready = Signal(object, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._texts: dict[UUID, str] = {}
        self._models: dict[UUID, str] = {}
        self._followed: WeakSet[Labels] = WeakSet()
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
        self._counting.start(lambda: _counted_steps(layer, more))

    def stop(self) -> None:
        """Count no more."""
        self._counting.forget()
        for layer in self._followed:
            layer.events.metadata.disconnect(self._record_changed)
        self._followed.clear()

    def _record_changed(self, event: Event) -> None:
        layer = event.source
        state = read_state(layer)
        if state is not None and state.model_sha256 != self._models[layer.unique_id]:
            self._texts.pop(layer.unique_id, None)
            self.make(layer, [AGAIN])

    def _counted(self, outcome: tuple[Labels, list[str], Counted]) -> None:
        layer, (first, *rest), counted = outcome
        state = read_state(layer)
        if state is None:
            return
        line = summary_text(counted, state.settings.pixel_size_um, f"{state.model_title} · {first}")
        sizes = [run.diameter for run in state.runs_of_model if run.diameter is not None]
        given = state.settings.given_diameter_px
        if given is None and sizes:
            rest = [diameter_text(sizes), *rest]
        elif given is not None and not counted.n_nuclei:
            rest = [given_diameter_text(given), *rest]
        self._texts[layer.unique_id] = text = "\n".join([line, *rest])
        self._models[layer.unique_id] = state.model_sha256
        if layer not in self._followed:
            self._followed.add(layer)
            layer.events.metadata.connect(self._record_changed)
        self.ready.emit(layer, text)


def _counted_steps(
    layer: Labels, more: list[str]
) -> Generator[None, None, tuple[Labels, list[str], Counted]]:
    """Count a layer's nuclei; give the layer and what more there is to say along with the outcome."""
    return layer, more, (yield from count_steps(layer.data))
