"""The part of an image on show, given to the model that learns; and the layer with what it finds there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_nucseg._napari.camera import corners_in_view
from napari_nucseg._napari.image_layout import channel_for, image_data, layout_for
from napari_nucseg._napari.layer_state import PREVIEW_OF
from napari_nucseg._napari.spatial import spatial_attributes
from napari_nucseg._napari.teach_examples import active_first
from napari_nucseg.errors import ImageError
from napari_nucseg.nuclei.targets import median_diameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_nucseg._napari.correct_subject import Subject
    from napari_nucseg._napari.regions import Box

LARGEST_PX = 512
"""Side of the largest preview: a model looks at it every few seconds, on the processor it learns on."""
OPACITY = 0.8


@dataclass(frozen=True, eq=False)
class PreviewView:
    """What a model is tried on while it learns.

    Attributes
    ----------
    pixels
        Part of one plane, axes as in ``axes``.
    axes
        YX or YXC.
    diameter_px
        Median diameter of the nuclei that are known in the plane.
    placed
        What places a Labels layer of the part's size over it: in a stack, one with leading axes of length 1.
    """

    pixels: NDArray[Any]
    axes: str
    diameter_px: float
    placed: dict[str, Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Size (Y, X) in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


def view_of(viewer: ViewerModel, layers: Sequence[Labels]) -> PreviewView | None:
    """Take what is on show of the image of the active layer, else of the first that has one and nuclei."""
    for subject in active_first(viewer, layers):
        try:
            view = _view_of(subject)
        except ImageError:  # it is no example either, and its row says why
            continue
        if view is not None:
            return view
    return None


def show_preview(viewer: ViewerModel, name: str, view: PreviewView, labels: NDArray[np.int32]) -> Labels:
    """Show what a model finds in a layer of its own; the one shown before is filled anew if it is still there."""
    labels = labels.reshape((1,) * (len(view.placed["scale"]) - 2) + view.shape)
    for layer in _previews(viewer, name):
        if layer.data.shape == labels.shape:
            layer.data = labels
            return layer
    chosen = viewer.layers.selection.active
    layer = Labels(
        labels,
        name=f"preview of {name}",
        opacity=OPACITY,
        metadata={PREVIEW_OF: name},
        **view.placed,
    )
    layer.contour = 2
    viewer.add_layer(layer)
    viewer.layers.selection.active = chosen
    return layer


def hide_preview(viewer: ViewerModel, name: str) -> None:
    """Put the preview out of sight once it is outdated; the user may look at it again or delete it."""
    for layer in _previews(viewer, name):
        layer.visible = False


def remove_preview(viewer: ViewerModel, name: str) -> None:
    """Take away what a run of this name left: its next preview may lie elsewhere, or on another slice."""
    for layer in _previews(viewer, name):
        viewer.layers.remove(layer)


def _previews(viewer: ViewerModel, name: str) -> list[Layer]:
    return [layer for layer in viewer.layers if layer.metadata.get(PREVIEW_OF) == name]


def _view_of(subject: Subject) -> PreviewView | None:
    image, layer = subject.image, subject.layer
    diameter = None if image is None else median_diameter(subject.labels)
    if image is None or not diameter:
        return None
    layout = layout_for(layer, image)
    plane, axes = layout.read(image_data(image), subject.index), layout.plane_axes
    channel = channel_for(subject.viewer, layer, image, layout)
    if channel is not None:
        plane, axes = plane.take(channel, axis=axes.index("C")), "YX"
    box = box_in_view(corners_in_view(subject.viewer, layer), layout.plane_shape)
    return PreviewView(np.array(plane[box]), axes, float(diameter), _placed(subject, box))


def box_in_view(corners: NDArray[np.integer], shape: tuple[int, int]) -> Box:
    """Part of a plane between the canvas's corners, at most ``LARGEST_PX`` a side around its middle."""
    sides = []
    for (first, last), length in zip(corners.T, shape, strict=True):
        low, high = max(int(first), 0), min(int(last) + 1, length)
        if high <= low:
            low, high = 0, length
        excess = max(high - low - LARGEST_PX, 0)
        sides.append(slice(low + excess // 2, high - (excess - excess // 2)))
    return sides[0], sides[1]


def _placed(subject: Subject, box: Box) -> dict[str, Any]:
    """Attributes of a layer of as many axes whose first pixel lies on the box's first, in the plane in view."""
    placed = spatial_attributes(subject.layer, tuple(range(subject.layer.ndim)))
    offset = placed["scale"] * np.array([*subject.index, *(side.start for side in box)], float)
    return {**placed, "translate": placed["translate"] + placed["rotate"] @ placed["shear"] @ offset}
