"""Outlines of nuclei: smooth deformed ellipses, where they lie, and the labels they give."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shape = tuple[int, int]


@dataclass(frozen=True)
class Outline:
    """One nucleus: centre and half axes in pixels, angle of the long axis in radians, wobble of its radius.

    ``waves`` are (n, amplitude, phase): the radius is multiplied by 1 + Σ amplitude · cos(n · θ + phase).
    """

    y: float
    x: float
    long_px: float
    short_px: float
    angle: float = 0.0
    waves: tuple[tuple[int, float, float], ...] = ()

    @property
    def radius_px(self) -> float:
        """Radius of the circle of the same area."""
        return math.sqrt(self.long_px * self.short_px)

    def window(self, shape: Shape, reach: float = 1.4) -> tuple[slice, slice]:
        """Part of an image of this shape the nucleus may touch; empty where it lies outside."""
        half = self.long_px * reach + 2
        rows = slice(*np.clip([int(self.y - half), int(self.y + half) + 1], 0, shape[0]).tolist())
        columns = slice(*np.clip([int(self.x - half), int(self.x + half) + 1], 0, shape[1]).tolist())
        return rows, columns

    def depth(self, window: tuple[slice, slice]) -> NDArray[np.float32]:
        """Distance from the centre over the outline's radius there, (Y, X): 1 on the outline."""
        dy = np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None] - np.float32(self.y)
        dx = np.arange(window[1].start, window[1].stop, dtype=np.float32)[None, :] - np.float32(self.x)
        cos, sin = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        along, across = (dx * cos + dy * sin) / self.long_px, (dy * cos - dx * sin) / self.short_px
        theta = np.arctan2(across, along)
        radius = np.ones_like(theta)
        for n, amplitude, phase in self.waves:
            radius += np.float32(amplitude) * np.cos(n * theta + np.float32(phase))
        return np.asarray(np.hypot(along, across) / radius, dtype=np.float32)


class Crowd:
    """Outlines placed so far, kept apart (or deliberately touching) by their distances.

    Neighbours are looked up on a grid of ``reach_px``, the largest distance at which two outlines may matter to each
    other, so that placing thousands takes no longer for each than placing ten.
    """

    def __init__(self, reach_px: float) -> None:
        self.outlines: list[Outline] = []
        self._reach_px = reach_px
        self._cells: dict[tuple[int, int], list[Outline]] = {}

    def add(self, outline: Outline) -> None:
        """Place an outline."""
        self.outlines.append(outline)
        self._cells.setdefault(self._cell(outline.y, outline.x), []).append(outline)

    def has_room(self, y: float, x: float, radius_px: float, closeness: float) -> bool:
        """Whether every centre is at least ``closeness`` times the sum of both radii away."""
        row, column = self._cell(y, x)
        near = (self._cells.get((row + i, column + j), ()) for i in (-1, 0, 1) for j in (-1, 0, 1))
        return all(
            math.hypot(other.y - y, other.x - x) >= closeness * (other.radius_px + radius_px)
            for cell in near
            for other in cell
        )

    def _cell(self, y: float, x: float) -> tuple[int, int]:
        return math.floor(y / self._reach_px), math.floor(x / self._reach_px)

    def neighbour_place(self, radius_px: float, rng: np.random.Generator) -> tuple[float, float]:
        """Return a centre (y, x) that makes a nucleus touch or overlap one that is there."""
        other = self.outlines[int(rng.integers(len(self.outlines)))]
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.82, 1.0) * (other.radius_px + radius_px)
        return other.y + distance * np.sin(angle), other.x + distance * np.cos(angle)


def wobble(rng: np.random.Generator, strength: float) -> tuple[tuple[int, float, float], ...]:
    """Draw smooth deviations from an ellipse; ``strength`` is the first one's typical amplitude."""
    return tuple(
        (n, float(rng.normal(0, strength / (n - 1))), float(rng.uniform(0, 2 * np.pi))) for n in (2, 3, 4, 5)
    )


def paint_outlines(
    outlines: list[Outline], shape: Shape, min_area_px: float
) -> tuple[list[Outline], NDArray[np.int32]]:
    """Draw outlines; where two overlap, a pixel goes to the one it lies deeper in.

    Returns
    -------
    outlines
        Those of which at least ``min_area_px`` are seen: slivers at the border are left out altogether.
    labels
        int32 (Y, X) of this shape, numbered 1 … n in their order.
    """
    while True:
        labels = _paint(outlines, shape)
        areas = np.bincount(labels.ravel(), minlength=len(outlines) + 1)[1:]
        seen = [outline for outline, area in zip(outlines, areas, strict=True) if area >= min_area_px]
        if len(seen) == len(outlines):
            return outlines, labels
        outlines = seen


def _paint(outlines: list[Outline], shape: Shape) -> NDArray[np.int32]:
    labels = np.zeros(shape, np.int32)
    deepest = np.ones(shape, np.float32)
    for number, outline in enumerate(outlines, start=1):
        window = outline.window(shape)
        depth = outline.depth(window)
        inside = depth < deepest[window]
        labels[window][inside] = number
        deepest[window][inside] = depth[inside]
    return labels
