"""A model learns from, and is judged on, the very picture of an image that it is shown where it is segmented."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data
from skimage.color import hed2rgb, rgb2hed
from tifffile import imwrite

from napari_nucseg.data.correction_set import CorrectionSet, save_correction_set
from napari_nucseg.data.familiar import appearances
from napari_nucseg.data.images import to_planes
from napari_nucseg.data.intensity import IntensityRange
from napari_nucseg.data.sample import Sample
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import load_model
from napari_nucseg.segmentation import blocks
from napari_nucseg.segmentation.segment import segment
from napari_nucseg.segmentation.showing import Whole, show
from napari_nucseg.teaching.examples import read_examples
from napari_nucseg.teaching.job import make_finetune_job
from napari_nucseg.teaching.pages import annotated_page
from napari_nucseg.teaching.pixels import shown_pixels
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


def test_a_large_image_is_judged_in_blocks(monkeypatch):
    base, device = load_model("nuclei-unet"), choose_device("cpu", "float32")
    scene = scene_of_page(annotated_page(SAMPLES[""]), base, device)
    whole = look_at(base, scene, device)
    for name, value in (("LARGEST_WHOLE_PX", 0), ("BLOCK_PX", 130), ("FEWEST_DIAMETERS", 4)):
        monkeypatch.setattr(blocks, name, value)
    parts = look_at(base, scene, device)
    np.testing.assert_allclose(parts.maps, whole.maps, atol=1e-3)
    assert parts.labels.max() == whole.labels.max() > 20
    assert np.mean(parts.labels != whole.labels) < 1e-3


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


def half_brown():
    """Tissue that the old model is shown as it is, but as haematoxylin where it is told how large nuclei are."""
    made = synthetic_histology((400, 400), seed=8, diameter_px=24)
    brown = np.isin(made.labels, np.unique(made.labels)[1::2])
    blue, pink, other = np.moveaxis(rgb2hed(made.image), -1, 0)
    stains = np.stack([np.where(brown, 0.1 * blue, blue), pink, np.where(brown, 1.2 * blue, other)], axis=-1)
    return (hed2rgb(stains) * 255).clip(0, 255).astype(np.uint8), made.labels.astype(np.int32)


@pytest.mark.parametrize(
    ("recorded", "given"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"diameter_px": None, "quality": "fast"}, {}, id="estimated"),
        pytest.param({"diameter_px": 24.0}, {"diameter_px": 24.0}, id="given"),
        pytest.param(um := {"diameter_um": 6.0, "pixel_size_um": 0.25}, um, id="given in µm"),
        pytest.param({"diameter_px": 24.0, "of_another_version": 1}, {}, id="not understood"),
    ],
)
def test_the_old_model_is_compared_on_what_it_was_shown(tmp_path, recorded, given):
    image, labels = half_brown()
    trust = np.ones(labels.shape, np.uint8)
    mine = CorrectionSet(image, "YXC", labels, trust, name="mine", settings=recorded)
    examples = [save_correction_set(tmp_path / "mine", mine)]
    (lesson,) = read_examples(make_finetune_job({"model": "nuclei-unet", "examples": examples})).lessons
    used = segment(image, model="nuclei-unet", device="cpu", **given)
    (look,) = (look for look in appearances(to_planes(image)) if look.note == " ".join(used.notes))
    shown = IntensityRange.of(look.planes, *load_model("nuclei-unet").card.normalisation).apply(look.planes)
    np.testing.assert_array_equal(lesson.pixels, np.round(shown * 255))
    assert lesson.diameter_px == pytest.approx(24, rel=0.2)
    assert ("Brown" in " ".join(used.notes)) == bool(given), "else this shows nothing"


class _NeverAsked(torch.nn.Module):
    encoder = None

    def forward(self, *_):
        raise AssertionError("an estimate was made")


@pytest.mark.parametrize("sample", [CELLS, TISSUE, SAMPLES["frame"]], ids=["grey", "colours", "frame"])
def test_no_size_is_estimated_where_there_is_one_way_to_show_an_image(sample):
    base, device = replace(load_model("nuclei-unet"), size_head=_NeverAsked()), choose_device("cpu")
    planes = to_planes(sample.image)
    pixels, expected = shown_pixels(planes, 24, base, device), show(Whole.of(planes), 24, base, device)
    np.testing.assert_array_equal(pixels.values, np.round(expected.picture.scaled() * 255))
    assert pixels.diameter_px == 24
    with pytest.raises(AssertionError, match="estimate"):
        shown_pixels(planes, None, base, device)
