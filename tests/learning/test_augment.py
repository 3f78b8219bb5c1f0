"""Random views of patches: images and targets stay together, and each setting does something."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

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
        {"p_photons": 1},
        {"p_dim": 1},
        {"p_blur": 1},
        {"p_gray": 1},
        {"p_invert": 1},
        {"p_elastic": 1},
        {"stain": 0.5},
        {"hed": 0.5},
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


def test_other_amounts_of_stains_change_colours_and_leave_grey_images_grey():
    fields = patches()
    fields[4:, :3] = fields[4:, 2:3]
    torch.manual_seed(0)
    image, _ = Augmenter(AugmentSettings(**{**NONE, "crop_px": 96, "hed": 0.5}))(fields)
    changed = (image - fields[:, :3] / 255).abs().amax(dim=(1, 2, 3))
    assert (changed[:4] > 0.02).all()
    assert (changed[4:] < 1e-4).all()


def test_few_photons_make_noise_whose_variance_is_that_of_counting():
    n_photons, light = 40, 0.4
    fields = torch.full((16, 5, 256, 256), round(light * 255), dtype=torch.uint8)
    augmenter = Augmenter(AugmentSettings(**NONE, photons=(n_photons, n_photons), p_photons=1))
    views = []
    for seed in range(6):  # a coin decides whether pixels are twice as wide, which interpolation then smooths
        torch.manual_seed(seed)
        views.append(augmenter(fields)[0])
    variances = torch.stack([view[:, 0].var() for view in views]) / (light / n_photons)
    assert variances.max() == pytest.approx(1, abs=0.05)
    assert 0.2 < variances.min() < 0.6
    assert all(abs(view.mean() - light) < 0.01 for view in views)


def test_bright_field_is_neither_dimmed_nor_short_of_photons():
    fields = torch.full((8, 5, 96, 96), 200, dtype=torch.uint8)
    image, _ = Augmenter(AugmentSettings(**{**NONE, "crop_px": 96, "p_dim": 1, "p_photons": 1}))(fields)
    torch.testing.assert_close(image, fields[:, :3] / 255)


def one_view(fields, **settings):
    """A view of whole patches in which nothing but these settings changes, and the patches' images, 0…1."""
    torch.manual_seed(0)
    image, _ = Augmenter(AugmentSettings(**{**NONE, "crop_px": fields.shape[-1], **settings}))(fields)
    return image, fields[:, :3] / 255


def test_inverted_images_are_one_less_themselves():
    image, plain = one_view(patches(), p_invert=1)
    torch.testing.assert_close(image, 1 - plain)


def test_grey_is_the_luminance():
    image, plain = one_view(patches(1), p_gray=1)
    pillow = Image.fromarray((plain[0] * 255).byte().permute(1, 2, 0).numpy()).convert("L")
    np.testing.assert_allclose(image[0, 0] * 255, np.asarray(pillow), atol=1)
    torch.testing.assert_close(image[:, :1].expand(-1, 3, -1, -1), image)


def test_hue_turns_colours_about_the_grey_axis():
    fields = patches() // 2 + 60  # far from what is clipped
    image, plain = one_view(fields, p_color=1, hue=0.1, brightness=0, contrast=0, saturation=0)
    torch.testing.assert_close(image.mean(1), plain.mean(1), atol=1e-4, rtol=0)
    torch.testing.assert_close(image.std(1), plain.std(1), atol=0.02, rtol=0)
    assert (image - plain).abs().max() > 0.02


def test_colours_of_grey_images_stay_grey():
    fields = patches()
    fields[:, :3] = fields[:, :1]
    image, plain = one_view(fields, p_color=1, p_shuffle=1, p_gamma=1, stain=0.5, hed=0.5)
    assert (image.amax(1) - image.amin(1)).max() < 1e-5
    assert (image - plain).abs().max() > 0.02


def test_blur_is_a_gaussian():
    image, plain = one_view(patches(2), p_blur=1, blur_sigma_px=(1.2, 1.2))
    expected = gaussian_filter(plain.numpy(), (0, 0, 1.2, 1.2), mode="mirror", radius=(0, 0, 3, 3))
    np.testing.assert_allclose(image, expected, atol=1e-5)
