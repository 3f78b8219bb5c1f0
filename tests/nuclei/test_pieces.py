import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_nucseg.nuclei.pieces import FEATURES, measure_pieces

DIAMETER_PX = 20.0


def _scene(seed, shape=(40, 53), n=12):
    """Patches that tile an image with ground between some of them, and maps of noise."""
    rng = np.random.default_rng(seed)
    middles = rng.uniform(0, 1, (n, 2)) * shape
    grid = np.stack(np.mgrid[: shape[0], : shape[1]], -1)
    nearest = np.linalg.norm(grid[:, :, None] - middles, axis=-1).argmin(-1) + 1
    labels = np.where(ndimage.gaussian_filter(rng.standard_normal(shape), 3) > -0.05, nearest, 0)
    names, index = np.unique(labels, return_inverse=True)
    labels = index.reshape(shape) + (names[0] != 0)
    return labels.astype(np.int32), rng.random((3, *shape)).astype(np.float32)


def _described(labels, maps):
    return measure_pieces(labels, maps).features(DIAMETER_PX)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_union_is_described_as_if_it_had_been_one_object(seed):
    labels, maps = _scene(seed)
    pieces = measure_pieces(labels, maps)
    unions = pieces.unions().features(DIAMETER_PX)
    for (a, b), union in zip(pieces.pairs, unions, strict=True):
        merged = np.where(labels == b + 1, a + 1, labels)
        merged = np.where(merged > b, merged - 1, merged)  # no gap in the numbers
        np.testing.assert_allclose(union, _described(merged, maps)[a], rtol=1e-9, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_joined_pieces_and_their_new_neighbours_are_those_of_the_joined_image(seed):
    labels, maps = _scene(seed)
    pieces = measure_pieces(labels, maps)
    if not len(pieces.pairs):
        return
    joined, row = pieces.joined(np.array([len(pieces.pairs) // 2]))
    merged = np.concatenate([[0], row + 1])[labels].astype(np.int32)
    other = measure_pieces(merged, maps)
    np.testing.assert_array_equal(joined.pairs, other.pairs)
    np.testing.assert_allclose(joined.between, other.between, rtol=1e-9)
    np.testing.assert_allclose(
        joined.features(DIAMETER_PX), other.features(DIAMETER_PX), rtol=1e-9, atol=1e-9
    )


def test_a_square_is_described_by_hand():
    labels = np.zeros((12, 30), np.int32)
    labels[2:6, 2:6], labels[2:6, 6:10] = 1, 2
    labels[0, 20:29] = 3  # a line along the edge
    maps = np.zeros((3, 12, 30), np.float32)
    maps[0], maps[1, 2:6, 2:10], maps[2] = 0.25, 0.75, 0.5
    described = [dict(zip(FEATURES, row, strict=True)) for row in _described(labels, maps)]
    square, _, line = described
    assert square["log_area"] == pytest.approx(np.log(16 / (np.pi * 100)))
    assert (square["foreground"], square["distance"], square["core"], square["sure"]) == (0.25, 0.75, 0.5, 0)
    assert square["distance_spread"] == 0
    assert square["rim"] == 16 / 4
    assert square["touching"] == 4 / 16
    assert (square["seam_foreground"], square["seam_distance"], square["seam_core"]) == (0.25, 0.75, 0.5)
    assert (square["beyond"], square["slope"], square["cut"]) == (0.25, 0.75, 0)
    assert square["axis_ratio"] == pytest.approx(1)
    assert line["cut"] == 9 / 3
    assert line["axis_ratio"] == pytest.approx(1 / 9)
    assert line["slope"] == 0


def test_a_window_describes_what_lies_inside_as_the_whole_does():
    labels, maps = _scene(3, (90, 110), 60)
    window, origin = np.s_[20:80, 25:95], (20, 25)
    part = labels[window]
    inside = set(np.unique(part[3:-3, 3:-3])) - set(np.unique(labels)) ^ set(np.unique(part))
    edge = np.unique(np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]]))
    whole_objects = sorted(inside - set(edge) - {0})
    assert whole_objects
    names, index = np.unique(part, return_inverse=True)
    dense = index.reshape(part.shape).astype(np.int32) + (names[0] != 0)
    features = measure_pieces(dense, maps[:, *window], origin).features(DIAMETER_PX)
    numbers = [n for n in names if n]
    of_all = _described(labels, maps)
    for number in whole_objects:
        np.testing.assert_array_equal(features[numbers.index(number)], of_all[number - 1])


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (7, 5)])
def test_an_image_without_objects_has_none_to_describe(shape):
    pieces = measure_pieces(np.zeros(shape, np.int32), np.zeros((3, *shape), np.float32))
    assert len(pieces) == 0
    assert (
        pieces.features(DIAMETER_PX).shape
        == pieces.unions().features(DIAMETER_PX).shape
        == (0, len(FEATURES))
    )
