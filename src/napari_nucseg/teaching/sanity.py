"""Systematic nonsense in corrections, noticed before it is learned: masks that do not lie on what the image shows.

All checks ask how outlines lie on the image's edges (see ``edges``), nucleus by nucleus:

shifted      they lie clearly better if all are moved alike
nothing      they lie no better than outlines put anywhere: mask of another image, or paint at random
size         they lie clearly better if all are grown or shrunk alike
halves       in many nuclei a part of the outline lies on no edge, and mirrored at that part the rest lies on one again:
             where the image shows a whole nucleus, half of it was deleted

Thresholds were set on nuclei annotated by people in fluorescence, histology and brightfield; ``benchmarks/sanity.py``
prints what is noticed, and what is noticed wrongly. Nuclei left out at random are not noticed here: they look like
nuclei nobody has corrected yet. A model taught so is compared with the old one all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.nuclei.targets import median_diameter
from napari_nucseg.teaching.edges import Edges, Outline, mean_seen, outlines
from napari_nucseg.teaching.holdout import vouched_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.teaching.examples import Lesson

    Floats = NDArray[np.float64]

FEWEST = 5
"""Nuclei needed for a judgement; images with fewer are looked at together."""
GOOD = 0.5
"""Agreement below which outlines lie on nothing: people's own are at .67 and more in each image looked at."""
BETTER_THAN_ELSEWHERE = 0.7
"""Share of nuclei that must lie better than most copies of them moved away; people's are at .79 and more."""
MOVED_BETTER = 0.3
"""Agreement that moved, grown or shrunk outlines must win to say that they were moved, grown or shrunk."""
HALVED_SHARE = 0.15
"""Share of nuclei that go on beyond their outline; at most .11 with 1 in 10 nuclei left out."""
_MOVES = np.array([0.25, 0.375, 0.5, 0.625, 0.75, 1.0])  # in diameters
_FAR = slice(1 + 2 * 8, None)  # moves of half a diameter and more
_GROWTHS = np.array([-0.45, -0.3, 0.0, 0.3, 0.45, 0.6, 0.75])  # in radii, along the normals
_WEAK = 0.35  # of an outline's strong parts
_WEAK_SHARES = 0.12, 0.7


@dataclass(frozen=True, eq=False)
class _Fit:
    """How the nuclei of an image lie on its edges; N nuclei, S moves (the first is none), G growths.

    Bright nuclei and dark ones alike have positive agreement where they lie well.
    """

    moved: Floats
    """(N, S)"""
    grown: Floats
    """(N, G)"""
    goes_on: NDArray[np.bool_]
    """(N,) whether a nucleus seems to go on beyond its outline."""
    diameter_px: float

    @classmethod
    def join(cls, fits: Sequence[_Fit]) -> _Fit:
        parts = {
            name: np.concatenate([getattr(fit, name) for fit in fits])
            for name in ("moved", "grown", "goes_on")
        }
        return cls(**parts, diameter_px=float(np.mean([fit.diameter_px for fit in fits])))


def warnings_of(examples: Iterable[Lesson]) -> tuple[str, ...]:
    """Say what is systematically wrong with corrections, a sentence or two each; nothing for sound ones.

    Of corrections of a prediction, the changed nuclei are looked at by themselves too: paint at random is found among
    many nuclei that are right.
    """
    found, small = [], []
    for example in examples:
        vouched = vouched_for(example.labels, example.taught)
        changed = np.intersect1d(vouched, example.changed)
        groups = [vouched, changed] if FEWEST <= changed.size < vouched.size else [vouched]
        fits = [fit for numbers in groups if (fit := _fit(example, numbers)) is not None]
        if fits and len(fits[0].moved) < FEWEST:
            small.append((example.name, fits[0]))
        said = [_words(fit) for fit in fits if len(fit.moved) >= FEWEST]
        found += [f"{example.name}: {words}" for words in said if words][:1]
    if sum(len(fit.moved) for _, fit in small) >= FEWEST:
        names = ", ".join(dict.fromkeys(name for name, _ in small))
        words = _words(_Fit.join([fit for _, fit in small]))
        found += [f"{names}: {words}"] if words else []
    return tuple(found)


def _fit(example: Lesson, numbers: NDArray[np.int32]) -> _Fit | None:
    lines = outlines(example.labels, numbers)
    if not lines:
        return None
    diameter_px = median_diameter(np.where(np.isin(example.labels, numbers), example.labels, 0))
    assert diameter_px is not None  # there are outlines
    edges = Edges(example.pixels, diameter_px)
    across = [edges.across(line.points, line.normals) for line in lines]
    brighter = np.sign(sum(float(mean_seen(values)) for values in across)) or 1.0
    moves = diameter_px * _directions()
    moved = [mean_seen(edges.across(line.points + moves[:, None], line.normals)) for line in lines]
    grown = [mean_seen(edges.across(_grown(line), line.normals)) for line in lines]
    goes_on = [
        _goes_on(edges, line, brighter * values, example.labels, brighter)
        for line, values in zip(lines, across, strict=True)
    ]
    return _Fit(brighter * np.array(moved), brighter * np.array(grown), np.array(goes_on), diameter_px)


def _directions() -> Floats:
    """Return moves (S, 2) in diameters: none, then eight directions at each distance."""
    angles = np.arange(8) * np.pi / 4
    unit = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    return np.concatenate([np.zeros((1, 2)), (_MOVES[:, None, None] * unit).reshape(-1, 2)])


def _grown(line: Outline) -> Floats:
    """Outline grown or shrunk along its normals, (G, K, 2)."""
    return line.points + line.radius_px * _GROWTHS[:, None, None] * line.normals


def _goes_on(edges: Edges, line: Outline, across: Floats, labels: NDArray[np.int32], brighter: float) -> bool:
    """Whether the outline, mirrored at the part of it that lies on no edge, lies on edges again, and on no nucleus."""
    weak = across < _WEAK * np.quantile(across, 0.75)
    if not _WEAK_SHARES[0] < weak.mean() < _WEAK_SHARES[1]:
        return False
    mirror = line.points[weak].mean(axis=0)
    other = np.round(2 * mirror - line.centre).astype(int)
    if ((other < 0) | (other >= labels.shape)).any() or labels[tuple(other)]:
        return False
    mirrored = mean_seen(brighter * edges.across(2 * mirror - line.points[~weak], -line.normals[~weak]))
    return bool(mirrored > 0.5 * across[~weak].mean())


def _words(fit: _Fit) -> str:
    """Say what is wrong; nothing if nothing is."""
    moved, grown = fit.moved.mean(axis=0), fit.grown.mean(axis=0)
    move, growth, present = int(moved.argmax()), int(grown.argmax()), moved[0]
    elsewhere = np.quantile(fit.moved[:, _FAR], 0.75, axis=1)
    if grown[growth] > max(GOOD, 2 * present, present + MOVED_BETTER, moved[move]):
        return _resized(_GROWTHS[growth] * fit.diameter_px / 2)
    if moved[move] > max(GOOD, present + MOVED_BETTER):
        return _shifted(_directions()[move] * fit.diameter_px)
    if present < GOOD and np.mean(fit.moved[:, 0] > elsewhere) < BETTER_THAN_ELSEWHERE:
        return (
            "the outlines follow nothing that the image shows. Does the mask belong to another image, or was it "
            "painted at random?"
        )
    n = int(fit.goes_on.sum())
    if n >= max(2, HALVED_SHARE * len(fit.goes_on)):
        return f"{n} of {len(fit.goes_on)} nuclei seem to go on beyond their outlines. Were parts of them deleted?"
    return ""


def _resized(growth_px: float) -> str:
    side = "inside" if growth_px > 0 else "outside"
    return f"the outlines lie about {abs(growth_px):.0f} px {side} the edges in the image. Were the masks rescaled?"


def _shifted(move_px: Floats) -> str:
    ways = (("down", "up"), ("right", "left"))
    parts = [
        f"{abs(px):.0f} px {positive if px > 0 else negative}"
        for px, (positive, negative) in zip(move_px, ways, strict=True)
        if abs(px) >= 1
    ]
    return (
        f"the masks seem to be shifted: they fit the image if moved {' and '.join(parts)}. "
        "Align image and masks pixel by pixel, then teach again."
    )
