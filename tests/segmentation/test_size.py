"""The size of nuclei: views of an image, what the head reads in them, what measuring adds."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_nucseg.data.images import to_planes
from napari_nucseg.data.intensity import IntensityRange
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import load_model
from napari_nucseg.nuclei.targets import median_diameter
from napari_nucseg.segmentation.picture import Picture
from napari_nucseg.segmentation.segment import segment
from napari_nucseg.segmentation.size import REACH, SETTLING, _Readings, _settled, estimate_diameter
from napari_nucseg.segmentation.size_views import VIEW_PX, at_scale, square, structured_windows


def shown(image):
    """An image as the network sees it."""
    planes = to_planes(image)
    return Picture(planes, IntensityRange.of(planes))


@pytest.mark.parametrize("shape", [(1, 1), (19, 37), (300, 200), (1000, 1300)])
@pytest.mark.parametrize("scale", [0.25, 1.0, 3.0])
def test_windows_lie_in_the_image_and_show_no_more_than_a_view(shape, scale):
    image = np.random.default_rng(0).random((3, *shape)).astype(np.float32)
    windows = structured_windows(Picture.of(image), scale, 2)
    assert 1 <= len(windows) <= 2
    for window in windows:
        assert all(
            1 <= n <= min(side, math.ceil(VIEW_PX / scale))
            for n, side in zip(window.shape[1:], shape, strict=True)
        )


@pytest.mark.parametrize("scale", [0.3, 0.77, 1.0, 1.3, 2.9])
def test_a_view_fits_into_one_tile(scale):
    image = np.zeros((3, 900, 900), np.float32)
    view = at_scale(structured_windows(Picture.of(image), scale, 1)[0], scale)
    assert view.shape[1:] == (VIEW_PX, VIEW_PX)


def test_windows_with_structure_come_first():
    image = np.zeros((3, 600, 600), np.float32)
    image[:, 400:500, 400:500] = np.random.default_rng(0).random((3, 100, 100))
    assert structured_windows(Picture.of(image), 1.0, 1)[0].std() > 0


def test_a_small_view_is_mirrored_to_full_size():
    view = np.arange(3 * 5 * 7, dtype=np.float32).reshape(3, 5, 7)
    full = square(view)
    assert full.shape == (3, VIEW_PX, VIEW_PX)
    np.testing.assert_array_equal(full[:, :5, :7], view)
    np.testing.assert_array_equal(full[:, 5:10, :7], view[:, ::-1])


@pytest.mark.parametrize("diameter_px", [10, 24, 60])
@pytest.mark.parametrize(
    "sample", [synthetic_fluorescence, synthetic_histology], ids=["fluorescence", "histology"]
)
def test_the_bundled_model_reads_the_size_of_nuclei_it_was_never_shown(sample, diameter_px):
    made = sample(shape=(512, 512), seed=5, diameter_px=diameter_px)
    picture = shown(made.image)
    estimate = estimate_diameter(load_model(), picture, choose_device("cpu"))
    assert abs(math.log(estimate.diameter_px / median_diameter(made.labels))) < 0.35
    assert 0 <= estimate.confidence <= 1


@pytest.mark.parametrize("error", [-0.9, -0.6, 0.3, 0.6])
@pytest.mark.parametrize(
    "sample", [synthetic_fluorescence, synthetic_histology], ids=["fluorescence", "histology"]
)
def test_nuclei_that_can_be_trusted_settle_a_size_read_wrongly(sample, error):
    made = sample(shape=(512, 512), seed=6, diameter_px=32)
    picture = shown(made.image)
    true = math.log(median_diameter(made.labels))
    sizes = [true + error + shift for shift in SETTLING]
    settled = _settled(load_model(), picture, sizes, choose_device("cpu"))
    assert abs(settled - true) < 0.12


def test_sizes_are_tried_as_far_as_readings_reach():
    readings = _Readings(np.log([20.0] * 8 + [26.0] * 3), np.ones(11))
    low, high = math.log(20) - REACH, math.log(26) + REACH
    tried = readings.sizes_to_try()
    assert tried == [math.log(20) + shift for shift in SETTLING if low <= math.log(20) + shift <= high]
    assert math.log(20) in tried
    assert 1 < len(tried) < len(SETTLING)


def test_what_is_measured_takes_back_half_of_what_the_head_reads_wrongly():
    made = synthetic_fluorescence(shape=(512, 512), seed=5, diameter_px=24)
    picture = shown(made.image)
    model, device = load_model(), choose_device("cpu")
    biased = copy.deepcopy(model.size_head)
    with torch.no_grad():
        biased.layers[-1].bias[0] += 0.2
    models = (model, replace(model, size_head=biased))
    plain, wrong = (estimate_diameter(m, picture, device).diameter_px for m in models)
    assert 0.05 < math.log(wrong / plain) < 0.15


def test_without_a_head_the_canonical_diameter_is_used_without_confidence(small_model):
    blank = Picture.of(np.zeros((3, 64, 64), np.float32))
    estimate = estimate_diameter(small_model, blank, choose_device("cpu"))
    assert (estimate.diameter_px, estimate.confidence) == (small_model.card.canonical_diameter_px, 0.0)


@pytest.mark.parametrize("shape", [(1, 2), (3, 500)])
def test_any_image_that_shows_something_gets_an_estimate(shape):
    image = np.zeros(shape, np.uint8)
    image[0, : shape[1] // 2] = 200
    assert segment(image, axes="YX").diameter.diameter_px > 0


@pytest.mark.parametrize("shape", [(1, 1), (3, 500)])
def test_an_image_that_shows_nothing_gets_none(shape):
    result = segment(np.zeros(shape, np.uint8), axes="YX")
    assert result.diameter is None
    assert result.n_nuclei == 0
