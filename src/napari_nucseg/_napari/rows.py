"""One look for all forms of the dock: labels in one column, fields that take the rest."""

from __future__ import annotations

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget
from superqt import QCollapsible

LABEL_WIDTH_PX = 72
WIDEST_LABEL = "Diameter"


class RowLabel(QLabel):
    """Label as wide as all others in its font: fields of several layouts stand in one column, in fonts of any size."""

    def sizeHint(self) -> QSize:
        """Size with room for the widest label."""
        own, metrics = super().sizeHint(), self.fontMetrics()
        wider = metrics.horizontalAdvance(WIDEST_LABEL) - metrics.horizontalAdvance(self.text())
        return QSize(max(LABEL_WIDTH_PX, own.width() + max(wider, 0)), own.height())

    def minimumSizeHint(self) -> QSize:
        """Never narrower than that."""
        return self.sizeHint()


def form_rows(parent: QWidget | None = None) -> QFormLayout:
    """Form layout without margins whose fields grow."""
    rows = QFormLayout(parent)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return rows


def add_row(rows: QFormLayout, label: str, field: QWidget) -> None:
    """Add a field with a label as wide as all others; a tooltip of the field is the label's too."""
    words = RowLabel(label)
    words.setToolTip(field.toolTip())
    rows.addRow(words, field)


def growing_combo() -> QComboBox:
    """Combo box that takes the width there is, whatever its longest entry."""
    combo = QComboBox()
    let_grow(combo)
    return combo


def let_grow(combo: QComboBox) -> None:
    """Let a combo box take the width there is, whatever its longest entry."""
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


def tipped_button(text: str, tip: str) -> QPushButton:
    """Button with a tooltip."""
    button = QPushButton(text)
    button.setToolTip(tip)
    return button


def running_row(progress: QWidget, cancel: QWidget) -> QWidget:
    """Progress bar with the button that cancels beside it."""
    running = QWidget()
    row = QHBoxLayout(running)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(progress, stretch=1)
    row.addWidget(cancel)
    return running


def folded(content: QWidget) -> QCollapsible:
    """Advanced settings, folded away until somebody wants them."""
    advanced = QCollapsible("Advanced settings", expandedIcon="▾", collapsedIcon="▸")
    advanced.setDuration(0)
    advanced.toggleButton().setStyleSheet("text-align: left;")  # superqt's own hides that it has the focus
    advanced.layout().setContentsMargins(0, 0, 0, 0)
    advanced.content().layout().setContentsMargins(0, 4, 0, 0)
    advanced.addWidget(content)
    # what is folded away has no height, and Tab would stop there
    advanced.toggled.connect(content.setEnabled)
    advanced.collapse(animate=False)
    content.setEnabled(False)
    return advanced
