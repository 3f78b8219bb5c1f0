"""Walking through doubtful nuclei: rank them, show the next, mark what was checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_nucseg._napari.camera import look_at
from napari_nucseg._napari.correct_subject import corrections_of
from napari_nucseg._napari.layer_state import read_state, write_corrections
from napari_nucseg._napari.workers import Runs
from napari_nucseg.nuclei.review import ReviewQueue, review_steps
from napari_nucseg.nuclei.strokes import grown
from napari_nucseg.nuclei.trust import MARGIN_PX, Trust, with_margin

if TYPE_CHECKING:
    from napari_nucseg._napari.correct_subject import Subject
    from napari_nucseg._napari.correct_trust import TrustMap
    from napari_nucseg._napari.correct_watch import LayerWatch
    from napari_nucseg._napari.planes import PlaneIndex
    from napari_nucseg.nuclei.review import Doubt


class ReviewWalk(QObject):
    """The review of one layer, plane by plane.

    Signals: ``updated()`` when the queue or the nucleus in hand changed; ``failed(str)``.
    """

    updated = Signal()
    failed = Signal(str)

    def __init__(
        self, subject: Subject, watch: LayerWatch, trust: TrustMap, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._in_hand: tuple[PlaneIndex, Doubt] | None = None
        self._subject, self._trust = subject, trust
        self._ranked = {index: self._n_found(index) for index in corrections_of(subject.layer).queues}
        self._ranked_plane: PlaneIndex = ()
        self._runs = Runs(self)
        self._runs.returned.connect(self._take)
        self._runs.failed.connect(self.failed)
        self._runs.ended.connect(self.updated)
        watch.predicted.connect(self._forget_others)

    @property
    def current(self) -> Doubt | None:
        """Nucleus in hand; None where there is none in the plane in view."""
        index, doubt = self._in_hand or ((), None)
        return doubt if index == self._subject.index else None

    @property
    def queue(self) -> ReviewQueue | None:
        """Queue of the plane in view; None where it was not ranked yet."""
        return corrections_of(self._subject.layer).queues.get(self._subject.index)

    @property
    def ranking(self) -> bool:
        """Whether nuclei are being ranked."""
        return self._runs.running

    def rank(self) -> None:
        """Rank the nuclei of the plane in view, off the GUI thread, then show the first."""
        labels, known = self._subject.labels.copy(), self._subject.maps
        self._ranked_plane = self._subject.index
        how = {} if known is None else vars(known)
        self._runs.start(lambda: review_steps(labels, **how))

    def go(self, step: int = 1) -> None:
        """Show the next (−1: previous) nucleus that was not checked; those that are gone are passed over."""
        queue = self.queue
        if queue is None:
            self.rank()
            return
        number = None if self.current is None else self.current.number
        while (doubt := queue.after(number, step)) is not None and not self._is_there(doubt):
            queue = queue.without([doubt.number])
        self._keep(queue)
        self._in_hand = None if doubt is None else (self._subject.index, doubt)
        if doubt is not None:
            look_at(self._subject, doubt.box)
            self._subject.layer.selected_label = doubt.number
        self.updated.emit()

    def mark(self) -> None:
        """Mark the nucleus in hand as checked, vouch for it and its nearest surroundings, and show the next."""
        if self.queue is None or self.current is None:
            self.go()
            return
        self._vouch(self.current)
        self._keep(self.queue.marked(self.current.number))
        self.go()

    def forget(self) -> None:
        """Stop ranking, and put the nucleus in hand down: there are others, or none any more."""
        self._runs.forget()
        self._in_hand = None

    def _is_there(self, doubt: Doubt) -> bool:
        return bool((self._subject.labels[doubt.box] == doubt.number).any())

    def _vouch(self, doubt: Doubt) -> None:
        box = grown(doubt.box, MARGIN_PX, self._subject.labels.shape)
        labels = self._subject.labels[box]
        own = labels == doubt.number
        if own.any():
            checked = with_margin(own, others=(labels > 0) & ~own)
            self._trust.mark(self._subject.index, box, Trust.REVIEWED, checked)

    def _take(self, queue: ReviewQueue) -> None:
        self._ranked[self._ranked_plane] = self._n_found(self._ranked_plane)
        self._keep(queue, self._ranked_plane)
        self._in_hand = None
        self.go()

    def _keep(self, queue: ReviewQueue, index: PlaneIndex | None = None) -> None:
        queues = corrections_of(self._subject.layer).queues
        self._write({**queues, self._subject.index if index is None else index: queue})

    def _write(self, queues: dict[PlaneIndex, ReviewQueue]) -> None:
        state = corrections_of(self._subject.layer)
        write_corrections(self._subject.layer, state.model_copy(update={"queues": queues}))

    def _forget_others(self) -> None:
        """Forget the ranking of planes that a model found other nuclei in."""
        self.forget()
        queues = corrections_of(self._subject.layer).queues
        kept = {i: q for i, q in queues.items() if self._n_found(i) == self._ranked.get(i)}
        if len(kept) < len(queues):
            self._write(kept)
            self.updated.emit()

    def _n_found(self, index: PlaneIndex) -> int:
        """How often a model found nuclei in a plane."""
        origin = read_state(self._subject.layer)
        return 0 if origin is None else origin.maps.n_put(index)
