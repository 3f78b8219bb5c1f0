import numpy as np
import pytest
from scipy import ndimage

from napari_nucseg.nuclei.decoding import REACH_PX, DecodingSettings, decode, propose
from napari_nucseg.nuclei.judging import Judge, judged
from napari_nucseg.nuclei.pieces import FEATURES, measure_pieces
from napari_nucseg.nuclei.targets import make_targets

DIAMETER_PX = 20.0


def _judge(**weights):
    """Judge whose logit is a weighted sum of features, and of ``bias``."""
    row = np.array([[weights.get(name, 0.0) for name in FEATURES]])
    n = len(FEATURES)
    return Judge(np.zeros(n), np.ones(n), (row,), (np.array([weights.get("bias", 0.0)]),))


ROUND = _judge(roundness=400, bias=-380)
"""Believes in what fills its ellipse."""
LARGE = _judge(log_area=8, bias=8 * np.log(2))
"""Doubts what is smaller than half a nucleus."""


def _disc(shape, middle, radius):
    y, x = np.indices(shape)
    return np.hypot(y - middle[0], x - middle[1]) <= radius


def test_halves_of_a_disc_become_one_and_two_discs_stay_two():
    labels = np.zeros((60, 90), np.int32)
    disc = _disc(labels.shape, (30, 20), 12)
    labels[disc] = 1
    labels[disc & (np.indices(labels.shape)[0] > 30)] = 2
    labels[_disc(labels.shape, (30, 50), 11)], labels[_disc(labels.shape, (30, 72), 11)] = 3, 4
    assert measure_pieces(labels, np.ones((3, *labels.shape), np.float32)).pairs.tolist() == [[0, 1], [2, 3]]
    found = judged(labels, np.ones((3, *labels.shape), np.float32), ROUND, 0.4, diameter_px=DIAMETER_PX)
    assert len(np.unique(found)) == 4
    assert len(np.unique(found[disc])) == 1


def test_pieces_are_joined_over_several_rounds():
    labels = np.zeros((40, 40), np.int32)
    y, x = np.indices(labels.shape)
    disc = _disc(labels.shape, (20, 20), 12)
    labels[disc] = 1 + (2 * (y > 20) + (x > 20))[disc]
    found = judged(labels, np.ones((3, 40, 40), np.float32), LARGE, 0.5, diameter_px=24)
    assert np.unique(found[disc]).size == 1
    assert found[disc].all()


def test_specks_are_dropped_and_more_so_the_more_certainty_is_asked_for():
    labels = np.zeros((40, 80), np.int32)
    for n in range(8):
        y, x = 4 + 20 * (n // 4), 4 + 20 * (n % 4)
        side = 9 if n % 2 else 5
        labels[y : y + side, x : x + side] = n + 1
    maps, judge = make_targets(labels), _judge(log_area=1, bias=1)
    found = [
        decode(maps, DecodingSettings(certainty=c), diameter_px=10, judge=judge).max()
        for c in (0.2, 0.6, 0.9)
    ]
    assert found == [8, 4, 0]


def test_without_certainty_or_without_a_judge_thresholds_alone_decide(random_maps):
    maps = random_maps(2, (120, 130), 3.0)
    plain = decode(maps)
    np.testing.assert_array_equal(decode(maps, DecodingSettings(certainty=0), judge=LARGE), plain)
    assert (decode(maps, judge=LARGE) != plain).any()


def test_foreground_without_a_core_is_proposed():
    maps = np.zeros((3, 30, 30), np.float32)
    maps[0, 5:12, 5:12] = 1
    assert decode(maps, diameter_px=8).max() == 0
    assert propose(maps, DecodingSettings(), diameter_px=8).max() == 1


def test_a_threshold_above_a_half_moves_outlines_and_not_the_choice(random_maps):
    maps = random_maps(5, (120, 130), 3.0)
    chosen, trimmed = (
        decode(
            maps,
            DecodingSettings(foreground_threshold=t, min_area_px=0),
            judge=ROUND,
            diameter_px=DIAMETER_PX,
        )
        for t in (0.5, 0.6)
    )
    assert ((trimmed > 0) <= (chosen > 0)).all()
    assert (trimmed > 0).sum() < (chosen > 0).sum()
    for number in range(1, trimmed.max() + 1):
        assert np.unique(chosen[trimmed == number]).size == 1
        assert ndimage.label(trimmed == number)[1] == 1


@pytest.mark.parametrize("seed", range(3))
def test_what_is_judged_is_one_region_a_nucleus_in_reading_order(seed, random_maps):
    labels = decode(random_maps(seed, (90, 113), 2.5), DecodingSettings(certainty=0.5), judge=ROUND)
    values, first = np.unique(labels, return_index=True)
    np.testing.assert_array_equal(values, np.arange(values.size))
    assert (np.diff(first[values > 0]) > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_window_is_judged_as_the_whole(seed, random_maps, same_partition):
    shape = (REACH_PX + 300, REACH_PX + 220)
    maps = random_maps(seed, shape, 4.0)
    whole = decode(maps, judge=ROUND, diameter_px=DIAMETER_PX)
    y, x = 90 + seed, 15
    window = tuple(slice(max(0, s - REACH_PX), s + 200 + REACH_PX) for s in (y, x))
    origin = (window[0].start, window[1].start)
    part = decode(maps[:, *window], judge=ROUND, diameter_px=DIAMETER_PX, origin=origin)
    kept = part[y - origin[0] : y - origin[0] + 200, x - origin[1] : x - origin[1] + 200]
    assert same_partition(kept, whole[y : y + 200, x : x + 200])


def test_an_empty_image_is_judged_empty():
    assert decode(np.zeros((3, 9, 9), np.float32), judge=LARGE).max() == 0


def test_a_judge_comes_back_from_its_numbers():
    again = Judge.of_tensors(LARGE.tensors())
    pieces = measure_pieces(np.eye(5, dtype=np.int32), np.ones((3, 5, 5), np.float32))
    np.testing.assert_array_equal(again.certainty(pieces, 3), LARGE.certainty(pieces, 3))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"centre": np.zeros(3)}, id="other features"),
        pytest.param({"0.bias": np.zeros(2)}, id="layers that do not fit"),
        pytest.param({"0.weight": None}, id="no layer"),
        pytest.param({"spread": None}, id="a part missing"),
        pytest.param({"0.bias": np.array([np.nan])}, id="no numbers"),
    ],
)
def test_damaged_numbers_of_a_judge_are_refused(change):
    tensors = {k: v for k, v in (LARGE.tensors() | change).items() if v is not None}
    with pytest.raises(ValueError, match="judge of nuclei"):
        Judge.of_tensors(tensors)
