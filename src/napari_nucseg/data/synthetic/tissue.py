"""Where things lie in a made tissue: glands with their lumina, stroma with its fibres, the nuclei."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_nucseg.data.synthetic.outlines import Crowd, Outline, wobble
from napari_nucseg.data.synthetic.texture import smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucseg.data.synthetic.outlines import Shape


_FAR = 3.0  # depth from which on a gland no longer matters to the stroma


class Kind(Enum):
    """Kinds of nuclei the picture shows."""

    EPITHELIAL = "epithelial"
    LYMPHOCYTE = "lymphocyte"
    FIBROBLAST = "fibroblast"


@dataclass(frozen=True)
class Nucleus:
    """One nucleus of the tissue and its kind."""

    outline: Outline
    kind: Kind


@dataclass(frozen=True, eq=False)
class Tissue:
    """Maps (Y, X) of the tissue and the nuclei in it.

    Attributes
    ----------
    gland
        Depth in the nearest gland: below 1 inside, 1 on its outer rim, above 1 in the stroma.
    lumen
        Share of empty glass, 0 … 1.
    direction
        Direction of the stroma's fibres, radians.
    nuclei
        In the order in which they were placed.
    """

    gland: NDArray[np.float32]
    lumen: NDArray[np.float32]
    direction: NDArray[np.float32]
    nuclei: tuple[Nucleus, ...]


def grow_tissue(shape: Shape, diameter_px: float, rng: np.random.Generator) -> Tissue:
    """Lay out glands, then their epithelium, then fibroblasts and lymphocytes in the stroma between them."""
    glands = _place_glands(shape, diameter_px, rng)
    gland = _gland_depth(glands, shape) + 0.03 * smooth_noise(shape, 0.5 * diameter_px, rng)
    direction = _fibre_direction(gland, shape, diameter_px, rng)
    crowd = Crowd(reach_px=3 * diameter_px)
    kinds: list[Kind] = []
    for kind, candidates in (
        (Kind.EPITHELIAL, _epithelium(glands, shape, diameter_px, rng)),
        (Kind.LYMPHOCYTE, _lymphocytes(gland, diameter_px, rng)),
        (Kind.FIBROBLAST, _fibroblasts(gland, direction, diameter_px, rng)),
    ):
        closeness = {Kind.EPITHELIAL: 0.8, Kind.LYMPHOCYTE: 0.95, Kind.FIBROBLAST: 1.15}[kind]
        for outline in candidates:
            if crowd.has_room(outline.y, outline.x, outline.radius_px, closeness):
                crowd.add(outline)
                kinds.append(kind)
    nuclei = tuple(Nucleus(outline, kind) for outline, kind in zip(crowd.outlines, kinds, strict=True))
    return Tissue(gland, _lumen(gland, shape, diameter_px, rng), direction, nuclei)


def _place_glands(shape: Shape, diameter_px: float, rng: np.random.Generator) -> list[Outline]:
    crowd = Crowd(reach_px=14 * diameter_px)
    n_wanted = max(1, round(0.5 * shape[0] * shape[1] / (np.pi * (4.2 * diameter_px) ** 2)))
    for _ in range(60 * n_wanted):
        if len(crowd.outlines) >= n_wanted:
            break
        y, x = rng.uniform(0, shape)
        radius = diameter_px * rng.uniform(3.3, 5.0)
        if crowd.has_room(y, x, radius, 1.12):
            stretch = float(np.sqrt(rng.uniform(1.0, 1.7)))
            angle = float(rng.uniform(0, np.pi))
            crowd.add(
                Outline(float(y), float(x), radius * stretch, radius / stretch, angle, wobble(rng, 0.06))
            )
    return crowd.outlines


def _gland_depth(glands: list[Outline], shape: Shape) -> NDArray[np.float32]:
    """Depth in the nearest gland, at most ``_FAR``, (Y, X)."""
    depth = np.full(shape, _FAR, np.float32)
    for gland in glands:
        window = gland.window(shape, reach=_FAR)
        depth[window] = np.minimum(depth[window], gland.depth(window))
    return depth


def _fibre_direction(
    gland: NDArray[np.float32], shape: Shape, diameter_px: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Fibres wind through the stroma and lie round the glands."""
    winding = np.float32(rng.uniform(0, np.pi)) + 0.7 * smooth_noise(shape, 5 * diameter_px, rng)
    gy, gx = (ndimage.sobel(gland, axis) for axis in (0, 1))
    round_gland = np.arctan2(gx, -gy)  # at right angles to the gradient
    near = np.clip(1.9 - gland, 0, 1)
    # Directions have no sign: they are blended as doubled angles.
    doubled = (1 - near) * np.exp(2j * winding) + near * np.exp(2j * round_gland)
    return np.asarray(np.angle(doubled) / 2, dtype=np.float32)


def _lumen(
    gland: NDArray[np.float32], shape: Shape, diameter_px: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Empty glass: the middle of each gland, and some clefts in the stroma."""
    secretion = np.clip(smooth_noise(shape, 0.5 * diameter_px, rng), 0, 3)
    middle = np.clip((0.36 - gland) * 14 + 0.5, 0, 1) * (0.96 - 0.05 * secretion)
    clefts = np.clip((smooth_noise(shape, 0.9 * diameter_px, rng) - 1.75) * 3, 0, 1) * np.clip(
        (gland - 1.1) * 8, 0, 1
    )
    return np.asarray(np.maximum(middle, 0.8 * clefts), dtype=np.float32)


def _epithelium(
    glands: list[Outline], shape: Shape, diameter_px: float, rng: np.random.Generator
) -> list[Outline]:
    """Return oval nuclei in a palisade near the rim of each gland, pointing to its lumen; some further in."""
    nuclei = []
    for gland in glands:
        circumference = 2 * np.pi * gland.radius_px * 0.8
        n_cells = int(circumference / (0.8 * diameter_px))
        for i, level in [(i, level) for level in (0.82, 0.58) for i in range(n_cells)]:
            if level < 0.6 and rng.random() < 0.45:
                continue
            theta = 2 * np.pi * (i + rng.uniform(-0.3, 0.3)) / n_cells
            reach = level * (1 + sum(a * np.cos(n * theta + phase) for n, a, phase in gland.waves))
            reach += rng.normal(0, 0.035)
            along, across = gland.long_px * reach * np.cos(theta), gland.short_px * reach * np.sin(theta)
            dx = along * np.cos(gland.angle) - across * np.sin(gland.angle)
            dy = along * np.sin(gland.angle) + across * np.cos(gland.angle)
            if -diameter_px < gland.y + dy < shape[0] + diameter_px:
                radius = 0.5 * diameter_px * float(np.exp(rng.normal(0.02, 0.14)))
                stretch = float(np.exp(abs(rng.normal(0.12, 0.08))))
                angle = float(np.arctan2(dy, dx) + rng.normal(0, 0.25))
                nuclei.append(
                    Outline(
                        gland.y + dy,
                        gland.x + dx,
                        radius * stretch,
                        radius / stretch,
                        angle,
                        wobble(rng, 0.055),
                    )
                )
    return nuclei


def _fibroblasts(
    gland: NDArray[np.float32], direction: NDArray[np.float32], diameter_px: float, rng: np.random.Generator
) -> list[Outline]:
    """Return spindles along the fibres of the stroma."""
    nuclei = []
    for y, x in _stroma_places(gland, round(gland.size / (2.2 * diameter_px**2)), rng):
        radius = 0.38 * diameter_px * float(np.exp(rng.normal(0, 0.22)))
        stretch = float(np.sqrt(rng.uniform(1.8, 4.0)))
        angle = float(direction[int(y), int(x)] + rng.normal(0, 0.12))
        nuclei.append(Outline(y, x, radius * stretch, radius / stretch, angle, wobble(rng, 0.11)))
    return nuclei


def _lymphocytes(gland: NDArray[np.float32], diameter_px: float, rng: np.random.Generator) -> list[Outline]:
    """Return small round nuclei, in loose groups."""
    nuclei = []
    for y, x in _stroma_places(gland, max(1, round(gland.size / (60 * diameter_px**2))), rng):
        for _ in range(int(rng.integers(1, 9))):
            radius = 0.34 * diameter_px * float(np.exp(rng.normal(0, 0.08)))
            dy, dx = rng.normal(0, 1.1 * diameter_px, 2)
            row, column = int(y + dy), int(x + dx)
            if 0 <= row < gland.shape[0] and 0 <= column < gland.shape[1] and gland[row, column] > 1.06:
                nuclei.append(Outline(y + dy, x + dx, radius * 1.04, radius / 1.04, 0.0, wobble(rng, 0.03)))
    return nuclei


def _stroma_places(
    gland: NDArray[np.float32], n_tries: int, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Return random places (y, x), those outside all glands."""
    places = rng.uniform(0, gland.shape, (n_tries, 2)).tolist()
    return [(y, x) for y, x in places if gland[int(y), int(x)] > 1.1]
