"""The dock widget *Correct nuclei*: joins the form to the controller. Each slot does one thing."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_nucseg._napari.camera import look_at
from napari_nucseg._napari.correct_changes import in_words
from napari_nucseg._napari.correct_controller import CorrectController
from napari_nucseg._napari.correct_export import CorrectedExport
from napari_nucseg._napari.correct_form import CorrectForm
from napari_nucseg._napari.correct_subject import HIDDEN, SWITCH_VIEW
from napari_nucseg._napari.correct_tools import CHECKED_KEY, NEXT_KEY, PREVIOUS_KEY, VIEW_KEY
from napari_nucseg._napari.docked import Docked
from napari_nucseg._napari.layer_state import read_corrections
from napari_nucseg._napari.shortcuts import ViewerShortcut
from napari_nucseg.nuclei.corrections import count_kinds
from napari_nucseg.nuclei.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.utils.events import Event, EventEmitter
    from qtpy.QtGui import QKeyEvent
    from qtpy.QtWidgets import QListWidgetItem

    from napari_nucseg._napari.correct_restoring import Restorable
    from napari_nucseg._napari.correct_review import ReviewWalk
    from napari_nucseg._napari.correct_saving import Saving
    from napari_nucseg._napari.correct_session import Session
    from napari_nucseg._napari.correct_tools import Tool
    from napari_nucseg.nuclei.corrections import Change

MOST_LISTED = 200


class CorrectWidget(Docked):
    """Choose labels, take a tool, correct; say what was checked; save.

    Parameters
    ----------
    napari_viewer
        The viewer; napari passes it because of the parameter's name.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(CorrectForm(napari_viewer))
        self._viewer = napari_viewer
        self.controller = CorrectController(napari_viewer, self)
        self._exports = CorrectedExport(self.form, self.controller)
        self._noted = ""  # why the chosen layer cannot be edited, or as nuclei one by one
        self._shortcuts = [self._bind(key, act) for key, act in self._keys().items()]
        self._connect()
        self._layer_changed()
        self.controller.look_for_journals()

    def let_go(self) -> None:
        """Let go of the viewer; journals stay."""
        for shortcut in self._shortcuts:
            shortcut.release()
        self._shortcuts = []
        for emitter in self._turns:
            emitter.disconnect(self._forget_view)
        self.controller.stop()
        self._exports.forget()
        self.form.layer.disconnect_viewer()
        self.form.image.disconnect_viewer()

    @property
    def _turns(self) -> tuple[EventEmitter, ...]:
        """Events after which another view is shown."""
        return self._viewer.dims.events.ndisplay, self._viewer.dims.events.order

    def _keys(self) -> dict[str, Callable[[], None]]:
        actions = {tool.key: partial(self.controller.take, tool) for tool in self.form.tools}
        return actions | {
            VIEW_KEY: self.controller.mark_view,
            NEXT_KEY: partial(self._walk, 1),
            PREVIOUS_KEY: partial(self._walk, -1),
            CHECKED_KEY: self._mark_checked,
        }

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Put the tool down with Escape, as in the canvas."""
        if event.key() == Qt.Key.Key_Escape and self.controller.tool is not None:
            self.controller.put_down()
        else:
            super().keyPressEvent(event)

    def _bind(self, key: str, act: Callable[[], None]) -> ViewerShortcut:
        """Bind a key in the canvas and, for whoever has just clicked a button, in the dock."""
        in_dock = QShortcut(
            QKeySequence(key.replace("-", "+")), self, context=Qt.ShortcutContext.WidgetWithChildrenShortcut
        )
        in_dock.activated.connect(act)
        return ViewerShortcut(self._viewer, key, act)

    def _connect(self) -> None:
        form, controller = self.form, self.controller
        form.layer.layer_changed.connect(self._layer_changed)
        for tool, button in form.tools.items():
            button.clicked.connect(lambda _, tool=tool: controller.take(tool))
        form.overwrite.toggled.connect(self._set_overwrite)
        form.view.clicked.connect(lambda: controller.mark_view())
        form.whole.clicked.connect(lambda: controller.mark_all(Trust.REVIEWED))
        form.unmark.clicked.connect(self._clear)
        form.changes.chosen.connect(self._look_at_change)
        form.previous.clicked.connect(lambda: self._walk(-1))
        form.next.clicked.connect(lambda: self._walk(1))
        form.checked.clicked.connect(self._mark_checked)
        form.save.clicked.connect(self._save)
        form.save_as.clicked.connect(self._save_as)
        form.open.clicked.connect(self._open)
        form.restore.clicked.connect(controller.restore)
        form.discard.clicked.connect(controller.discard)
        for emitter in self._turns:
            emitter.connect(self._forget_view)
        controller.session_changed.connect(self._forget_view)
        controller.session_changed.connect(self._show_session)
        controller.updated.connect(self._show_session)
        controller.armed.connect(self._show_armed)
        controller.said.connect(form.say)
        controller.failed.connect(self._show_failure)
        controller.restorable.connect(self._show_restorable)
        controller.occupied.connect(self._ask_whether_to_replace)
        self._exports.failed.connect(self._show_failure)

    def _layer_changed(self) -> None:
        self.form.question.drop()
        layer = self.form.layer.layer
        if self._noted:
            self.form.say("")  # it was said of the one before
        self.controller.choose(layer)
        session = self.controller.session
        self._noted = self.controller.refusal if session is None else session.subject.mask_in_words
        if self._noted and layer is not None:
            self.form.say(self._noted)
        self.form.image.show_for(layer)

    def _forget_view(self, event: Event | None = None) -> None:
        """Say no longer why nothing could be pointed at: that was changed, or another layer was chosen."""
        if any(words in self.form.status.text() for words in (SWITCH_VIEW, HIDDEN)):
            self.form.say("")

    def _set_overwrite(self, on: bool) -> None:
        self.controller.overwrite = on

    def _walk(self, step: int) -> None:
        if (session := self.controller.ready_to_mark()) is not None:
            session.review.go(step)
            self._show_review(session.review)

    def _mark_checked(self) -> None:
        if (session := self.controller.ready_to_mark()) is not None:
            session.review.mark()
            self._show_review(session.review)

    def _clear(self) -> None:
        """Take all marks back, where there are any and the user is sure: undo does not reach them."""
        if (session := self.controller.ready_to_mark()) is None:
            return
        marks = session.trust.values
        if not marks[session.subject.index].any():
            return
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("Correct nuclei")
        where = "in this slice" if session.subject.layer.ndim > 2 else "here"
        box.setText(f"Clear takes back what you marked {where}: {self.form.reviewed.text()}.")
        box.setInformativeText("Ctrl+Z does not bring it back. Nuclei stay as they are.")
        clear = box.addButton("Clear", QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(box.addButton("Keep", QMessageBox.ButtonRole.RejectRole))
        box.exec()
        shown = self.controller.session
        if box.clickedButton() is clear and shown is session and session.trust.values is marks:  # still it
            self.controller.mark_all(Trust.UNKNOWN)

    def _look_at_change(self, item: QListWidgetItem) -> None:
        session = self.controller.session
        place = self.form.changes.row(item)
        if session is not None and place < min(len(session.changes.changes), MOST_LISTED):
            look_at(session.subject, session.changes.changes[place].box)

    def _save(self) -> None:
        folder = self._folder()
        if folder is None:
            self._save_as()
            return
        self.form.question.drop()
        self.controller.save(folder)

    def _save_as(self) -> None:
        session = self.controller.session
        if session is None:
            return
        self.form.question.drop()
        suggested = _unused(self._folder() or Path(f"{session.subject.layer.name} corrections"))
        name, _ = QFileDialog.getSaveFileName(
            self,
            "Save corrections as a folder",
            str(suggested),
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if name:
            self.controller.save(Path(name))

    def _folder(self) -> Path | None:
        """Folder that the layer's corrections were opened from or saved in."""
        session = self.controller.session
        state = None if session is None else read_corrections(session.subject.layer)
        return None if state is None else state.folder

    def _ask_whether_to_replace(self, saving: Saving) -> None:
        layer = saving.session.subject.layer
        self.form.question.ask(
            f"“{layer.name}” is not saved: “{saving.folder.name}” holds {saving.occupied}.",
            {"Keep them": None, "Replace them": partial(self.controller.replace, saving)},
        )

    def _open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open corrections")
        if folder:
            self.controller.open(Path(folder))

    def _show_session(self) -> None:
        session = self.controller.session
        self.form.show_empty(self.form.layer.layer is None)
        self.form.show_editable(session is not None)
        self.form.show_place(self._folder())
        if session is None:
            return
        if not session.subject.refusal_of_view():
            self._forget_view()
        self._show_changes(session.changes.changes)
        self._show_trust(session)
        self._show_review(session.review)

    def _show_changes(self, changes: tuple[Change, ...]) -> None:
        counts = [f"{number} {kind}" for kind, number in count_kinds(changes).items() if number]
        self.form.changes_title.setText(" · ".join(counts) or "Nothing was changed.")
        words = [in_words(change) for change in changes[:MOST_LISTED]]
        if len(changes) > MOST_LISTED:
            words.append(f"… and {len(changes) - MOST_LISTED:,} more")
        self.form.show_changes(words)

    def _show_trust(self, session: Session) -> None:
        shares = session.trust.shares(session.subject.index)
        part = "this slice" if session.subject.layer.ndim > 2 else "the image"
        self.form.show_part(part)
        words = f"{shares[Trust.REVIEWED]:.0%} of {part} reviewed"
        ignored = f", {shares[Trust.IGNORE]:.0%} ignored" if shares[Trust.IGNORE] else ""
        self.form.reviewed.setText(words + ignored)

    def _show_review(self, review: ReviewWalk) -> None:
        queue, doubt = review.queue, review.current
        self.form.checked.setEnabled(doubt is not None)
        if review.ranking:
            self.form.review.setText("Ranking nuclei …")
        elif queue is None:
            self.form.review.setText("The most doubtful come first.")
        elif doubt is None:
            self.form.review.setText(queue.summary)
        else:
            self.form.review.setText(f"{queue.summary} · nucleus {doubt.number}: {doubt.reasons}")

    def _show_armed(self, tool: Tool | None) -> None:
        for other, button in self.form.tools.items():
            button.setChecked(other is tool)
        if tool is None:
            self.form.say("")

    def _show_restorable(self, found: Restorable | None) -> None:
        self.form.banner.setVisible(found is not None)
        if found is not None:
            self.form.banner_text.setText(found.words)


def _unused(folder: Path) -> Path:
    """Return a folder that is not there yet: a dialog would open one that is, and save nothing."""
    number, unused = 1, folder
    while unused.exists():
        number += 1
        unused = folder.with_name(f"{folder.name} {number}")
    return unused
