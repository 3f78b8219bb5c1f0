"""Images taken worse: what happens to them, and what does not."""

import numpy as np
import pytest
from pydantic import ValidationError

from napari_nucseg.data.images import to_planes
from napari_nucseg.data.intensity import IntensityRange
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.learning.worsening import WorseSettings, worsened

NOTHING = {f"p_{name}": 0.0 for name in ("photons", "debris", "blur", "noise", "gamma")}


@pytest.fixture
def image():
    planes = to_planes(synthetic_fluorescence(shape=(128, 128), seed=1, diameter_px=20).image)
    return np.repeat(IntensityRange.of(planes).apply(planes), 3, axis=0)


def only(**settings) -> WorseSettings:
    return WorseSettings(**{**NOTHING, **settings})


def taken(image, settings, seed=0):
    return worsened(image, 20.0, settings, np.random.default_rng(seed))


def test_nothing_happens_where_nothing_may(image):
    np.testing.assert_array_equal(taken(image, only()), image)


@pytest.mark.parametrize("what", ["photons", "debris", "blur", "noise", "gamma"])
def test_each_change_is_seen_keeps_grey_grey_and_the_range(image, what):
    worse = taken(image, only(**{f"p_{what}": 1.0}))
    assert worse.dtype == np.float32 and worse.shape == image.shape
    assert np.abs(worse - image).mean() > 0.003
    assert worse.min() >= 0 and worse.max() <= 1
    np.testing.assert_allclose(worse[0], worse[2], atol=1e-5)


def test_few_photons_come_in_steps(image):
    worse = taken(image, only(p_photons=1.0, photons=(10.0, 10.000001)))
    counts = worse[0] * 10
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-3)
    assert abs(worse.mean() - image.mean()) < 0.1 * image.mean()


def test_few_photons_keep_the_brightness_of_a_dim_image(image):
    worse = taken(image * 0.4, only(p_photons=1.0))
    assert worse.mean() == pytest.approx(0.4 * image.mean(), rel=0.1)


@pytest.mark.parametrize("name", ["photons", "debris", "debris_diameter", "blur_sigma_px", "noise", "gamma"])
def test_ranges_drawn_from_on_a_logarithmic_scale_are_positive(name):
    with pytest.raises(ValidationError, match=name):
        WorseSettings(**{name: (0.0, 1.0)})


def test_debris_takes_the_range_from_nuclei(image):
    worse = taken(image, only(p_debris=1.0, debris=(10.0, 10.000001)))
    assert worse.max() == pytest.approx(1)
    changed = worse[0] > 0.5
    assert 0 < changed.mean() < 0.5
    np.testing.assert_allclose(
        worse[0][~changed], image[0][~changed] / (10 * np.percentile(image, 99)), rtol=1e-4
    )


def test_a_bright_field_has_no_photons_to_count(image):
    bright = 1 - image
    np.testing.assert_array_equal(taken(bright, only(p_photons=1.0, p_debris=1.0)), bright)


def test_an_empty_image_stays_whole():
    empty = np.zeros((3, 32, 32), np.float32)
    everything = WorseSettings(p_photons=1, p_debris=1, p_blur=1, p_noise=0, p_gamma=1)
    assert np.isfinite(taken(empty, everything)).all()


def test_one_generator_one_image(image):
    settings = WorseSettings()
    np.testing.assert_array_equal(taken(image, settings, seed=4), taken(image, settings, seed=4))
