"""Which nuclei a person should look at first: doubt of each, taken from the maps and from its size and shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.errors import EditError
from napari_nucseg.nuclei.decoding import DecodingSettings, decode
from napari_nucseg.nuclei.overlaps import Overlaps, overlaps
from napari_nucseg.nuclei.pairs import Pairs
from napari_nucseg.nuclei.strokes import grown

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from numpy.typing import NDArray

    from napari_nucseg.nuclei.judging import Judge
    from napari_nucseg.nuclei.strokes import Box

    Floats = NDArray[np.float64]

THRESHOLD_STEP = 0.1
"""Thresholds are moved this far up and down to see which nuclei change."""
USUAL_Z, STRANGE_Z = 2.0, 6.0
"""Robust z-scores of size and shape from which on a nucleus is a little, and wholly, unusual."""
FEWEST_FOR_Z = 8
NOTABLE = 0.3
"""A part of doubt from this on is named as its reason."""
MARGIN_PX = 1


@dataclass(frozen=True)
class Doubt:
    """How doubtful one nucleus is.

    Attributes
    ----------
    number
        Of the nucleus.
    score
        0 (sure) to 1; the probability that at least one of the three parts is right, were they independent.
    uncertain
        0…1, how near its pixels' foreground probability is to ½.
    unstable
        0…1, how much of it changes when a threshold moves by ``THRESHOLD_STEP``.
    unusual
        0…1, how far its size or shape is from the others' (robust z-score).
    box
        Rows and columns.
    """

    number: int
    score: float
    uncertain: float
    unstable: float
    unusual: float
    box: Box

    @property
    def reasons(self) -> str:
        """Say why, e.g. "uncertain, unusual", or that there is no reason."""
        named = [name for name in ("uncertain", "unstable", "unusual") if getattr(self, name) >= NOTABLE]
        return ", ".join(named) or "nothing stands out"


@dataclass(frozen=True)
class ReviewQueue:
    """Nuclei in the order in which to look at them, and those looked at."""

    nuclei: tuple[Doubt, ...]
    done: frozenset[int] = frozenset()

    @property
    def summary(self) -> str:
        """Say it as "37 of 143 checked"."""
        return f"{len(self.done)} of {len(self.nuclei)} checked"

    def marked(self, number: int) -> ReviewQueue:
        """Return the queue with a nucleus marked as looked at; a number that is not in it changes nothing."""
        known = {doubt.number for doubt in self.nuclei}
        return replace(self, done=self.done | ({number} & known))

    def without(self, numbers: Iterable[int]) -> ReviewQueue:
        """Return the queue without nuclei that are gone."""
        gone = set(numbers)
        kept = tuple(doubt for doubt in self.nuclei if doubt.number not in gone)
        return ReviewQueue(kept, self.done - gone)

    def after(self, number: int | None, step: int = 1) -> Doubt | None:
        """Next nucleus not looked at yet (``step`` −1: previous), around the end; None where all are done."""
        n = len(self.nuclei)
        places: dict[int | None, int] = {doubt.number: place for place, doubt in enumerate(self.nuclei)}
        start = places.get(number, -1 if step > 0 else 0)
        for offset in range(1, n + 1):
            doubt = self.nuclei[(start + step * offset) % n]
            if doubt.number not in self.done:
                return doubt
        return None


def review_steps(
    labels: NDArray[np.integer[Any]],
    maps: NDArray[np.float32] | None = None,
    *,
    decoding: DecodingSettings | None = None,
    diameter_px: float = 24.0,
    judge: Judge | None = None,
) -> Generator[float, None, ReviewQueue]:
    """Rank the nuclei of an image, the most doubtful first.

    Parameters
    ----------
    labels
        (Y, X) integers.
    maps
        (3, Y, X) as the network predicted them; without, only size and shape are looked at.
    decoding, diameter_px, judge
        As the labels were decoded.

    Yields
    ------
    fraction
        0…1 of the work that is done.

    Raises
    ------
    EditError
        If labels and maps do not fit.
    """
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise EditError(
            f"got labels of shape {labels.shape} and type {labels.dtype}: integers (Y, X) are needed."
        )
    if maps is not None and maps.shape != (3, *labels.shape):
        raise EditError(f"got maps of shape {maps.shape} for labels of shape {labels.shape}. Segment again.")
    labels = labels.clip(0)  # numbers below are no nuclei
    table = overlaps(labels, labels)
    n = table.before.size
    yield 0.1
    unusual = _unusual(labels, table)
    uncertain, unstable = np.zeros(n), np.zeros(n)
    if maps is not None and n:
        uncertain = _uncertain(labels, maps[0], table.before, table.area)
        variants = _variants(decoding or DecodingSettings())
        for place, variant in enumerate(variants):
            yield 0.2 + 0.8 * place / len(variants)
            other = decode(maps, variant, diameter_px=diameter_px, judge=judge)
            unstable = np.maximum(unstable, 1 - Pairs.of(labels, other).best_iou())
    return _ranked(table, labels.shape, uncertain, unstable, unusual)


def _ranked(
    table: Overlaps, shape: tuple[int, ...], uncertain: Floats, unstable: Floats, unusual: Floats
) -> ReviewQueue:
    score = 1 - (1 - uncertain) * (1 - unstable) * (1 - unusual)
    nuclei = []
    for i in np.argsort(-score, kind="stable"):
        rows, columns = (slice(int(a[i]), int(b[i])) for a, b in ((table.y0, table.y1), (table.x0, table.x1)))
        nuclei.append(
            Doubt(
                number=int(table.before[i]),
                score=float(score[i]),
                uncertain=float(uncertain[i]),
                unstable=float(unstable[i]),
                unusual=float(unusual[i]),
                box=grown((rows, columns), MARGIN_PX, shape),
            )
        )
    return ReviewQueue(tuple(nuclei))


def _variants(decoding: DecodingSettings) -> list[DecodingSettings]:
    """Make settings with one threshold a step up or down, inside what is allowed."""
    fields = ("foreground_threshold", "core_threshold")
    moved = [(f, getattr(decoding, f) + s) for f in fields for s in (-THRESHOLD_STEP, THRESHOLD_STEP)]
    return [decoding.model_copy(update={f: min(max(v, 0.05), 0.95)}) for f, v in moved]


def _uncertain(
    labels: NDArray[np.integer[Any]],
    foreground: NDArray[np.float32],
    numbers: NDArray[Any],
    area: NDArray[Any],
) -> Floats:
    """Mean of 1 − |2p − 1| over each nucleus; NaN counts as ½."""
    inside = labels > 0
    doubt = 1 - np.abs(2 * np.nan_to_num(foreground[inside], nan=0.5) - 1)
    index = np.searchsorted(numbers, labels[inside])
    return np.clip(np.bincount(index, weights=doubt, minlength=numbers.size) / area, 0, 1)


def _unusual(labels: NDArray[Any], table: Overlaps) -> Floats:
    """0…1 from robust z-scores of log area, log elongation, and how well an ellipse of equal moments is filled.

    An ellipse has area 4π √det(covariance); concave or ragged nuclei have less than theirs. Nuclei that the image's
    edge cuts are never unusual: nobody knows what they look like.
    """
    numbers, area = table.before, table.area
    whole = (table.y0 > 0) & (table.x0 > 0) & (table.y1 < labels.shape[0]) & (table.x1 < labels.shape[1])
    unusual = np.zeros(numbers.size)
    if whole.sum() < FEWEST_FOR_Z:
        return unusual
    ys, xs = np.nonzero(labels > 0)
    index = np.searchsorted(numbers, labels[ys, xs])

    def mean(values: NDArray[Any]) -> Floats:
        return np.bincount(index, weights=values) / area

    dy, dx = ys - mean(ys)[index], xs - mean(xs)[index]
    # a pixel is a square: its own spread is 1/12
    yy, xx, xy = mean(dy * dy) + 1 / 12, mean(dx * dx) + 1 / 12, mean(dy * dx)
    determinant = np.maximum(yy * xx - xy * xy, 1e-9)
    spread = np.sqrt(np.maximum((yy - xx) ** 2 / 4 + xy * xy, 0))
    elongation = np.log(((yy + xx) / 2 + spread) / np.maximum((yy + xx) / 2 - spread, 1e-9))
    filled = area / (4 * np.pi * np.sqrt(determinant))
    scores = [np.abs(_robust_z(np.log(area[whole]))), _robust_z(elongation[whole]), -_robust_z(filled[whole])]
    unusual[whole] = np.clip((np.maximum.reduce(scores) - USUAL_Z) / (STRANGE_Z - USUAL_Z), 0, 1)
    return unusual


def _robust_z(values: Floats) -> Floats:
    """Distance from the median in units of 1.4826 median absolute deviations, as for a normal distribution."""
    centre = np.median(values)
    scale = 1.4826 * np.median(np.abs(values - centre))
    return (values - centre) / max(float(scale), 0.02)
