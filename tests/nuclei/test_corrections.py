import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import EditError
from napari_nucseg.nuclei.corrections import Comparison, Kind, count_kinds, diff
from napari_nucseg.nuclei.editing import delete_at, merge_along, split_by_line
from napari_nucseg.nuclei.trust import Trust, taught_area

labels_of = st.integers(0, 4).map(lambda seed: synthetic_fluorescence((96, 130), seed=seed).labels)


def _after(labels, edit):
    new = labels.copy()
    places, values = edit.changed_pixels(labels)
    new[places] = values
    return new


def _renumbered(labels, seed):
    numbers = np.unique(labels)
    table = np.zeros(numbers.max() + 1, np.int64)
    table[numbers[numbers > 0]] = (
        np.random.default_rng(seed).permutation(3 * numbers.size)[: numbers.size - 1] + 1
    )
    return table[labels]


@pytest.fixture
def labels():
    image = np.zeros((80, 120), np.int32)
    image[20:40, 10:30] = 1
    image[20:40, 30:50] = 2
    image[20:40, 60:80] = 3
    return image


@settings(max_examples=15, deadline=None)
@given(labels=labels_of, seed=st.integers(0, 99))
def test_the_same_labels_in_other_numbers_are_no_change(labels, seed):
    assert diff(labels, labels.copy()) == ()
    assert diff(labels, _renumbered(labels, seed)) == ()


@settings(max_examples=25, deadline=None)
@given(labels=labels_of, data=st.data())
def test_each_change_is_found_whatever_the_numbers(labels, data):
    """Delete, add and shave some nuclei; every one of them is told, and no other."""
    numbers = np.unique(labels)[1:]
    chosen = data.draw(st.lists(st.sampled_from(list(numbers)), unique=True, max_size=min(6, numbers.size)))
    edited = labels.copy()
    wanted = {}
    for position, number in enumerate(chosen):
        mask = labels == number
        if position % 2:
            edited[mask] = 0
            wanted[number] = Kind.DELETED
        else:
            edited[tuple(np.argwhere(mask)[0])] = 0
            wanted[number] = Kind.RESHAPED if mask.sum() > 1 else Kind.DELETED
    changes = diff(labels, _renumbered(edited, 1) if edited.any() else edited)
    assert {change.before[0]: change.kind for change in changes} == wanted


@pytest.mark.parametrize(
    ("edit", "kind", "before", "after"),
    [
        pytest.param(lambda x: delete_at(x, (30, 20)), Kind.DELETED, (1,), (), id="deleted"),
        pytest.param(lambda x: split_by_line(x, [(15, 24), (45, 24)]), Kind.SPLIT, (1,), (1, 4), id="split"),
        pytest.param(lambda x: merge_along(x, [(30, 20), (30, 40)]), Kind.MERGED, (1, 2), (1,), id="merged"),
    ],
)
def test_what_a_tool_did_is_told(labels, edit, kind, before, after):
    (change,) = diff(labels, _after(labels, edit(labels)))
    assert (change.kind, change.before, change.after) == (kind, before, after)
    if kind is Kind.DELETED:
        assert change.box == (slice(20, 40), slice(10, 30))


def test_added_and_painted_over(labels):
    added = labels.copy()
    added[60:70, 60:70] = 8
    (change,) = diff(labels, added)
    assert (change.kind, change.after) == (Kind.ADDED, (8,))
    grown = labels.copy()
    grown[20:40, 28:30] = 2
    assert count_kinds(diff(labels, grown))[Kind.RESHAPED] == 2
    swallowed = np.where(labels == 1, 2, labels)
    (change,) = diff(labels, swallowed)
    assert (change.kind, change.before) == (Kind.MERGED, (1, 2))


def test_a_changed_rectangle_is_looked_at_alone():
    before = synthetic_fluorescence((300, 420), seed=1).labels
    after = before.copy()
    live = Comparison(before, after, tile_px=64)
    rng = np.random.default_rng(0)
    for _ in range(15):
        y, x = (int(rng.integers(0, n - 30)) for n in before.shape)
        box = (slice(y, y + 25), slice(x, x + 30))
        after[box] = rng.choice([0, before.max() + rng.integers(1, 5)])
        live.update(box)
        assert live.changes() == diff(before, after)


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (1, 70), (300, 1)], ids=str)
def test_images_of_any_size(shape):
    empty, full = np.zeros(shape, np.int32), np.full(shape, 7, np.int32)
    assert diff(empty, empty) == diff(full, full) == ()
    assert len(diff(empty, full)) == (1 if full.size else 0)


def test_what_cannot_be_compared_is_refused(labels):
    with pytest.raises(EditError, match="shape"):
        diff(labels, labels[1:])
    with pytest.raises(EditError, match="integers"):
        diff(labels, labels.astype(float))


class TestTaught:
    def test_reviewed_counts_unknown_does_not_and_ignore_never(self, labels):
        trust = np.zeros(labels.shape, np.uint8)
        trust[:30] = Trust.REVIEWED
        trust[:5] = Trust.IGNORE
        taught = taught_area(trust, labels)
        assert not taught[:5].any()
        assert taught[5:30].all()
        assert not taught[30:].any()

    def test_a_changed_nucleus_counts_with_a_margin_but_not_its_predicted_neighbour(self, labels):
        edited = _after(labels, delete_at(labels, (30, 20)))
        trust = np.zeros(labels.shape, np.uint8)
        taught = taught_area(trust, edited, labels, diff(labels, edited))
        assert taught[20:40, 10:30].all()
        assert taught[17, 20]
        assert not taught[16, 20]
        assert not taught[labels == 2].any(), "the touching nucleus is not judged"
        assert not taught[labels == 3].any()

    def test_the_wider_shape_counts(self, labels):
        smaller = labels.copy()
        smaller[20:40, 60:70] = 0
        taught = taught_area(np.zeros(labels.shape, np.uint8), smaller, labels, diff(labels, smaller))
        assert taught[labels == 3].all()

    @settings(max_examples=20, deadline=None)
    @given(labels=labels_of)
    def test_without_changes_nothing_counts(self, labels):
        trust = np.zeros(labels.shape, np.uint8)
        assert not taught_area(trust, labels, labels, diff(labels, labels)).any()
