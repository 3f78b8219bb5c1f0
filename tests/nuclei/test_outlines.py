import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import points_in_poly

from napari_nucseg.nuclei.outlines import outlines_of


def _filled(polygons, shape):
    """Fill polygons by another way: pixels whose centres they hold, those in holes not."""
    y, x = np.indices(shape)
    centres = np.stack([x.ravel(), y.ravel()], axis=1) + 0.5
    rings = [ring for polygon in polygons for ring in polygon]
    return (sum(points_in_poly(centres, ring).astype(int) for ring in rings) % 2).reshape(shape).astype(bool)


def _signed_area(ring):
    x, y = ring.T
    return (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2


@given(arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 3)))
def test_filled_outlines_are_the_nuclei(labels):
    found = dict(outlines_of(labels))
    assert sorted(found) == [number for number in np.unique(labels) if number]
    for number, polygons in found.items():
        np.testing.assert_array_equal(_filled(polygons, labels.shape), labels == number)


@given(arrays(np.bool_, (9, 9)))
def test_rings_are_closed_and_turn_as_geojson_asks(mask):
    for _, polygons in outlines_of(mask.astype(np.uint8)):
        for outer, *holes in polygons:
            assert _signed_area(outer) > 0
            for ring in (outer, *holes):
                np.testing.assert_array_equal(ring[0], ring[-1])
                assert len(np.unique(ring[:-1], axis=0)) == len(ring) - 1 >= 4
            assert all(_signed_area(hole) < 0 for hole in holes)


def test_numbers_may_be_as_high_as_they_like():
    labels = np.zeros((9, 9), np.int64)
    labels[1:3, 1:3], labels[5:8, 1:8], labels[1:4, 5:8], labels[8] = 7, 2**31 - 1, 2**62, -3
    found = dict(outlines_of(labels))
    assert list(found) == [7, 2**31 - 1, 2**62]
    for number, polygons in found.items():
        np.testing.assert_array_equal(_filled(polygons, labels.shape), labels == number)


def test_a_square_has_eight_corners_half_a_pixel_cut():
    labels = np.zeros((30, 30), np.uint16)
    labels[10:20, 5:25] = 7
    ((number, [[ring]]),) = outlines_of(labels)
    assert number == 7
    assert len(ring) == 8 + 1
    assert (ring.min(axis=0).tolist(), ring.max(axis=0).tolist()) == ([5, 10], [25, 20])
    assert _signed_area(ring) == pytest.approx(200 - 0.5)
