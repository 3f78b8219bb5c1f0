import numpy as np
import pytest

from napari_nucseg.nuclei.targets import distance_map, make_targets, median_diameter


def _disc(shape, centre, radius, value=1, labels=None):
    labels = np.zeros(shape, np.int32) if labels is None else labels
    y, x = np.ogrid[: shape[0], : shape[1]]
    labels[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2] = value
    return labels


def test_distance_peaks_at_the_middle_and_falls_to_the_edge():
    distance = distance_map(_disc((41, 41), (20, 20), 15))
    assert distance[20, 20] == 1
    assert distance[20, 34] < 0.15
    assert distance[0, 0] == 0


def test_touching_nuclei_have_a_valley_between_them():
    labels = np.zeros((20, 40), np.int32)
    labels[4:16, 4:20] = 1
    labels[4:16, 20:36] = 2
    distance = distance_map(labels)
    assert distance[10, 19] < 0.25
    assert distance[10, 20] < 0.25
    assert distance[10, 11] == 1


def test_a_nucleus_cut_by_the_image_keeps_rising_towards_the_edge():
    distance = distance_map(_disc((41, 41), (0, 20), 15))
    assert distance[0, 20] == 1


def test_a_nucleus_that_fills_the_image_has_a_distance():
    assert (distance_map(np.ones((5, 5), np.int32)) == 1).all()


def test_numbering_with_gaps_and_huge_values_changes_nothing():
    labels = _disc((30, 60), (15, 15), 8)
    labels = _disc((30, 60), (15, 40), 10, 2, labels)
    renumbered = np.where(labels == 1, 7_000_000, labels * 30_000)
    np.testing.assert_array_equal(make_targets(labels), make_targets(renumbered))


def test_core_is_where_the_distance_exceeds_one_half():
    foreground, distance, core = make_targets(_disc((41, 41), (20, 20), 15))
    np.testing.assert_array_equal(core > 0, distance > 0.5)
    assert foreground.sum() > core.sum() > 0


def test_the_diameter_of_a_disc():
    assert median_diameter(_disc((61, 61), (30, 30), 20)) == pytest.approx(40, rel=0.02)


def test_median_diameter_leaves_out_the_border_where_enough_are_left():
    labels = np.zeros((100, 200), np.int32)
    for i in range(12):
        _disc(labels.shape, (50, 12 + 15 * i), 5, i + 1, labels)
    labels[:3, :] = 99
    assert median_diameter(labels) == pytest.approx(10, rel=0.06)


def test_no_nucleus_has_no_diameter():
    assert median_diameter(np.zeros((4, 4), np.int32)) is None
    assert not make_targets(np.zeros((4, 4), np.int32)).any()
