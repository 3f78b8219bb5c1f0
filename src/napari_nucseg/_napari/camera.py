"""Move the camera to a part of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_nucseg._napari.correct_subject import Subject
    from napari_nucseg.nuclei.strokes import Box

SHOWN_PX = 70
"""A nucleus is shown at least this large, in pixels of the screen."""
LARGEST_PX = 220
"""… and at most this large, so that its surroundings are seen too."""


def camera_of(viewer: Any) -> Any:
    """Return the camera, which napari 0.9 moved into the scene."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera


def look_at(subject: Subject, box: Box) -> None:
    """Centre the view on a box of the plane in view; the zoom stays where the box is seen well already."""
    viewer, layer = subject.viewer, subject.layer
    middle = [(side.start + side.stop - 1) / 2 for side in box]
    world = np.asarray(layer.data_to_world((*subject.index, *middle)), float)
    camera = camera_of(viewer)
    camera.center = (0.0, *world[-2:])
    extent = max(
        (side.stop - side.start) * float(scale) for side, scale in zip(box, layer.scale[-2:], strict=True)
    )
    shown = camera.zoom * extent
    if not SHOWN_PX <= shown <= LARGEST_PX:
        camera.zoom = min(max(shown, SHOWN_PX), LARGEST_PX) / max(extent, 1e-9)
