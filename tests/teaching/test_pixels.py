"""A model learns from, and is judged on, the very picture of an image that it is shown where it is segmented."""

from dataclasses import replace

import numpy as np
import pytest
from skimage import data
from tifffile import imwrite

from napari_nucseg.data.sample import Sample
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import load_model
from napari_nucseg.segmentation.segment import segment
from napari_nucseg.teaching.examples import read_examples
from napari_nucseg.teaching.job import make_finetune_job
from napari_nucseg.teaching.pages import annotated_page
from napari_nucseg.teaching.scenes import look_at, scene_of_page

CELLS = synthetic_fluorescence((256, 320), seed=3)
TISSUE = synthetic_histology((220, 260), seed=3)
BESIDE, ABOVE = np.arange(320), np.arange(256)[:, None]


def changed(sample, image):
    return replace(sample, image=image.astype(np.float32))


def with_bar(sample, value):
    image = sample.image.copy()
    image[-20:-14, 30:130] = value
    return changed(sample, image)


def in_haze():
    return changed(CELLS, CELLS.image / CELLS.image.max() + 1.5 * BESIDE / BESIDE.max())


def in_frame(slant):
    return changed(TISSUE, np.where((BESIDE[:260] < 40 + slant * ABOVE[:220])[..., None], 0, TISSUE.image))


def stained_brown():
    image = data.immunohistochemistry()[:256, :256].copy()
    image[-20:-14, 30:130] = 0
    return Sample("brown", image.astype(np.float32), np.zeros((256, 256), np.int32))


SAMPLES = {
    "": changed(CELLS, CELLS.image),
    "drawn": with_bar(CELLS, 2 * CELLS.image.max()),
    "uneven": in_haze(),
    "frame": in_frame(0.3),
    "Brown": stained_brown(),
}
"""By a word of what is said of them."""


@pytest.mark.parametrize(("word", "sample"), SAMPLES.items(), ids=SAMPLES)
def test_a_model_is_judged_on_the_maps_that_users_get(word, sample):
    base, device = load_model("nuclei-unetpp"), choose_device("cpu")
    scene = scene_of_page(annotated_page(sample), base, device)
    seen = look_at(base, scene, device)
    used = segment(
        sample.image, model="nuclei-unetpp", diameter_px=scene.diameter_px, views="plain", device="cpu"
    )
    assert word in " ".join(used.notes)
    assert np.abs(seen.maps - used.maps).mean() < 0.002  # bytes are not quite float32


def test_what_is_filled_teaches_nothing(tmp_path):
    framed = SAMPLES["frame"]
    imwrite(tmp_path / "a.tif", framed.image.astype(np.uint8))
    imwrite(tmp_path / "a_labels.tif", framed.labels)
    (lesson,) = read_examples(make_finetune_job({"model": "nuclei-unet", "examples": [tmp_path]})).lessons
    black = (framed.image == 0).all(axis=-1)
    np.testing.assert_array_equal(lesson.filled, black)
    assert lesson.pixels.min(axis=0)[black].mean() > 100  # tissue, mirrored
    assert lesson.learned.any()
    assert not (lesson.learned & black).any()


def test_where_nobody_knows_the_size_it_is_the_one_that_segmenting_estimates(tmp_path):
    imwrite(tmp_path / "a.tif", CELLS.image)
    first = int(CELLS.labels.max())
    imwrite(tmp_path / "a_labels.tif", np.where(CELLS.labels >= first - 1, CELLS.labels, 0))
    (lesson,) = read_examples(make_finetune_job({"model": "nuclei-unet", "examples": [tmp_path]})).lessons
    assert lesson.diameter_px == segment(CELLS.image, model="nuclei-unet", device="cpu").diameter_px
