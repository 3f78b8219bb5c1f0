"""How the axes of an image are read for labels that lie on it, and which of its channels shows the nuclei.

Labels that we made know it. For all others shapes and axis labels tell the axis of channels, and the channel is the one
on show: it is what a person looked at.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg._napari.layer_state import read_corrections, read_state
from napari_nucseg._napari.planes import PlaneLayout, layout_of
from napari_nucseg.data.stated_axes import StatedAxes, stated_axes
from napari_nucseg.errors import ImageError

if TYPE_CHECKING:
    from uuid import UUID

    from napari.components import ViewerModel
    from napari.layers import Image, Labels

STACK_OR_CHANNELS = "TZC"
"""Letters in files that tell what an axis is; all others stand for pages of which nothing is known."""
CHANNEL_NAMES = ("c", "ch", "channel", "channels")
MOST_CHANNELS = 5
"""Length up to which an axis of which nothing is known may well hold channels."""
COLOURS_LAST = (3, 4)
"""Lengths of a last axis that may hold red, green, blue and, perhaps, alpha."""
LEAST_SIDE_PX = 64
"""Where the two axes before a short last one are at least this long, they are taken for Y and X."""


def image_data(image: Image) -> Any:
    """Array of an image at its full size."""
    return image.data[0] if image.multiscale else image.data


def axes_in_file(image: Image) -> StatedAxes:
    """Axes of an image as the file says that napari opened it from."""
    path = image.source.path
    return StatedAxes() if path is None else _in_file(image.unique_id, path, tuple(image_data(image).shape))


def axis_names(image: Image) -> list[str]:
    """Names of the axes before Y and X: as somebody labelled them, else as the file says; empty where unknown."""
    labels = image.axis_labels[: image.ndim - 2]
    stated = axes_in_file(image).letters[: len(labels)].ljust(len(labels))
    # napari's own labels are "-3", "-2" …
    return [
        (letter.lower() if letter in STACK_OR_CHANNELS else "") if label.lstrip("-").isdigit() else label
        for label, letter in zip(labels, stated, strict=True)
    ]


def channels_last(image: Image) -> str:
    """Say what to do with an image whose channels seem to come last, where napari has X; empty for all others."""
    shape = tuple(int(n) for n in image_data(image).shape)
    if image.rgb or len(shape) < 3 or shape[-1] > MOST_CHANNELS or min(shape[-3:-1]) < LEAST_SIDE_PX:
        return ""
    seen = (
        f"The image “{image.name}” has the shape {shape}: its channels seem to come last, where napari has X."
    )
    data = f"viewer.layers[{image.name!r}].data"
    if shape[-1] in COLOURS_LAST:
        return (
            f"{seen} If they are colours, add it in colour in napari's console:\nviewer.add_image({data}, rgb=True)\n"
            f"If they are not, add one of them:\nviewer.add_image({data}[..., 0])"
        )
    return (
        f"{seen} Save it in grey or with channels first and open that, or add one channel in napari's console: "
        f"viewer.add_image({data}[..., 0])"
    )


def layout_for(layer: Labels, image: Image) -> PlaneLayout:
    """How an image's axes are read for labels: as they were segmented, else as fits the labels' shape.

    Raises
    ------
    ImageError
        If image and labels are of different shapes.
    """
    data, labels_shape = image_data(image), tuple(layer.data.shape)
    shape = tuple(int(n) for n in data.shape)
    origin = read_state(layer)
    if origin is not None and origin.layout.shape == shape:
        return origin.layout
    layouts = [layout_of(data, rgb=image.rgb)]
    if not image.rgb:
        by_name = sorted(range(image.ndim - 2), key=lambda axis: not _is_channels(image, axis))
        with_channels = [layout_of(data, rgb=False, channel_axis=axis) for axis in by_name]
        layouts += [replace(layout, channel_kept=kept) for layout in with_channels for kept in (False, True)]
    fitting = (layout for layout in layouts if layout.labels_shape == labels_shape)
    if (found := next(fitting, None)) is None:
        raise ImageError(
            f"the image “{image.name}” has the shape {shape}, the labels “{layer.name}” {labels_shape}. "
            "Labels need the image's shape, without its channels: crop or split one of them."
        )
    return found


def fits(layer: Labels, image: Image) -> bool:
    """Whether labels lie on an image's planes."""
    try:
        layout_for(layer, image)
    except ImageError:
        return False
    return True


def known_channel(layer: Labels) -> int | None:
    """Channel that labels were made from; None where nobody said."""
    origin, corrections = read_state(layer), read_corrections(layer)
    if origin is not None:
        return origin.settings.channel
    channel = None if corrections is None else corrections.settings.get("channel")
    return channel if isinstance(channel, int) else None


def channel_for(viewer: ViewerModel, layer: Labels, image: Image, layout: PlaneLayout) -> int | None:
    """Channel that shows the nuclei: the one the labels were made from, else the one on show; None without channels.

    Of colours, all are meant unless one was chosen.
    """
    if layout.channel_axis is None:
        return known_channel(layer) if layout.rgb else None
    channel = known_channel(layer)
    if channel is None or not 0 <= channel < layout.n_channels:
        on_show = image.world_to_data(viewer.dims.point)[layout.channel_axis]
        channel = int(np.clip(round(float(on_show)), 0, layout.n_channels - 1))
    return channel


def show_channel(viewer: ViewerModel, layer: Labels, image: Image) -> None:
    """Turn to the channel that nuclei were found in, or are to be, where that is known."""
    axis, channel = layout_for(layer, image).channel_axis, known_channel(layer)
    if axis is not None and channel is not None:
        place = [channel if each == axis else 0 for each in range(image.ndim)]
        viewer.dims.set_point(axis - image.ndim + viewer.dims.ndim, image.data_to_world(place)[axis])


@lru_cache(maxsize=256)
def _in_file(layer_id: UUID, path: str, shape: tuple[int, ...]) -> StatedAxes:
    """Look into the file of a layer, once, since it may be far away; opened again, it is another layer's."""
    return stated_axes(path, shape)


def _is_channels(image: Image, axis: int) -> bool:
    return image.axis_labels[axis].lower() in CHANNEL_NAMES
