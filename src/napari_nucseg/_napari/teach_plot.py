"""Live curves while a model learns: how many nuclei it finds on held-out corrections, and its loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Points = Sequence[tuple[int, float]]

HEIGHT_PX = 200
AXIS_WIDTH_PX = 52
SHORTEST_STEPS = 20
"""Least range of the axis of steps: the first point alone must not choose it."""
SCORE_LINE, LEARNED_LINE, HELD_OUT_LINE = "#2fbf71", "#3a9bdc", "#e09f3e"
LEGEND = " ".join(
    f'<span style="color: {colour}">●</span> {words}'
    for colour, words in (
        (SCORE_LINE, "AP, kept aside"),
        (LEARNED_LINE, "loss, learned"),
        (HELD_OUT_LINE, "loss, kept aside"),
    )
)
AP, HELD_OUT_LOSS = "ap50", "held_out_loss"


class TeachPlot(QWidget):
    """Two small plots over the same steps: average precision above, loss below.

    A dashed line shows where the old model stands.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = pyqtgraph.GraphicsLayoutWidget()
        self._view.setFixedHeight(HEIGHT_PX)
        self._view.setMinimumWidth(1)
        self._view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.scores = self._add_plot(0, "AP")
        self.losses = self._add_plot(1, "loss")
        self.losses.setXLink(self.scores)
        self.scores.hideAxis("bottom")
        self.losses.setLabel("bottom", "step")
        self.losses.getAxis("bottom").enableAutoSIPrefix(False)
        self.scores.setLimits(yMin=-0.02, yMax=1.02)
        self._view.ci.layout.setRowStretchFactor(0, 3)
        self._view.ci.layout.setRowStretchFactor(1, 2)
        self._view.ci.setContentsMargins(2, 2, 6, 2)
        self._found = _points(self.scores, SCORE_LINE)
        self._learned = self.losses.plot([], [], pen=pyqtgraph.mkPen(LEARNED_LINE, width=1.5))
        self._held_out = _points(self.losses, HELD_OUT_LINE)
        self._old = pyqtgraph.InfiniteLine(angle=0, label="old model", labelOpts={"position": 0.85})
        self._old.setVisible(False)
        self.scores.addItem(self._old, ignoreBounds=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._view)
        column.addWidget(QLabel(LEGEND, alignment=Qt.AlignmentFlag.AlignHCenter))
        self.setToolTip(
            "AP: share of nuclei found and well outlined, on corrections the model never learns from. 1 is best.\n"
            "Dashed: the old model. Loss: how wrong the model is on what it learns, and on what is kept aside."
        )

    def follow_theme(self, name: str) -> None:
        """Take over the colours of napari's theme."""
        theme = get_theme(name)
        background, text, faint = (
            colour.as_hex() for colour in (theme.background, theme.text, theme.secondary)
        )
        self._view.setBackground(background)
        for plot in (self.scores, self.losses):
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(faint)
                plot.getAxis(side).setTextPen(text)
        self._old.setPen(pyqtgraph.mkPen(text, width=1, style=Qt.PenStyle.DashLine))
        self._old.label.setColor(text)

    def show_curves(self, losses: Points, scores: Mapping[str, Points]) -> None:
        """Show all points so far.

        Parameters
        ----------
        losses
            (step, loss) on what is learned.
        scores
            (step, value) by name, on what is held out: ``ap50`` and ``held_out_loss``. Step 0 is the old model.
        """
        found = scores.get(AP, ())
        self._found.setData(*_columns(found))
        self._learned.setData(*_columns(losses))
        self._held_out.setData(*_columns(scores.get(HELD_OUT_LOSS, ())))
        last = max((points[-1][0] for points in (losses, *scores.values()) if points), default=0)
        self.scores.setXRange(0, max(last, SHORTEST_STEPS), padding=0.02)
        known = bool(found) and found[0][0] == 0
        self._old.setVisible(known)
        if known:
            self._old.setValue(found[0][1])

    def _add_plot(self, row: int, name: str) -> pyqtgraph.PlotItem:
        plot = self._view.addPlot(row=row, col=0)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setMouseEnabled(x=False, y=False)
        plot.setLabel("left", name)
        plot.getAxis("left").setWidth(AXIS_WIDTH_PX)
        plot.getAxis("left").enableAutoSIPrefix(False)
        plot.showGrid(y=True, alpha=0.15)
        return plot


def _points(plot: pyqtgraph.PlotItem, colour: str) -> pyqtgraph.PlotDataItem:
    """Line with a dot for each look."""
    return plot.plot(
        [],
        [],
        pen=pyqtgraph.mkPen(colour, width=2),
        symbol="o",
        symbolSize=5,
        symbolBrush=colour,
        symbolPen=None,
    )


def _columns(points: Points) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]
