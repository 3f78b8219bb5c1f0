"""How good labels are: the one scoring function everything else in the project uses.

Conventions
-----------
*Matching* is one to one at **IoU ≥ t**, for t = .5, .55, …, .95. AP(t) = TP / (TP + FP + FN), as StarDist and
the 2018 Data Science Bowl count it; `mean_ap` is its mean over t = .5, .55, …, **.9**. Precision, recall and
F1 are those at t = .5. PQ is that of Kirillov et al. 2019 (pairs with IoU > .5), AJI that of Kumar et al.
2017. Dice and pixel accuracy compare foreground with foreground, whatever the labels.

*Pooled* scores add the counts of all images before taking a ratio, so images count by their nuclei (by their
pixels for AJI, Dice and pixel accuracy). *Per-image* scores are ratios of one image; their mean weighs images
alike.

*Nothing to find and nothing found* (truth and prediction without a nucleus) is a score of 1; other ratios of
0 to 0, such as the precision of an empty prediction, are 0. StarDist gives 0 in both: means over images differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_nucseg.errors import ImageError, SettingsError
from napari_nucseg.nuclei.matching import THRESHOLDS, Counts, count

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Metric = Callable[[Counts], "NDArray[np.float64]"]

# mean_ap leaves out .95: at that overlap people drawing the same nucleus twice rarely agree.
_N_MEAN_AP = int(np.count_nonzero(THRESHOLDS <= 0.9))


def _ratio(top: NDArray[Any], bottom: NDArray[Any], counts: Counts) -> NDArray[np.float64]:
    """Divide; 0/0 is 1 where neither truth nor prediction has a nucleus, else 0."""
    nothing = (counts.n_true + counts.n_pred) == 0
    nothing = nothing[..., np.newaxis] if np.ndim(bottom) > np.ndim(nothing) else nothing
    bottom = np.asarray(bottom, np.float64)
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), np.where(nothing, 1.0, 0.0))


def _average_precision(c: Counts) -> NDArray[np.float64]:
    """AP at every threshold, (…, T)."""
    return _ratio(c.tp, (c.n_true + c.n_pred)[..., np.newaxis] - c.tp, c)


def _ap_at(threshold: float) -> Metric:
    (index,) = np.flatnonzero(threshold == THRESHOLDS)
    return lambda c: _average_precision(c)[..., index]


def _pq(c: Counts) -> NDArray[np.float64]:
    """PQ = SQ · RQ = Σ IoU / (TP + FP/2 + FN/2) over pairs with IoU > .5."""
    return _ratio(c.pq_iou, (c.n_true + c.n_pred) / 2, c)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "ap50": _ap_at(0.5),
        "ap75": _ap_at(0.75),
        "ap90": _ap_at(0.9),
        "mean_ap": lambda c: _average_precision(c)[..., :_N_MEAN_AP].mean(axis=-1),
        "precision": lambda c: _ratio(c.tp[..., 0], c.n_pred, c),
        "recall": lambda c: _ratio(c.tp[..., 0], c.n_true, c),
        "f1": lambda c: _ratio(2 * c.tp[..., 0], c.n_true + c.n_pred, c),
        "pq": _pq,
        "sq": lambda c: _ratio(c.pq_iou, c.pq_tp, c),
        "rq": lambda c: _ratio(2 * c.pq_tp, c.n_true + c.n_pred, c),
        "aji": lambda c: _ratio(c.aji_intersection, c.aji_union, c),
        "dice": lambda c: _ratio(2 * c.foreground_both, c.foreground_true + c.foreground_pred, c),
        "pixel_accuracy": lambda c: _ratio(
            c.n_pixels - c.foreground_true - c.foreground_pred + 2 * c.foreground_both, c.n_pixels, c
        ),
    }
)
"""Every metric by name, as a function of counts: of one image, of each of N images or of a pool."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of N images, kept as counts per image so that any pool of them can be scored.

    Properties are pooled over the images; the module says what is counted and how ties and empty images are
    treated. `per_image` gives the same metrics image by image, `interval` their bootstrap intervals.
    """

    counts: Counts
    """Counts of each image, leading axis N."""

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """IoU thresholds of `ap`: .5, .55, …, .95."""
        return THRESHOLDS

    @property
    def n_images(self) -> int:
        """Number of images."""
        return int(self.counts.n_true.shape[0])

    @property
    def n_true(self) -> int:
        """Number of true nuclei."""
        return int(self.counts.n_true.sum())

    @property
    def n_pred(self) -> int:
        """Number of predicted nuclei."""
        return int(self.counts.n_pred.sum())

    @property
    def ap(self) -> NDArray[np.float64]:
        """Pooled AP at each of `thresholds`, (T,)."""
        return _average_precision(self.counts.pool())

    @property
    def ap_per_image(self) -> NDArray[np.float64]:
        """AP of each image at each of `thresholds`, (N, T)."""
        return _average_precision(self.counts)

    @property
    def mean_ap(self) -> float:
        """Mean of the pooled AP over thresholds .5, .55, …, .9: the figure the project reports."""
        return self.pooled("mean_ap")

    @property
    def ap50(self) -> float:
        """Pooled AP at IoU ≥ .5."""
        return self.pooled("ap50")

    @property
    def precision(self) -> float:
        """Pooled share of predicted nuclei that are right at IoU ≥ .5."""
        return self.pooled("precision")

    @property
    def recall(self) -> float:
        """Pooled share of true nuclei that are found at IoU ≥ .5."""
        return self.pooled("recall")

    @property
    def f1(self) -> float:
        """Pooled F1 at IoU ≥ .5."""
        return self.pooled("f1")

    @property
    def pq(self) -> float:
        """Pooled panoptic quality (Kirillov et al. 2019, arXiv:1801.00868, eq. 1); pairs of IoU > .5."""
        return self.pooled("pq")

    @property
    def aji(self) -> float:
        """Pooled aggregated Jaccard index (Kumar et al. 2017, 10.1109/TMI.2017.2677499, algorithm 1)."""
        return self.pooled("aji")

    @property
    def dice(self) -> float:
        """Pooled Dice coefficient of the foreground."""
        return self.pooled("dice")

    @property
    def pixel_accuracy(self) -> float:
        """Pooled share of pixels that are rightly foreground or background."""
        return self.pooled("pixel_accuracy")

    def pooled(self, metric: str) -> float:
        """One metric of `METRICS` over the sum of all images."""
        return float(_metric(metric)(self.counts.pool()))

    def per_image(self, metric: str) -> NDArray[np.float64]:
        """One metric of `METRICS` for each image, (N,)."""
        return _metric(metric)(self.counts)

    def interval(
        self,
        metric: str = "mean_ap",
        n_boot: int = 1000,
        seed: int = 0,
        *,
        level: float = 0.95,
        groups: Sequence[Any] | None = None,
    ) -> tuple[float, float]:
        """Bootstrap interval of a pooled metric: images are drawn again with replacement, pooled and scored.

        Parameters
        ----------
        metric
            Name in `METRICS`.
        n_boot, seed
            Number of draws, and where the random numbers start.
        level
            Share of the draws inside the interval (percentile bootstrap).
        groups
            One value an image, such as its patient or slide; images of a group are not independent, so whole
            groups are drawn. Without, each image is one.

        Returns
        -------
        tuple
            Lower and upper end.
        """
        if n_boot < 1 or not 0 < level < 1:
            raise SettingsError(f"got n_boot {n_boot}, level {level}: give 1 or more, and between 0 and 1")
        counts = self.counts
        if groups is not None:
            names = [str(group) for group in groups if group is not None]
            if not len(names) == len(groups) == self.n_images:
                raise SettingsError(f"got {len(names)} groups for {self.n_images} images: give one an image")
            _, index = np.unique(names, return_inverse=True)
            counts = counts.pool((index == np.arange(index.max() + 1)[:, np.newaxis]).astype(np.int64))
        n = counts.n_true.shape[0]
        draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_boot)
        low, high = np.quantile(_metric(metric)(counts.pool(draws)), ((1 - level) / 2, (1 + level) / 2))
        return float(low), float(high)

    def subset(self, indices: ArrayLike) -> Scores:
        """Scores of some images: indices or a mask, (N,)."""
        chosen = np.asarray(indices)
        if not (chosen.any() if chosen.dtype == bool else chosen.size):
            raise ImageError("got no images: choose at least one")
        return Scores(self.counts.take(chosen if chosen.dtype == bool else chosen.astype(np.intp)))

    @classmethod
    def join(cls, scores: Sequence[Scores]) -> Scores:
        """Put scores of several sets of images end to end."""
        if not scores:
            raise ImageError("got no scores to join: at least one image must have been scored")
        return cls(Counts.join([s.counts for s in scores]))

    def as_dict(self) -> dict[str, Any]:
        """Numbers for a JSON report: how many, pooled metrics, and means over images of the same metrics."""
        return {
            "n_images": self.n_images,
            "n_true": self.n_true,
            "n_pred": self.n_pred,
            "pooled": {name: self.pooled(name) for name in METRICS},
            "per_image": {name: float(self.per_image(name).mean()) for name in METRICS},
            "ap": {f"{t:.2f}": float(ap) for t, ap in zip(THRESHOLDS, self.ap, strict=True)},
        }


def _metric(name: str) -> Metric:
    if name not in METRICS:
        raise SettingsError(f"got metric {name!r}: there are {', '.join(METRICS)}")
    return METRICS[name]


def evaluate(y_true: ArrayLike | Sequence[ArrayLike], y_pred: ArrayLike | Sequence[ArrayLike]) -> Scores:
    """Score predicted labels against true labels.

    Parameters
    ----------
    y_true, y_pred
        Labels of one image as an array of any shape, or of N images as two lists (or tuples) of arrays in the
        same order. Integers, 0 is background; numbers need be neither consecutive nor the same in the two.
        In an array a number is one nucleus: give stacks whose numbers begin anew in each slice as lists of slices.

    Returns
    -------
    Scores
        Pooled metrics as properties, the same per image, bootstrap intervals, and the counts they come from.

    Raises
    ------
    ImageError
        The lists are empty or of different length, shapes differ, or labels are no non-negative integers, or a mask.

    Examples
    --------
    Two nuclei, one found exactly, one found shifted by half its width (IoU 1/3), and a false one:

    >>> import numpy as np
    >>> y_true = np.zeros((12, 12), int)
    >>> y_true[1:5, 1:5], y_true[6:10, 1:5] = 1, 2
    >>> y_pred = np.zeros((12, 12), int)
    >>> y_pred[1:5, 1:5], y_pred[6:10, 3:7], y_pred[0:2, 9:11] = 1, 2, 3
    >>> scores = evaluate(y_true, y_pred)
    >>> scores.ap50  # 1 of 1 + 2 false + 1 missed
    0.25
    >>> round(scores.precision, 3), scores.recall, scores.pq
    (0.333, 0.5, 0.4)
    >>> round(scores.aji, 4), round(scores.dice, 4)  # (16 + 8) / (16 + 24 + 4), 2·24 / (32 + 36)
    (0.5455, 0.7059)
    >>> evaluate([y_true, y_true], [y_true, y_pred]).per_image("ap50").tolist()
    [1.0, 0.25]
    """
    if not isinstance(y_true, list | tuple) and not isinstance(y_pred, list | tuple):
        return Scores(Counts.stack([count(cast("ArrayLike", y_true), cast("ArrayLike", y_pred))]))
    trues, preds = list(cast("Sequence[ArrayLike]", y_true)), list(cast("Sequence[ArrayLike]", y_pred))
    if len(trues) != len(preds) or not trues:
        raise ImageError(
            f"got {len(trues)} true and {len(preds)} predicted label images: "
            "give as many of one as of the other, and at least one"
        )
    return Scores(Counts.stack([count(t, p) for t, p in zip(trues, preds, strict=True)]))
