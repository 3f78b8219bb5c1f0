"""The dock widget *Work through a folder*: joins the form to the controller. Each slot does one thing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_nucseg._napari.docked import Docked
from napari_nucseg._napari.failure import sentence
from napari_nucseg._napari.work_controller import WorkController
from napari_nucseg._napari.work_form import WorkForm
from napari_nucseg._napari.work_question import ask_to_begin_anew
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.errors import NucSegError, OutputError
from napari_nucseg.jobs.work_places import Place, place_of, remember_place, remove_untouched

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QListWidgetItem

    from napari_nucseg._napari.work_steps import Refused
    from napari_nucseg.jobs.work_segmentation import WorkProgress


class WorkWidget(Docked):
    """Choose a folder, correct image after image, come back tomorrow.

    Parameters
    ----------
    napari_viewer
        The viewer; napari passes it because of the parameter's name.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(WorkForm())
        self.controller = WorkController(napari_viewer, self)
        self._set_aside = ""  # what is to be read still once the next image is there
        self._homeless: Path | None = None  # images that were chosen, with no place for their list
        self._connect()
        self._show_list()

    def let_go(self) -> None:
        """Keep what was done and let go of the viewer."""
        self.controller.stop()

    def _connect(self) -> None:
        form, controller = self.form, self.controller
        form.choose.clicked.connect(self._choose)
        form.output.clicked.connect(self._choose_output)
        form.items.chosen.connect(self._show_item)
        form.previous.clicked.connect(lambda: controller.go(-1))
        form.next.clicked.connect(lambda: controller.go(1))
        form.done.clicked.connect(controller.mark_done)
        form.segment.clicked.connect(self._segment)
        form.cancel.clicked.connect(controller.cancel)
        controller.changed.connect(self._show_list)
        controller.shown.connect(self._show_shown)
        controller.refused.connect(self._ask_to_begin_anew)
        controller.set_aside.connect(self._show_set_aside)
        controller.said.connect(self._show_said)
        controller.failed.connect(self._show_failure)
        controller.progressed.connect(self._show_progress)
        controller.segmented.connect(self._show_segmented)

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder of images")
        if not folder:
            return
        try:
            place = place_of(Path(folder))
        except NucSegError as error:
            self._show_failure(str(error))
            return
        if not self._open(place):
            self._offer_another_place(place.source)

    def _choose_output(self) -> None:
        before = self.controller.worklist
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder for corrections")
        source = self._homeless or (None if before is None else before.dataset.root)
        if not folder or source is None:
            return
        place = Place(source, Path(folder))
        if not self._open(place) or before is None:
            return
        if before.dataset.root == source and not before.is_in(place.output):  # it was moved
            remove_untouched(before.output)

    def _open(self, place: Place) -> bool:
        """Open a list and remember where it is; False where that was impossible."""
        if (worklist := self.controller.open(place.source, place.output)) is None:
            return False
        self._homeless = None
        with suppress(OutputError):  # the list is open all the same
            remember_place(worklist)
        return True

    def _offer_another_place(self, source: Path) -> None:
        """Offer to keep the work on images elsewhere, where all that is wrong is the place of their list."""
        if not self.controller.save():  # a place for what is on show comes first
            return
        with suppress(NucSegError):
            open_dataset(source)
            self._homeless = source
            self.form.output.setEnabled(True)
            self.form.say(f"{self.form.status.text()}\nOr keep the work on {source.name} elsewhere: Save in…")

    def _show_shown(self, name: str) -> None:
        self._show_said("")
        self._set_aside = ""

    def _show_said(self, words: str) -> None:
        self._homeless = None  # the offer is no longer to be read
        self.form.say("\n".join(filter(None, (words, self._set_aside))))

    def _show_set_aside(self, words: str) -> None:
        if words:
            self._set_aside = f"⚠ {sentence(words)}"
            self._show_failure(words)

    def _show_item(self, item: QListWidgetItem) -> None:
        self.controller.show(item.data(Qt.ItemDataRole.UserRole))

    def _ask_to_begin_anew(self, refused: Refused) -> None:
        self.form.say(f"⚠ {sentence(refused.reason)}")
        if ask_to_begin_anew(refused, self):
            self.controller.begin_anew(refused.name)

    def _segment(self) -> None:
        self.form.running.setVisible(True)
        self.form.segment.setEnabled(False)
        self.form.progress.setRange(0, 0)
        self.form.say("Loading the network …")
        self.controller.segment_remaining()

    def _show_list(self) -> None:
        self.form.show_list(self.controller.worklist)

    def _show_progress(self, progress: WorkProgress) -> None:
        self.form.progress.setRange(0, progress.total)
        self.form.progress.setValue(progress.index)
        self.form.say(f"Segmenting {progress.name} ({progress.index + 1} of {progress.total})")

    def _show_segmented(self, words: str) -> None:
        self.form.running.setVisible(False)
        if words:
            self.form.say(words)
        self._show_list()
