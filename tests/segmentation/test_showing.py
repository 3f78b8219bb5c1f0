import numpy as np
import pytest

from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import load_model
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.segmentation.background import without_background
from napari_nucseg.segmentation.segment import segment
from napari_nucseg.segmentation.showing import show

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
        shown = show(planes, 24.0, model, device)
        assert not any("background" in note for note in shown.notes)
        assert shown.planes.shape == (3, *planes.shape[1:])
