"""Layout of *Fine-tune*: which parts there are and in which order. No behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDoubleSpinBox,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible, QLabeledDoubleSlider

from napari_nucseg._napari.device_choice import DeviceChoice
from napari_nucseg._napari.dock_column import DockColumn, fill
from napari_nucseg._napari.model_choice import ModelChoice
from napari_nucseg._napari.question_strip import QuestionStrip
from napari_nucseg._napari.rows import add_row, folded, form_rows, running_row, tipped_button
from napari_nucseg._napari.teach_outcome import Outcome
from napari_nucseg._napari.teach_plot import TeachPlot
from napari_nucseg._napari.teach_rows import SourceList
from napari_nucseg._napari.teach_text import seconds_with
from napari_nucseg._napari.words import Words
from napari_nucseg.counted import duration_words
from napari_nucseg.teaching.job import Preset

if TYPE_CHECKING:
    from collections.abc import Mapping

Page = Literal["choose", "learn", "outcome"]
PRESETS: tuple[Preset, ...] = get_args(Preset)
PRESET_TIPS = {
    "quick": "To see whether it goes the right way.",
    "standard": "For a round of corrections.",
    "thorough": "For many corrections, or where Standard still improved at its end.",
}


class TeachForm(QWidget):
    """All parts of *Fine-tune*, in a column that scrolls where the window is low."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.unfinished = QuestionStrip()
        self.question = QuestionStrip()
        self.title = Words()
        self.title.setStyleSheet("font-weight: bold;")
        self.examples = SourceList()
        self.add_folder = tipped_button(
            "Add folder…", "Corrections that were saved, a folder that was worked through, or a dataset."
        )
        self.model = ModelChoice(by_image=False)
        self.model.setToolTip("Model to teach. It stays as it is: the outcome is a new one.")
        self.presets = {preset: _preset_button(preset) for preset in PRESETS}
        self._preset_group = QButtonGroup(self)
        for button in self.presets.values():
            self._preset_group.addButton(button)
        self.presets["standard"].setChecked(True)
        self.keep = _keep_slider()
        self.pin = tipped_button(
            "Keep good on this…", "Images with nuclei on which the new model must be as good as the old one."
        )
        self.pinned = SourceList()
        self.name = QLineEdit()
        self.name.setToolTip("Name of the new model.")
        self.preview = QCheckBox("Show what it finds")
        self.preview.setToolTip("On the image, while it learns.")
        self.preview.setChecked(True)
        self.steps, self.learning_rate, self.threads, self.seed = _advanced_editors()
        self.device = DeviceChoice()
        self.advanced = self._make_advanced()
        self.run = QPushButton("Fine-tune")
        self.run.setMinimumHeight(40)
        self.run.setStyleSheet("font-weight: bold;")
        self.why_not = Words()
        self.status = Words()
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.progress = QProgressBar()
        self.cancel = tipped_button("Cancel", "Stops at once; you may keep the best so far.")
        self.plot = TeachPlot()
        self.running = running_row(self.progress, self.cancel)
        self.outcome = Outcome()
        self.choices = self._make_choices()
        self._seconds: dict[Preset, float] = {}
        self._lay_out()
        self.steps.valueChanged.connect(self._show_durations)
        self.run.setEnabled(False)
        self.show_page("choose")
        self.say("")

    @property
    def preset(self) -> Preset:
        """The chosen preset."""
        return next(preset for preset, button in self.presets.items() if button.isChecked())

    def say(self, text: str) -> None:
        """Show words below the button; empty ones hide the line."""
        self.status.setText(text.replace(" · ", "\N{NO-BREAK SPACE}· "))
        self.status.setVisible(bool(text))
        if text and self.outcome.isVisibleTo(self):  # its buttons alone may fill a low window
            self._column.reveal(self.status)

    def show_seconds(self, known: Mapping[Preset, float]) -> None:
        """Show how long presets with steps of their own take, or with those that are set in their place."""
        self._seconds |= known
        self._show_durations()

    def _show_durations(self) -> None:
        for preset, seconds in self._seconds.items():
            words = duration_words(seconds_with(preset, seconds, self.steps.value()))
            self.presets[preset].setText(f"{preset.capitalize()}\nabout {words}")

    def show_page(self, page: Page, title: str = "") -> None:
        """Show what belongs together: what to choose, a model that learns, or what came of it."""
        for part in (self.choices, self.run):
            part.setVisible(page == "choose")
        self.why_not.setVisible(page == "choose" and bool(self.why_not.text()))
        for part in (self.running, self.plot):
            part.setVisible(page == "learn")
        self.outcome.setVisible(page == "outcome")
        self.title.setText(title)
        self.title.setVisible(bool(title))

    def show_why_not(self, words: str) -> None:
        """Say why learning cannot start; empty where it can."""
        self.run.setEnabled(not words)
        self.why_not.setText(words)
        self.why_not.setVisible(bool(words) and self.run.isVisibleTo(self))

    def _lay_out(self) -> None:
        self._column = DockColumn(
            [
                self.unfinished,
                self.title,
                self.choices,
                self.run,
                self.why_not,
                self.running,
                self.plot,
                self.outcome,
                self.question,
                self.status,
            ]
        )
        self.question.asked.connect(lambda: self._column.reveal(self.question))
        fill(self, self._column)

    def _make_choices(self) -> QWidget:
        choices = QWidget()
        column = QVBoxLayout(choices)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self._make_examples())
        rows = form_rows()
        add_row(rows, "Teach", self.model)
        add_row(rows, "Name it", self.name)
        column.addLayout(rows)
        presets = QHBoxLayout()
        presets.setSpacing(4)
        for button in self.presets.values():
            presets.addWidget(button, stretch=1)
        column.addLayout(presets)
        column.addWidget(self._make_keeping())
        column.addWidget(self.advanced)
        return choices

    def _make_examples(self) -> QGroupBox:
        box = QGroupBox("Examples")
        box.setToolTip(
            "Corrected images. Only what was reviewed is ever taught, and nuclei you changed in a prediction."
        )
        column = QVBoxLayout(box)
        column.setSpacing(6)
        column.addWidget(self.examples)
        column.addWidget(self.add_folder, alignment=Qt.AlignmentFlag.AlignLeft)
        return box

    def _make_keeping(self) -> QGroupBox:
        box = QGroupBox("Keep old skills")
        column = QVBoxLayout(box)
        column.setSpacing(4)
        column.addWidget(self.keep)
        ends = QHBoxLayout()
        ends.addWidget(QLabel("learn freely"))
        ends.addStretch(1)
        ends.addWidget(QLabel("change little"))
        column.addLayout(ends)
        column.addWidget(self.pinned)
        column.addWidget(self.pin, alignment=Qt.AlignmentFlag.AlignLeft)
        return box

    def _make_advanced(self) -> QCollapsible:
        content = QWidget()
        rows = form_rows(content)
        rows.addRow(self.preview)
        for label, field in {
            "Steps": self.steps,
            "Rate": self.learning_rate,
            "Device": self.device,
            "Threads": self.threads,
            "Seed": self.seed,
        }.items():
            add_row(rows, label, field)
        return folded(content)


def _preset_button(preset: str) -> QPushButton:
    button = tipped_button(preset.capitalize(), PRESET_TIPS[preset])
    button.setCheckable(True)
    button.setMinimumHeight(2 * button.fontMetrics().lineSpacing() + 10)
    return button


def _keep_slider() -> QLabeledDoubleSlider:
    slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, 1)
    slider.setSingleStep(0.05)
    slider.setDecimals(2)
    slider.setValue(0.5)
    slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Tab stops at the slider in it
    slider.setToolTip(
        "Left: only your corrections count. Right: the model changes as little as possible, "
        "so that it stays good on all it was trained on."
    )
    return slider


def _advanced_editors() -> tuple[QSpinBox, QDoubleSpinBox, QSpinBox, QSpinBox]:
    """Editors of steps, learning rate, threads and seed; the lowest value leaves the choice to the program."""
    steps, threads, seed = QSpinBox(), QSpinBox(), QSpinBox()
    rate = QDoubleSpinBox(decimals=5, singleStep=0.0001, maximum=0.1)
    for editor, highest in ((steps, 100_000), (threads, 256)):
        editor.setRange(0, highest)
    seed.setRange(0, 1_000_000)
    for editor in (steps, rate, threads):
        editor.setSpecialValueText("Automatic")
    steps.setToolTip("Steps of learning, in place of the preset's.")
    rate.setToolTip("Learning rate, in place of the preset's.")
    threads.setToolTip("Processor threads to learn with. Automatic: all but one.")
    seed.setToolTip("The same seed gives the same model.")
    return steps, rate, threads, seed
