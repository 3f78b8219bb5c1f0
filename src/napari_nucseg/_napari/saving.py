"""Saving the labels of a layer for other programs, off the GUI thread: the table and the outlines of its nuclei."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from napari_nucseg._napari.image_layout import axis_names, image_data
from napari_nucseg._napari.table import stack_columns, table_steps
from napari_nucseg._napari.workers import Runs
from napari_nucseg.counted import count_words
from napari_nucseg.errors import ImageError
from napari_nucseg.jobs.outline_file import outline_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari.layers import Image, Labels
    from numpy.typing import NDArray

    from napari_nucseg._napari.planes import PlaneLayout


TABLE, TABLE_TIP = "Table (CSV)…", "Area, position, shape and mean intensity of every nucleus."
OUTLINES, OUTLINES_TIP = (
    "Outlines (GeoJSON)…",
    "Every nucleus as a polygon, which QuPath opens as a detection.",
)


class LabelsSaving(QObject):
    """Ask for a file and write it; meanwhile the button that asked for it gives it up.

    What was saved is said at once, what failed by ``failed(str)``.
    """

    failed = Signal(str)

    def __init__(self, parent: QWidget, table: QPushButton, outlines: QPushButton) -> None:
        super().__init__(parent)
        self._asks = parent
        self._tables, self._outlines = Runs(self), Runs(self)
        self._buttons = {self._tables: table, self._outlines: outlines}
        for runs, what in ((self._tables, "a table"), (self._outlines, "outlines")):
            runs.returned.connect(lambda n, what=what: show_info(_saved(what, n)))
            runs.failed.connect(self.failed)
            runs.ended.connect(partial(self._buttons[runs].setText, self._buttons[runs].text()))

    def save_table(self, layer: Labels, image: Image, layout: PlaneLayout, size_um: float | None) -> None:
        """Save area, place and intensity of every nucleus as CSV, with the side of a pixel in µm too."""
        if self._give_up(self._tables):
            return
        path = self._ask("Save table", f"{layer.name}.csv", "CSV (*.csv)")
        if path:
            data, names = image_data(image), stack_names(image, layout)
            self._start(self._tables, lambda: table_steps(path, layer.data, data, layout, names, size_um))

    def save_outlines(self, layer: Labels, image: Image, layout: PlaneLayout) -> None:
        """Save every nucleus as a polygon in GeoJSON."""
        if self._give_up(self._outlines):
            return
        path = self._ask("Save outlines", f"{layer.name}.geojson", "GeoJSON (*.geojson)")
        if path:
            names = stack_names(image, layout)
            self._start(self._outlines, lambda: layer_outline_steps(path, layer.data, layout, names))

    def forget(self) -> None:
        """Give up what is being written; nothing half-written stays."""
        self._tables.forget()
        self._outlines.forget()

    def _start(self, runs: Runs, make_steps: Callable[[], Generator[int, None, int]]) -> None:
        self._buttons[runs].setText("Cancel saving")
        runs.start(make_steps)

    def _give_up(self, runs: Runs) -> bool:
        """Cancel what is being written, if there is something; not waited for: a plane may take half a minute."""
        if not runs.running:
            return False
        runs.forget()
        runs.ended.emit()
        show_info("Saving was cancelled.")
        return True

    def _ask(self, title: str, proposed: str, kind: str) -> Path | None:
        dialog = QFileDialog(self._asks, title, "", kind)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        # programs open files by it; QFileDialog.getSaveFileName adds none
        dialog.setDefaultSuffix(Path(proposed).suffix)
        dialog.selectFile(proposed)
        chosen = Path(dialog.selectedFiles()[0]) if dialog.exec() else None
        dialog.deleteLater()
        return chosen


def stack_names(image: Image, layout: PlaneLayout) -> list[str]:
    """Names of the axes of an image that its slices lie along."""
    names = axis_names(image)
    return [names[axis] for axis in layout.stack_axes]


def with_times_first(labels: NDArray[Any], names: Sequence[str]) -> tuple[NDArray[Any], str]:
    """Bring labels of a stack into the order of their axes, T, Z, Y, X; names are those of the axes before Y and X.

    Raises
    ------
    ImageError
        If there are more than two axes before Y and X.
    """
    if len(names) > 2:
        raise ImageError(
            f"outlines are told apart by slice (Z) and time (T), but this stack has {len(names)} axes beside Y and X. "
            "Save those of a part of it."
        )
    letters = "".join(stack_columns(names)).upper()
    return (np.moveaxis(labels, 1, 0), "TZYX") if letters == "ZT" else (labels, f"{letters}YX")


def layer_outline_steps(
    path: Path, labels: Any, layout: PlaneLayout, names: Sequence[str]
) -> Generator[int, None, int]:
    """Write the outlines of a layer's labels (NumPy, dask, zarr …) as ``outline_steps`` does."""
    planes, axes = with_times_first(layout.without_channel(np.asarray(labels)), names)
    return (yield from outline_steps(path, planes, axes))


def _saved(what: str, n_nuclei: int) -> str:
    return f"Saved {what} of {count_words(n_nuclei, 'nucleus', 'nuclei')}."
