"""Table and outlines of the nuclei of any Labels layer that is corrected, whoever made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucseg._napari.image_layout import layout_for
from napari_nucseg._napari.saving import LabelsSaving
from napari_nucseg._napari.spatial import pixel_size_um

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from napari_nucseg._napari.correct_controller import CorrectController
    from napari_nucseg._napari.correct_form import CorrectForm


class CorrectedExport(LabelsSaving):
    """Saves what the buttons of *Correct nuclei* ask for, of the layer that is chosen."""

    def __init__(self, form: CorrectForm, controller: CorrectController) -> None:
        super().__init__(form, form.table, form.outlines)
        self._controller = controller
        form.table.clicked.connect(self._table)
        form.outlines.clicked.connect(self._outlined)

    def _table(self) -> None:
        if (on := self._layers()) is not None:
            layer, image = on
            self.save_table(layer, image, layout_for(layer, image), pixel_size_um(image))

    def _outlined(self) -> None:
        if (on := self._layers()) is not None:
            layer, image = on
            self.save_outlines(layer, image, layout_for(layer, image))

    def _layers(self) -> tuple[Labels, Image] | None:
        """Labels and their image; where that is not there, say what is wanted."""
        if (session := self._controller.session) is None:
            return None
        if (image := session.subject.image) is None:
            self.failed.emit(session.subject.image_wanted)
            return None
        return session.subject.layer, image
