"""Random views of patches: images and targets stay together, and each setting does something."""

import pytest
import torch

from napari_nucseg.learning.augment import Augmenter, AugmentSettings

NONE = {"scale_jitter": 0, "rotate": 0, "flip": 0, "stain": 0} | dict.fromkeys(
    ("p_gamma", "p_color", "p_noise", "p_blur", "p_gray", "p_invert"), 0
)


def patches(n=8, side=96):
    torch.manual_seed(0)
    fields = torch.zeros(n, 5, side, side, dtype=torch.uint8)
    fields[:, :, 30:60, 30:60] = 200
    fields[:, 0] //= 2  # a hue, so that colours can change
    fields[:, :3] += torch.randint(0, 40, (n, 3, side, side), dtype=torch.uint8)
    return fields


def test_without_augmentation_crops_of_full_size_are_the_patches():
    fields = patches()
    image, targets = Augmenter(AugmentSettings(crop_px=96, **NONE))(fields)
    torch.testing.assert_close(image, fields[:, :3] / 255)
    torch.testing.assert_close(targets[:, 0], fields[:, 3] / 255)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="as set by default"),
        pytest.param({"rotate": 1, "flip": 1, "scale_jitter": 0.3}, id="geometry"),
        pytest.param({"p_elastic": 1, "elastic_px": 4}, id="elastic"),
    ],
)
def test_image_and_targets_are_warped_together(settings):
    fields = torch.zeros(8, 5, 96, 96, dtype=torch.uint8)
    fields[:, :, 30:60, 30:60] = 255
    torch.manual_seed(0)
    image, targets = Augmenter(AugmentSettings(**{**NONE, "crop_px": 64, **settings}))(fields)
    assert image.shape == (8, 3, 64, 64)
    assert ((image.mean(1) > 0.5) == (targets[:, 0] > 0.5)).float().mean() > 0.98


@pytest.mark.parametrize(
    "settings",
    [
        {"p_gamma": 1},
        {"p_color": 1},
        {"p_shuffle": 1},
        {"p_shade": 1},
        {"p_clahe": 1},
        {"p_jpeg": 1},
        {"p_noise": 1},
        {"p_blur": 1},
        {"p_gray": 1},
        {"p_invert": 1},
        {"p_elastic": 1},
        {"stain": 0.5},
        {"rotate": 1},
        {"flip": 1},
        {"scale_jitter": 0.5},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_each_setting_changes_the_images_and_is_repeatable(settings):
    fields = patches()
    plain, targets = Augmenter(AugmentSettings(crop_px=96, **NONE))(fields)
    augmenter = Augmenter(AugmentSettings(crop_px=96, **{**NONE, **settings}))
    views = []
    for _ in range(2):
        torch.manual_seed(3)
        views.append(augmenter(fields))
    image, warped = views[0]
    assert (image - plain).abs().max() > 0.02
    assert torch.isfinite(image).all()
    torch.testing.assert_close(image, views[1][0], rtol=0, atol=0)
    geometry = {"p_elastic", "rotate", "flip", "scale_jitter"}
    assert torch.allclose(warped, targets) != bool(geometry & settings.keys())


@pytest.mark.parametrize("background", [pytest.param(10, id="dark"), pytest.param(240, id="bright")])
def test_shading_changes_nuclei_and_leaves_the_background(background):
    fields = torch.full((8, 5, 96, 96), background, dtype=torch.uint8)
    fields[:, :, 30:60, 30:60] = 125
    plain = fields[:, :3] / 255
    torch.manual_seed(0)
    image, _ = Augmenter(AugmentSettings(**{**NONE, "crop_px": 96, "p_shade": 1}))(fields)
    change = (image - plain).abs().mean(1)
    assert change[:, 30:60, 30:60].mean() > 5 * change[:, :30].mean()
