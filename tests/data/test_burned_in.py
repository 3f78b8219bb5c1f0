"""Borders, bars, blocks and text drawn into images are found and count for nothing; what was taken stays."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from napari_nucseg.data.burned_in import burned_in
from napari_nucseg.data.frame import without_frame
from napari_nucseg.data.images import read_image
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.rows import read_rows
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.segmentation.segment import segment

TAKEN = synthetic_fluorescence((200, 240), seed=4).image
CELLS = np.round(TAKEN * (200.0 / TAKEN.max())).astype(np.float32)
TISSUE = np.clip(synthetic_histology((200, 240), seed=4).image, 20, 255)
RAW = CELLS * 16 + 1000
"""As a camera of 12 bit gives it, over an offset."""
EDGES = {
    "two sides": np.s_[[*range(5), *range(195, 200)], :],
    "one side": np.s_[:, 230:],
    "one row": np.s_[:1],
}


def planes_of(image):
    return np.moveaxis(image, -1, 0).astype(np.float32) if image.ndim == 3 else image.astype(np.float32)[None]


def drawn_on(image, where, value):
    changed, drawn = image.copy(), np.zeros(image.shape[:2], bool)
    changed[where], drawn[where] = value, True
    return changed, drawn


@pytest.mark.parametrize("where", EDGES.values(), ids=EDGES)
@pytest.mark.parametrize(
    ("image", "value"),
    [
        pytest.param(CELLS, 255, id="white"),
        pytest.param(CELLS / 4, 255, id="white around a dim image"),
        pytest.param(RAW, 65535, id="largest of 16 bit"),
        pytest.param(CELLS, -9999, id="no data"),
        pytest.param(RAW, 0, id="0 far below an offset"),
    ],
)
def test_strips_along_the_edges_are_found(image, value, where):
    changed, drawn = drawn_on(image, where, value)
    np.testing.assert_array_equal(burned_in(planes_of(changed)), drawn)


@pytest.mark.parametrize(
    "where",
    [
        pytest.param(np.s_[180:182, 200:220], id="thin bar"),
        pytest.param(np.s_[170:176, 150:220], id="bar"),
        pytest.param(np.s_[:12, :12], id="block in a corner"),
    ],
)
@pytest.mark.parametrize(("image", "value"), [(CELLS / 2, 255), (RAW, 65535)], ids=["8 bit", "16 bit"])
def test_rectangles_are_found(image, value, where):
    changed, drawn = drawn_on(image, where, value)
    np.testing.assert_array_equal(burned_in(planes_of(changed)), drawn)


def test_yellow_bar_on_grey_is_found():
    changed, drawn = drawn_on(np.tile(CELLS[..., None], 3), np.s_[170:176, 150:220], (255, 255, 0))
    np.testing.assert_array_equal(burned_in(planes_of(changed)), drawn)


def test_text_beside_a_bar_is_found_with_its_soft_edges():
    picture = Image.fromarray((CELLS / 4).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    draw.rectangle([150, 178, 220, 184], fill=255)
    draw.text((165, 186), "20 um", fill=255)
    draw.text((8, 6), "A DAPI 40x", fill=255)
    changed = np.asarray(picture)
    drawn = changed != (CELLS / 4).astype(np.uint8)
    found = burned_in(planes_of(changed))
    assert found[drawn].all()
    assert np.count_nonzero(found) < 2.5 * np.count_nonzero(drawn)


@pytest.mark.parametrize("image", [TISSUE, TISSUE.mean(axis=-1).astype(np.uint8)], ids=["stained", "grey"])
def test_a_black_bar_on_a_bright_ground_is_found_with_its_text(image):
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    draw.rectangle([150, 178, 220, 184], fill=0)
    draw.text((165, 186), "20 um", fill=0)
    changed = np.asarray(picture)
    drawn = (changed != image).reshape(*image.shape[:2], -1).any(axis=-1)
    found = burned_in(planes_of(changed))
    assert found[drawn].mean() > 0.95
    assert np.count_nonzero(found) < 2.5 * np.count_nonzero(drawn)


def test_text_without_a_bar_is_left_alone():
    picture = Image.fromarray(TISSUE)
    ImageDraw.Draw(picture).text((165, 186), "20 um", fill=0)
    assert burned_in(planes_of(np.asarray(picture))) is None


def test_nuclei_as_black_as_the_bar_are_no_letters():
    dark = np.clip(TISSUE.astype(np.float32) - np.percentile(TISSUE.max(axis=-1), 5), 0, None)
    changed, drawn = drawn_on(dark, np.s_[180:184, 150:220], 0)
    np.testing.assert_array_equal(burned_in(planes_of(changed)), drawn)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(CELLS, id="nothing drawn"),
        pytest.param(np.clip(CELLS * 6, 0, 255), id="saturated"),
        pytest.param(np.pad(np.clip(CELLS - 40, 0, 255), 9), id="black around a clipped ground"),
        pytest.param((CELLS > 100) * 255.0, id="mask"),
        pytest.param(np.full((60, 60), 7.0), id="constant"),
        pytest.param(np.full((60, 60), np.nan), id="nothing known"),
        pytest.param(np.pad(255 - CELLS / 2, 9, constant_values=255), id="bright ground"),
        pytest.param(CELLS[:1, :1], id="one pixel"),
        pytest.param(TISSUE, id="stained"),
        pytest.param(np.clip(TISSUE.astype(float) * 2 - 200, 0, 255), id="stained, of too much contrast"),
    ],
)
def test_other_images_have_nothing(image):
    assert burned_in(planes_of(image)) is None


def test_real_images_have_nothing_nor_where_they_saturate_or_their_black_is_clipped(test_data):
    names = [row.name for row in read_rows(test_data / "index.csv", dataset="dsb2018", kind="fluorescence")]
    for name in names[::12]:
        image = read_image(test_data / f"dsb2018/stage1_train/{name}/images/{name}.png").pixels
        planes = planes_of(image)[:1]
        for seen in (planes, *(np.clip(planes * by, 0, 255) for by in (2, 4, 8))):
            assert burned_in(seen) is None, name
        assert burned_in(np.clip(planes - np.percentile(planes, 40), 0, 255)) is None, name


def test_real_tissue_has_nothing_nor_where_its_nuclei_are_clipped(test_data):
    for name in ("tnbc", "monuseg"):
        for sample in open_dataset(test_data / name)[::6]:
            planes = planes_of(sample.image)
            for seen in (
                planes,
                np.clip(planes - np.percentile(planes, 20), 0, None),
                np.clip(planes * 2, 0, 255),
            ):
                assert burned_in(seen) is None, sample.name


def test_marks_are_filled_with_what_lies_beside_them():
    changed, _ = drawn_on(CELLS, EDGES["one side"], -9999)
    planes, filled, note = without_frame(planes_of(changed))
    np.testing.assert_array_equal(planes[0, :, 230:], CELLS[:, 219:229][:, ::-1])
    assert filled[:, 230:].all()
    assert "drawn" in note


def test_a_frame_and_a_bar_in_it_are_both_filled():
    changed = TISSUE.copy()
    changed[170:176, 140:200] = 0
    framed = np.pad(changed, ((12, 12), (12, 12), (0, 0)))
    planes, filled, note = without_frame(planes_of(framed))
    assert filled[:12].all()
    assert filled[182:188, 152:212].all()
    assert filled.mean() < 0.3
    assert planes.min() >= 20
    assert "black frame" in note
    assert "drawn" in note


def test_a_border_changes_neither_the_model_nor_what_is_found(test_data, dsb2018):
    rows = read_rows(test_data / "index.csv", dataset="dsb2018", split="train", kind="fluorescence")
    sample = dsb2018.read(rows[40].name)
    image = sample.image[..., 0] if sample.image.ndim == 3 else sample.image
    plain = segment(image)
    bordered = segment(np.pad(image.astype(np.float32), 8, constant_values=-9999))
    assert bordered.model.name == plain.model.name
    assert not bordered.labels[:8].any()
    assert not bordered.labels[:, -8:].any()
    found = evaluate(sample.labels, bordered.labels[8:-8, 8:-8]).ap50
    assert found > evaluate(sample.labels, plain.labels).ap50 - 0.1
    assert any("drawn" in note for note in bordered.notes)
