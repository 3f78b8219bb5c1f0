"""Keeps the journal of one layer's edits."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_nucseg._napari.correct_subject import Subject, corrections_of
from napari_nucseg._napari.image_fingerprint import image_fingerprint
from napari_nucseg._napari.layer_state import (
    read_corrections,
    read_state,
    snapshot_of,
    write_corrections,
)
from napari_nucseg.data.journal import (
    SUFFIX,
    Journal,
    JournalHeader,
    Part,
    fingerprint,
    journal_dir,
)
from napari_nucseg.errors import JournalError, NucSegError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.utils.events import Event

    from napari_nucseg._napari.correct_trust import TrustMap
    from napari_nucseg._napari.correct_watch import LayerWatch, NdBox
    from napari_nucseg._napari.planes import PlaneIndex

NOT_KEPT = "edits are lost if napari ends unexpectedly: save your corrections now and then. The reason: "
BULK_SHARE = 0.25
"""A change of more than this share of the image is no stroke: the journal is written anew, prediction included."""


class JournalKeeper(QObject):
    """Writes each change of a layer and of its trust map to a journal, which begins with the first of them.

    Signal: ``failed(str)`` when it cannot be written, once until it can again; the layer itself is unharmed.
    """

    failed = Signal(str)

    def __init__(
        self, viewer: ViewerModel, watch: LayerWatch, trust: TrustMap, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._subject = Subject(viewer, watch.layer)
        self._watch, self._trust = watch, trust
        self._journal: Journal | None = None
        self._outdated: set[PlaneIndex] = set()
        self._fails = False
        self._n_saves = self._saves()
        watch.changed.connect(self._labels_changed)
        watch.replaced.connect(self._replaced)
        watch.predicted.connect(self._predicted)
        trust.changed.connect(self._trust_changed)
        watch.layer.events.metadata.connect(self._maybe_saved)

    @property
    def path(self) -> Path | None:
        """File of the journal; None before the first edit."""
        return None if self._journal is None else self._journal.path

    def go_on(self) -> None:
        """Go on with the layer's journal, where the widget was closed and opened again."""
        state = read_corrections(self._watch.layer)
        if state is None or state.journal is None or not state.journal.exists():
            return
        try:
            self._journal, _ = Journal.resume(state.journal)
            self._compact(self._journal)
        except NucSegError as error:
            self._tell(error, "")

    def adopt(self, journal: Journal) -> None:
        """Go on with a journal the layer was restored from."""
        self._journal = journal
        self._remember(journal.path)
        try:
            if journal.header.notes != self._notes():
                self._tidy(journal)
        except JournalError as error:
            self._tell(error)

    def close(self) -> None:
        """Let go of the journal; it stays until its edits are saved or discarded."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._watch.layer.events.metadata.disconnect(self._maybe_saved)

    def _labels_changed(self, box: NdBox) -> None:
        self._record(Part.LABELS, box, self._watch.layer.data)

    def _trust_changed(self, box: NdBox) -> None:
        self._record(Part.TRUST, box, self._trust.values)

    def _record(self, part: Part, box: NdBox, now: np.ndarray) -> None:
        try:
            if self._journal is None:
                self._journal = self._begin(self._watch.known)
            journal, block = self._journal, now[box]
            if part is Part.LABELS and block.size > BULK_SHARE * now.size:
                self._compact(journal)
            else:
                journal.record(part, tuple(side.start for side in box), block)
                self._record_prediction(journal, tuple(side.start for side in box[:-2]))
                if self._fails:  # it lacks what could not be written before
                    self._compact(journal)
            if journal.wants_compaction or journal.header.notes != self._notes():
                self._tidy(journal)
        except NucSegError as error:
            self._tell(error)
        else:
            self._fails = False

    def _tell(self, error: NucSegError, consequence: str = NOT_KEPT) -> None:
        if isinstance(error, JournalError):  # it is not open, and the next edit begins another
            self._journal = None
        if not self._fails:
            self._fails = True
            self.failed.emit(f"{consequence}{error}")

    def _record_prediction(self, journal: Journal, index: PlaneIndex) -> None:
        """Record a plane's prediction, where it is another one since: else its nuclei seem to be the user's."""
        snapshot = snapshot_of(self._watch.layer)
        if index in self._outdated and snapshot is not None:
            block = snapshot[tuple(slice(i, i + 1) for i in index)]
            offset = (*index, *[0] * (snapshot.ndim - len(index)))
            journal.record(Part.PREDICTION, offset, block)
            self._outdated.discard(index)

    def _compact(self, journal: Journal) -> None:
        journal.header = journal.header.model_copy(update={"notes": self._notes()})
        journal.compact(self._arrays(self._watch.layer.data))
        self._outdated.clear()

    def _tidy(self, journal: Journal) -> None:
        with suppress(OutputError):  # the disk is full: the old file holds every edit, too
            self._compact(journal)

    def _notes(self) -> dict[str, Any]:
        """Say which model made the labels and how, if one did, and where they were saved."""
        origin, state = read_state(self._watch.layer), corrections_of(self._watch.layer)
        made = state if origin is None else origin
        return {
            "model_name": made.model_name,
            "model_sha256": made.model_sha256,
            "is_prediction": origin is not None or state.is_prediction,
            "settings": state.settings if origin is None else origin.settings.model_dump(mode="json"),
            "folder": None if state.folder is None else str(state.folder.absolute()),
            "saved_as": None if state.saved_as is None else state.saved_as.decode(errors="replace"),
        }

    def _begin(self, labels: np.ndarray) -> Journal:
        layer, image = self._watch.layer, self._subject.image
        header = JournalHeader(
            shape=labels.shape,
            # of any labels: those of small integers may get larger numbers later
            dtype="int32",
            base=fingerprint(labels),
            image="" if image is None else image_fingerprint(image),
            image_name=corrections_of(layer).image_name if image is None else image.name,
            layer_name=layer.name,
            notes=self._notes(),
        )
        path = journal_dir() / f"{(header.image or header.base)[:16]}-{secrets.token_hex(4)}{SUFFIX}"
        journal = Journal.create(path, header, self._arrays(labels))
        self._outdated.clear()
        self._remember(path)
        return journal

    def _remember(self, path: Path) -> None:
        layer = self._watch.layer
        write_corrections(layer, corrections_of(layer).model_copy(update={"journal": path}))

    def _arrays(self, labels: np.ndarray) -> dict[Part, np.ndarray]:
        layer = self._watch.layer
        prediction = snapshot_of(layer)
        known = {} if prediction is None else {Part.PREDICTION: prediction}
        return {Part.LABELS: labels, **known, Part.TRUST: corrections_of(layer).trust}

    def _saves(self) -> int:
        state = read_corrections(self._watch.layer)
        return 0 if state is None else state.n_saves

    def _maybe_saved(self, event: Event) -> None:
        """Delete the journal once what it holds is saved."""
        if self._saves() != self._n_saves:
            self._n_saves = self._saves()
            if self._journal is not None:
                self._journal.discard()
                self._journal = None

    def _predicted(self) -> None:
        self._outdated = set(np.ndindex(self._watch.layer.data.shape[:-2]))

    def _replaced(self) -> None:
        """Begin anew: the old journal stays where the layer was given to other nuclei before its edits were saved."""
        journal, self._journal = self._journal, None
        if journal is None:
            return
        state = read_corrections(self._watch.layer)
        if state is None or state.journal != journal.path:
            journal.close()
            return
        try:
            self._journal = self._begin(self._watch.known)
        except NucSegError as error:
            journal.close()
            self._tell(error)
        else:
            journal.discard()
