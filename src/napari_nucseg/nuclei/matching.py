"""Which predicted nucleus is which true one: the counts of one image that every score is made of.

Truth and prediction are reduced to their overlapping pairs of labels, a few thousand numbers for an image of millions
of pixels; scores are sums and ratios of the counts taken here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage import measure

from napari_nucseg.errors import ImageError
from napari_nucseg.nuclei.pairs import Pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

# Rounded, so that an IoU of exactly 11/20 meets the threshold .55: np.arange would give .55000000000000004.
THRESHOLDS = np.round(np.arange(0.5, 0.96, 0.05), 2)
THRESHOLDS.setflags(write=False)

_LABEL_LIMIT = 2**31
_MANY_PIECES = 10
"""Of a lone number: more are no nucleus with stray pixels."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts of one image (no leading axis), of N images (leading axis N), or of a pool of images.

    All add up: the counts of a pool are the sums of the counts of its images. T is the number of thresholds.
    """

    n_true: NDArray[np.int64]
    """(…) true nuclei."""
    n_pred: NDArray[np.int64]
    """(…) predicted nuclei."""
    tp: NDArray[np.int64]
    """(…, T) pairs of a true and a predicted nucleus with IoU ≥ threshold; no nucleus is in two pairs."""
    pq_tp: NDArray[np.int64]
    """(…) pairs with IoU > .5, which are unique without any matching (Kirillov et al. 2019)."""
    pq_iou: NDArray[np.float64]
    """(…) sum of the IoU of these pairs."""
    aji_intersection: NDArray[np.int64]
    """(…) pixels: sum of intersections of true nuclei with their best partners (Kumar et al. 2017)."""
    aji_union: NDArray[np.int64]
    """(…) pixels: sum of their unions, of true nuclei without partner and of predicted ones never chosen."""
    foreground_true: NDArray[np.int64]
    """(…) pixels in any true nucleus."""
    foreground_pred: NDArray[np.int64]
    """(…) pixels in any predicted nucleus."""
    foreground_both: NDArray[np.int64]
    """(…) pixels in both."""
    n_pixels: NDArray[np.int64]
    """(…) pixels of the image."""

    @classmethod
    def stack(cls, counts: Sequence[Counts]) -> Counts:
        """Put counts of single images side by side: (N, …)."""
        return cls(**{f.name: np.stack([getattr(c, f.name) for c in counts]) for f in fields(cls)})

    @classmethod
    def join(cls, counts: Sequence[Counts]) -> Counts:
        """Put counts of N₁, N₂, … images end to end: (N₁ + N₂ + …, …)."""
        return cls(**{f.name: np.concatenate([getattr(c, f.name) for c in counts]) for f in fields(cls)})

    def take(self, indices: NDArray[np.intp]) -> Counts:
        """Keep some of the N images."""
        return Counts(**{f.name: getattr(self, f.name)[indices] for f in fields(self)})

    def pool(self, weights: NDArray[Any] | None = None) -> Counts:
        """Add up the N images.

        Parameters
        ----------
        weights
            (B, N) how often each image is in each of B pools; without, each image is in the one pool once and
            the leading axis disappears.
        """
        if weights is None:
            return Counts(**{f.name: getattr(self, f.name).sum(axis=0) for f in fields(self)})
        return Counts(**{f.name: np.tensordot(weights, getattr(self, f.name), axes=1) for f in fields(self)})


def count(y_true: ArrayLike, y_pred: ArrayLike) -> Counts:
    """Compare the labels of one image with its true labels.

    Parameters
    ----------
    y_true, y_pred
        Labels of the same shape, of any number of axes: integers, 0 is background, gaps are allowed.

    Raises
    ------
    ImageError
        Shapes differ, or one of the two is no array of non-negative integers, or a mask of one number.
    """
    true, pred = _as_labels(y_true, "y_true"), _as_labels(y_pred, "y_pred")
    if true.shape != pred.shape:
        raise ImageError(
            f"y_true has shape {true.shape} and y_pred has shape {pred.shape}: "
            "they must be labels of the same image on the same grid"
        )
    pairs = Pairs.of(true.reshape(1, -1), pred.reshape(1, -1))
    for labels, area_px, name in ((true, pairs.before_px, "y_true"), (pred, pairs.after_px, "y_pred")):
        if area_px.size == 1:
            _check_numbered(labels, name)
    iou, best = pairs.iou, pairs.best()
    lonely_true = pairs.before_px.sum() - pairs.before_px[pairs.i[best]].sum()
    unused_pred = pairs.after_px.sum() - pairs.after_px[np.unique(pairs.j[best])].sum()
    sure = iou > 0.5
    return Counts(
        n_true=np.array(pairs.before.size, np.int64),
        n_pred=np.array(pairs.after.size, np.int64),
        tp=np.array([pairs.one_to_one(t).size for t in THRESHOLDS], np.int64),
        pq_tp=np.array(sure.sum(), np.int64),
        pq_iou=np.array(iou[sure].sum(), np.float64),
        aji_intersection=np.array(pairs.shared_px[best].sum(), np.int64),
        aji_union=np.array(pairs.union_px[best].sum() + lonely_true + unused_pred, np.int64),
        foreground_true=np.array(pairs.before_px.sum(), np.int64),
        foreground_pred=np.array(pairs.after_px.sum(), np.int64),
        foreground_both=np.array(pairs.shared_px.sum(), np.int64),
        n_pixels=np.array(true.size, np.int64),
    )


def _as_labels(labels: ArrayLike, name: str) -> NDArray[np.int64]:
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise ImageError(
            f"{name} has dtype {array.dtype}: labels are integers, 0 for background, one number a nucleus "
            "(a mask becomes labels with skimage.measure.label)"
        )
    if array.size and (array.min() < 0 or array.max() >= _LABEL_LIMIT):
        raise ImageError(
            f"{name} has labels from {array.min()} to {array.max()}: "
            f"allowed are 0 (background) to {_LABEL_LIMIT - 1}"
        )
    return array.astype(np.int64, copy=False)


def _check_numbered(labels: NDArray[np.int64], name: str) -> None:
    n_pieces = measure.label(labels, background=0).max()
    if n_pieces > _MANY_PIECES:
        raise ImageError(
            f"{name} has one number for {n_pieces} separate pieces: labels have one number a nucleus "
            "(a mask becomes labels with skimage.measure.label)"
        )
