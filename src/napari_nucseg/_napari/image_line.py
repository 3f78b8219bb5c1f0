"""A line that names the image that labels belong to, where another one might have been meant or they lie beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucseg._napari.correct_subject import Subject
from napari_nucseg._napari.spatial import placement_events
from napari_nucseg._napari.words import Words

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels, Layer
    from napari.utils.events import Event, EventEmitter


class ImageLine(Words):
    """Follows the viewer's layers: their order, names and places, and which of them are on show."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.setToolTip(
            "This image is saved and taught with the labels. To take another of the same size, let the labels' name "
            "begin with its name, or move it right below them in the layer list, before the first edit or mark. "
            "Later: close this image and give the other its name."
        )
        self._viewer = viewer
        self._labels: Labels | None = None
        self._followed: list[Layer] = []
        for emitter in self._of_list():
            emitter.connect(self._layers_changed)
        self._layers_changed()

    def show_for(self, labels: Labels | None) -> None:
        """Name the image of these labels, where it is a question which it is, and say whether they lie beside it."""
        self._labels = labels
        subject = None if labels is None else Subject(self._viewer, labels)
        words = (
            ""
            if subject is None
            else "\n".join(filter(None, (subject.image_in_question, subject.image_beside)))
        )
        self.setText(words)
        self.setVisible(bool(words))

    def disconnect_viewer(self) -> None:
        """Stop following the viewer; napari's events outlive this widget."""
        for emitter in self._of_list():
            emitter.disconnect(self._layers_changed)
        self._unfollow()

    def _of_list(self) -> tuple[EventEmitter, ...]:
        events = self._viewer.layers.events
        return events.inserted, events.removed, events.reordered

    def _layers_changed(self, event: Event | None = None) -> None:
        self._unfollow()
        self._followed = list(self._viewer.layers)
        for emitter in self._of_layers():
            emitter.connect(self._look)
        self._look()

    def _of_layers(self) -> tuple[EventEmitter, ...]:
        kinds = ((x.events.name, x.events.visible, *placement_events(x)) for x in self._followed)
        return tuple(emitter for kind in kinds for emitter in kind)

    def _unfollow(self) -> None:
        for emitter in self._of_layers():
            emitter.disconnect(self._look)
        self._followed = []

    def _look(self, event: Event | None = None) -> None:
        self.show_for(self._labels)
