"""Which part of the chosen image layer: channel, slices, whole image or a region of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_nucseg._napari.image_layout import (
    CHANNEL_NAMES,
    MOST_CHANNELS,
    axes_in_file,
    axis_names,
    channels_last,
    image_data,
)
from napari_nucseg._napari.layer_state import NUCLEI_CHANNEL
from napari_nucseg._napari.rows import add_row, form_rows, growing_combo
from napari_nucseg.data.dark_field import COLOURS
from napari_nucseg.data.nuclear_dyes import first_of_nuclei
from napari_nucseg.data.stated_axes import StatedAxes

if TYPE_CHECKING:
    from uuid import UUID

    from napari.layers import Image
    from napari.utils.events import Event

    from napari_nucseg._napari.layer_state import LayerState

    # Lengths and labels of an image's axes before Y and X.
    _Axes = tuple[tuple[int, ...], tuple[str, ...]]

WHERE = {"Whole image": "image", "Current view": "view", "Drawn region": "drawn"}


@dataclass(frozen=True)
class _Chosen:
    """What was chosen for the axes of an image."""

    channel_axis: int | None
    channel: int | None
    all_slices: bool = False


class AxesChoice(QWidget):
    """Rows for what only some images have: an axis of channels, the channel, slices.

    napari does not say what the leading axes of an image are, so the user does, once for each image; the default is how
    its result was made, else what axis labels, the image's file or the corrections it was opened with tell.

    ``changed`` is emitted when another axis or channel, or other slices, are chosen.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chosen: dict[tuple[UUID, _Axes], _Chosen] = {}
        self._image: Image | None = None
        self._axes: _Axes = ((), ())
        self._stated = StatedAxes()
        self._rgb = False
        self.channel_axis = growing_combo()
        self.channel_axis.setToolTip(
            "Axis of the image that holds channels. Other leading axes are slices (Z or T)."
        )
        self.channel = growing_combo()
        self.channel.setToolTip(
            "Channel that shows the nuclei, counted from 0. Automatic: of stained tissue all colours, of fluorescence "
            "in colours that of the nuclear dye."
        )
        self.slices = growing_combo()
        self.slices.setToolTip(
            "Each slice is segmented alone: a nucleus that goes through several has another number in each."
        )
        self._rows = form_rows(self)
        add_row(self._rows, "C axis", self.channel_axis)
        add_row(self._rows, "Channel", self.channel)
        add_row(self._rows, "Slices", self.slices)
        self.channel_axis.currentIndexChanged.connect(self._fill)
        self.channel.currentIndexChanged.connect(self.changed)
        self.slices.currentIndexChanged.connect(self.changed)
        self.show_image(None)

    def show_image(self, image: Image | None, result: LayerState | None = None) -> None:
        """Offer what this layer has, as it was chosen for it before, or for its result; follow its axes."""
        self._remember()
        self._follow(image)
        self._rgb = image is not None and image.rgb
        self._shape, _ = self._axes
        may_have_channels = bool(self._shape) and not self._rgb
        self._stated = axes_in_file(image) if self._shape else StatedAxes()
        self.channel_axis.blockSignals(True)
        self.channel_axis.clear()
        self.channel_axis.addItem("none", None)
        for axis, name in enumerate(self.names if may_have_channels else ()):
            self.channel_axis.addItem(self._axis_words(axis, name), axis)
            if name.lower() in CHANNEL_NAMES:
                self.channel_axis.setCurrentIndex(axis + 1)
        known = self._known(result)
        if known is not None:
            self.channel_axis.setCurrentIndex(self.channel_axis.findData(known.channel_axis))
        self.channel_axis.blockSignals(False)
        self._rows.setRowVisible(self.channel_axis, may_have_channels)
        self._fill()
        if known is not None:
            self.channel.setCurrentIndex(max(0, self.channel.findData(known.channel)))
            self.slices.setCurrentIndex(int(known.all_slices))
        elif image is not None and NUCLEI_CHANNEL in image.metadata:
            self.channel.setCurrentIndex(max(0, self.channel.findData(image.metadata[NUCLEI_CHANNEL])))

    def let_go(self) -> None:
        """Follow no layer any more; what is chosen stays."""
        self._follow(None)

    def chosen_channel_axis(self) -> int | None:
        """Axis of channels, None where there is none."""
        return self.channel_axis.currentData()

    def chosen_channel(self) -> int | None:
        """Channel to use, None where there are none or all colours are meant."""
        return self.channel.currentData()

    def all_slices(self) -> bool:
        """Whether all slices of a stack are wanted."""
        return self.slices.currentIndex() == 1

    @property
    def in_words(self) -> str:
        """Say in which channel nuclei are looked for, or which axes may be channels though taken for slices."""
        axis = self.chosen_channel_axis()
        if axis is not None:
            channel = f"{self.channel.currentText()} of {self._shape[axis]}"
            return f"Nuclei in channel {channel}. Choose another one under Channel."
        if self._image is not None and (refusal := channels_last(self._image)):
            return f"⚠ {refusal}"
        unknown = [
            self._axis_words(axis, name)
            for axis, name in enumerate(self.names)
            if not name and 1 < self._shape[axis] <= MOST_CHANNELS
        ]
        # who wants all of them knows that they are slices
        if not unknown or self._rgb or self.all_slices():
            return ""
        return f"Taken for slices: {', '.join(unknown)}. If one holds channels, choose it under C axis."

    @property
    def names(self) -> list[str]:
        """Names of the axes before Y and X, as in :func:`axis_names`."""
        return [] if self._image is None else axis_names(self._image)

    def _axis_words(self, axis: int, name: str) -> str:
        return f"{name or f'axis {axis}'} ({self._shape[axis]})"

    def _remember(self) -> None:
        if self._image is not None:
            self._chosen[self._image.unique_id, self._axes] = _Chosen(
                self.chosen_channel_axis(), self.chosen_channel(), self.all_slices()
            )

    def _follow(self, image: Image | None) -> None:
        """Look again when the layer holds other data, or its axes get other names."""
        if self._image is not None:
            self._image.events.data.disconnect(self._look_at_axes)
            self._image.events.axis_labels.disconnect(self._look_at_axes)
        self._image, self._axes = image, _leading_axes(image)
        if image is not None:
            image.events.data.connect(self._look_at_axes)
            image.events.axis_labels.connect(self._look_at_axes)

    def _look_at_axes(self, event: Event | None = None) -> None:
        if _leading_axes(self._image) != self._axes:
            self.show_image(self._image)

    def _known(self, result: LayerState | None) -> _Chosen | None:
        """Choices for the image on show, or for its result where that still fits it."""
        known = self._chosen.get((self._image.unique_id, self._axes)) if self._image is not None else None
        if known is None and result is not None:
            layout = result.layout
            if layout.shape[: layout.n_leading] == self._shape:
                return _Chosen(layout.channel_axis, result.settings.channel)
        return known

    def _fill(self) -> None:
        channels = self.chosen_channel_axis()
        n_slices = math.prod(length for axis, length in enumerate(self._shape) if axis != channels)
        self._offer_channels(channels)
        self.slices.clear()
        self.slices.addItems(["Current slice", f"All {n_slices} slices"])
        self._rows.setRowVisible(self.channel, self.channel.count() > 0)
        self._rows.setRowVisible(self.slices, n_slices > 1)
        self.setVisible(bool(self._shape) or self._rgb)
        self.changed.emit()

    def _offer_channels(self, axis: int | None) -> None:
        """Offer colours, or the channels along an axis; the first whose name says that it shows nuclei is chosen."""
        n_channels = 0 if axis is None else self._shape[axis]
        names = self._stated.channels if axis == self._stated.letters.find("C") else ()
        numbered = [f"{c} ({name})" for c, name in enumerate(names)] or map(str, range(n_channels))
        self.channel.blockSignals(True)
        self.channel.clear()
        if self._rgb:
            self.channel.addItem("Automatic", None)
        for c, words in enumerate(COLOURS if self._rgb else numbered):
            self.channel.addItem(words, c)
        self.channel.setCurrentIndex(first_of_nuclei(names) or 0)
        self.channel.blockSignals(False)


class WhereChoice(QWidget):
    """Whole image, current view or drawn region, and *Draw* for the last."""

    draw_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.where = growing_combo()
        self.where.addItems(list(WHERE))
        self.where.setToolTip("Labels outside the part you choose stay as they are.")
        self.draw = QPushButton("Draw")
        self.draw.setToolTip("Drag a rectangle over the nuclei; other shapes are in the layer's controls.")
        self.draw.setVisible(False)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.where)
        row.addWidget(self.draw)
        self.where.currentTextChanged.connect(self._show_draw)
        self.draw.clicked.connect(self.draw_requested)

    def chosen(self) -> str:
        """Return image, view or drawn."""
        return WHERE[self.where.currentText()]

    def _show_draw(self) -> None:
        self.draw.setVisible(self.chosen() == "drawn")


def _leading_axes(image: Image | None) -> _Axes:
    """Lengths and labels of the axes before Y and X."""
    if image is None:
        return (), ()
    n_leading = image.ndim - 2
    lengths = tuple(int(n) for n in image_data(image).shape[:n_leading])
    return lengths, tuple(image.axis_labels[:n_leading])
