"""The size head: a trained encoder tells the size of nuclei after a few images."""

import math

import numpy as np
import pytest

from napari_nucseg.data.images import to_planes
from napari_nucseg.data.intensity import IntensityRange
from napari_nucseg.data.sample import Sample
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import TrainingError
from napari_nucseg.learning.sizing import SizeSettings, fit_size_head
from napari_nucseg.network.architectures import Architecture
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_card import ModelCard
from napari_nucseg.network.model_file import load_model
from napari_nucseg.segmentation.size_views import square, summaries
from napari_nucseg.steps import drain

CARD = ModelCard(name="x", title="X", architecture=Architecture(), canonical_diameter_px=24)


def synthetic(seed: int, diameter_px: float) -> Sample:
    return synthetic_fluorescence(shape=(256, 256), seed=seed, diameter_px=diameter_px)


def test_the_head_reads_sizes_of_images_it_never_saw():
    network, device = load_model().network, choose_device("cpu")
    samples = [synthetic(seed, 14 + 3 * seed) for seed in range(8)]
    settings = SizeSettings(views_an_image=6, steps=300, batch_size=32)
    head = drain(fit_size_head(network, samples, CARD, device, settings))
    planes = [to_planes(synthetic(99, d).image) for d in (15, 24, 40)]
    views = [square(np.repeat(IntensityRange.of(p).apply(p), 3, 0)) for p in planes]
    size, _ = head(summaries(network.encoder, views, device))
    np.testing.assert_allclose(size.detach().numpy(), np.log([15 / 24, 1, 40 / 24]), atol=0.35)


def test_images_taken_worse_teach_the_head_to_read_few_photons():
    network, device = load_model().network, choose_device("cpu")
    samples = [synthetic(seed, 14 + 3 * seed) for seed in range(8)]
    views = []
    for d in (15, 24, 40):
        light = to_planes(synthetic(99, d).image)
        counted = np.random.default_rng(0).poisson(light / light.max() * 10).astype(np.float32)
        views.append(square(np.repeat(IntensityRange.of(counted).apply(counted), 3, 0)))
    seen, errors = summaries(network.encoder, views, device), []
    for worse_images in (0, 8):
        settings = SizeSettings(views_an_image=6, worse_images=worse_images, steps=300, batch_size=32)
        size, _ = drain(fit_size_head(network, samples, CARD, device, settings))(seen)
        errors.append(np.abs(size.detach().numpy() - np.log([15 / 24, 1, 40 / 24])).mean())
    assert errors[1] < errors[0] / 2


def test_fitting_is_repeatable():
    network, device = load_model().network, choose_device("cpu")
    settings = SizeSettings(views_an_image=2, steps=5, batch_size=4)
    one, two = (
        drain(fit_size_head(network, [synthetic(1, 20)], CARD, device, settings, seed=3)) for _ in range(2)
    )
    assert all((a == b).all() for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_without_a_nucleus_nothing_is_learned():
    empty = Sample("empty", np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.int32), None, {})
    with pytest.raises(TrainingError, match="nucleus"):
        drain(fit_size_head(load_model().network, [empty], CARD, choose_device("cpu"), SizeSettings()))


def test_uncertainty_stays_where_it_can_be_trusted():
    network, device = load_model().network, choose_device("cpu")
    head = drain(
        fit_size_head(network, [synthetic(1, 20)], CARD, device, SizeSettings(views_an_image=2, steps=5))
    )
    _, uncertainty = head(
        1e6 * summaries(network.encoder, [np.zeros((3, 256, 256), np.float32)], device) + 1e6
    )
    assert math.isfinite(uncertainty.item()) and -4 <= uncertainty.item() <= 2
