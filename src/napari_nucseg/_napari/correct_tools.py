"""The tools of *Correct nuclei*: what each is called, how it is drawn, and the edit it makes. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg._napari.layer_state import snapshot_of
from napari_nucseg.errors import EditError
from napari_nucseg.nuclei.edit import first_free_number
from napari_nucseg.nuclei.editing import (
    add_outline,
    delete_at,
    delete_in_box,
    fill_holes_at,
    merge_along,
    split_by_line,
)
from napari_nucseg.nuclei.growing import add_at
from napari_nucseg.nuclei.restoring import restore_at, restore_in_box

if TYPE_CHECKING:
    from napari_nucseg._napari.correct_subject import Subject
    from napari_nucseg.nuclei.edit import Edit

CLICK_PX = 2.0
"""A drag shorter than this many pixels of the image is a click."""


class Gesture(Enum):
    """What the mouse does for a tool."""

    CLICK = "click"
    LINE = "line"
    BOX = "box"
    OUTLINE = "outline"


@dataclass(frozen=True)
class Tool:
    """One tool: name in the program, title on its button, key, gesture and what to do with it."""

    name: str
    title: str
    key: str
    gesture: Gesture
    hint: str

    @property
    def key_text(self) -> str:
        """Key as people write it."""
        return self.key.replace("-", "+")


EDIT_TOOLS = (
    Tool("split", "Split", "Shift-S", Gesture.LINE, "Draw a line across a nucleus, from outside to outside."),
    Tool("merge", "Merge", "Shift-M", Gesture.LINE, "Drag from one nucleus into the next."),
    Tool("delete", "Delete", "Shift-D", Gesture.BOX, "Click on a nucleus, or drag a box over several."),
    Tool("outline", "Add outline", "Shift-O", Gesture.OUTLINE, "Draw around a nucleus that was missed."),
    Tool("grow", "Add by click", "Shift-G", Gesture.CLICK, "Click on a nucleus that was missed."),
    Tool("fill", "Fill holes", "Shift-F", Gesture.CLICK, "Click on a nucleus with holes."),
    Tool(
        "restore",
        "Restore",
        "Shift-R",
        Gesture.BOX,
        "Click where to bring the prediction back, or drag a box.",
    ),
)
IGNORE = Tool(
    "ignore_outline", "Ignore", "Shift-I", Gesture.OUTLINE, "Draw around what shall never be taught."
)
TRUST_TOOLS = (
    Tool("review_box", "Box", "Shift-B", Gesture.BOX, "Drag a box over what you have checked."),
    Tool("review_outline", "Outline", "Shift-C", Gesture.OUTLINE, "Draw around what you have checked."),
    IGNORE,
)
VIEW_KEY, NEXT_KEY, PREVIOUS_KEY, CHECKED_KEY = "W", "N", "Shift-N", "K"


def make_edit(tool: Tool, subject: Subject, points: np.ndarray, *, overwrite: bool = False) -> Edit:
    """Turn what was drawn with one of ``EDIT_TOOLS``, (N, 2) points in pixels of the plane in view, into an edit.

    Raises
    ------
    EditError
        If the tool can do nothing there.
    """
    labels, point = subject.labels, points[0]
    is_click = bool(np.ptp(points, axis=0).max() < CLICK_PX)
    corners = np.array([points[0], points[-1]])
    match tool.name:
        case "split":
            return split_by_line(labels, _line(points), first_free=_free(subject))
        case "merge":
            return merge_along(labels, _line(points))
        case "delete":
            return delete_at(labels, point) if is_click else delete_in_box(labels, corners)
        case "outline":
            if len(points) < 3:
                raise EditError(f"that encloses nothing. {tool.hint}")
            return add_outline(labels, points, overwrite=overwrite, first_free=_free(subject))
        case "grow":
            return _grow(subject, point)
        case "fill":
            return fill_holes_at(labels, point)
    return _restore(subject, point if is_click else corners)


def _line(points: np.ndarray) -> np.ndarray:
    """Line of at least two points: a click is a line without length."""
    return points if len(points) > 1 else np.repeat(points, 2, axis=0)


def _free(subject: Subject) -> int:
    """Free number in all planes and in the prediction, whose numbers may come back."""
    snapshot = snapshot_of(subject.layer)
    others = () if snapshot is None else (snapshot,)
    return first_free_number(subject.layer.data, *others)


def _grow(subject: Subject, point: np.ndarray) -> Edit:
    known = subject.maps
    if known is None:
        raise EditError(
            "the network's maps are not in memory. Segment this plane with Segment nuclei, "
            "or draw the outline instead."
        )
    return add_at(subject.labels, known.maps, point, diameter_px=known.diameter_px, first_free=_free(subject))


def _restore(subject: Subject, where: np.ndarray) -> Edit:
    snapshot = subject.snapshot
    if snapshot is None:
        raise EditError("nobody knows what was predicted here. Undo with Ctrl+Z instead.")
    restore = restore_at if where.ndim == 1 else restore_in_box
    return restore(subject.labels, snapshot, where, first_free=_free(subject))
