"""Finds journals that a crash left behind, and puts their edits back.

They go into the layer of a work list that they were made in, else into a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels

from napari_nucseg._napari.correct_files import new_labels
from napari_nucseg._napari.correct_subject import corrections_of
from napari_nucseg._napari.image_fingerprint import image_fingerprint
from napari_nucseg._napari.image_layout import image_data
from napari_nucseg._napari.layer_state import (
    CORRECTIONS_KEY,
    PUT_AWAY,
    CorrectionState,
    is_work_on,
    read_corrections,
    read_state,
    write_corrections,
)
from napari_nucseg._napari.results import forget_history
from napari_nucseg.data.correction_record import RECORD
from napari_nucseg.data.journal import Journal, JournalHeader, abandoned_journals
from napari_nucseg.data.set_place import place_of
from napari_nucseg.files import not_deleted

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_nucseg.data.journal import Replayed


@dataclass(frozen=True, eq=False)
class Restorable:
    """A journal whose edits are in no layer, and the image they belong to, where it is open."""

    path: Path
    header: JournalHeader
    image: Image | None

    @property
    def name(self) -> str:
        """Name of the layer that was edited."""
        return self.header.layer_name or self.header.image_name or "labels"

    @property
    def words(self) -> str:
        """Say what can be restored."""
        return f"Edits of “{self.name}” from {self.header.started:%d %B, %H:%M} were not saved."

    def discard(self) -> None:
        """Delete the journal, where it is still there.

        Raises
        ------
        JournalError
            If another window has restored it meanwhile, and keeps its edits there.
        OutputError
            If it cannot be deleted.
        """
        if not self.path.exists():
            return
        Journal.take(self.path, self.header).close()
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise not_deleted(error, self.path) from error


def find_restorable(viewer: ViewerModel) -> Restorable | None:
    """Find the newest journal that fits an image or a Labels layer of the viewer, and is no open layer's."""
    layers = [
        layer for layer in viewer.layers if isinstance(layer, Image | Labels) and not _is_put_away(layer)
    ]
    states = (layer.metadata.get(CORRECTIONS_KEY) for layer in layers)
    open_here = {state.journal for state in states if isinstance(state, CorrectionState)}

    @cache  # many journals are compared with each layer
    def known(place: int) -> str:
        return image_fingerprint(layers[place])

    for path, header in abandoned_journals():
        if path in open_here:
            continue
        for place, layer in enumerate(layers):
            shape = tuple(image_data(layer).shape)
            if isinstance(layer, Image) and header.image and set(header.shape[-2:]) <= set(shape):
                if known(place) == header.image:
                    return Restorable(path, header, layer)
            elif isinstance(layer, Labels) and not header.image and shape == header.shape:
                if known(place) == header.base:
                    return Restorable(path, header, None)
    return None


def _is_put_away(layer: Image | Labels) -> bool:
    """Whether a work list shows another image instead; where a person shows it again, it counts."""
    return PUT_AWAY in layer.metadata and not layer.visible


@dataclass(frozen=True, eq=False)
class Restored:
    """A layer with the edits of a journal, and the journal, which goes on with it."""

    layer: Labels
    journal: Journal
    words: str


def restore(viewer: ViewerModel, found: Restorable) -> Restored:
    """Open what a journal held.

    Raises
    ------
    JournalError
        If it cannot be read, or another process has it open.
    """
    layer = _worked_on(viewer, found)
    # before the journal is opened: that may give its file a new age
    is_as_before = layer is not None and _is_as_before(layer, found)
    journal, replayed = Journal.resume(found.path)
    state = _state(replayed, found.image)
    # no number: one press of the mouse may be several records
    words = "Restored what was not saved."
    if layer is not None and is_as_before:
        _put_back(layer, replayed, state)
        return Restored(layer, journal, words)
    if layer is not None:
        words += f" It is in a layer of its own: “{layer.name}” holds something newer."
        # what is newer is in the folder: these edits are to go elsewhere, also if they are restored once more
        state = state.model_copy(update={"folder": None})
    layer = new_labels(found.image, replayed.labels, f"{found.name} restored")
    write_corrections(layer, state)
    viewer.add_layer(layer)
    return Restored(layer, journal, words)


def _worked_on(viewer: ViewerModel, found: Restorable) -> Labels | None:
    """Find the layer in which a work list shows the nuclei that a journal's edits were made on."""
    for layer in viewer.layers:
        if isinstance(layer, Labels) and found.image is not None and is_work_on(layer, found.image):
            state = read_corrections(layer)
            folder = None if state is None else state.folder
            is_its = folder is not None and str(folder.absolute()) == found.header.notes.get("folder")
            return layer if is_its else None
    return None


def _is_as_before(layer: Labels, found: Restorable) -> bool:
    """Whether nothing was done on a work list's layer since a journal's last edit: that would be lost."""
    state = corrections_of(layer)
    if state.journal is not None or read_state(layer) is not None or found.header.shape != layer.data.shape:
        return False
    # painted while nobody kept a journal
    if state.kept is None or not np.array_equal(layer.data, state.kept):
        return False
    saved = place_of(found.header.notes["folder"]) / RECORD
    try:
        return not saved.exists() or saved.stat().st_mtime <= found.path.stat().st_mtime
    except OSError:
        return False


def _put_back(layer: Labels, replayed: Replayed, state: CorrectionState) -> None:
    before = corrections_of(layer)
    layer.data = replayed.labels
    forget_history(layer)
    write_corrections(layer, state.model_copy(update={"n_saves": before.n_saves, "kept": before.kept}))


def _state(replayed: Replayed, image: Image | None) -> CorrectionState:
    header, notes, snapshot = replayed.header, replayed.header.notes, replayed.prediction
    return CorrectionState(
        trust=replayed.trust,
        snapshot=replayed.labels.copy() if snapshot is None else snapshot,
        is_prediction=snapshot is not None and bool(notes.get("is_prediction")),
        image_id=None if image is None else image.unique_id,
        image_name=header.image_name if image is None else image.name,
        model_name=str(notes.get("model_name", "")),
        model_sha256=str(notes.get("model_sha256", "")),
        settings=notes.get("settings") or {},  # earlier versions noted neither these nor a folder
        folder=Path(notes["folder"]) if notes.get("folder") else None,
        saved_as=notes["saved_as"].encode() if notes.get("saved_as") else None,
    )
