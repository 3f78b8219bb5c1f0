"""*Before and after*: the old and the new model on the same nuclei, the judgement, and what the user may do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGroupBox, QVBoxLayout, QWidget

from napari_nucseg._napari.comparison_table import ComparisonTable, colours_of
from napari_nucseg._napari.rows import tipped_button
from napari_nucseg._napari.teach_text import SIGNS, advice, headline, part_words
from napari_nucseg._napari.words import Words
from napari_nucseg.teaching.progress import Verdict

if TYPE_CHECKING:
    from napari_nucseg.teaching.progress import FinetuneResult


IN_USE = "✓ In use"
GONE = "⚠ The new model is no longer there: it was deleted or got another name in My models."


class Outcome(QGroupBox):
    """Table, words and buttons for one ``result``, None where there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Before and after", parent)
        self._colours = colours_of("dark")
        self.result: FinetuneResult | None = None
        self.headline = Words()
        self.table = ComparisonTable()
        self.gone = Words(GONE)
        self.words = Words()
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.use = tipped_button(
            "Use from now on", "Takes the place of the model that “Automatic” stands for."
        )
        self.use_anyway = tipped_button("Use anyway…", "Take the new model up although it did not pass.")
        self.resegment = tipped_button(
            "Re-segment this image",
            "Find the nuclei again with the new model. Reviewed and edited nuclei stay as they are.",
        )
        self.again = tipped_button("Teach again…", "Back to the examples.")
        self.use.setMinimumHeight(34)
        self.use.setStyleSheet("font-weight: bold;")
        column = QVBoxLayout(self)
        column.setSpacing(6)
        column.addWidget(self.headline)
        column.addWidget(self.table)
        column.addWidget(self.words)
        column.addWidget(self.gone)
        for button in (self.use, self.use_anyway, self.resegment, self.again):
            column.addWidget(button)
        self.setVisible(False)

    def follow_theme(self, name: str) -> None:
        """Take colours that are readable in a theme."""
        self._colours = colours_of(name)
        self.table.follow_theme(name)
        self._colour_headline()

    def show_result(self, result: FinetuneResult | None) -> None:
        """Show a result; None hides everything."""
        self.result = result
        self.setVisible(result is not None)
        if result is None:
            return
        sign = "⚠" if result.warnings else SIGNS[result.verdict]
        self.headline.setText(f"{sign} {headline(result)}")
        self._colour_headline()
        self.table.show_rows(result.comparisons)
        self.use.setText("Use from now on")
        self._say(result, advice(result))
        self.show_installed(True)
        self.use.setVisible(result.acceptable)
        self.use.setDefault(result.acceptable)
        self.use_anyway.setVisible(not result.acceptable)

    def show_installed(self, installed: bool) -> None:
        """Let nobody use a model that is no longer there, and say so."""
        self.gone.setVisible(not installed)
        for button in (self.use, self.use_anyway, self.resegment):
            button.setEnabled(installed and button.text() != IN_USE)

    def show_in_use(self) -> None:
        """Say that the model was taken up; what else could have been done is no longer said."""
        if self.result is not None:
            self._say(self.result)
        self.use.setVisible(True)
        self.use.setText(IN_USE)
        self.use.setEnabled(False)
        self.use_anyway.setVisible(False)

    def _say(self, result: FinetuneResult, what_next: str = "") -> None:
        warnings = [f"⚠ {warning}" for warning in result.warnings]
        self.words.setText(
            "\n\n".join(filter(None, [*warnings, result.words, part_words(result), what_next]))
        )

    def _colour_headline(self) -> None:
        if self.result is not None:
            verdict = Verdict.UNSURE if self.result.warnings else self.result.verdict
            self.headline.setStyleSheet(f"font-weight: bold; color: {self._colours[verdict]};")
