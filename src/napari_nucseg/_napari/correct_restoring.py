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
class WorkedOn:
    """Layer of a work list that a journal's edits were made in, with its record and the folder it is kept in."""

    layer: Labels
    state: CorrectionState
    folder: Path


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
    worked_on = _worked_on(viewer, found)
    # before the journal is opened: that may give its file a new age
    as_before = worked_on if worked_on is not None and _is_as_before(worked_on, found) else None
    journal, replayed = Journal.resume(found.path)
    state = _state(replayed, found.image)
    # no number: one press of the mouse may be several records
    words = "Restored what was not saved."
    if as_before is not None:
        _put_back(as_before, replayed, state)
        return Restored(as_before.layer, journal, words)
    if worked_on is not None:
        words += f" It is in a layer of its own: “{worked_on.layer.name}” holds something newer."
        # what is newer is in the folder: these edits are to go elsewhere, also if they are restored once more
        state = state.model_copy(update={"folder": None})
    return Restored(_show(viewer, replayed, state, found.image), journal, words)


def _worked_on(viewer: ViewerModel, found: Restorable) -> WorkedOn | None:
    """Find the layer in which a work list shows the nuclei that a journal's edits were made on."""
    if found.image is None:
        return None
    for layer in viewer.layers:
        if isinstance(layer, Labels) and is_work_on(layer, found.image):
            state = read_corrections(layer)
            if state is None or state.folder is None:
                return None
            is_its = found.header.notes.get("folder") == str(state.folder.absolute())
            return WorkedOn(layer, state, state.folder) if is_its else None
    return None


def _is_as_before(worked_on: WorkedOn, found: Restorable) -> bool:
    """Whether nothing was done on a work list's layer since a journal's last edit: that would be lost."""
    layer, state = worked_on.layer, worked_on.state
    if state.journal is not None or read_state(layer) is not None or found.header.shape != layer.data.shape:
        return False
    # painted while nobody kept a journal
    if state.kept is None or not np.array_equal(layer.data, state.kept):
        return False
    saved = place_of(worked_on.folder) / RECORD
    try:
        return not saved.exists() or saved.stat().st_mtime <= found.path.stat().st_mtime
    except OSError:
        return False


def _put_back(worked_on: WorkedOn, replayed: Replayed, state: CorrectionState) -> None:
    layer, before = worked_on.layer, worked_on.state
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
