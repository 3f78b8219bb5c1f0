"""Ways to look at an image: they can be undone, and those of a set differ."""

import numpy as np
import pytest

from napari_nucseg.segmentation.settings import SegmentationSettings
from napari_nucseg.segmentation.views import ACCURATE_VIEWS, ONE_HEAD_VIEWS, VIEWS

ARRAY = np.random.default_rng(0).random((3, 4, 6)).astype(np.float32)


@pytest.mark.parametrize("symmetry", VIEWS["turns"].symmetries, ids=str)
def test_a_symmetry_can_be_undone(symmetry):
    np.testing.assert_array_equal(symmetry.undo(symmetry.apply(ARRAY)), ARRAY)


@pytest.mark.parametrize(
    ("name", "n_views"),
    [
        pytest.param("plain", 1, id="plain"),
        pytest.param("two", 2, id="two"),
        pytest.param("flips", 4, id="flips"),
        pytest.param("turns", 8, id="turns"),
        pytest.param("scales", 2, id="scales"),
        pytest.param("flips+scales", 8, id="flips+scales"),
        pytest.param("turns+scales", 16, id="turns+scales"),
    ],
)
def test_a_set_holds_the_views_its_name_says_and_none_twice(name, n_views):
    views = VIEWS[name]
    square = ARRAY[:, :, :4]
    shown = {symmetry.apply(square).tobytes() for symmetry in views.symmetries}
    assert len(shown) * len(set(views.scales)) == len(views) == n_views
    np.testing.assert_array_equal(views.symmetries[0].apply(ARRAY), ARRAY)


@pytest.mark.parametrize(
    ("choices", "name"),
    [
        pytest.param({}, ONE_HEAD_VIEWS, id="standard"),
        pytest.param({"quality": "fast"}, "plain", id="fast"),
        pytest.param({"quality": "accurate"}, ACCURATE_VIEWS, id="accurate"),
        pytest.param({"quality": "accurate", "views": "turns"}, "turns", id="chosen"),
        pytest.param({"views": "scales"}, "scales", id="chosen-in-standard"),
    ],
)
def test_quality_stands_for_views_unless_they_are_chosen(choices, name):
    assert SegmentationSettings(**choices).views_for(1) is VIEWS[name]


def test_standard_of_several_heads_is_one_look_at_their_mean():
    assert SegmentationSettings().views_for(3) is VIEWS["plain"]
