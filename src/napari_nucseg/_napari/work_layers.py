"""The layers that show one image of a work list after the other: the same few, filled anew, since none is removed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_nucseg._napari.camera import fit
from napari_nucseg._napari.correct_files import as_napari_shows
from napari_nucseg._napari.image_layout import channel_for, layout_for, show_channel
from napari_nucseg._napari.layer_state import (
    CORRECTIONS_KEY,
    METADATA_KEY,
    NUCLEI_CHANNEL,
    PUT_AWAY,
    TRUST_OF,
    WORK_ON,
    CorrectionState,
    mark_safe,
    owned,
    read_corrections,
    read_state,
    write_corrections,
)
from napari_nucseg._napari.results import forget_history
from napari_nucseg._napari.work_keeping import KEPT_BY, SetKeeper

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_nucseg._napari.layer_state import LayerState
    from napari_nucseg.data.correction_set import CorrectionSet
    from napari_nucseg.jobs.worklist import WorkList

LABELS_NAME = "Nuclei in work"
LEFT = "napari-nucseg-left"
"""Metadata key of the Labels layer of a list whose dock was closed: the ``WorkLayers`` it is of, and the list."""


class WorkLayers:
    """An image layer a kind of image (grey, colour, channels) and one Labels layer.

    Attributes
    ----------
    keeper
        Who writes what is shown.
    as_shown
        Corrections as they were shown or kept last; None where no image is shown.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self.keeper = SetKeeper()
        self._viewer = viewer
        self._images: dict[tuple[int, bool], Image] = {}
        self._image: Image | None = None
        self._labels: Labels | None = None
        self.as_shown: CorrectionSet | None = None

    @classmethod
    def left_in(cls, viewer: ViewerModel) -> tuple[WorkLayers, WorkList] | None:
        """Take up what a dock that was closed showed last, and its list; None where there is nothing to take up."""
        for layer in reversed(viewer.layers):
            layers, worklist = layer.metadata.get(LEFT, (None, None))
            if layers is not None and layers._labels is layer:  # a copy of the layer is not the list's
                del layer.metadata[LEFT]
                return layers, worklist
        return None

    def leave(self, worklist: WorkList | None) -> None:
        """Leave what is shown to the next dock: strokes on it go on belonging to the list."""
        if self._labels is not None and self.can_be_kept:
            self._labels.metadata[LEFT] = self, worklist

    @property
    def shown(self) -> bool:
        """Whether an image is shown, with its layers still there."""
        return self.can_be_kept and self._image in self._viewer.layers

    @property
    def can_be_kept(self) -> bool:
        """Whether nuclei of an image are on show, even where its picture was removed."""
        return self.as_shown is not None and self._labels in self._viewer.layers

    def show(self, corrections: CorrectionSet, folder: Path, stamp: bytes | None) -> None:
        """Show an image and its labels, of a set with this stamp, in place of those before, which are kept by now."""
        if self.can_be_kept:
            mark_safe(self._labels)  # also what was painted and taken back, which left nothing to keep
        pixels, placed, rgb = as_napari_shows(corrections)
        self._agree_on(placed["units"][-1])
        channel = {NUCLEI_CHANNEL: corrections.settings.get("channel")}
        image = self._images.get((pixels.ndim, rgb))
        for other in self._images.values():
            if other is not image:
                _hide(other)
        if image is None or image not in self._viewer.layers:
            image = Image(pixels, rgb=rgb, name=corrections.name, metadata=channel, **placed)
            self._viewer.layers.insert(self._below_labels(), image)
            self._images[pixels.ndim, rgb] = image
        else:
            self._put_results_away(image)
            image.data = pixels
            _place(image, placed)
            image.name = corrections.name
            image.visible = True
            image.metadata.pop(PUT_AWAY, None)
            image.metadata |= channel
            if not rgb:
                image.reset_contrast_limits()
        self._image, self.as_shown = image, corrections
        self._labels = self._fill_labels(
            image, corrections, folder, stamp, {k: v[-2:] for k, v in placed.items()}
        )
        selection = self._viewer.layers.selection
        selection.clear()  # the same layer holds another image: whoever follows the active one is told
        selection.active = self._labels
        show_channel(self._viewer, self._labels, image)
        fit(self._viewer, self._labels)

    def put_away(self) -> None:
        """Hide the image and its labels, which are kept by now: they are of no list any more."""
        if self.can_be_kept:
            mark_safe(self._labels)
        if self._image is not None:
            _hide(self._image)
        if self._labels is not None and self._labels in self._viewer.layers:
            self._labels.visible = False
            metadata = self._labels.metadata.items()
            self._labels.metadata = {k: v for k, v in metadata if k not in (WORK_ON, KEPT_BY)}
        self.as_shown = None

    def as_they_are(self) -> CorrectionSet | None:
        """Corrections as they are now; None where nothing was changed since they were shown or kept.

        Removed layers lose nothing: the nuclei are known here, and of the image the pixels.
        """
        layer, shown = self._labels, self.as_shown
        if layer is None or shown is None:
            return None
        state, origin = read_corrections(layer), read_state(layer)
        labels = np.array(
            layer.data
        )  # as they are: saving refuses numbers beyond int32, a cast would wrap them
        trust = np.zeros(labels.shape, np.uint8) if state is None else state.trust.copy()
        if np.array_equal(labels, shown.labels) and np.array_equal(trust, shown.trust):
            return None
        more = _how_they_were_found(layer)
        layout = layout_for(layer, self._image)
        # what a person looked at; of a picture that was removed nobody can tell
        if origin is None and layout.channel_axis is not None and self._image in self._viewer.layers:
            channel = channel_for(self._viewer, layer, self._image, layout)
            more["settings"] = {**more.get("settings", shown.settings), "channel": channel}
        return replace(shown, labels=labels, trust=trust, **more)

    @property
    def saved_as(self) -> bytes | None:
        """Stamp of the set of the labels on show, as it was read or saved here last; None if it was not."""
        state = None if self._labels is None else read_corrections(self._labels)
        return None if state is None else state.saved_as

    def kept(self, corrections: CorrectionSet, folder: Path, stamp: bytes | None) -> None:
        """Remember that these corrections are safe in a folder, as a set with this stamp."""
        layer = self._labels
        if layer is None or self.as_shown is None:
            return
        self.as_shown = corrections
        state = read_corrections(layer)
        if state is None:
            return
        update: dict[str, Any] = {"folder": folder, "saved_as": stamp}
        all_of_it = np.array_equal(state.trust, corrections.trust) and np.array_equal(
            layer.data, corrections.labels
        )
        if all_of_it:
            update["kept"] = corrections.labels
        write_corrections(layer, state.model_copy(update=update))
        if all_of_it:
            mark_safe(layer)

    def _work_on(self, layer: Labels, image: Image) -> dict[str, tuple[UUID | SetKeeper, UUID]]:
        owner = layer.unique_id
        return {WORK_ON: (image.unique_id, owner), KEPT_BY: (self.keeper, owner)}

    @property
    def _overlays(self) -> list[Layer]:
        """Layers that show the trust map."""
        return [
            layer
            for layer in self._viewer.layers
            if self._labels is not None and layer.metadata.get(TRUST_OF) == self._labels.unique_id
        ]

    def _agree_on(self, unit: str) -> None:
        """Give all layers one unit before anything is drawn: napari warns where those differ, also of hidden ones."""
        for layer in (*self._images.values(), self._labels, *self._overlays):
            if layer is not None:
                layer.units = (*layer.units[:-2], unit, unit)

    def _below_labels(self) -> int:
        layers = self._viewer.layers
        return layers.index(self._labels) if self._labels in layers else len(layers)

    def _put_results_away(self, image: Image) -> None:
        """Hide what was segmented from the image before: the layer is to show another one now."""
        for layer in self._viewer.layers:
            origin = read_state(layer) if isinstance(layer, Labels) else None
            if origin is not None and origin.image_id == image.unique_id:
                layer.metadata = {k: v for k, v in layer.metadata.items() if k != METADATA_KEY}
                layer.visible = False

    def _fill_labels(
        self,
        image: Image,
        corrections: CorrectionSet,
        folder: Path,
        stamp: bytes | None,
        placed: dict[str, Any],
    ) -> Labels:
        predicted = corrections.prediction
        labels = corrections.labels.copy()
        state = CorrectionState(
            trust=corrections.trust.copy(),
            snapshot=labels.copy() if predicted is None else predicted,
            is_prediction=predicted is not None,
            model_name=corrections.model_name,
            model_sha256=corrections.model_sha256,
            settings=dict(corrections.settings),
            folder=folder,
            saved_as=stamp,
            kept=corrections.labels,
        )
        layer = self._labels
        if layer is None or layer not in self._viewer.layers:
            layer = Labels(labels, name=LABELS_NAME, **placed)
            layer.metadata = self._work_on(layer, image)
            write_corrections(layer, state)
            self._viewer.add_layer(layer)
            return layer
        layer.data = labels
        layer.metadata = {CORRECTIONS_KEY: owned(layer, state), **self._work_on(layer, image)}
        forget_history(layer)
        _place(layer, placed)
        layer.visible = True
        for overlay in self._overlays:
            overlay.data = state.trust
            _place(overlay, placed)
        return layer


def _how_they_were_found(layer: Labels) -> dict[str, Any]:
    """Prediction, model and settings of nuclei that were segmented here or restored after a crash; empty for others."""
    origin, state = read_state(layer), read_corrections(layer)
    made: LayerState | CorrectionState
    if origin is not None:
        made, settings = origin, origin.settings.model_dump(mode="json")
    elif state is not None and state.is_prediction:
        made, settings = state, dict(state.settings)
    else:
        return {}
    return {
        "prediction": np.array(made.snapshot, np.int32),
        "model_name": made.model_name,
        "model_sha256": made.model_sha256,
        "settings": settings,
    }


def _place(layer: Layer, placed: dict[str, Any]) -> None:
    for name, value in placed.items():
        setattr(layer, name, value)


def _hide(image: Image) -> None:
    image.visible = False
    image.metadata[PUT_AWAY] = True
