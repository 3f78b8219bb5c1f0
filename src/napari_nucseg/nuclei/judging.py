"""Which of many possible nuclei to believe in: a small network tells how likely each is right.

Thresholds keep every fragment and every speck that reaches them. Most mistakes can be told from nuclei by a look at
the whole object: its size beside its like, how sure the maps are inside and just outside of it, how it meets its
neighbours. So maps are cut into pieces rather too small; pieces that are better together are joined, and what is
unlikely to be a nucleus is dropped. Choosing among candidates by a learned score is the idea of Arteta et al. 2012
(10.1007/978-3-642-33415-3_43) and, for mergers, of Liu et al. 2014 (10.1016/j.jneumeth.2013.12.014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.nuclei.pieces import FEATURES, measure_pieces
from napari_nucseg.nuclei.tidying import renamed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_nucseg.nuclei.pieces import Pieces

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

FARTHEST = 5.0
"""Standard deviations; what is farther off says no more."""
LEAST_SPREAD = 1e-2
ROUNDS = 3
"""How often unions are looked for; each round looks one neighbour farther."""


@dataclass(frozen=True, eq=False)
class Judge:
    """A small network, from features to the probability that an object meets a true nucleus at an IoU of ½ or more.

    Attributes
    ----------
    centre, spread : (K,) of the features it was taught
    weights, biases : (out, in) and (out,) of each layer, ReLU between them
    """

    centre: Floats
    spread: Floats
    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def certainty(self, pieces: Pieces, diameter_px: float) -> Floats:
        """Probability of being right of each object, (n,)."""
        x = (pieces.features(diameter_px) - self.centre) / self.spread
        x = np.clip(x, -FARTHEST, FARTHEST)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ weight.T + bias, 0)
        logit = (x @ self.weights[-1].T + self.biases[-1])[:, 0]
        probability: Floats = 1 / (1 + np.exp(-logit))
        return probability

    def tensors(self) -> dict[str, Floats]:
        """All numbers by name."""
        named = {"centre": self.centre, "spread": self.spread}
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            named |= {f"{i}.weight": weight, f"{i}.bias": bias}
        return named

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Floats]) -> Judge:
        """Rebuild a judge from its numbers.

        Raises
        ------
        ValueError
            If they do not make up a judge of these features, or are no numbers.
        """
        if not all(np.isfinite(values).all() for values in tensors.values()):
            raise ValueError("the judge of nuclei holds NaN or infinity")
        n_layers = (len(tensors) - 2) // 2
        try:
            weights = tuple(tensors[f"{i}.weight"] for i in range(n_layers))
            biases = tuple(tensors[f"{i}.bias"] for i in range(n_layers))
            centre, spread = tensors["centre"], tensors["spread"]
        except KeyError as error:
            raise ValueError(f"the judge of nuclei has no {error}") from error
        sides = [len(FEATURES), *(bias.size for bias in biases)]
        shapes = list(zip(sides[1:], sides[:-1], strict=True))
        fits = [w.shape for w in weights] == shapes and sides[-1] == 1
        if not fits or {centre.shape, spread.shape} != {(len(FEATURES),)}:
            raise ValueError("the judge of nuclei reads other features than this version measures")
        return cls(centre, np.maximum(spread, LEAST_SPREAD), weights, biases)


def judged(
    labels: NDArray[np.int32],
    maps: NDArray[np.float32],
    judge: Judge,
    least: float,
    *,
    diameter_px: float,
    origin: tuple[int, int] = (0, 0),
) -> NDArray[np.int32]:
    """Join pieces that are better together, and drop what is less certain than ``least``.

    What is chosen is what makes AP = TP / (TP + FP + FN) large: an object of probability p is worth p - ``least``,
    where ``least`` = AP / (1 + AP) of the whole, or nothing if that is negative. A union takes the place of its parts
    where it is worth more than both, and more than any other union with one of them; then unions of these are looked
    for.

    Parameters
    ----------
    labels : (Y, X), pieces 1…n without gaps.
    maps : (3, Y, X) float32, 0…1.
    judge, least : who says how likely a piece is right, and how likely it must be.
    diameter_px : median nucleus diameter.
    origin : where the arrays' first pixel lies in the whole image, where they are a window of one.

    Returns
    -------
    (Y, X) int32, with gaps in the numbers.
    """
    pieces = measure_pieces(labels, maps, origin)
    row = np.arange(len(pieces))
    for _ in range(ROUNDS):
        chosen = _better_together(pieces, judge, least, diameter_px)
        if not chosen.size:
            break
        pieces, new = pieces.joined(chosen)
        row = new[row]
    sure = judge.certainty(pieces, diameter_px) >= least
    names = np.where(sure, np.arange(1, len(pieces) + 1), 0)
    return renamed(labels, np.concatenate([[0], names[row]]))


def _better_together(pieces: Pieces, judge: Judge, least: float, diameter_px: float) -> Ints:
    """Pairs to join: worth more than their parts, and for both of these the best of their pairs."""
    worth = np.maximum(judge.certainty(pieces, diameter_px) - least, 0)
    a, b = pieces.pairs.T
    gain = judge.certainty(pieces.unions(), diameter_px) - least - worth[a] - worth[b]
    best = np.zeros(len(pieces))
    for side in (a, b):
        np.maximum.at(best, side, gain)
    pairs = np.flatnonzero((gain > 0) & (gain == best[a]) & (gain == best[b]))
    _, first = np.unique(a[pairs], return_index=True)  # of two as good, the first
    pairs = pairs[first]
    _, first = np.unique(b[pairs], return_index=True)
    chosen: Ints = pairs[first]
    return chosen[~np.isin(a[chosen], b[chosen])]
