"""A form made from the fields of a pydantic settings model: nothing about a parameter is typed twice.

Label, tooltip, bounds and default come from the field; the kind of editor follows from its type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, get_origin

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QSizePolicy, QSpinBox, QWidget
from superqt import QLabeledDoubleSlider, QLabeledSlider
from superqt.utils import signals_blocked

from napari_nucseg._napari.rows import add_row, form_rows, growing_combo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

_DEFAULT_MAXIMUM = 1000


class SettingsForm(QWidget):
    """Editors for some fields of a settings model.

    Parameters
    ----------
    model
        The pydantic class.
    fields
        Names of the fields to show, in this order.
    """

    changed = Signal()

    def __init__(self, model: type[BaseModel], fields: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.editors: dict[str, _Editor] = {}
        rows = form_rows(self)
        for name in fields:
            field = model.model_fields[name]
            editor = _editor_for(field)
            editor.set_value(field.get_default())
            editor.widget.setToolTip(field.description or "")
            editor.changed.connect(self.changed)
            self.editors[name] = editor
            if isinstance(editor, _Check):
                rows.addRow(editor.widget)
            else:
                add_row(rows, field.title or name, editor.widget)

    def values(self) -> dict[str, Any]:
        """Return what the form shows, by field name; None where an optional field is left to the program."""
        return {name: editor.value() for name, editor in self.editors.items()}

    def set_values(self, values: BaseModel) -> None:
        """Show a model's values without telling anyone."""
        for name, editor in self.editors.items():
            with signals_blocked(editor.widget):
                editor.set_value(getattr(values, name))


class _Editor(Protocol):
    """One field's widget, with the same names whatever it is; ``changed`` is the widget's signal."""

    widget: Any
    changed: Any

    def value(self) -> Any: ...

    def set_value(self, value: Any) -> None: ...


class _Check:
    def __init__(self, title: str | None) -> None:
        self.widget = QCheckBox(title)
        self.changed = self.widget.toggled

    def value(self) -> bool:
        return self.widget.isChecked()

    def set_value(self, value: bool) -> None:
        self.widget.setChecked(value)


class _Choice:
    def __init__(self, choices: Sequence[str]) -> None:
        self.widget = growing_combo()
        self.changed = self.widget.currentTextChanged
        for choice in choices:
            self.widget.addItem("Automatic" if choice == "auto" else choice, choice)

    def value(self) -> str:
        return self.widget.currentData()

    def set_value(self, value: str) -> None:
        self.widget.setCurrentIndex(self.widget.findData(value))


class _FloatSlider:
    """Number between bounds, shown with two decimals; until it is moved it is exactly the one it was set to."""

    def __init__(self, low: float, high: float) -> None:
        self.widget = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.changed = self.widget.valueChanged
        self.widget.setRange(low, high)
        self.widget.setDecimals(2)
        self.widget.setSingleStep(0.01)
        self.widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Tab stops at the slider in it

    def value(self) -> float:
        shown = self._shown()
        return self._exact if shown == self._shown_at_first else shown

    def set_value(self, value: float) -> None:
        self.widget.setValue(value)
        self._exact, self._shown_at_first = value, self._shown()

    def _shown(self) -> float:
        return round(float(self.widget.value()), 2)


class OptionalIntSlider:
    """Whole number from 0 that the program chooses until the user moves the slider."""

    def __init__(self, low: int) -> None:
        self._automatic_value = low
        self._automatic = True
        self.widget = QLabeledSlider(Qt.Orientation.Horizontal)
        self.widget.setRange(low, _DEFAULT_MAXIMUM)
        self.widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # as above
        self.changed = self.widget.valueChanged
        self.changed.connect(self._take_over)

    def value(self) -> int | None:
        return None if self._automatic else int(self.widget.value())

    def set_value(self, value: int | None) -> None:
        self._show(self._automatic_value if value is None else value)
        self._automatic = value is None

    def set_automatic(self, value: int, maximum: int) -> None:
        """Tell which number the program chooses, and how far the slider goes."""
        self._automatic_value = value
        with signals_blocked(self.widget):
            self.widget.setMaximum(max(maximum, self.value() or 0, value))
        if self._automatic:
            self._show(value)

    def _show(self, value: int) -> None:
        with signals_blocked(self.widget):
            self.widget.setValue(value)

    def _take_over(self) -> None:
        self._automatic = False


class _Spin:
    """Whole number; where None is allowed, one below the lowest stands for it."""

    def __init__(self, low: int, high: int, optional: bool) -> None:
        self._none = low - 1 if optional else None
        self.widget = QSpinBox()
        self.changed = self.widget.valueChanged
        self.widget.setRange(low if self._none is None else self._none, high)
        if optional:
            self.widget.setSpecialValueText("Automatic")
        self.widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def value(self) -> int | None:
        value = self.widget.value()
        return None if value == self._none else value

    def set_value(self, value: int | None) -> None:
        self.widget.setValue(self._none if value is None else value)


def _editor_for(field: FieldInfo) -> _Editor:
    kinds = get_args(field.annotation)
    optional = type(None) in kinds
    kind = kinds[0] if optional else field.annotation
    low, high = _bounds(field)
    if kind is bool:
        return _Check(field.title)
    if get_origin(kind) is Literal:
        return _Choice(get_args(kind))
    if kind is float and low is not None and high is not None:
        return _FloatSlider(low, high)
    if kind is int and optional and high is None:
        return OptionalIntSlider(int(low or 0))
    if kind is int:
        return _Spin(int(low or 0), int(high if high is not None else _DEFAULT_MAXIMUM), optional)
    raise TypeError(f"no editor for a field of type {field.annotation!r}; add one to {__name__}.")


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    low = next((m.ge for m in field.metadata if hasattr(m, "ge")), None)
    high = next((m.le for m in field.metadata if hasattr(m, "le")), None)
    return low, high
