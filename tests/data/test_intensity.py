import numpy as np
import pytest

from napari_nucseg.data.intensity import IntensityRange


def noisy(shape=(1, 200, 300), seed=0):
    return np.random.default_rng(seed).normal(100, 10, shape).astype(np.float32)


def test_the_range_becomes_0_to_1_and_the_rest_is_clipped():
    scaled = IntensityRange(10, 20).apply(np.array([[[0, 10, 15, 20, 99]]], np.float32))
    assert scaled.ravel().tolist() == [0, 0, 0.5, 1, 1]


def test_hot_and_dead_pixels_do_not_count():
    image = noisy()
    spoilt = image.copy()
    spoilt[0, ::20, ::20] = 60_000
    spoilt[0, 5::20, 5::20] = 0
    clean, robust = IntensityRange.of(image), IntensityRange.of(spoilt)
    assert robust.low == pytest.approx(clean.low, abs=1.5)
    assert robust.high == pytest.approx(clean.high, abs=3)


def test_a_single_small_nucleus_in_a_dark_image_is_not_lost():
    image = noisy((1, 512, 512))
    image[0, 100:118, 200:218] += 1000
    scaled = IntensityRange.of(image).apply(image)
    assert scaled[0, 105:113, 205:213].mean() > 0.9
    assert np.median(scaled) < 0.1


def test_all_channels_share_one_range_so_that_hue_stays():
    image = np.stack([noisy()[0], noisy(seed=1)[0] * 2, noisy(seed=2)[0] * 3])
    scaled = IntensityRange.of(image).apply(image)
    assert scaled[0].mean() < scaled[1].mean() < scaled[2].mean()


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.full((1, 40, 40), 7, np.float32), id="constant"),
        pytest.param(np.full((1, 40, 40), np.nan, np.float32), id="all NaN"),
        pytest.param(np.zeros((3, 1, 1), np.float32), id="one pixel"),
    ],
)
def test_without_contrast_everything_is_0(image):
    assert not IntensityRange.of(image).apply(image).any()


def test_nan_and_infinity_do_not_spread():
    image = noisy()
    image[0, 10, 10], image[0, 20, 20], image[0, 30, 30] = np.nan, np.inf, -np.inf
    intensity = IntensityRange.of(image)
    assert np.isfinite([intensity.low, intensity.high]).all()
    scaled = intensity.apply(image)
    assert np.isfinite(scaled).all()
    assert (scaled[0, 10, 10], scaled[0, 20, 20], scaled[0, 30, 30]) == (0, 1, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_hot_pixels_do_not_count_beside_damaged_ones_either(value):
    image = noisy()
    spoilt, random = image.copy(), np.random.default_rng(1)
    spoilt[random.random(image.shape) < 0.05] = value
    spoilt[(random.random(image.shape) < 0.002) & np.isfinite(spoilt)] = 60_000
    clean, robust = IntensityRange.of(image), IntensityRange.of(spoilt)
    assert robust.low == pytest.approx(clean.low, abs=1.5)
    assert robust.high == pytest.approx(clean.high, abs=1.5)


def test_a_large_image_is_sampled_and_tiles_get_the_same_constants():
    image = noisy((1, 3000, 3000))
    whole = IntensityRange.of(image)
    part = IntensityRange.of(image[:, :900, :900])
    np.testing.assert_allclose([whole.low, whole.high], [part.low, part.high], rtol=0.05)
    np.testing.assert_array_equal(whole.apply(image)[:, :50], whole.apply(image[:, :50]))


@pytest.mark.parametrize("shape", [(188, 10_430), (90, 20_000), (16_000, 90)])
def test_an_empty_margin_around_a_large_mosaic_changes_nothing(shape):
    y, x = np.indices(shape)
    scene = noisy((1, *shape)) + 1000 * ((y % 20 < 5) & (x % 20 < 5))
    margin = np.pad(scene, ((0, 0), (40, 40), (40, 40)))
    whole, framed = IntensityRange.of(scene), IntensityRange.of(margin)
    assert framed.high == pytest.approx(whole.high, rel=0.02)
    assert framed.high > 500


def test_what_is_not_finite_becomes_0_or_1_and_the_image_stays_as_it_is():
    image = np.array([[[np.nan, np.inf, -np.inf, 15]]], np.float32)
    given = image.copy()
    assert IntensityRange(10, 20).apply(image).ravel().tolist() == [0, 1, 0, 0.5]
    np.testing.assert_array_equal(image, given)
