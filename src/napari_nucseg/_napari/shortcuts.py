"""Keys of the widgets, bound in code on the viewer and its layers: keys in the manifest do nothing in napari."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.key_bindings import coerce_keybinding

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.utils.events import Event
    from napari.utils.key_bindings import KeymapProvider

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
        self._is_released = False
        self._replaced: dict[int, Callable[..., object]] = {}  # what others had bound, by the id of its owner
        for owner in (viewer, *viewer.layers):
            self._bind(owner)
        viewer.layers.events.inserted.connect(self._bind_new)
        viewer.layers.events.removed.connect(self._unbind_old)

    def release(self) -> None:
        """Unbind the key everywhere, and give it back to whom it was taken from."""
        self._is_released = True
        self._viewer.layers.events.inserted.disconnect(self._bind_new)
        self._viewer.layers.events.removed.disconnect(self._unbind_old)
        for owner in (self._viewer, *self._viewer.layers):
            self._unbind(owner)

    def _bind(self, owner: KeymapProvider) -> None:
        before = owner.keymap.get(self._key)
        # one of ours may be released before this one, and would then be bound for ever
        if before is not None and not isinstance(getattr(before, "__self__", None), ViewerShortcut):
            self._replaced[id(owner)] = before
        owner.bind_key(self._key, self._pressed, overwrite=True)

    def _unbind(self, owner: KeymapProvider) -> None:
        before = self._replaced.pop(id(owner), None)
        if owner.keymap.get(self._key) == self._pressed:
            owner.bind_key(self._key, before, overwrite=True)

    def _bind_new(self, event: Event) -> None:
        if not self._is_released:  # as by who heard first of this layer: napari tells all that listened then
            self._bind(event.value)

    def _unbind_old(self, event: Event) -> None:
        self._unbind(event.value)

    def _pressed(self, owner: object) -> None:
        self._action()
