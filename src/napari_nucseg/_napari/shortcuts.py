"""The widget's key, bound in code on the viewer and its layers: keys in the manifest do nothing in napari."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.key_bindings import coerce_keybinding

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.utils.events import Event

SEGMENT_KEY = "Control-Shift-N"
SEGMENT_KEY_TEXT = "Ctrl+Shift+N"


class ViewerShortcut:
    """A key that works whichever layer is active, until it is released.

    napari asks the active layer's keys before the viewer's, so it is bound on both.
    """

    def __init__(self, viewer: ViewerModel, key: str, action: Callable[[], None]) -> None:
        self._viewer = viewer
        self._key = coerce_keybinding(key)
        self._action = action
        viewer.bind_key(self._key, self._pressed, overwrite=True)
        for layer in viewer.layers:
            layer.bind_key(self._key, self._pressed, overwrite=True)
        viewer.layers.events.inserted.connect(self._bind_new)

    def release(self) -> None:
        """Unbind the key everywhere."""
        self._viewer.layers.events.inserted.disconnect(self._bind_new)
        for owner in (self._viewer, *self._viewer.layers):
            if owner.keymap.get(self._key) == self._pressed:
                owner.bind_key(self._key, None)

    def _bind_new(self, event: Event) -> None:
        event.value.bind_key(self._key, self._pressed, overwrite=True)

    def _pressed(self, owner: object) -> None:
        self._action()
