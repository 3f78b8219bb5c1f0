"""Puts the edits of a journal back into the layer of a work list that they were made in, else into a new one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_nucseg._napari.correct_files import new_labels
from napari_nucseg._napari.layer_state import (
    CorrectionState,
    is_work_on,
    read_corrections,
    read_state,
    write_corrections,
)
from napari_nucseg._napari.results import forget_history
from napari_nucseg.data.correction_record import RECORD
from napari_nucseg.data.journal import Journal
from napari_nucseg.data.set_place import place_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_nucseg._napari.correct_journal import Restorable
    from napari_nucseg.data.journal import Replayed


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
    worked_on = _work_layer(viewer, found)
    as_before = worked_on is not None and _is_as_before(worked_on, found)
    journal, replayed = Journal.resume(found.path)
    state = _state(replayed, found.image)
    # no number: one press of the mouse may be several records
    words = "Restored what was not saved."
    if as_before:
        _put_back(worked_on, replayed, state)
        return Restored(worked_on, journal, words)
    if worked_on is not None:
        words += f" It is in a layer of its own: “{worked_on.name}” holds something newer."
        # what is newer is in the folder: these edits are to go elsewhere, also if they are restored once more
        state = state.model_copy(update={"folder": None})
    return Restored(_show(viewer, replayed, state, found.image), journal, words)


def _work_layer(viewer: ViewerModel, found: Restorable) -> Labels | None:
    """Layer in which a work list shows the nuclei that a journal's edits were made on."""
    if found.image is None:
        return None
    for layer in viewer.layers:
        if isinstance(layer, Labels) and is_work_on(layer, found.image):
            state = read_corrections(layer)
            folder = None if state is None or state.folder is None else str(state.folder.absolute())
            return layer if folder is not None and found.header.notes.get("folder") == folder else None
    return None


def _is_as_before(layer: Labels, found: Restorable) -> bool:
    """Whether nothing was done on a work list's layer since a journal's last edit: that would be lost."""
    state = read_corrections(layer)
    if state.journal is not None or read_state(layer) is not None or found.header.shape != layer.data.shape:
        return False
    # painted while nobody kept a journal
    if not np.array_equal(layer.data, state.kept):
        return False
    saved = place_of(state.folder) / RECORD
    try:
        return not saved.exists() or saved.stat().st_mtime <= found.path.stat().st_mtime
    except OSError:
        return False


def _put_back(layer: Labels, replayed: Replayed, state: CorrectionState) -> None:
    before = read_corrections(layer)
    layer.data = replayed.labels
    forget_history(layer)
    write_corrections(layer, state.model_copy(update={"n_saves": before.n_saves, "kept": before.kept}))


def _show(viewer: ViewerModel, replayed: Replayed, state: CorrectionState, image: Image | None) -> Labels:
    name = replayed.header.layer_name or replayed.header.image_name or "labels"
    layer = new_labels(image, replayed.labels, f"{name} restored")
    write_corrections(layer, state)
    viewer.add_layer(layer)
    return layer


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
