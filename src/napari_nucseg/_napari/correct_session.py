"""All that goes on around one Labels layer while it is corrected: watch, trust map, journal, changes, review."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucseg._napari.correct_changes import LiveChanges
from napari_nucseg._napari.correct_journal import JournalKeeper
from napari_nucseg._napari.correct_review import ReviewWalk
from napari_nucseg._napari.correct_subject import Subject, corrections_of, remember_image
from napari_nucseg._napari.correct_trust import TrustMap
from napari_nucseg._napari.correct_watch import LayerWatch

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels
    from napari.utils.events import Event


class Session(QObject):
    """Begins when a layer is first chosen and lasts as long as the layer or the widget. ``n_edits`` were made since.

    Signals: ``updated()`` when changes, trust or review are to be shown again; ``failed(str)``.
    """

    updated = Signal()
    failed = Signal(str)

    def __init__(self, viewer: ViewerModel, layer: Labels, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.n_edits = 0
        self._ended = False
        corrections_of(layer)  # before the first edit: it remembers what was there
        self.subject = Subject(viewer, layer)
        self.watch = LayerWatch(viewer, layer, self)
        self.trust = TrustMap(viewer, layer, self)
        self.keeper = JournalKeeper(viewer, self.watch, self.trust, self)
        self.changes = LiveChanges(self.subject, self.watch, self)
        self.review = ReviewWalk(self.subject, self.watch, self.trust, self)
        for edited in (self.watch.changed, self.trust.changed):
            edited.connect(self._count)
        for told in (self.changes.updated, self.review.updated, self.trust.changed):
            told.connect(self.updated)
        for failed in (self.keeper.failed, self.changes.failed, self.review.failed, self.trust.failed):
            failed.connect(self.failed)
        self.watch.replaced.connect(self._begin_anew)
        layer.events.visible.connect(self._shown)
        self.changes.rebuild()
        # later: this may be within napari's own handling of a layer that is being added
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._show_trust)
        self._soon.start()

    def _begin_anew(self) -> None:
        """Follow a layer that got another array, and with it other corrections."""
        corrections_of(self.subject.layer)
        self.trust.forget_shares()
        self.review.forget()
        self._soon.start()

    def _show_trust(self) -> None:
        """Show marks that were there before."""
        layer, viewer = self.subject.layer, self.subject.viewer
        if layer in viewer.layers and (self.trust.overlay is not None or self.trust.values.any()):
            self.trust.show()
            self.updated.emit()

    def _shown(self, event: Event) -> None:
        self.updated.emit()

    def _count(self, box: object) -> None:
        self.n_edits += 1
        remember_image(self.subject)

    def look(self) -> None:
        """Take note of everything that changed until now, or until the end."""
        if self._ended:
            return
        self.watch.look()
        self.trust.look()

    def stop(self) -> None:
        """Take note for the last time and let go of the layer."""
        self._soon.stop()
        self.look()
        self._ended = True
        self.subject.layer.events.visible.disconnect(self._shown)
        self.keeper.close()
        self.changes.stop()
        self.review.forget()
        self.trust.stop()
        self.watch.stop()
