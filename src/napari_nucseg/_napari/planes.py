"""Which axes of an image layer are what, and its 2D planes. No Qt, no napari objects.

The last two axes are Y and X (a colour axis after them where the layer is RGB). One leading axis may hold
channels; every other leading axis (Z, T) is walked plane by plane. napari aligns layers by their last axes, so labels
of (Z, C, Y, X) keep an axis of one channel: without it their planes would lie along the image's channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.arrays import told_where_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PlaneIndex = tuple[int, ...]


@dataclass(frozen=True)
class PlaneLayout:
    """How the axes of a layer's array are read.

    Attributes
    ----------
    shape
        Shape of the array, the colour axis of an RGB layer included.
    rgb
        Whether the last axis is colour.
    channel_axis
        Leading axis that holds channels, counted from 0; None where there is none.
    channel_kept
        Whether labels have the axis of channels too, of length 1.
    """

    shape: tuple[int, ...]
    rgb: bool = False
    channel_axis: int | None = None
    channel_kept: bool = False

    @property
    def n_leading(self) -> int:
        """Number of axes before Y and X."""
        return len(self.shape) - self.rgb - 2

    @property
    def stack_axes(self) -> tuple[int, ...]:
        """Leading axes that are walked plane by plane."""
        return tuple(a for a in range(self.n_leading) if a != self.channel_axis)

    @property
    def index_axes(self) -> tuple[int, ...]:
        """Leading axes of the layer that its labels have too: what a plane's index counts."""
        return tuple(a for a in range(self.n_leading) if self.channel_kept or a != self.channel_axis)

    @property
    def kept_axes(self) -> tuple[int, ...]:
        """Axes of the layer that its labels have too."""
        return (*self.index_axes, self.n_leading, self.n_leading + 1)

    @property
    def stack_shape(self) -> tuple[int, ...]:
        """Sizes of the axes walked plane by plane; () for a single plane."""
        return tuple(self.shape[a] for a in self.stack_axes)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Size (Y, X) of one plane in pixels."""
        return self.shape[self.n_leading], self.shape[self.n_leading + 1]

    @property
    def labels_shape(self) -> tuple[int, ...]:
        """Shape of the labels: stack axes, where it is kept one channel among them, then Y and X."""
        return (*(self._n_planes_along(axis) for axis in self.index_axes), *self.plane_shape)

    @property
    def n_channels(self) -> int:
        """Length of the channel axis; 1 where there is none."""
        return 1 if self.channel_axis is None else self.shape[self.channel_axis]

    @property
    def plane_axes(self) -> str:
        """Axes of what :meth:`read` gives: YX, YXC or CYX."""
        if self.rgb:
            return "YXC"
        return "YX" if self.channel_axis is None else "CYX"

    def planes(self) -> Iterator[PlaneIndex]:
        """Every plane's index in the labels' leading axes, in order."""
        return iter(np.ndindex(self.labels_shape[:-2]))

    def nearest(self, position: tuple[float, ...]) -> PlaneIndex:
        """Plane closest to a position given in the array's own coordinates, one number an axis."""
        lengths = {axis: self._n_planes_along(axis) for axis in self.index_axes}
        return tuple(
            int(np.clip(round(position[axis]), 0, length - 1)) if length else 0
            for axis, length in lengths.items()
        )

    def read(self, data: Any, index: PlaneIndex) -> NDArray[Any]:
        """Take one plane out of the array (NumPy, dask, zarr …) into memory, axes as in ``plane_axes``, no alpha.

        Raises
        ------
        ImageError
            If it cannot be read.
        """
        placed = zip(self.index_axes, index, strict=True)
        where = {axis: place for axis, place in placed if axis != self.channel_axis}
        key = tuple(where.get(axis, slice(None)) for axis in range(self.n_leading))
        with told_where_unreadable():
            plane = np.asarray(data[key] if key else data)
        return plane[..., :3] if self.rgb else plane

    def without_channel(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Take the kept axis of channels off labels or anything of their shape: stack axes, then Y and X."""
        return labels.reshape(*self.stack_shape, *self.plane_shape)

    def _n_planes_along(self, axis: int) -> int:
        return 1 if axis == self.channel_axis else self.shape[axis]


def layout_of(data: Any, *, rgb: bool, channel_axis: int | None = None) -> PlaneLayout:
    """Layout of an array, with labels that napari shows on every one of its channels."""
    return PlaneLayout(tuple(int(n) for n in data.shape), rgb, channel_axis, bool(channel_axis))
