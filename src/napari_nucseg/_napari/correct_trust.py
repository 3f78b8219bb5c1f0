"""The trust map of a Labels layer: marking what was reviewed, and the faint overlay that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap
from napari.utils.colormaps.standardize_color import transform_color
from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucseg._napari.correct_subject import corrections_of
from napari_nucseg._napari.correct_watch import LayerWatch
from napari_nucseg._napari.layer_state import TRUST_OF, read_corrections
from napari_nucseg._napari.spatial import placement_events, spatial_attributes
from napari_nucseg.nuclei.trust import Trust

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.utils.events import Event
    from numpy.typing import NDArray

    from napari_nucseg._napari.correct_watch import NdBox
    from napari_nucseg._napari.planes import PlaneIndex
    from napari_nucseg.nuclei.strokes import Box

COLOURS = {Trust.REVIEWED: "#3ddc84", Trust.IGNORE: "#8d6e63"}
OPACITY = 0.22
STRAY_MS = 200
STRAY = (
    "this layer shows what is reviewed: the stroke was taken back. Choose the nuclei's own layer to paint nuclei, or "
    "the label 1 (reviewed), 2 (ignore) or 0 (neither) to mark."
)


class TrustMap(QObject):
    """What is vouched for in one layer. Its overlay is an ordinary Labels layer: it may also be painted on.

    Signals: ``changed(box)``; ``failed(str)`` when a stroke on it was taken back.
    """

    changed = Signal(object)
    failed = Signal(str)

    def __init__(self, viewer: ViewerModel, layer: Labels, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer = layer
        self._watch: LayerWatch | None = None
        self._shares: dict[PlaneIndex, dict[Trust, float]] = {}
        # once a stroke, which is painted in many moves of the mouse
        self._stray = QTimer(self, singleShot=True, interval=STRAY_MS)
        self._stray.timeout.connect(lambda: self.failed.emit(STRAY))
        self.changed.connect(lambda box: self._shares.clear())
        layer.events.visible.connect(self._follow_visible)
        for emitter in placement_events(layer):
            emitter.connect(self._follow_place)
        if read_corrections(layer) is not None and (overlay := self.overlay) is not None:
            self._follow(overlay)
            self._follow_place()

    @property
    def values(self) -> NDArray[np.uint8]:
        """The map, of the layer's shape, values of ``Trust``."""
        return corrections_of(self._layer).trust

    @property
    def overlay(self) -> Labels | None:
        """The layer that shows the map; None before the first mark, or where it was removed."""
        layers = [layer for layer in self._viewer.layers if isinstance(layer, Labels)]
        found = [layer for layer in layers if layer.metadata.get(TRUST_OF) == self._layer.unique_id]
        # a duplicate of it is called so, too, but shows a copy; made into an image, it is none any more
        return min(found, key=lambda layer: layer.data is not self.values, default=None)

    def show(self) -> LayerWatch:
        """Show the map, with an overlay made where there is none; return what watches the overlay."""
        overlay = self.overlay
        if overlay is None:
            overlay = self._make_overlay()
            self._viewer.layers.insert(self._viewer.layers.index(self._layer), overlay)
            self._viewer.layers.selection.active = self._layer
        elif overlay.data is not self.values:  # the layer got another array or record
            overlay.data = self.values
        return self._follow(overlay)

    def mark(
        self,
        index: PlaneIndex,
        box: Box,
        value: Trust,
        mask: NDArray[np.bool_] | None = None,
        *,
        drawn: bool = False,
    ) -> None:
        """Give pixels of one plane a value: a box, or a mask of the box's size in it.

        What is to be ignored becomes reviewed only where that was drawn over it.
        """
        watch = self.show()
        part = self.values[index][box]
        chosen = np.ones(part.shape, bool) if mask is None else mask
        if value is Trust.REVIEWED and not drawn:
            chosen = chosen & (part != Trust.IGNORE)
        part[chosen] = value
        watch.layer.refresh()
        watch.look_soon()

    def shares(self, index: PlaneIndex) -> dict[Trust, float]:
        """Share of a plane's pixels that are reviewed and ignored; counted again only after a change."""
        if index not in self._shares:
            plane = self.values[index]
            counted = (Trust.REVIEWED, Trust.IGNORE)
            self._shares[index] = {v: np.count_nonzero(plane == v) / max(plane.size, 1) for v in counted}
        return self._shares[index]

    def forget_shares(self) -> None:
        """Count again: the layer has another map."""
        self._shares.clear()

    def look(self) -> None:
        """Tell of changes that were not told yet."""
        if self._watch is not None:
            self._watch.look()

    def take_away(self) -> None:
        """Remove the overlay of a layer that was removed; soon, since napari may be removing others."""
        layers, overlay = self._viewer.layers, self.overlay

        def remove() -> None:
            if overlay in layers:
                layers.remove(overlay)

        QTimer.singleShot(0, remove)

    def stop(self) -> None:
        """Let go of the layers."""
        self._stray.stop()
        self._layer.events.visible.disconnect(self._follow_visible)
        for emitter in placement_events(self._layer):
            emitter.disconnect(self._follow_place)
        if self._watch is not None:
            self._watch.stop()
            self._watch = None

    def _follow(self, overlay: Labels) -> LayerWatch:
        if self._watch is not None and self._watch.layer == overlay:
            return self._watch
        if self._watch is not None:
            self._watch.stop()
        self._watch = LayerWatch(self._viewer, overlay, self)
        self._watch.changed.connect(self._painted)
        return self._watch

    def _painted(self, box: NdBox) -> None:
        """Tell of a change; what was painted with a number that marks nothing is not seen, and could not be saved."""
        if self._watch is None:
            return
        part, before = self._watch.layer.data[box], self._watch.known[box]
        if (unknown := part > max(Trust)).any():
            part[unknown] = before[unknown]
            self._watch.layer.refresh()
            self._stray.start()
        self.changed.emit(box)

    def _make_overlay(self) -> Labels:
        layer = self._layer
        return Labels(
            self.values,
            name=f"{layer.name} reviewed",
            opacity=OPACITY,
            visible=layer.visible,
            colormap=_colormap(),
            metadata={TRUST_OF: layer.unique_id},
            **self._place,
        )

    @property
    def _place(self) -> dict[str, Any]:
        return spatial_attributes(self._layer, tuple(range(self._layer.ndim)))

    def _follow_place(self, event: Event | None = None) -> None:
        overlay = self.overlay
        if overlay is not None and overlay.ndim == self._layer.ndim:
            for name, value in self._place.items():
                setattr(overlay, name, value)

    def _follow_visible(self, event: Event) -> None:
        if (overlay := self.overlay) is not None:
            overlay.visible = self._layer.visible


def _colormap() -> CyclicLabelColormap:
    """Colour of each value, all others transparent.

    napari compiles its direct colormap when one is first used, which stops the window for seconds.
    """
    colours = np.zeros((256, 4), np.float32)
    for value, colour in COLOURS.items():
        colours[value] = transform_color(colour)[0]
    return CyclicLabelColormap(colors=colours)
