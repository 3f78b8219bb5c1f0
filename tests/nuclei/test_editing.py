"""The tools of correction, on drawn nuclei and on messy ones."""

from time import thread_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.draw import disk

from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import EditError
from napari_nucseg.nuclei.edit import LARGEST_NUMBER, first_free_number
from napari_nucseg.nuclei.editing import (
    add_outline,
    delete_at,
    delete_in_box,
    fill_holes_at,
    merge_along,
    split_by_line,
)
from napari_nucseg.nuclei.growing import add_at
from napari_nucseg.nuclei.restoring import restore_at, restore_in_box
from napari_nucseg.nuclei.targets import make_targets


@pytest.fixture
def labels():
    """Two nuclei that touch (1, 2), one apart (3) and a far one (9)."""
    image = np.zeros((80, 120), np.int32)
    image[20:40, 10:30] = 1
    image[20:40, 30:50] = 2
    image[20:40, 60:80] = 3
    image[60:75, 95:110] = 9
    return image


def _after(labels, edit):
    new = labels.copy()
    places, values = edit.changed_pixels(labels)
    new[places] = values
    return new


def _n_parts(labels, number):
    return ndimage.label(labels == number)[1]


def test_an_edit_touches_neither_its_source_nor_pixels_outside_its_box(labels):
    before = labels.copy()
    edit = delete_at(labels, (30, 20))
    np.testing.assert_array_equal(labels, before)
    assert edit.values.size == 400
    expected = np.where(labels == 1, 0, labels)
    np.testing.assert_array_equal(_after(labels, edit), expected)


class TestSplit:
    def test_a_line_across_gives_two_numbers_and_loses_no_pixel(self, labels):
        new = _after(labels, split_by_line(labels, [(15, 24), (45, 24)]))
        assert set(np.unique(new)) == {0, 1, 2, 3, 9, 10}
        np.testing.assert_array_equal(new > 0, labels > 0)
        assert (new[20:40, 10:24] == 1).all(), "the larger piece keeps the number"
        assert (new[20:40, 25:30] == 10).all()
        assert _n_parts(new, 1) == _n_parts(new, 10) == 1

    @pytest.mark.parametrize(
        "path",
        [
            pytest.param([(22, 18), (37, 21)], id="ends just inside the edges"),
            pytest.param([(10, 5), (30, 22), (50, 8)], id="bent"),
            pytest.param([(15, 6), (45, 34)], id="diagonal"),
            pytest.param([(-20, 20), (200, 20)], id="beyond the image"),
        ],
    )
    def test_lines_as_people_draw_them(self, labels, path):
        new = _after(labels, split_by_line(labels, path))
        np.testing.assert_array_equal(new > 0, labels > 0)
        assert new.max() == 10
        assert _n_parts(new, 1) == _n_parts(new, 10) == 1

    def test_every_nucleus_under_the_line_is_split(self, labels):
        edit = split_by_line(labels, [(30, 0), (30, 90)], first_free=50)
        assert set(np.unique(_after(labels, edit))) == {0, 1, 2, 3, 9, 50, 51, 52}
        assert edit.summary == "Split into 6 nuclei."

    def test_a_neighbour_that_is_only_grazed_stays_whole(self, labels):
        new = _after(labels, split_by_line(labels, [(30, 5), (31, 33)]))
        assert set(np.unique(new)) == {0, 1, 2, 3, 9, 10}
        np.testing.assert_array_equal(new == 2, labels == 2)

    @pytest.mark.parametrize(
        ("path", "words"),
        [
            pytest.param([(0, 0), (10, 5)], "crosses no nucleus", id="background"),
            pytest.param([(30, 18), (30, 22)], "ends inside", id="within"),
            pytest.param([(30, 18), (30, 18)], "ends inside", id="a click"),
            pytest.param([(30, 18)], "2 or more", id="one point"),
            pytest.param([(np.nan, 18), (1, 1)], "finite", id="not a number"),
        ],
    )
    def test_refused(self, labels, path, words):
        with pytest.raises(EditError, match=words):
            split_by_line(labels, path)

    @settings(max_examples=60, deadline=None)
    @given(seed=st.integers(0, 500), ends=st.lists(st.floats(-10, 130), min_size=4, max_size=4))
    def test_any_line_over_any_nuclei_keeps_the_foreground(self, seed, ends):
        labels = synthetic_fluorescence((120, 120), seed=seed % 5).labels
        try:
            new = _after(labels, split_by_line(labels, [ends[:2], ends[2:]]))
        except EditError:
            return
        np.testing.assert_array_equal(new > 0, labels > 0)
        assert len(np.unique(new)) > len(np.unique(labels))
        for number in np.setdiff1d(np.unique(new), np.unique(labels)):
            assert _n_parts(new, number) == 1


class TestMerge:
    def test_touching_nuclei_take_the_first_number(self, labels):
        new = _after(labels, merge_along(labels, [(30, 40), (30, 20)]))
        np.testing.assert_array_equal(new == 2, (labels == 1) | (labels == 2))

    def test_a_gap_is_bridged_as_wide_as_the_nuclei_face_each_other(self, labels):
        new = _after(labels, merge_along(labels, [(30, 40), (30, 70)]))
        assert _n_parts(new, 2) == 1
        assert (new == 2).sum() > 400 + 400 + 150
        np.testing.assert_array_equal(new[labels == 1], 1)

    def test_a_bridge_never_takes_another_nucleus(self, labels):
        labels[28:33, 53:57] = 7
        new = _after(labels, merge_along(labels, [(24, 40), (24, 70)]))
        np.testing.assert_array_equal(new == 7, labels == 7)
        assert _n_parts(new, 2) == 1

    def test_refused(self, labels):
        with pytest.raises(EditError, match="fewer than two"):
            merge_along(labels, [(30, 12), (30, 20)])
        with pytest.raises(EditError, match="gap"):
            merge_along(labels, [(30, 75), (68, 100)])


class TestDelete:
    def test_by_click_and_by_box(self, labels):
        assert 1 not in _after(labels, delete_at(labels, (30, 20)))
        new = _after(labels, delete_in_box(labels, [(10, 5), (50, 55)]))
        assert set(np.unique(new)) == {0, 3, 9}

    def test_a_box_leaves_what_lies_mostly_outside(self, labels):
        new = _after(labels, delete_in_box(labels, [(10, 5), (50, 35)]))
        assert set(np.unique(new)) == {0, 2, 3, 9}

    def test_a_number_in_two_places_goes_whole(self, labels):
        labels[0:5, 0:5] = 9
        assert 9 not in _after(labels, delete_at(labels, (2, 2)))

    @pytest.mark.parametrize("point", [(0, 0), (-1, 5), (80, 5), (np.inf, 1)], ids=str)
    def test_refused(self, labels, point):
        with pytest.raises(EditError):
            delete_at(labels, point)
        with pytest.raises(EditError):
            delete_in_box(labels, [(0, 0), (5, 5)])


class TestAddOutline:
    outline = np.array([(45, 45), (45, 70), (15, 70), (15, 45)], float)

    def test_never_overwrites_and_stays_in_one_piece(self, labels):
        new = _after(labels, add_outline(labels, self.outline))
        np.testing.assert_array_equal(new[labels > 0], labels[labels > 0])
        assert _n_parts(new, 10) == 1

    def test_overwrites_when_asked(self, labels):
        new = _after(labels, add_outline(labels, self.outline, overwrite=True))
        assert (new[20:40, 46:49] == 10).all()

    def test_a_number_beyond_eight_bits_is_given(self):
        labels = np.pad(np.full((5, 5), 255, np.uint8), 30)
        edit = add_outline(labels, [(5, 5), (5, 20), (20, 20), (20, 5)])
        assert edit.values.max() == 256

    def test_outline_beyond_the_image_is_cut(self, labels):
        outline = [(-20, -20), (-20, 15), (15, 15), (15, -20)]
        assert (_after(labels, add_outline(labels, outline))[:14, :14] == 10).all()

    def test_an_outline_round_a_large_image_is_filled_at_once(self):
        angle = np.linspace(0, 2 * np.pi, 300)
        begun = thread_time()  # of the processor: other work beside does not count
        edit = add_outline(
            np.zeros((5000, 5000), np.uint8), 2500 + 2400 * np.stack([np.sin(angle), np.cos(angle)], 1)
        )
        assert thread_time() - begun < 5, "it took 30 s and more"
        assert np.count_nonzero(edit.values) == pytest.approx(np.pi * 2400**2, rel=0.001)

    @pytest.mark.parametrize(
        "outline",
        [
            pytest.param([(22, 12), (22, 28), (38, 28), (38, 12)], id="all taken"),
            pytest.param([(1, 1), (1, 1), (1, 1)], id="nothing"),
            pytest.param([(1, 1), (5, 5)], id="two points"),
            pytest.param([(100, 200), (100, 220), (130, 220)], id="outside"),
        ],
    )
    def test_refused(self, labels, outline):
        with pytest.raises(EditError):
            add_outline(labels, outline)


def test_holes_are_filled_by_a_click_on_the_nucleus_or_in_the_hole(labels):
    holed = labels.copy()
    holed[25:30, 15:20] = 0
    holed[26, 16] = 7
    new = _after(holed, fill_holes_at(holed, (35, 12)))
    assert new[26, 16] == 7, "a nucleus in the hole stays"
    assert (new == 1).sum() == 399
    holed[26, 16] = 0
    np.testing.assert_array_equal(_after(holed, fill_holes_at(holed, (27, 17))), labels)
    with pytest.raises(EditError, match="no holes"):
        fill_holes_at(labels, (30, 20))
    with pytest.raises(EditError, match="no hole here"):
        fill_holes_at(labels, (5, 5))


@pytest.fixture(scope="module")
def picture():
    truth = synthetic_fluorescence((160, 160), seed=3, diameter_px=24).labels
    return truth, make_targets(truth)


class TestAddByClick:
    def test_a_deleted_nucleus_comes_back_from_the_maps(self, picture):
        truth, maps = picture
        number = np.bincount(truth[truth > 0]).argmax()
        centre = np.argwhere(truth == number).mean(axis=0)
        labels = np.where(truth == number, 0, truth)
        new = _after(labels, add_at(labels, maps, centre, diameter_px=24))
        grown, wanted = new == new.max(), truth == number
        assert (grown & wanted).sum() / (grown | wanted).sum() > 0.8
        np.testing.assert_array_equal(new[labels > 0], labels[labels > 0])

    def test_a_faint_nucleus_is_found_below_the_threshold(self):
        maps = np.zeros((3, 60, 60), np.float32)
        rr, cc = disk((30, 30), 12)
        maps[0, rr, cc] = 0.3
        maps[1] = ndimage.distance_transform_edt(maps[0] > 0) / 12
        new = _after(
            np.zeros((60, 60), np.int32), add_at(np.zeros((60, 60), np.int32), maps, (28, 33), diameter_px=24)
        )
        assert (new > 0).sum() == pytest.approx(rr.size, rel=0.02)

    def test_a_number_beyond_eight_bits_is_given(self, picture):
        truth, maps = picture
        number = np.bincount(truth[truth > 0]).argmax()
        labels = np.where(truth == number, 0, 255).astype(np.uint8)
        edit = add_at(labels, maps, np.argwhere(truth == number).mean(axis=0), diameter_px=24)
        assert edit.values.max() == 256

    def test_two_hills_are_two_nuclei(self):
        y, x = np.mgrid[:60, :90]
        left, right = (np.exp(-((y - 30) ** 2 + (x - c) ** 2) / 160) for c in (32, 54))
        hills = np.maximum(left, right).astype(np.float32)
        maps = np.stack([hills > 0.25, hills, hills]).astype(np.float32)
        empty = np.zeros((60, 90), np.int32)
        new = _after(empty, add_at(empty, maps, (30, 30), diameter_px=24))
        assert new[30, 30] == 1
        assert new[30, 56] == 0

    def test_refused(self, picture):
        truth, maps = picture
        inside = np.argwhere(truth > 0)[0]
        with pytest.raises(EditError, match="already"):
            add_at(truth, maps, inside, diameter_px=24)
        empty = np.zeros_like(truth)
        with pytest.raises(EditError, match="sees no nucleus"):
            add_at(empty, np.zeros_like(maps), (50, 50), diameter_px=24)
        with pytest.raises(EditError, match="sees no nucleus"):
            add_at(empty, np.full_like(maps, np.nan), (50, 50), diameter_px=24)
        with pytest.raises(EditError, match="shape"):
            add_at(empty, maps[:, :9], (5, 5), diameter_px=24)


class TestRestore:
    @pytest.mark.parametrize(
        "damage",
        [
            pytest.param(lambda x: delete_at(x, (30, 20)), id="deleted"),
            pytest.param(lambda x: split_by_line(x, [(15, 20), (45, 20)]), id="split"),
            pytest.param(lambda x: merge_along(x, [(30, 40), (30, 20)]), id="merged"),
        ],
    )
    def test_undoes_what_was_done_to_a_nucleus(self, labels, damage):
        damaged = _after(labels, damage(labels))
        np.testing.assert_array_equal(_after(damaged, restore_at(damaged, labels, (30, 22))), labels)
        np.testing.assert_array_equal(
            _after(damaged, restore_in_box(damaged, labels, [(15, 5), (45, 55)])), labels
        )

    def test_an_added_nucleus_goes(self, labels):
        added = labels.copy()
        added[5:10, 60:70] = 30
        restored = restore_at(added, labels, (7, 65))
        assert 30 not in _after(added, restored)
        assert restored.summary == "Removed 1 nucleus that was not predicted."
        assert 30 not in _after(added, restore_in_box(added, labels, [(0, 55), (45, 90)]))

    def test_neighbours_keep_their_pixels_and_get_back_what_was_taken(self, labels):
        grown = labels.copy()
        grown[20:40, 25:30] = 2
        new = _after(grown, restore_at(grown, labels, (30, 45)))
        np.testing.assert_array_equal(new, labels)

    def test_a_number_in_use_elsewhere_is_replaced(self, labels):
        reused = np.where(labels == 1, 0, labels)
        reused[0:8, 90:100] = 1
        new = _after(reused, restore_at(reused, labels, (30, 20)))
        assert (new[20:40, 10:30] == 10).all()
        assert (new[0:8, 90:100] == 1).all()

    def test_refused(self, labels):
        with pytest.raises(EditError, match="nothing to restore"):
            restore_at(labels, labels.copy(), (30, 20))
        with pytest.raises(EditError, match="no nucleus"):
            restore_at(labels, labels.copy(), (0, 0))
        with pytest.raises(EditError, match="shape"):
            restore_at(labels, labels[:5], (30, 20))


def test_free_numbers_stay_within_int32():
    assert first_free_number(np.array([[0, 4]]), np.array([[9]])) == 10
    assert first_free_number(np.array([[0, LARGEST_NUMBER]])) == 1
    assert first_free_number(np.array([[1, 5000, LARGEST_NUMBER]])) == 2
    assert first_free_number(np.zeros((0, 3), int)) == 1


@pytest.mark.parametrize("bad", [np.zeros((2, 3, 4), int), np.zeros((3, 3))], ids=["stack", "floats"])
def test_labels_of_another_kind_are_refused(bad):
    with pytest.raises(EditError, match="integers"):
        split_by_line(bad, [(0, 0), (1, 1)])


@pytest.mark.parametrize("number", [2**31, 2**32 + 2])
def test_numbers_beyond_int32_are_refused_not_wrapped_around(number):
    labels = np.zeros((20, 20), np.int64)
    labels[2:6, 2:6], labels[10:14, 10:14] = 2, number
    with pytest.raises(EditError, match=f"{number:,}; up to 2,147,483,647 are allowed. Renumber"):
        delete_in_box(labels, [(0, 0), (7, 7)])


def test_numbers_below_0_are_no_nuclei_and_no_background():
    labels = np.zeros((20, 20), np.int16)
    labels[2:6, 2:6], labels[10:14, 10:14] = 2, -3
    with pytest.raises(EditError, match=r"below 0, down to -3; .* numpy.maximum"):
        delete_in_box(labels, [(0, 0), (7, 7)])
