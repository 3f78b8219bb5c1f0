"""Brown stains are noticed, taken out or shown as haematoxylin; everything else is left as it is."""

import numpy as np
import pytest
from skimage import data

from napari_nucseg import segment, strips
from napari_nucseg.data.images import to_planes
from napari_nucseg.data.stains import (
    brown_as_haematoxylin,
    has_brown_stain,
    may_have_brown_nuclei,
    without_brown,
)
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology


@pytest.fixture(scope="module")
def brown():
    return to_planes(data.immunohistochemistry(), "YXC").astype(np.float32)


def composite():
    """A red nucleus beside a green one, on black: the blue channel is empty as under DAB."""
    planes = np.zeros((3, 64, 64), np.float32)
    planes[0, 10:30, 10:30] = planes[1, 35:55, 35:55] = 200
    return planes


@pytest.mark.parametrize(
    "planes",
    [
        pytest.param(to_planes(synthetic_histology((256, 256), 3).image), id="H&E"),
        pytest.param(to_planes(synthetic_fluorescence((256, 256), 3).image), id="fluorescence"),
        pytest.param(composite(), id="red and green composite"),
        pytest.param(np.full((3, 50, 40), 255, np.float32), id="white"),
        pytest.param(np.zeros((3, 50, 40), np.float32), id="black"),
        pytest.param(np.full((3, 1, 1), 7, np.float32), id="one pixel"),
        pytest.param(np.full((3, 50, 40), np.nan, np.float32), id="NaN"),
    ],
)
def test_other_images_are_left_as_they_are(planes):
    assert without_brown(planes) is planes
    assert not may_have_brown_nuclei(planes)


@pytest.mark.parametrize("factor", [pytest.param(1, id="8 bit"), pytest.param(257, id="16 bit")])
def test_brown_is_taken_out_whatever_the_units(brown, factor):
    assert has_brown_stain(brown * factor)
    shown = without_brown(brown * factor)
    assert shown.shape == brown.shape
    assert 0 <= shown.min() and shown.max() <= 1
    assert not has_brown_stain(shown)


def test_strips_make_no_seam(brown, monkeypatch):
    damaged = brown.copy()
    damaged[:, 199:201, 40] = np.nan
    whole = without_brown(damaged)
    monkeypatch.setattr(strips, "STRIP_PX", 200 * brown.shape[2])
    np.testing.assert_allclose(without_brown(damaged), whole, atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("restained", [without_brown, brown_as_haematoxylin])
def test_damaged_pixels_change_no_other(brown, restained, value):
    damaged = brown.copy()
    damaged[:, 100, 200] = damaged[1, 300, 301] = value
    shown, others = restained(damaged), np.isfinite(damaged).all(axis=0)
    np.testing.assert_array_equal(np.isnan(shown), np.isnan(damaged))
    others[95:106, 195:206] = others[295:306, 295:306] = False  # the blur
    np.testing.assert_allclose(shown[:, others], restained(brown)[:, others], atol=1e-5)


def test_a_masked_pixel_hides_no_nuclei():
    image = data.immunohistochemistry().astype(np.float32)
    whole = segment(image, axes="YXC", diameter_px=20)
    image[0, 0] = np.nan
    damaged = segment(image, axes="YXC", diameter_px=20)
    assert abs(damaged.n_nuclei - whole.n_nuclei) <= 2


def test_nuclei_beside_brown_are_found_and_it_is_said():
    result = segment(data.immunohistochemistry(), axes="YXC")
    assert result.n_nuclei > 150
    assert any("taken out" in note for note in result.notes)


@pytest.mark.parametrize("factor", [pytest.param(1, id="8 bit"), pytest.param(257, id="16 bit")])
@pytest.mark.parametrize(
    "share", [pytest.param(0.1, id="a tenth of the nuclei"), pytest.param(0.9, id="nearly all")]
)
def test_brown_nuclei_are_shown_in_blue(in_brown, share, factor):
    made = synthetic_histology((192, 256), 6)
    planes = to_planes(in_brown(made.image, made.labels, share)) * np.float32(factor)
    assert may_have_brown_nuclei(planes)
    shown = brown_as_haematoxylin(planes)
    assert shown.shape == planes.shape
    assert 0 <= shown.min() and shown.max() <= 1
    assert not may_have_brown_nuclei(shown)
    red, _, blue = np.median(shown[:, made.labels > 0], axis=1)
    assert blue > 1.2 * red
