"""Layout of *My models*. No behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_nucseg._napari.comparison_table import ComparisonTable
from napari_nucseg._napari.dock_column import DockColumn, fill
from napari_nucseg._napari.failure import sentence
from napari_nucseg._napari.question_strip import QuestionStrip
from napari_nucseg._napari.rows import running_row, tipped_button
from napari_nucseg._napari.words import Words, plain_tip
from napari_nucseg.teaching.progress import HELD_OUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucseg._napari.models_controller import Family
    from napari_nucseg.network.lineage import Descent

COLUMNS = ("Model", "Kept aside", "Date")
NAME = Qt.ItemDataRole.UserRole
TREE_HEIGHT_PX = 170
INDENT_PX = 14
MOST_TOLD = 2
"""Of more problems than this it is said how many: the buttons below are to stay in view."""


class ModelsForm(QWidget):
    """A tree of models, what is known of the chosen one, and buttons."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tree = _tree()
        self.problems = Words()
        self.details = Words()
        self.details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.table = ComparisonTable()
        self.use = tipped_button("Use from now on", "“Automatic” stands for this model then.")
        self.back = tipped_button("Go back", "Back to the model that was used before.")
        self.rename = tipped_button("Rename…", "Models that were taught from it still know it.")
        self.compare = tipped_button(
            "Compare…", "Choose two models (Ctrl+click) and try both on the same images."
        )
        self.export = tipped_button("Export…", "Save the model as a file, to take it elsewhere.")
        self.install = tipped_button("Import…", "Add a model file to your models.")
        self.delete = tipped_button("Delete…", "Delete a model of your own, after asking.")
        self.new_name = QLineEdit()
        self.renaming = self._make_renaming()
        self.question = QuestionStrip()
        self.cancel = tipped_button("Cancel", "Stops comparing.")
        self.running = running_row(QProgressBar(minimum=0, maximum=0), self.cancel)
        self.status = Words()
        column = DockColumn(
            [
                self.tree,
                self.problems,
                self._make_buttons(),
                self.renaming,
                self.question,
                self.running,
                self.status,
                self.details,
                self.table,
            ]
        )
        fill(self, column)
        self.problems.setVisible(False)
        self.renaming.setVisible(False)
        self.running.setVisible(False)
        self.table.setVisible(False)
        self.say("Reading models …")

    @property
    def chosen(self) -> list[str]:
        """Names of the chosen models, from above to below."""
        return [item.data(0, NAME) for item in self._items() if item.isSelected()]

    def say(self, text: str) -> None:
        """Show a line below the buttons; an empty one hides it."""
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def show_family(self, family: Family, wanted: str = "") -> None:
        """Show models, children below their parents; choose the wanted one, else the choice stays where it can."""
        names = {descent.model.name for descent in family.descents}
        chosen = [name for name in ([wanted] if wanted in names else self.chosen) if name in names]
        self.tree.blockSignals(True)
        self.tree.clear()
        above: list[QTreeWidgetItem] = []
        for descent in family.descents:
            is_default = descent.model.name in family.automatic
            item = QTreeWidgetItem(_columns(descent, is_default=is_default))
            item.setData(0, NAME, descent.model.name)
            item.setToolTip(0, plain_tip(descent.model.name))
            del above[descent.generation :]
            (above[-1].addChild if above else self.tree.addTopLevelItem)(item)
            above.append(item)
            item.setFirstColumnSpanned(
                descent.model.card.teaching is None
            )  # no score and date beside the title
            if is_default:
                font = item.font(0)
                font.setBold(True)
                item.setFont(0, font)
        self.tree.expandAll()
        taught = any(descent.model.card.teaching for descent in family.descents)
        for column in range(1, len(COLUMNS)):  # titles want the room
            self.tree.setColumnHidden(column, not taught)
        self.choose(chosen or list(family.automatic[:1]))
        self.tree.blockSignals(False)
        self._show_problems(family.problems)

    def _show_problems(self, problems: Sequence[str]) -> None:
        lines = [f"⚠ {sentence(problem)}" for problem in problems]
        told = lines[:MOST_TOLD]
        if left := len(lines) - len(told):
            told.append(f"⚠ And {left} more: rest the pointer here to read them all.")
        self.problems.setText("\n".join(told))
        self.problems.setToolTip(plain_tip("\n".join(lines)) if left else "")
        self.problems.setVisible(bool(lines))

    def choose(self, names: list[str]) -> None:
        """Choose models by their names."""
        for item in self._items():
            item.setSelected(item.data(0, NAME) in names)

    def _items(self) -> list[QTreeWidgetItem]:
        return self.tree.findItems("", Qt.MatchFlag.MatchContains | Qt.MatchFlag.MatchRecursive, 0)

    def _make_buttons(self) -> QWidget:
        buttons = QWidget()
        grid = QGridLayout(buttons)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        grid.addWidget(self.use, 0, 0, 1, 2)
        grid.addWidget(self.back, 0, 2)
        small = (self.rename, self.compare, self.delete, self.export, self.install)
        for place, button in enumerate(small):
            grid.addWidget(button, 1 + place // 3, place % 3)
        return buttons

    def _make_renaming(self) -> QWidget:
        renaming = QWidget()
        column = QVBoxLayout(renaming)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(QLabel("Type the new name and press Enter."))
        column.addWidget(self.new_name)
        return renaming


def _columns(descent: Descent, *, is_default: bool) -> list[str]:
    teaching = descent.model.card.teaching
    known = teaching.comparisons if teaching else ()
    score = next((c.new for c in known if c.name == HELD_OUT and c.n_nuclei), None)
    return [
        f"{'★ ' if is_default else ''}{descent.model.title}",
        "" if score is None else f"{score:.2f}",
        "" if teaching is None else teaching.date[:10],
    ]


def _tree() -> QTreeWidget:
    tree = QTreeWidget()
    tree.setHeaderLabels(COLUMNS)
    tree.setIndentation(INDENT_PX)
    tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # names of taught models differ at their end
    tree.setMinimumHeight(TREE_HEIGHT_PX)
    tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    tree.setToolTip(
        "★ used by “Automatic”. Indented: taught from the model above.\n"
        "Kept aside: its AP (1 is best) on the corrections that were kept aside when it was taught."
    )
    header = tree.header()
    header.setStretchLastSection(False)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    for column in (1, 2):
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
    return tree
