"""Scores against independent implementations: StarDist's matching, the published definitions spelt out."""

from __future__ import annotations

import doctest
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from napari_nucseg.errors import ImageError, NucSegError, SettingsError
from napari_nucseg.nuclei import scoring
from napari_nucseg.nuclei.scoring import METRICS, THRESHOLDS, Scores, evaluate

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

EXACT = {"rel": 1e-6, "abs": 1e-6}


# ---- independent implementations, written for clarity alone


def iou_matrix(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    trues = [y_true == v for v in np.unique(y_true) if v]
    preds = [y_pred == v for v in np.unique(y_pred) if v]
    iou = np.array([[(t & p).sum() / (t | p).sum() for p in preds] for t in trues])
    return iou.reshape(len(trues), len(preds))


def brute_tp(y_true: np.ndarray, y_pred: np.ndarray, threshold: float) -> int:
    """Best assignment there is."""
    possible = iou_matrix(y_true, y_pred) >= threshold
    rows, columns = linear_sum_assignment(-possible.astype(float))
    return int(possible[rows, columns].sum())


def brute_pq(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Kirillov et al. 2019, equation 1."""
    iou = iou_matrix(y_true, y_pred)
    tp = [(i, j) for i in range(iou.shape[0]) for j in range(iou.shape[1]) if iou[i, j] > 0.5]
    fp, fn = iou.shape[1] - len(tp), iou.shape[0] - len(tp)
    return sum(iou[i, j] for i, j in tp) / (len(tp) + fp / 2 + fn / 2)


def brute_aji(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Kumar et al. 2017, algorithm 1, line by line."""
    trues = [y_true == v for v in np.unique(y_true) if v]
    preds = [y_pred == v for v in np.unique(y_pred) if v]
    intersection, union, used = 0, 0, set()
    for t in trues:
        jaccard = [(t & p).sum() / (t | p).sum() for p in preds]
        if not jaccard or max(jaccard) == 0:
            union += t.sum()
            continue
        j = int(np.argmax(jaccard))
        intersection += (t & preds[j]).sum()
        union += (t | preds[j]).sum()
        used.add(j)
    union += sum(p.sum() for j, p in enumerate(preds) if j not in used)
    return float(intersection / union)


def stardist_matching() -> ModuleType:
    return pytest.importorskip("stardist.matching", reason="stardist is not installed", exc_type=ImportError)


# ---- images: random, and the awkward ones

label_images = hnp.arrays(np.int32, (6, 7), elements=st.integers(0, 5))


def blobs(seed: int, n: int = 25, size: int = 96) -> np.ndarray:
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.int32)
    y, x = np.mgrid[:size, :size]
    for label in range(1, n + 1):
        cy, cx, ry, rx = *rng.uniform(0, size, 2), *rng.uniform(3, 11, 2)
        labels[((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1] = label
    return labels


def disturbed(labels: np.ndarray, seed: int) -> np.ndarray:
    """Shifted, with nuclei lost, merged and renumbered: a plausible prediction."""
    rng = np.random.default_rng(seed)
    moved = np.roll(labels, rng.integers(-2, 3, 2), (0, 1))
    table = rng.permutation(labels.max() + 1) * 7 + 3  # gaps in numbering
    table[rng.integers(3, labels.max() + 1, 3)] = 0
    table[1] = table[2]
    table[0] = 0
    return table[moved].astype(np.int32)


def halves() -> tuple[np.ndarray, np.ndarray]:
    """IoU of exactly one half, several times: a true nucleus cut in two, two true nuclei taken for one."""
    y_true, y_pred = np.zeros((12, 8), int), np.zeros((12, 8), int)
    y_true[0:4, 0:4], y_pred[0:2, 0:4], y_pred[2:4, 0:4] = 1, 1, 2
    y_true[6:8, 0:4], y_true[8:10, 0:4], y_pred[6:10, 0:4] = 2, 3, 3
    return y_true, y_pred


PAIRS = [
    pytest.param(blobs(0), disturbed(blobs(0), 1), id="blobs"),
    pytest.param(blobs(1, n=60), disturbed(blobs(1, n=60), 2), id="crowded"),
    pytest.param(blobs(2), blobs(3), id="unrelated"),
    pytest.param(blobs(4), blobs(4) * 1000, id="perfect-renumbered"),
    pytest.param(*halves(), id="exact-halves"),
    pytest.param(blobs(5), np.zeros((96, 96), int), id="nothing-found"),
    pytest.param(np.zeros((96, 96), int), blobs(6), id="nothing-there"),
]


@pytest.mark.parametrize(("y_true", "y_pred"), PAIRS)
def test_agrees_with_stardist(y_true: np.ndarray, y_pred: np.ndarray) -> None:
    matching = stardist_matching().matching
    scores = evaluate(y_true, y_pred)
    theirs = matching(y_true, y_pred, thresh=list(THRESHOLDS))
    assert scores.ap == pytest.approx([m.accuracy for m in theirs], **EXACT)
    assert (scores.precision, scores.recall, scores.f1) == pytest.approx(
        (theirs[0].precision, theirs[0].recall, theirs[0].f1), **EXACT
    )
    above_half = matching(y_true, y_pred, thresh=0.5 + 1e-6)  # StarDist rounds IoU to float32
    assert scores.pq == pytest.approx(above_half.panoptic_quality, **EXACT)


@pytest.mark.parametrize("by_image", [False, True])
def test_sets_agree_with_stardist(by_image: bool) -> None:
    matching_dataset = stardist_matching().matching_dataset
    trues = [blobs(s, n=5 + 7 * s) for s in range(5)]
    preds = [disturbed(t, s) for s, t in enumerate(trues)]
    theirs = matching_dataset(trues, preds, thresh=tuple(THRESHOLDS), by_image=by_image, show_progress=False)
    scores = evaluate(trues, preds)
    ours = scores.ap_per_image.mean(axis=0) if by_image else scores.ap
    assert ours == pytest.approx([m.accuracy for m in theirs], **EXACT)


@pytest.mark.parametrize(("y_true", "y_pred"), PAIRS)
def test_agrees_with_published_definitions(y_true: np.ndarray, y_pred: np.ndarray) -> None:
    scores = evaluate(y_true, y_pred)
    assert scores.counts.tp[0].tolist() == [brute_tp(y_true, y_pred, t) for t in THRESHOLDS]
    assert scores.pq == pytest.approx(brute_pq(y_true, y_pred), **EXACT)
    assert scores.aji == pytest.approx(brute_aji(y_true, y_pred), **EXACT)


@settings(deadline=None, max_examples=150)
@given(label_images, label_images)
def test_random_labels_agree_with_definitions(y_true: np.ndarray, y_pred: np.ndarray) -> None:
    scores = evaluate(y_true, y_pred)
    if not y_true.any() and not y_pred.any():
        assert {scores.pooled(m) for m in METRICS} == {1.0}
        return
    assert scores.counts.tp[0].tolist() == [brute_tp(y_true, y_pred, t) for t in THRESHOLDS]
    assert scores.pq == pytest.approx(brute_pq(y_true, y_pred), **EXACT)
    assert scores.pq == pytest.approx(scores.pooled("sq") * scores.pooled("rq"), **EXACT)
    assert scores.aji == pytest.approx(brute_aji(y_true, y_pred), **EXACT)
    true, pred = y_true > 0, y_pred > 0
    assert scores.dice == pytest.approx(2 * (true & pred).sum() / (true.sum() + pred.sum()), **EXACT)
    assert scores.pixel_accuracy == pytest.approx((true == pred).mean(), **EXACT)


@settings(deadline=None, max_examples=50)
@given(label_images, st.permutations(range(1, 6)))
def test_numbering_does_not_matter(labels: np.ndarray, numbers: list[int]) -> None:
    renumbered = np.array([0, *numbers])[labels] * 10**8
    assert {evaluate(labels, renumbered).pooled(m) for m in METRICS} == {1.0}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32", "int64", "uint64"])
def test_any_integers_are_labels(dtype: str) -> None:
    y_true, y_pred = halves()
    scores = evaluate(y_true.astype(dtype), y_pred.astype(dtype))
    assert scores.as_dict() == evaluate(y_true, y_pred).as_dict()


def test_a_mask_of_one_number_is_refused() -> None:
    true = np.kron(np.arange(1, 26).reshape(5, 5), np.pad(np.ones((4, 4), int), 2))
    mask = np.where(true > 0, 255, 0).astype(np.uint8)
    with pytest.raises(
        ImageError, match=r"y_true has one number for 25 separate pieces.*skimage\.measure\.label"
    ):
        evaluate(mask, true)
    with pytest.raises(ImageError, match=r"y_pred has one number for 25"):
        evaluate([true], [mask])
    one = np.where(true == 7, 7, 0)
    one[0, 0] = one[-1, -1] = 7
    assert evaluate(one, true).n_true == 1, "a nucleus with stray pixels"


def test_iou_on_the_threshold_is_a_match() -> None:
    y_true = np.repeat([1, 0], [11, 9])[np.newaxis]
    assert evaluate(y_true, np.ones_like(y_true)).counts.tp[0].tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]


def test_pq_needs_more_than_half() -> None:
    scores = evaluate(*halves())
    assert (scores.ap50, scores.pq) == (2 / 4, 0.0)


def test_pooled_counts_nuclei_and_per_image_counts_images() -> None:
    few, many = np.eye(4, dtype=int), np.arange(16).reshape(4, 4)
    scores = evaluate([few, many], [np.zeros_like(few), many])
    assert (scores.n_images, scores.n_true, scores.n_pred) == (2, 16, 15)
    assert scores.ap50 == 15 / 16
    assert scores.per_image("ap50").tolist() == [0.0, 1.0]
    assert scores.as_dict()["per_image"]["ap50"] == 0.5


def test_mean_ap_is_over_half_to_nine_tenths() -> None:
    first, second = blobs(0), blobs(1, n=60)
    scores = evaluate([first, second], [disturbed(first, 1), disturbed(second, 2)])
    assert THRESHOLDS.tolist() == [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    assert scores.mean_ap == pytest.approx(scores.ap[:9].mean(), **EXACT)
    assert 0 < scores.ap[8] < scores.mean_ap < scores.ap50 < 1


def test_empty_cases() -> None:
    empty, full = np.zeros((5, 5), int), np.ones((5, 5), int)
    assert {evaluate(empty, empty).pooled(m) for m in METRICS} == {1.0}
    assert {evaluate(full, empty).pooled(m) for m in METRICS} == {0.0}
    assert {evaluate(empty, full).pooled(m) for m in METRICS} == {0.0}
    assert evaluate([empty, full], [empty, empty]).ap50 == 0.0


@pytest.mark.parametrize("metric", METRICS)
def test_interval_holds_the_score_and_repeats(metric: str) -> None:
    trues = [blobs(s) for s in range(8)]
    scores = evaluate(trues, [disturbed(t, s) for s, t in enumerate(trues)])
    low, high = scores.interval(metric, n_boot=300, seed=1)
    assert low < scores.pooled(metric) < high
    assert (low, high) == scores.interval(metric, n_boot=300, seed=1)


def test_interval_draws_images_as_a_loop_would() -> None:
    trues = [blobs(s, n=5 + 5 * s) for s in range(6)]
    scores = evaluate(trues, [disturbed(t, s) for s, t in enumerate(trues)])
    rng = np.random.default_rng(3)
    looped = [scores.subset(rng.integers(0, 6, 6)).pooled("aji") for _ in range(4000)]
    ours = scores.interval("aji", n_boot=4000)
    assert ours == pytest.approx(np.quantile(looped, (0.025, 0.975)), abs=0.01)


@pytest.mark.parametrize("groups", [[("a", 1), ("b", 1), ("a", 1), ("b", 2)], [1, "b", 1, "c"]])
def test_anything_names_a_group(groups: list[object]) -> None:
    trues = [blobs(s) for s in range(4)]
    scores = evaluate(trues, [disturbed(t, s) for s, t in enumerate(trues)])
    assert scores.interval(groups=groups) == scores.interval(groups=["a", "b", "a", "c"])


def test_interval_of_one_group_is_a_point() -> None:
    trues = [blobs(s) for s in range(4)]
    scores = evaluate(trues, [disturbed(t, s) for s, t in enumerate(trues)])
    assert scores.interval("f1", groups=["a"] * 4) == pytest.approx((scores.f1, scores.f1))


def test_subset_and_join_are_inverse() -> None:
    trues = [blobs(s) for s in range(4)]
    scores = evaluate(trues, [disturbed(t, s) for s, t in enumerate(trues)])
    joined = Scores.join([scores.subset([True, True, False, False]), scores.subset([2, 3])])
    assert json.dumps(joined.as_dict()) == json.dumps(scores.as_dict())


@pytest.mark.parametrize(
    ("y_true", "y_pred", "words"),
    [
        pytest.param(np.zeros((4, 5), int), np.zeros((5, 4), int), r"\(4, 5\).*\(5, 4\)", id="shapes"),
        pytest.param(np.zeros((4, 4)), np.zeros((4, 4), int), "float64", id="floats"),
        pytest.param(
            np.zeros((4, 4), int), np.ones((4, 4), bool), r"bool.*skimage\.measure\.label", id="mask"
        ),
        pytest.param(np.zeros((4, 4), int), np.full((4, 4), -1), "-1", id="negative"),
        pytest.param(np.zeros((4, 4), int), np.full((4, 4), 2**40), "background", id="huge"),
        pytest.param([np.zeros((4, 4), int)], [], "1 true and 0 predicted", id="lengths"),
        pytest.param([], [], "at least one", id="no-images"),
    ],
)
def test_errors_say_what_was_got(y_true: object, y_pred: object, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        evaluate(y_true, y_pred)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        pytest.param(lambda s: s.subset([]), "got no images", id="no index"),
        pytest.param(lambda s: s.subset([False]), "got no images", id="empty mask"),
        pytest.param(lambda s: s.interval(n_boot=0), "n_boot 0", id="no draws"),
        pytest.param(lambda s: s.interval(level=2), "level 2", id="level"),
        pytest.param(lambda s: s.interval(groups=[1, 2]), "2 groups for 1 images", id="groups"),
        pytest.param(lambda s: s.interval(groups=[None]), "0 groups for 1 images", id="no group"),
    ],
)
def test_what_no_scores_can_be_made_of_is_said(ask: Callable[[Scores], object], words: str) -> None:
    with pytest.raises(NucSegError, match=words):
        ask(evaluate(np.eye(3, dtype=int), np.eye(3, dtype=int)))


def test_unknown_metric() -> None:
    with pytest.raises(SettingsError, match=r"iou3d.*mean_ap"):
        evaluate(blobs(0), blobs(0)).pooled("iou3d")


def test_examples_in_docstrings_run() -> None:
    results = doctest.testmod(scoring)
    assert results.attempted > 5
    assert results.failed == 0
