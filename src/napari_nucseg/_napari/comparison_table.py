"""Old and new model side by side: a row for each set of images, the verdict in colour and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QGridLayout, QWidget

from napari_nucseg._napari.teach_text import SIGNS, score_words
from napari_nucseg._napari.words import Words
from napari_nucseg.counted import count_words
from napari_nucseg.teaching.comparison_words import AS_BEFORE, TOLERATED, name_words, verdict_words
from napari_nucseg.teaching.progress import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucseg.network.model_card import TaughtComparison
    from napari_nucseg.teaching.progress import Comparison

    Compared = Comparison | TaughtComparison

COLOURS = {
    "dark": {Verdict.BETTER: "#3ddc84", Verdict.WORSE: "#ff8080", Verdict.UNSURE: "#ffd166"},
    "light": {Verdict.BETTER: "#1b7f43", Verdict.WORSE: "#b3261e", Verdict.UNSURE: "#8a5a00"},
}
HEADS = ("Checked on", "Old", "New", "Change")
TIP = (
    "AP at an IoU of 0.5: share of nuclei that are found and outlined well, where false ones count against it; "
    "1 is best.\nBelow the change: the bounds it lies between with 95 % certainty for these images; others may differ "
    "more."
)
_HALF = 3 * 128


def colours_of(theme: str) -> dict[Verdict, str]:
    """Colours of verdicts that are readable on a theme's background."""
    background = get_theme(theme).background.as_rgb_tuple()
    return COLOURS["dark" if sum(background[:3]) < _HALF else "light"]


class ComparisonTable(QWidget):
    """A grid of words; narrow enough for a dock."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colours = COLOURS["dark"]
        self._shown: Sequence[Compared] = ()
        self._heads: tuple[str, ...] = HEADS
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 2, 0, 2)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(0, 1)
        self.setToolTip(TIP)

    def follow_theme(self, name: str) -> None:
        """Take colours that are readable in a theme."""
        self._colours = colours_of(name)
        self.show_rows(self._shown, self._heads)

    def show_rows(self, comparisons: Sequence[Compared], heads: Sequence[str] = HEADS) -> None:
        """Show these in place of those before."""
        self._shown, self._heads = comparisons, tuple(heads)
        while self._grid.count():
            cell = self._grid.takeAt(0).widget()
            cell.hide()
            cell.deleteLater()
        self.setVisible(bool(comparisons))
        for column, head in enumerate(heads):
            self._put(0, column, head)
        self._grid.addWidget(QFrame(frameShape=QFrame.Shape.HLine), 1, 0, 1, len(heads))
        for row, comparison in enumerate(comparisons, start=2):
            self._put_row(row, comparison)

    def cells(self) -> list[str]:
        """Return what the rows say, in order."""
        cells = (self._grid.itemAt(place).widget() for place in range(self._grid.count()))
        return [cell.text() for cell in cells if isinstance(cell, Words)]

    def _put_row(self, row: int, comparison: Compared) -> None:
        known = comparison.verdict in list(Verdict)  # a card may be a later version's
        verdict = Verdict(comparison.verdict) if known else Verdict.UNSURE
        words = verdict_words(comparison)
        as_before = words == AS_BEFORE
        sign = {AS_BEFORE: "=", TOLERATED: "↓"}.get(words, SIGNS[verdict])
        nuclei = count_words(comparison.n_nuclei, "nucleus", "nuclei")
        name = name_words(comparison.name)
        self._put(row, 0, f"{name[:1].upper()}{name[1:]}\n{nuclei}")
        old, new, change = score_words(comparison)
        self._put(row, 1, old)
        self._put(row, 2, new, "font-weight: bold;")
        style = "" if as_before else f"color: {self._colours[verdict]};"
        self._put(row, 3, f"{sign} {words}\n{change}", style)

    def _put(self, row: int, column: int, text: str, style: str = "") -> None:
        cell = Words(text)
        cell.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        cell.setWordWrap(column in (0, 3))
        cell.setStyleSheet(style)
        self._grid.addWidget(cell, row, column)
