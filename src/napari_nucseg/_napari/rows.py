"""One look for all forms of the dock: labels in one column, fields that take the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QFormLayout, QSizePolicy

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

LABEL_WIDTH_PX = 72


def form_rows(parent: QWidget | None = None) -> QFormLayout:
    """Form layout without margins whose fields grow."""
    rows = QFormLayout(parent) if parent is not None else QFormLayout()
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return rows


def add_row(rows: QFormLayout, label: str, field: QWidget, width_px: int = LABEL_WIDTH_PX) -> None:
    """Add a field with a label as wide as all others; a tooltip of the field is the label's too."""
    rows.addRow(label, field)
    words = rows.labelForField(field)
    words.setMinimumWidth(width_px)
    words.setToolTip(field.toolTip())


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
