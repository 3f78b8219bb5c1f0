"""Fast, standard and accurate: what is run, what it costs in memory, and that tiles and regions stay right."""

import tracemalloc

import numpy as np
import pytest
import torch

from napari_nucseg.data.intensity import IntensityRange
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.network.architectures import activate, build_network
from napari_nucseg.network.model_card import ModelCard, Thresholds
from napari_nucseg.network.model_file import load_model, save_model
from napari_nucseg.segmentation.segment import make_settings, segment_steps
from napari_nucseg.segmentation.views import VIEWS, Symmetry
from napari_nucseg.steps import drain

IMAGE = synthetic_fluorescence((256, 320), seed=4).image
LARGE = synthetic_fluorescence((480, 420), seed=2).image
TOLERATED = 1e-3


def run(image, model, region=None, **choices):
    settings = make_settings(**{"diameter_px": 24, "precision": "float32", "device": "cpu", **choices})
    return drain(segment_steps(image, settings, model, region))


def network_input(image):
    """Image as the network sees it at its own scale, (1, 3, Y, X)."""
    planes = image[None].astype(np.float32)
    scaled = IntensityRange.of(planes, *ModelCard.model_fields["normalisation"].default).apply(planes)
    return torch.from_numpy(np.repeat(scaled[None], 3, axis=1))


# ---- heads


@pytest.mark.parametrize(
    ("fast_head", "head"), [pytest.param(None, 2, id="last-but-one"), *[(h, h) for h in (1, 2, 3)]]
)
def test_fast_is_the_answer_of_one_head(nested_model, tmp_path, fast_head, head):
    card = nested_model.card.model_copy(update={"fast_head": fast_head})
    save_model(tmp_path / "m.safetensors", card, nested_model.network)
    model = load_model(tmp_path / "m.safetensors")
    with torch.inference_mode():
        expected = activate(model.network.heads(network_input(IMAGE))[head - 1])[0].numpy()
    np.testing.assert_allclose(run(IMAGE, model, quality="fast").maps, expected, atol=0.01)


def test_fast_is_the_last_but_one_of_the_heads_that_are_there(nested_model, tmp_path):
    architecture = nested_model.card.architecture.model_copy(update={"only_heads": (1, 3)})
    network = build_network(architecture)
    network.load_state_dict(
        {k: v for k, v in nested_model.network.state_dict().items() if k in network.state_dict()}
    )
    card = nested_model.card.model_copy(update={"architecture": architecture})
    save_model(tmp_path / "m.safetensors", card, network)
    maps = run(IMAGE, load_model(tmp_path / "m.safetensors"), quality="fast").maps
    with torch.inference_mode():
        expected = activate(nested_model.network.heads(network_input(IMAGE))[0])[0].numpy()
    np.testing.assert_allclose(maps, expected, atol=0.01)


def test_standard_is_the_mean_of_the_heads(nested_model):
    with torch.inference_mode():
        expected = activate(nested_model.network.heads(network_input(IMAGE)).mean(0))[0].numpy()
    np.testing.assert_allclose(run(IMAGE, nested_model).maps, expected, atol=0.01)


def test_the_fast_network_is_smaller_and_made_once(nested_model):
    fast = nested_model.fast()
    assert fast is nested_model.fast()
    weights = [sum(p.numel() for p in model.network.parameters()) for model in (fast, nested_model)]
    assert weights[0] < weights[1]
    assert fast.card.architecture.stride_px < nested_model.card.architecture.stride_px
    assert run(IMAGE, nested_model, quality="fast").model.card == nested_model.card, (
        "the record names the file"
    )


def test_fast_is_one_look_of_a_unet_and_standard_the_mean_of_two(small_model, nested_model):
    turn = Symmetry(quarters=1)
    fast = run(IMAGE, small_model, quality="fast")
    turned = turn.undo(run(turn.apply(IMAGE[None])[0], small_model, views="plain").maps)
    standard = run(IMAGE, small_model)
    np.testing.assert_allclose(standard.maps, (fast.maps + turned) / 2, atol=1e-4)
    assert np.abs(fast.maps - standard.maps).max() > 0.01, (
        "turning changes nothing, so this test shows nothing"
    )
    assert not fast.notes
    assert not standard.notes


# ---- views


def test_accurate_is_the_mean_over_the_images_turned_and_turned_back(small_model):
    views = VIEWS["turns"]
    maps = [
        symmetry.undo(run(symmetry.apply(IMAGE[None])[0], small_model, quality="fast").maps)
        for symmetry in views.symmetries
    ]
    result = run(IMAGE, small_model, quality="accurate", views="turns")
    np.testing.assert_allclose(result.maps, np.mean(maps, axis=0), atol=1e-4)
    assert np.abs(maps[0] - result.maps).max() > 0.01, "turning changes nothing, so this test shows nothing"


def test_scales_are_averaged_on_the_images_own_grid(small_model):
    plain, larger = (
        run(IMAGE, small_model, diameter_px=size, views="plain").maps for size in (24, 24 / 1.25)
    )
    result = run(IMAGE, small_model, views="scales")
    np.testing.assert_allclose(result.maps, (plain + larger) / 2, atol=1e-4)


def test_progress_counts_all_views(small_model):
    settings = make_settings(diameter_px=24, views="flips+scales", tile_px=256, device="cpu")
    steps = [s for s in segment_steps(LARGE, settings, small_model) if s.stage == "network"]
    assert len({step.total for step in steps}) == 1
    assert [step.done for step in steps] == list(range(1, steps[0].total + 1))


def test_accurate_can_be_cancelled_between_tiles(small_model):
    settings = make_settings(diameter_px=24, quality="accurate", tile_px=256, device="cpu")
    steps = segment_steps(LARGE, settings, small_model)
    seen = next(step for step in steps if step.stage == "network")
    steps.close()
    assert seen.done < seen.total
    assert next(steps, None) is None


def test_memory_does_not_grow_with_the_number_of_views(small_model):
    peaks = {}
    for views in ("flips+scales", "turns+scales"):
        tracemalloc.start()
        run(LARGE, small_model, views=views)
        peaks[views] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks["turns+scales"] < 1.1 * peaks["flips+scales"]


def test_an_image_of_one_pixel_has_views_too(nested_model):
    assert run(np.zeros((1, 1), np.uint8), nested_model, quality="accurate").labels.shape == (1, 1)


# ---- tiles and regions


@pytest.mark.parametrize("quality", ["fast", "standard", "accurate"])
def test_tiles_change_almost_nothing(nested_model, quality):
    whole = run(LARGE, nested_model, quality=quality, tile_px=2048)
    tiled = run(LARGE, nested_model, quality=quality, tile_px=256)
    assert _other_pixels(whole, tiled) <= TOLERATED
    assert whole.n_nuclei > 10


@pytest.mark.parametrize("diameter_px", [24, 19, 13.7])  # at the network's own scale, and rescaled
@pytest.mark.parametrize("quality", ["fast", "standard", "accurate"])
def test_random_regions_get_the_maps_of_the_whole(nested_model, quality, diameter_px):
    whole = run(LARGE, nested_model, quality=quality, diameter_px=diameter_px)
    rng = np.random.default_rng(round(diameter_px))
    for _ in range(2):
        top, left = rng.integers(0, 300, 2)
        region = slice(top, top + 90 + rng.integers(100)), slice(left, left + 60 + rng.integers(40))
        part = run(LARGE, nested_model, region, quality=quality, diameter_px=diameter_px)
        changed = np.abs(part.maps - whole.maps[:, *region]) > 0.1
        assert changed.mean() <= TOLERATED
        assert part.n_nuclei == np.unique(part.labels[part.labels > 0]).size


def _other_pixels(a, b):
    """Share of pixels that are a nucleus in one alone."""
    return ((a.labels > 0) != (b.labels > 0)).mean()


# ---- thresholds


def test_a_models_thresholds_hold_until_the_user_sets_one(small_model, tmp_path):
    thresholds = Thresholds(foreground_threshold=0.61, core_threshold=0.37)
    card = small_model.card.model_copy(update={"thresholds": thresholds})
    save_model(tmp_path / "m.safetensors", card, small_model.network)
    model = load_model(tmp_path / "m.safetensors")
    decoding = run(IMAGE, model).settings.decoding
    assert (decoding.foreground_threshold, decoding.core_threshold) == (0.61, 0.37)
    decoding = run(IMAGE, model, foreground_threshold=0.5).settings.decoding
    assert (decoding.foreground_threshold, decoding.core_threshold) == (0.5, 0.37)
