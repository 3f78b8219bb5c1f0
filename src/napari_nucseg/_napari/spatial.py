"""Where a layer lies in space: copied to its labels, and read as a pixel size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg._napari.image_layout import axes_in_file
from napari_nucseg.data.pixel_size import ANISOTROPY_ALLOWED

if TYPE_CHECKING:
    from napari.layers import Image, Layer
    from napari.utils.events import EventEmitter

    from napari_nucseg._napari.planes import PlaneLayout


def spatial_attributes(layer: Layer, kept_axes: tuple[int, ...]) -> dict[str, Any]:
    """Everything that places a layer in the world, for a new layer with only these axes of it."""
    kept = list(kept_axes)
    affine = np.asarray(layer.affine.affine_matrix)
    with_offset = [*kept, affine.shape[0] - 1]
    return {
        "scale": np.asarray(layer.scale)[kept],
        "translate": np.asarray(layer.translate)[kept],
        "rotate": np.asarray(layer.rotate)[np.ix_(kept, kept)],
        "shear": _shear_matrix(layer)[np.ix_(kept, kept)],
        "affine": affine[np.ix_(with_offset, with_offset)],
        "units": tuple(layer.units[a] for a in kept),
        "axis_labels": tuple(layer.axis_labels[a] for a in kept),
    }


def placement_events(layer: Layer) -> tuple[EventEmitter, ...]:
    """Emitters that tell when a layer is moved, scaled, turned or sheared in the world."""
    events = layer.events
    return events.scale, events.translate, events.rotate, events.shear, events.affine, events.units


def labels_placement(layer: Layer, layout: PlaneLayout) -> dict[str, Any]:
    """Place labels on a layer's pixels; a kept axis of channels is made as wide as all of them."""
    placed = spatial_attributes(layer, layout.kept_axes)
    if layout.channel_kept:
        at = layout.index_axes.index(layout.channel_axis)
        placed["translate"][at] += placed["scale"][at] * (layout.n_channels - 1) / 2
        placed["scale"][at] *= layout.n_channels
    return placed


def pixel_size_um(image: Image) -> float | None:
    """Side of a pixel in micrometres, as the layer says or, where nobody scaled it, its file.

    None where there is no length unit or pixels are not square.
    """
    if not all(unit.is_compatible_with("micrometer") for unit in image.units[-2:]):
        return axes_in_file(image).pixel_size_um if (image.scale[-2:] == 1).all() else None
    sides = [
        float((scale * unit).to("micrometer").magnitude)
        for scale, unit in zip(image.scale[-2:], image.units[-2:], strict=True)
    ]
    smaller, larger = sorted(sides)
    if smaller <= 0 or larger / smaller > 1 + ANISOTROPY_ALLOWED:
        return None
    return float(np.mean(sides))


def _shear_matrix(layer: Layer) -> np.ndarray:
    """Shear as an upper triangular matrix; napari stores the triangle alone."""
    matrix = np.eye(layer.ndim)
    matrix[np.triu_indices(layer.ndim, k=1)] = np.asarray(layer.shear)
    return matrix
