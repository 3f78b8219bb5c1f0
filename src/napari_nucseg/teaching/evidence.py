"""Whether one model beats another on the same places, by a score: paired bootstrap and sign-flip test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.teaching.places import FP, OVERLAP, TP, TRUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

N_RESAMPLES = 2_000
N_FLIPS = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Score:
    """A score of all places together.

    Attributes
    ----------
    of : from counts (…, 4) to the score (…)
    worth : from changes of the counts at each place (n, 4), and the score they are made at, to what they are worth (n,)
    """

    of: Callable[[Floats], Floats]
    worth: Callable[[Floats, float], Floats]


def _ap(counts: Floats) -> Floats:
    return _share(counts[..., TP], counts[..., TRUE] + counts[..., FP])


def _pq(counts: Floats) -> Floats:
    return _share(2 * counts[..., OVERLAP], counts[..., TRUE] + counts[..., TP] + counts[..., FP])


def _share(part: Floats, whole: Floats) -> Floats:
    """Divide; nothing to find and nothing found is 1."""
    return np.where(whole > 0, part / np.maximum(whole, 1), 1.0)


AP = Score(_ap, lambda change, ap: change[:, TP] - ap * change[:, FP])
"""TP / (TP + FP + FN): a false prediction is worth what it changes, ``ap`` times as much as a nucleus found."""
PQ = Score(_pq, lambda change, pq: change[:, OVERLAP] - pq / 2 * (change[:, TP] + change[:, FP]))
"""Panoptic quality, which counts outlines as well: the sum of the IoU of nuclei found, divided by TP + FP / 2 + FN / 2
(Kirillov et al. 2019, 10.1109/CVPR.2019.00963)."""


@dataclass(frozen=True, eq=False)
class Differences:
    """Places where two models differ, alike ones together: what the new one is worth there, and how often."""

    values: Floats
    often: NDArray[np.int64]

    def times(self, factor: float) -> Differences:
        """Return the same differences on more nuclei."""
        return Differences(self.values, np.round(factor * self.often).astype(np.int64))

    @property
    def won(self) -> float:
        """Sum of what all are worth."""
        return float(self.values @ self.often)

    def are_clear(self, level: float) -> bool:
        """Whether so much would hardly be won if either model were as likely to win each place."""
        if self.won <= 0:
            return False
        flips = np.random.default_rng(0).binomial(self.often, 0.5, (N_FLIPS, len(self.often)))
        by_chance = (2 * flips - self.often) @ self.values
        return float((by_chance >= self.won - 1e-9).mean()) <= level

    @property
    def reversed(self) -> Differences:
        """The old model's case."""
        return Differences(-self.values, self.often)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a score says of two models: both values, the central 95 % of new − old over resampled places."""

    old: float
    new: float
    low: float
    high: float
    differences: Differences

    @classmethod
    def by(cls, score: Score, old: Floats, new: Floats, seed: int) -> Evidence:
        """Compare counts (places, 4) of both models."""
        before, after = float(score.of(old.sum(axis=0))), float(score.of(new.sum(axis=0)))
        worth = score.worth(new - old, (before + after) / 2).round(6)
        differences = Differences(*np.unique(worth[worth != 0], return_counts=True))
        return cls(before, after, *_interval(score, old, new, seed), differences)

    @property
    def gain(self) -> float:
        """New − old."""
        return self.new - self.old

    def is_clear(self, level: float) -> bool:
        """Whether the gain is beyond doubt by both tests, the second at a level."""
        return self.low > 0 and self.differences.are_clear(level)


def _interval(score: Score, old: Floats, new: Floats, seed: int) -> tuple[float, float]:
    if not len(old):
        return 0.0, 0.0
    # places with the same counts are interchangeable: how often each of the few kinds is drawn says it all
    kinds, often = np.unique(np.hstack([old, new]), axis=0, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(len(old), often / often.sum(), size=N_RESAMPLES)
    counts, n = draws @ kinds, old.shape[1]
    gains = score.of(counts[:, n:]) - score.of(counts[:, :n])
    low, high = np.quantile(gains, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)
