import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.nuclei.decoding import REACH_PX, DecodingSettings, decode
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.nuclei.targets import make_targets


def test_targets_decode_to_the_labels_they_came_from():
    truth = synthetic_fluorescence((512, 512), seed=3).labels
    assert evaluate(truth, decode(make_targets(truth), diameter_px=24)).ap50 > 0.95


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), smoothness=st.sampled_from([1.0, 2.5, 6.0]))
def test_every_nucleus_is_one_region_without_holes_numbered_in_reading_order(seed, smoothness, random_maps):
    labels = decode(random_maps(seed, (90, 113), smoothness), DecodingSettings(min_area_px=5))
    assert labels.dtype == np.int32
    values, first = np.unique(labels, return_index=True)
    present = values[values > 0]
    np.testing.assert_array_equal(present, np.arange(1, present.size + 1))
    assert (np.diff(first[values > 0]) > 0).all()
    for value in present:
        nucleus = labels == value
        assert nucleus.sum() >= 5
        assert ndimage.label(nucleus)[1] == 1
        assert (ndimage.binary_fill_holes(nucleus) == nucleus).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("smoothness", [1.5, 4.0, 25.0])
def test_a_window_with_its_halo_decodes_to_the_labels_of_the_whole(
    seed, smoothness, random_maps, same_partition
):
    shape = (REACH_PX + 500, REACH_PX + 420)
    maps = random_maps(seed, shape, smoothness)
    decoding = DecodingSettings(min_area_px=20, core_threshold=0.4 + 0.1 * seed)
    whole = decode(maps, decoding)
    rng = np.random.default_rng(seed)
    y, x = (int(rng.integers(0, n - 200)) for n in shape)
    window = tuple(slice(max(0, s - REACH_PX), s + 200 + REACH_PX) for s in (y, x))
    origin = (window[0].start, window[1].start)
    part = decode(maps[:, window[0], window[1]], decoding, origin=origin)
    kept = part[y - origin[0] : y - origin[0] + 200, x - origin[1] : x - origin[1] + 200]
    assert same_partition(kept, whole[y : y + 200, x : x + 200])


@pytest.mark.parametrize("diameter_px", [200, 700])
def test_large_nuclei_decode_to_the_labels_they_came_from(diameter_px):
    small = synthetic_fluorescence((200, 240), seed=3).labels
    truth = np.kron(small, np.ones([diameter_px // 24] * 2, np.int32))
    scores = evaluate(truth, decode(make_targets(truth), diameter_px=diameter_px))
    assert scores.ap50 > 0.95
    assert scores.dice > 0.97


@pytest.mark.parametrize("corner", [(1, 2), (61, 300)])
def test_a_window_of_large_nuclei_decodes_to_the_labels_of_the_whole(corner, random_maps, same_partition):
    reach = 2 * REACH_PX
    maps = random_maps(0, (reach + 460, reach + 500), 12.0)
    whole = decode(maps, diameter_px=200)
    y, x = corner
    part = decode(maps[:, y:, x:], diameter_px=200, origin=corner)
    assert whole.max() > 9
    assert same_partition(part[reach:, reach:], whole[y + reach :, x + reach :])


def test_higher_threshold_makes_nuclei_smaller(random_maps):
    maps = random_maps(0, (128, 128), 4.0)
    low, high = (decode(maps, DecodingSettings(foreground_threshold=t)) for t in (0.4, 0.7))
    assert (high > 0).sum() < (low > 0).sum()


def test_split_sensitivity_cuts_two_touching_nuclei_apart():
    y, x = np.mgrid[:40, :70]
    left, right = (np.exp(-((y - 20) ** 2 + (x - c) ** 2) / 200) for c in (22, 44))
    hills = np.maximum(left, right).astype(np.float32)
    maps = np.stack([hills > 0.3, hills, hills]).astype(np.float32)
    low, default, high = (decode(maps, DecodingSettings(core_threshold=t)).max() for t in (0.1, 0.5, 0.9))
    assert (low, default, high) == (1, 2, 2)


def test_split_sensitivity_splits_but_never_loses_a_faint_nucleus():
    y, x = np.mgrid[:40, :70]
    bright, faint = (h * np.exp(-((y - 20) ** 2 + (x - c) ** 2) / 60) for h, c in ((1, 18), (0.65, 50)))
    hills = np.maximum(bright, faint).astype(np.float32)
    maps = np.stack([hills > 0.3, hills, hills]).astype(np.float32)
    for threshold in (0.3, 0.5, 0.8, 0.95):
        assert decode(maps, DecodingSettings(core_threshold=threshold)).max() == 2


def test_border_removal_and_minimum_area():
    labels = np.zeros((60, 60), np.int32)
    labels[0:12, 20:32] = 1
    labels[30:44, 30:44] = 2
    labels[50:53, 50:53] = 3
    maps = make_targets(labels)
    assert decode(maps, DecodingSettings(min_area_px=0)).max() == 3
    assert decode(maps, DecodingSettings(min_area_px=20)).max() == 2
    inner = decode(maps, DecodingSettings(min_area_px=20, exclude_border=True))
    assert inner.max() == 1
    assert inner[37, 37] == 1


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((1, 1), id="one pixel"),
        pytest.param((1, 300), id="one row"),
        pytest.param((7, 3), id="tiny"),
    ],
)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_degenerate_maps(shape, value):
    labels = decode(np.full((3, *shape), value, np.float32), DecodingSettings(min_area_px=0))
    assert labels.shape == shape
    assert (labels.max() > 0) == (value == 1.0)


def test_a_core_too_wide_for_a_nucleus_is_cut_by_a_grid_fixed_in_the_image(same_partition):
    maps = np.ones((3, 300, 300), np.float32)
    labels = decode(maps)
    assert labels.max() > 4
    shifted = decode(maps[:, 40:, 70:], origin=(40, 70))
    assert same_partition(shifted[:100, :100], labels[40:140, 70:170])
