"""The dock widget *Work through a folder*: joins the form to the controller. Each slot does one thing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QVBoxLayout

from napari_nucseg._napari.docked import Docked
from napari_nucseg._napari.work_controller import WorkController
from napari_nucseg._napari.work_form import WorkForm

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QListWidgetItem

    from napari_nucseg.jobs.work_segmentation import WorkProgress


class WorkWidget(Docked):
    """Choose a folder, correct image after image, come back tomorrow.

    Parameters
    ----------
    napari_viewer
        The viewer; napari passes it because of the parameter's name.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self.form = WorkForm()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.form)
        self.setSizePolicy(self.form.sizePolicy())
        self.controller = WorkController(napari_viewer, self)
        self._connect()

    def let_go(self) -> None:
        """Keep what was done and let go of the viewer."""
        self.controller.stop()

    def _connect(self) -> None:
        form, controller = self.form, self.controller
        form.choose.clicked.connect(self._choose)
        form.output.clicked.connect(self._choose_output)
        form.items.itemClicked.connect(self._show_item)
        form.previous.clicked.connect(lambda: controller.go(-1))
        form.next.clicked.connect(lambda: controller.go(1))
        form.done.clicked.connect(controller.mark_done)
        form.segment.clicked.connect(self._segment)
        form.cancel.clicked.connect(controller.cancel)
        controller.changed.connect(self._show_list)
        controller.shown.connect(lambda name: form.say(""))
        controller.said.connect(form.say)
        controller.failed.connect(self._show_failure)
        controller.progressed.connect(self._show_progress)
        controller.segmented.connect(self._show_segmented)

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder of images")
        if folder:
            source = Path(folder)
            self.controller.open(source, source.with_name(f"{source.name} corrections"))

    def _choose_output(self) -> None:
        worklist = self.controller.worklist
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder for corrections")
        if folder and worklist is not None:
            self.controller.open(worklist.dataset.root, Path(folder))

    def _show_item(self, item: QListWidgetItem) -> None:
        self.controller.show(item.data(Qt.ItemDataRole.UserRole))

    def _segment(self) -> None:
        self.form.running.setVisible(True)
        self.form.segment.setEnabled(False)
        self.form.progress.setRange(0, 0)
        self.controller.segment_remaining()

    def _show_list(self) -> None:
        self.form.show_list(self.controller.worklist)

    def _show_progress(self, progress: WorkProgress) -> None:
        self.form.progress.setRange(0, progress.total)
        self.form.progress.setValue(progress.index)
        self.form.say(f"Segmenting {progress.name} ({progress.index + 1} of {progress.total})")

    def _show_segmented(self) -> None:
        self.form.running.setVisible(False)
        self.form.say("")
        self._show_list()

    def _show_failure(self, message: str) -> None:
        self.form.say(f"⚠ {message}")
        show_error(message)
