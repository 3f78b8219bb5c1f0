"""What *Correct nuclei* does, without its look: tools, marks, sessions, restoring, saving."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_nucseg._napari.camera import outline_in_view
from napari_nucseg._napari.correct_files import show_set
from napari_nucseg._napari.correct_pointer import Pointer
from napari_nucseg._napari.correct_restoring import Restorable, find_restorable, restore
from napari_nucseg._napari.correct_saving import Saver
from napari_nucseg._napari.correct_session import Session
from napari_nucseg._napari.correct_subject import Subject, apply_edit, goes_on_beside
from napari_nucseg._napari.correct_tools import CLICK_PX, IGNORE, TRUST_TOOLS, Gesture, Tool, make_edit
from napari_nucseg._napari.regions import region_from_outline, region_seen
from napari_nucseg.data.correction_set import open_correction_set, stamp_of
from napari_nucseg.errors import NucSegError
from napari_nucseg.nuclei.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Labels
    from napari.utils.events import Event

    from napari_nucseg._napari.correct_saving import Saving


class CorrectController(QObject):
    """Corrects one layer at a time.

    Signals: ``session_changed()``; ``updated()`` of the session; ``armed(Tool | None)``; ``said(str)``;
    ``failed(str)``; ``restorable(Restorable | None)``; ``occupied(Saving)`` when nothing was saved because it
    would have replaced what this layer does not know.
    """

    session_changed = Signal()
    updated = Signal()
    armed = Signal(object)
    said = Signal(str)
    failed = Signal(str)
    restorable = Signal(object)
    occupied = Signal(object)

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.overwrite = False
        self._viewer = viewer
        self._sessions: dict[object, Session] = {}
        self._session: Session | None = None
        self._chosen: Subject | None = None
        self._tool: Tool | None = None
        self._said_at: int | None = None  # edits of the session when the last one was told
        self._found: Restorable | None = None
        self._pointer = Pointer(viewer, self)
        self._pointer.drawn.connect(self._use)
        self._pointer.disarmed.connect(self._disarmed)
        self._saving = Saver(self)
        self._saving.said.connect(self.said)
        self._saving.failed.connect(self.failed)
        self._saving.saved.connect(self.updated)
        self._saving.occupied.connect(self.occupied)
        self._saving.ended.connect(self.look_for_journals)  # of a layer that was removed meanwhile
        viewer.dims.events.point.connect(self._plane_changed)
        viewer.layers.events.inserted.connect(self.look_for_journals)
        viewer.layers.events.removed.connect(self._removed)

    @property
    def session(self) -> Session | None:
        """Session of the layer that is corrected."""
        return self._session

    @property
    def tool(self) -> Tool | None:
        """Tool in hand."""
        return self._tool

    def choose(self, layer: Labels | None) -> None:
        """Correct another layer, or none."""
        self.put_down()
        self._session, self._chosen = None, None if layer is None else Subject(self._viewer, layer)
        if layer is not None and not self.refusal:
            self._session = self._sessions.get(layer.unique_id) or self._begin(layer)
            self._session.changes.follow_plane()
        self.session_changed.emit()

    @property
    def refusal(self) -> str:
        """Say why nothing can be done with the chosen layer; empty where something can."""
        if self._chosen is None:
            return "Choose a Labels layer first."
        return self._chosen.refusal_of_data() or self._chosen.refusal_of_numbers()

    def ready(self) -> Session | None:
        """Session of the chosen layer, begun where that could not be edited before; without one, the reason is told."""
        if self._session is None and self._chosen is not None and not self.refusal:
            self.choose(self._chosen.layer)
        if self._session is None:
            self.failed.emit(self.refusal)
        return self._session

    def ready_to_mark(self) -> Session | None:
        """Session of the chosen layer, where a plane of it is in view; without one, the reason is told."""
        session = self.ready()
        if session is not None and (words := session.subject.refusal_of_view()):
            self.failed.emit(words)
            return None
        return session

    def take(self, tool: Tool) -> None:
        """Take a tool in hand; taken again, it is put down."""
        if self._tool is tool:
            self.put_down()
            return
        self.put_down()
        self.armed.emit(None)  # the button stays up until the tool is in hand
        if (session := self.ready()) is None:
            return
        if refusal := session.subject.refusal():
            self.failed.emit(refusal)
            return
        self._tool = tool
        self._pointer.arm(session.subject.layer, tool.gesture)
        self.armed.emit(tool)
        self.said.emit(tool.hint)

    def put_down(self) -> None:
        """Give the mouse back to napari."""
        self._pointer.disarm()
        if self._tool is not None:
            self._disarmed()

    def mark_view(self) -> None:
        """Mark all that is in view as reviewed."""
        if (session := self.ready_to_mark()) is not None:
            self._try(lambda: self._mark_seen(session))

    def mark_all(self, value: Trust) -> None:
        """Give all pixels of the plane in view a value of the trust map."""
        if (session := self.ready_to_mark()) is not None:
            session.trust.mark(session.subject.index, (slice(None), slice(None)), value)

    def look_for_journals(self, event: Event | None = None) -> None:
        """Find edits that a crash left behind and that belong to a layer of the viewer."""
        self._found = find_restorable(self._viewer)
        self.restorable.emit(self._found)

    def restore(self) -> None:
        """Open the edits that were found, and go on with their journal."""
        self._try(self._restore)

    def discard(self) -> None:
        """Throw the edits that were found away."""
        if self._found is not None:
            self._try(self._found.discard)
        self.look_for_journals()

    def save(self, folder: Path) -> None:
        """Save the layer's corrections as a correction set, off the GUI thread."""
        if self._session is not None:
            self._saving.start(self._session, folder)

    def replace(self, saving: Saving) -> None:
        """Save after all, in place of another image's corrections."""
        if saving.outdated:
            self.failed.emit("the layer shows another image now. Nothing was replaced: save again.")
            return
        self._saving.start(saving.session, saving.folder, careful=False)

    def open(self, folder: Path) -> None:
        """Open a correction set as layers."""
        # before it is read: what is newer then was not shown
        stamp = stamp_of(folder)
        self._try(lambda: show_set(self._viewer, open_correction_set(folder), folder, stamp))

    def stop(self) -> None:
        """Let go of everything; what is being saved is saved first."""
        self.put_down()
        self._saving.finish()
        self._viewer.dims.events.point.disconnect(self._plane_changed)
        self._viewer.layers.events.inserted.disconnect(self.look_for_journals)
        self._viewer.layers.events.removed.disconnect(self._removed)
        for session in self._sessions.values():
            session.stop()
        self._sessions, self._session, self._chosen = {}, None, None

    def _begin(self, layer: Labels) -> Session:
        session = Session(self._viewer, layer, self)
        session.updated.connect(self._updated)
        session.failed.connect(self.failed)
        session.watch.replaced.connect(self.look_for_journals)  # a work list shows another image
        self._sessions[layer.unique_id] = session
        session.keeper.go_on()  # only now is there somebody to hear why that is impossible
        return session

    def _updated(self) -> None:
        session, tool = self._session, self._tool
        if self._said_at is not None and (session is None or session.n_edits != self._said_at):
            self._said_at = None  # what was said of the last edit is no longer so
            self.said.emit("" if tool is None else tool.hint)
        self.updated.emit()

    def _use(self, points: np.ndarray) -> None:
        tool, session = self._tool, self._session
        if tool is None or session is None:
            return
        if refusal := session.subject.refusal():  # it was locked meanwhile
            self.put_down()
            self.failed.emit(refusal)
            return
        self._try(lambda: self._draw(tool, session, points))

    def _draw(self, tool: Tool, session: Session, points: np.ndarray) -> None:
        if tool in TRUST_TOOLS:
            self._mark_drawn(tool, session, points)
            return
        edit = make_edit(tool, session.subject, points, overwrite=self.overwrite)
        layer, index = session.subject.layer, session.subject.index
        words = edit.summary
        if goes_on_beside(layer, index, edit):
            words = f"{words.removesuffix('.')} in this slice."
        apply_edit(layer, index, edit)
        self._said_at = session.n_edits
        self.said.emit(f"{words} Ctrl+Z takes it back.")

    def _mark_seen(self, session: Session) -> None:
        subject = session.subject
        region = region_seen(outline_in_view(self._viewer, subject.layer), subject.labels.shape)
        session.trust.mark(subject.index, region.box, Trust.REVIEWED, region.mask)

    def _mark_drawn(self, tool: Tool, session: Session, points: np.ndarray) -> None:
        if tool.gesture is Gesture.BOX:
            (y0, x0), (y1, x1) = points[0], points[-1]
            points = np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)])
        if np.ptp(points, axis=0).max() < CLICK_PX or len(points) < 3:
            self.said.emit(tool.hint)
            return
        kind = "rectangle" if tool.gesture is Gesture.BOX else "polygon"
        region = region_from_outline(points, kind, session.subject.labels.shape)
        value = Trust.IGNORE if tool is IGNORE else Trust.REVIEWED
        session.trust.mark(session.subject.index, region.box, value, region.mask, drawn=True)

    def _restore(self) -> None:
        if self._found is None:
            return
        found, self._found = self._found, None
        restored = restore(self._viewer, found)
        layer = self._viewer.layers.selection.active = restored.layer
        session = self._sessions.get(layer.unique_id) or self._begin(layer)
        session.look()  # a work list's layer holds other nuclei now: those are no edit
        self.said.emit(restored.words)
        session.keeper.adopt(restored.journal)
        if session.trust.values.any():
            session.trust.show()
        self.look_for_journals()

    def _plane_changed(self, event: Event) -> None:
        if self._session is not None:
            self._session.changes.follow_plane()
            self.updated.emit()

    def _removed(self, event: Event) -> None:
        session = self._sessions.pop(event.value.unique_id, None)
        if session is not None:
            session.stop()
            session.trust.take_away()
        if (session is not None or self._found is not None) and not self._saving.running:
            self.look_for_journals()

    def _disarmed(self) -> None:
        self._tool = None
        self.armed.emit(None)

    def _try(self, act: Callable[[], object]) -> None:
        """Do something; what cannot be done is said in words, and nothing is changed."""
        try:
            act()
        except NucSegError as error:
            self.failed.emit(str(error))
