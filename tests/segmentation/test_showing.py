"""An image is shown to a network as it can trust its findings most, and as it is where that is clear."""

import numpy as np
import pytest
from skimage import data

from napari_nucseg.data.familiar import Appearance, appearances
from napari_nucseg.data.images import to_planes
from napari_nucseg.data.rows import read_rows, select_rows
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import load_model
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.segmentation.background import without_background
from napari_nucseg.segmentation.rescale import resample
from napari_nucseg.segmentation.segment import segment
from napari_nucseg.segmentation.showing import Whole, show

SCENE = synthetic_fluorescence((256, 320), seed=3)
DARK = (SCENE.image.astype(np.float32) / SCENE.image.max())[np.newaxis]
RAMP = np.linspace(0, 1, 320, dtype=np.float32)


@pytest.mark.parametrize("level", [0, 0.4])
def test_an_even_background_is_left_alone(level):
    assert without_background(DARK * (1 - level) + level, 20) is None


@pytest.mark.parametrize("behind", [pytest.param(RAMP, id="ramp"), pytest.param(RAMP[::-1] ** 2, id="curve")])
def test_what_rises_behind_nuclei_is_taken_out(behind):
    flat = without_background((DARK + behind) / 2, 20)
    assert flat is not None
    ground, nuclei = flat[0][SCENE.labels == 0], flat[0][SCENE.labels > 0]
    assert np.ptp(np.percentile(ground, (5, 95))) < 0.2
    assert np.median(nuclei) > 2 * np.median(ground)


def test_nuclei_in_stray_light_are_found():
    image = DARK[0] + 1.5 * RAMP
    result = segment(image, model="nuclei-unetpp")
    assert any("background" in note for note in result.notes)
    assert evaluate([SCENE.labels], [result.labels]).ap50 > 0.8


def test_colours_and_blank_images_are_shown_as_they_are():
    model, device = load_model("nuclei-unet"), choose_device("cpu")
    colours = np.concatenate([DARK + RAMP, DARK + RAMP[::-1], DARK + RAMP])
    for planes in (colours, np.full((1, 40, 40), 7, np.float32)):
        shown = show(Whole((Appearance(planes),)), 24.0, model, device)
        assert not any("background" in note for note in shown.notes)
        assert shown.picture.read().shape == (3, *planes.shape[1:])


BROWN = ("815524d8", "af6b6173", "e414b54f")
"""Beginnings of names: three `train` images of stained tissue, of three groups."""


@pytest.fixture(scope="module")
def tissue(test_data, dsb2018):
    """Middles of real images of stained tissue."""
    rows = [r for r in read_rows(test_data / "index.csv", dataset="dsb2018") if r.name.startswith(BROWN)]
    found = list(select_rows(dsb2018, rows))
    assert len(found) == len(BROWN)
    return [(s.image[20:220, 20:220, :3], s.labels[20:220, 20:220]) for s in found]


def test_brown_nuclei_are_found_in_real_tissue_and_it_is_said(tissue, in_brown):
    found = [segment(in_brown(image, labels, 0.9), model="nuclei-unet") for image, labels in tissue]
    assert all(any("as haematoxylin" in note for note in r.notes) for r in found)
    assert evaluate([labels for _, labels in tissue], [r.labels for r in found]).ap50 > 0.6


def test_real_tissue_without_brown_is_not_even_looked_at_otherwise(tissue):
    for image, _ in tissue:
        planes = to_planes(image)
        (look,) = appearances(planes)
        assert look.planes is planes


GREY = SCENE.image
STAINED = synthetic_histology((192, 256), seed=6).image
LINED = np.pad(GREY, 9, constant_values=255)
LINED[-24:-18, 20:90] = 255


@pytest.mark.parametrize(
    ("image", "stays"),
    [
        pytest.param(GREY, True, id="grey"),
        pytest.param(STAINED, True, id="stained"),
        pytest.param(np.pad(GREY[..., None], ((0, 0), (0, 0), (2, 0))), True, id="blue alone"),
        pytest.param(GREY.astype(np.uint16) * 200, True, id="16 bit"),
        pytest.param(np.pad(STAINED, ((30, 40), (50, 0), (0, 0))), True, id="black frame"),
        pytest.param(LINED, True, id="white border and bar"),
        pytest.param(np.pad(GREY.astype(np.int16), 9, constant_values=-9999), True, id="no data"),
        pytest.param((GREY // 2 + RAMP * 127).astype(np.uint8), False, id="stray light"),
        pytest.param(data.immunohistochemistry()[:256, :256], False, id="brown"),
    ],
)
def test_bytes_are_shown_as_floats_are_and_stay_bytes_in_memory(image, stays):
    model, device = load_model("nuclei-unetpp"), choose_device("cpu")
    narrow, wide = (
        show(Whole.of(to_planes(pixels)), 20.0, model, device) for pixels in (image, image.astype(np.float32))
    )
    assert narrow.notes == wide.notes
    np.testing.assert_array_equal(narrow.picture.read(), wide.picture.read())
    assert (narrow.picture.planes.dtype == image.dtype) == stays


def test_a_grey_image_is_one_plane_in_memory_and_resized_as_three_are():
    model, device = load_model("nuclei-unetpp"), choose_device("cpu")
    planes = show(Whole.of(DARK), 20.0, model, device).picture.read()
    assert planes.shape == (3, 256, 320)
    assert planes.strides[0] == 0
    resized = resample(planes, 0.7, (179, 224))
    assert resized.strides[0] == 0
    np.testing.assert_array_equal(resized, resample(planes.copy(), 0.7, (179, 224)))
