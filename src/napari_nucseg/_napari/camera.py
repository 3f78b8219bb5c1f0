"""Move the camera to a part of a layer, and say which part it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucseg._napari.correct_subject import Subject
    from napari_nucseg.nuclei.strokes import Box

SHOWN_PX = 70
"""A nucleus is shown at least this large, in pixels of the screen."""
LARGEST_PX = 220
"""… and at most this large, so that its surroundings are seen too."""
FILLED = 0.95
"""A layer that the view is fitted to takes this much of it."""
ROUND = ((0, 0), (0, 1), (1, 1), (1, 0))
"""The corners of a box one after the other: 1 where it is the far side, in Y and X."""


def camera_of(viewer: Any) -> Any:
    """Return the camera, which napari 0.9 moved into the scene."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera


def shows_y_and_x(viewer: Any) -> bool:
    """Whether planes of Y and X are in view, neither turned nor in 3D."""
    dims = viewer.dims
    # where there are only these two, napari displays no other in 3D either
    return bool(dims.ndisplay == 2 and tuple(dims.displayed) == (dims.ndim - 2, dims.ndim - 1))


def fit(viewer: Any, layer: Any) -> None:
    """Fit the view to one layer.

    napari's own ``reset_view`` counts hidden layers, and of some layers alone it fails where others have more axes.
    """
    if not hasattr(viewer, "canvas") or not shows_y_and_x(viewer):
        viewer.reset_view()  # napari before 0.9 does not say how large its canvas is
        return
    first, last = layer.extent.world[:, -2:]
    camera = camera_of(viewer)
    camera.center = (0.0, *(first + last) / 2)
    size = np.abs(last - first) + np.abs(layer.scale[-2:])  # to the pixels' edges
    camera.zoom = FILLED * float(np.min(np.array(viewer.canvas.viewbox_size(viewer.layers), float) / size))


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


def corners_in_view(viewer: Any, layer: Any) -> NDArray[np.int64]:
    """First and last pixel (Y, X) between the canvas's corners, (2, 2); they may lie outside the layer."""
    corners = outline_in_view(viewer, layer)
    return np.array([np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))], np.int64)


def outline_in_view(viewer: Any, layer: Any) -> NDArray[np.float64]:
    """Corners of the canvas one after the other round it, (4, 2), in pixels (Y, X) of a layer.

    Of a multiscale layer they are pixels of its full size. napari's own ``corner_pixels`` are renewed for such a
    layer only when another level is shown.
    """
    if not hasattr(viewer, "canvas"):  # napari before 0.9 does not say how large its canvas is
        level_px = layer.downsample_factors[layer.data_level] if layer.multiscale else 1
        box = np.ceil(layer.corner_pixels * level_px)[:, -2:]
        return np.array([(box[y, 0], box[x, 1]) for y, x in ROUND], float)
    camera = camera_of(viewer)
    half = np.array(viewer.canvas.viewbox_size(viewer.layers), float) / camera.zoom / 2
    middle, leading = np.array(camera.center[-2:]), viewer.dims.point[:-2]
    signs = 2 * np.array(ROUND) - 1
    return np.array([layer.world_to_data((*leading, *(middle + half * sign)))[-2:] for sign in signs])
