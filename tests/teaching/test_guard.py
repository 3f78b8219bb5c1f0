"""The judgement on a new model, on squares whose scores can be counted by hand."""

import numpy as np
import pytest

from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.teaching.blend import Blend, best_of
from napari_nucseg.teaching.guard import compare, judge
from napari_nucseg.teaching.places import Judged
from napari_nucseg.teaching.progress import Verdict


def squares(kept, n=40, shift=0):
    """Labels (20, 10 n): square number i is there where ``kept`` holds i; ``shift`` moves all to the right."""
    labels = np.zeros((20, 10 * n), np.int32)
    for i in kept:
        labels[5:13, 10 * i + shift : 10 * i + shift + 6] = i + 1
    return labels


def judged(old, new, n=40, true=None, taught=None):
    truth = squares(range(n) if true is None else true, n)
    return Judged(truth, truth >= 0 if taught is None else taught, squares(old, n), squares(new, n))


def held_out(*images):
    return compare("your corrections", "held-out", images)


def reference(*images):
    return compare("synthetic histology", "reference", images)


def made(*images):
    return compare("synthetic histology", "made", images)


def test_scores_are_those_of_the_scoring_module():
    truth = synthetic_fluorescence((256, 256), seed=1).labels
    old, new = np.roll(truth, 6, axis=0), np.where(truth % 3 > 0, truth, 0)
    old[10:20, 10:20] = 500
    both = [Judged(truth, truth >= 0, old, new), Judged(old, old >= 0, truth, np.zeros_like(truth))]
    comparison = held_out(*both)
    assert comparison.old == pytest.approx(evaluate([truth, old], [old, truth]).ap50)
    assert comparison.new == pytest.approx(evaluate([truth, old], [new, np.zeros_like(truth)]).ap50)
    assert comparison.found_old == int(evaluate([truth, old], [old, truth]).counts.tp[:, 0].sum())


def test_a_clear_gain_is_better_and_said_in_plain_words():
    verdict, words = judge(
        [held_out(judged(range(13), range(20), n=24)), reference(judged(range(40), range(40)))]
    )
    assert verdict is Verdict.BETTER
    assert words == (
        "On the 24 nuclei kept aside, the new model finds 20, the old one 13. On other images nothing got worse."
    )


def test_false_predictions_count_like_missed_nuclei():
    true = range(20)
    comparison = held_out(judged([*range(20), 25, 27], [*range(20), *range(25, 35)], true=true))
    assert (comparison.old, comparison.new) == (pytest.approx(20 / 22), pytest.approx(20 / 30))
    assert (comparison.found_new, comparison.false_new) == (20, 10)
    assert comparison.verdict is Verdict.WORSE
    assert "10 false ones against 2" in judge([comparison])[1]
    one = judged(range(1), [30], true=range(1))
    assert judge([held_out(one)])[1].startswith(
        "On the only nucleus kept aside, the new model finds 0, the old one 1, with 1 false one against 0."
    )
    assert "it finds 0 of 1 nucleus, the old one 1, with 1 false one against 0." in judge([reference(one)])[1]


def test_nuclei_found_weigh_more_than_the_false_ones_beside_them_where_there_were_none():
    comparison = held_out(judged([], [*range(14), *range(30, 40)], true=range(25)))
    assert (comparison.found_old, comparison.found_new, comparison.false_new) == (0, 14, 10)
    assert comparison.verdict is Verdict.BETTER


@pytest.mark.parametrize(
    ("n_won", "verdict"), [(4, Verdict.UNSURE), (5, Verdict.BETTER)], ids=["four", "five"]
)
def test_fewer_than_five_nuclei_won_prove_nothing(n_won, verdict):
    assert held_out(judged(range(10), range(10 + n_won), n=20)).verdict is verdict


def test_a_merged_pair_costs_both_nuclei_and_one_false_prediction():
    truth = squares(range(2), n=2)
    merged = truth.copy()
    merged[5:13, 0:16] = 1
    comparison = held_out(Judged(truth, truth >= 0, truth, merged))
    assert (comparison.found_new, comparison.false_new, comparison.new) == (0, 1, 0)


def test_only_the_taught_area_counts():
    taught = np.zeros((20, 400), bool)
    taught[:, : 10 * 10 + 3] = True  # exactly half of square 10 as well
    comparison = held_out(judged(range(40), [*range(5), *range(20, 40)], taught=taught))
    assert (comparison.n_nuclei, comparison.found_old, comparison.found_new) == (11, 11, 5)
    assert comparison.false_new == comparison.false_old == 0


def test_a_match_of_a_nucleus_that_is_hardly_taught_is_no_false_prediction():
    taught = np.zeros((20, 10), bool)
    taught[:, 3:] = True
    truth, new = squares([0], n=1), squares([0], n=1)
    truth[5:13, 0:2], taught[:, :4] = 1, False
    new[5:13, :2], new[5:13, 4:8] = 0, 1
    comparison = held_out(Judged(truth, taught, truth, new))
    assert (comparison.n_nuclei, comparison.found_new, comparison.false_new) == (0, 0, 0)


@pytest.mark.parametrize(
    ("n", "old", "new", "verdict", "words"),
    [
        pytest.param(3, [], range(3), Verdict.UNSURE, "about 5 more", id="three nuclei won prove nothing"),
        pytest.param(5, [], range(5), Verdict.BETTER, "finds 5", id="five do"),
        pytest.param(
            40, range(30), range(5, 36), Verdict.UNSURE, "may be chance", id="hardly more won than lost"
        ),
        pytest.param(40, range(30), range(30), Verdict.UNSURE, "no gain", id="the same"),
        pytest.param(40, range(30), range(20), Verdict.WORSE, "finds 20", id="fewer"),
        pytest.param(0, [], [], Verdict.UNSURE, "nothing can be said", id="nothing held out"),
    ],
)
def test_held_out_nuclei_decide(n, old, new, verdict, words):
    comparison = held_out(judged(old, new, n=max(n, 1), true=range(n)))
    assert comparison.verdict is verdict
    assert judge([comparison])[0] is verdict
    assert words in judge([comparison])[1]
    assert comparison.low <= comparison.gain <= comparison.high


@pytest.mark.parametrize(
    ("n_better", "verdict"), [(6, Verdict.UNSURE), (7, Verdict.BETTER), (40, Verdict.BETTER)]
)
def test_as_many_nuclei_outlined_better_are_better(n_better, verdict):
    truth, shifted = squares(range(40)), squares(range(40), shift=2)
    new = np.where(np.arange(400) < 10 * n_better, truth, shifted)
    comparison = held_out(Judged(truth, truth >= 0, shifted, new))
    assert comparison.old == comparison.new == 1
    assert comparison.overlap_old == 0.5
    assert comparison.verdict is verdict
    assert comparison.overlap_new == pytest.approx(0.5 + 0.5 * n_better / 40)
    words = judge([comparison])[1]
    assert "%, those of the old one by 50%" in words
    assert ("about 5 more" in words) == (verdict is Verdict.UNSURE)


def test_outlines_a_hair_better_are_none():
    truth = np.kron(squares(range(40)), np.ones((1, 12), int))
    shifted = np.where(np.roll(truth, 1, axis=1) == truth, truth, 0)  # 71 of 72 columns
    comparison = held_out(Judged(truth, truth >= 0, shifted, truth))
    assert comparison.overlap_new > comparison.overlap_old > 0.98
    assert comparison.verdict is Verdict.UNSURE


def test_better_outlines_do_not_make_up_for_fewer_nuclei():
    truth, shifted = squares(range(40)), squares(range(40), shift=2)
    comparison = held_out(Judged(truth, truth >= 0, shifted, squares(range(39))))
    assert comparison.new < comparison.old
    assert comparison.verdict is Verdict.UNSURE


def test_the_interval_is_that_of_resampled_nuclei():
    rng = np.random.default_rng(0)
    old, new = set(range(25)), {*range(5, 25), *range(30, 38)}
    comparison = held_out(judged(old, new))
    draws = rng.integers(0, 40, (20_000, 40))
    value = np.array([(i in new) - (i in old) for i in range(40)])
    low, high = np.quantile(value[draws].mean(axis=1), (0.025, 0.975))
    assert (comparison.low, comparison.high) == (
        pytest.approx(low, abs=0.026),
        pytest.approx(high, abs=0.026),
    )


def test_the_same_nuclei_are_compared_with_each_other():
    noisy = held_out(judged(range(20), [*range(10), *range(20, 30)]))
    paired = held_out(judged(range(20), range(20)))
    assert noisy.gain == paired.gain == 0
    assert paired.high - paired.low == 0 < noisy.high - noisy.low


def test_the_same_false_prediction_is_one_place():
    false = [25, 26, 27, 28, 29]
    same = held_out(judged([*range(20), *false], [*range(20), *false], true=range(20)))
    assert (same.low, same.high) == (0, 0)


@pytest.mark.parametrize(
    ("new", "verdict"),
    [
        pytest.param(range(38), Verdict.BETTER, id="two of 40 lost may be chance"),
        pytest.param(range(35), Verdict.WORSE, id="five of 40 lost"),
        pytest.param(range(30), Verdict.WORSE, id="ten of 40 lost"),
    ],
)
def test_a_gain_is_refused_where_reference_images_lose(new, verdict):
    gain = held_out(judged(range(13), range(20), n=24))
    found, words = judge([gain, reference(judged(range(40), new))])
    assert found is verdict
    worse = f"on synthetic histology it got worse: it finds {len(new)} of 40"
    assert (worse in words) == (verdict is Verdict.WORSE)
    assert ("a little worse, which may be chance" in words) == (verdict is Verdict.BETTER)


def test_a_loss_within_the_tolerance_is_none():
    many = [judged(range(40), range(40))] * 30
    lossy = [*many, judged(range(40), range(34))]  # 6 of 1,240: .5 %, though surely no chance
    assert reference(*lossy).verdict is Verdict.UNSURE
    assert held_out(*lossy).verdict is Verdict.WORSE


@pytest.mark.parametrize(
    ("n_found", "verdict", "words"),
    [
        pytest.param(
            35, Verdict.BETTER, "finds 35 of 40 nuclei, the old one 40: a made picture", id="a little"
        ),
        pytest.param(25, Verdict.WORSE, "But on synthetic histology it got worse", id="much"),
    ],
)
def test_made_pictures_forbid_a_model_that_forgot_much_alone(n_found, verdict, words):
    gain, lost = held_out(judged(range(5), range(20), n=24)), judged(range(40), range(n_found))
    judgement, said = judge([gain, made(lost)])
    assert judgement is verdict
    assert words in said
    assert judge([gain, reference(lost)])[0] is Verdict.WORSE, "real images forbid both"


def blend(share, n_found, n_kept):
    """Blend that finds so many of 24 held-out nuclei, 5 before, and keeps so many of 40 others."""
    comparisons = (
        held_out(judged(range(5), range(n_found), n=24)),
        reference(judged(range(40), range(n_kept))),
    )
    return Blend(share, None, comparisons, *judge(comparisons))


@pytest.mark.parametrize(
    ("tried", "share"),
    [
        pytest.param([(1.0, 20, 40)], 1.0, id="harms nothing"),
        pytest.param([(1.0, 20, 20), (0.75, 15, 40)], 0.75, id="a smaller share is better and harms nothing"),
        pytest.param([(1.0, 20, 20), (0.75, 15, 20), (0.5, 10, 20), (0.25, 7, 20)], 1.0, id="all do harm"),
        pytest.param(
            [(1.0, 20, 20), (0.75, 5, 20), (0.5, 5, 20), (0.25, 5, 40)],
            1.0,
            id="what harms nothing is no use",
        ),
        pytest.param([(1.0, 4, 20), (0.75, 5, 40)], 0.75, id="no gain at all"),
    ],
)
def test_the_blend_that_gains_without_harm_is_taken(tried, share):
    assert best_of([blend(*each) for each in tried]).share == share


def test_no_more_nuclei_are_asked_for_where_something_is_odd_about_them():
    no_gain = held_out(judged(range(5), range(5), n=24))
    assert "correct what the old model does wrong" in judge([no_gain])[1]
    assert judge([no_gain], odd=True)[1].endswith("That is no gain.")
    gain = held_out(judged(range(5), range(7), n=24))
    assert "more reviewed nuclei" in judge([gain])[1]
    assert judge([gain], odd=True)[1].endswith("That may be chance.")


def test_images_without_a_nucleus_count_by_what_is_seen_in_them():
    comparison = held_out(judged(range(8), [], true=[]))
    assert (comparison.old, comparison.new, comparison.verdict) == (0, 1, Verdict.BETTER)
    assert "Where you left no nucleus" in judge([comparison])[1]


def test_numbers_and_gaps_make_no_difference():
    truth = squares(range(10), n=10)
    renumbered = np.where(truth > 0, 2**31 - 2 - 7 * truth, 0)
    assert held_out(Judged(renumbered, truth >= 0, truth, renumbered)).old == 1
