"""Black frames around tissue are found, filled and left out; what is dark for other reasons stays."""

import numpy as np
import pytest
from scipy import ndimage

from napari_nucseg.data.frame import black_frame, continued
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.rows import read_rows
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.segmentation.segment import segment

TISSUE = synthetic_histology((200, 260), seed=3)


def planes_of(image):
    return np.moveaxis(image, -1, 0).astype(np.float32)


def test_a_frame_is_told_from_the_tissue_in_it():
    framed = np.pad(TISSUE.image, ((30, 40), (50, 60), (0, 0)))
    frame = black_frame(planes_of(framed))
    expected = np.pad(np.zeros(TISSUE.labels.shape, bool), ((30, 40), (50, 60)), constant_values=True)
    np.testing.assert_array_equal(frame, expected)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(TISSUE.image, id="no frame"),
        pytest.param(np.pad(TISSUE.image, ((9, 9), (9, 9), (0, 0)), constant_values=255), id="white frame"),
        pytest.param(
            np.pad(np.tile(synthetic_fluorescence((90, 90)).image[..., None], 3), 9)[..., 9:12], id="grey"
        ),
        pytest.param(
            np.pad(synthetic_fluorescence((90, 90)).image, 9)[..., None] * np.array([0, 0, 1], np.uint8),
            id="blue",
        ),
        pytest.param(np.zeros((50, 50, 3), np.uint8), id="black"),
    ],
)
def test_other_images_have_none(image):
    assert black_frame(planes_of(image)) is None


@pytest.mark.parametrize("place", [1, 2, 3])
def test_lit_nuclei_whose_ground_was_made_black_are_not_framed(test_data, dsb2018, place):
    """Fluorescence as a screen shows it: contrast stretched, a little tinted."""
    rows = read_rows(test_data / "index.csv", dataset="dsb2018", split="train", kind="fluorescence")
    names = [row.name for row in rows][:: len(rows) // 10]
    sample = dsb2018.read(names[place])
    grey = sample.image[..., :3].max(-1) if sample.image.ndim == 3 else sample.image
    low, high = np.percentile(grey, (60, 97))
    stretched = np.clip((grey - low) / (high - low), 0, 1) * 255
    assert black_frame(np.stack([stretched, stretched, stretched * 0.95]).astype(np.float32)) is None


def test_black_inside_of_the_tissue_is_no_frame():
    planes = planes_of(TISSUE.image)
    planes[:, 80:120, 80:120] = 0
    assert black_frame(planes) is None


def test_a_frame_of_nan_counts():
    planes = np.pad(planes_of(TISSUE.image), ((0, 0), (30, 30), (30, 30)), constant_values=np.nan)
    assert black_frame(planes)[0].all()


def test_what_is_framed_is_mirrored_at_its_border():
    planes = planes_of(TISSUE.image)
    padded = np.pad(planes, ((0, 0), (0, 0), (0, 20)))
    frame = np.zeros(padded.shape[1:], bool)
    frame[:, -20:] = True
    np.testing.assert_array_equal(
        continued(padded, frame), np.pad(planes, ((0, 0), (0, 0), (0, 20)), mode="reflect")
    )


def test_turned_tissue_is_segmented_as_well_and_nothing_is_found_in_its_frame(test_data):
    sample = open_dataset(test_data / "tnbc")[0]
    image, truth = sample.image[:300, :300], sample.labels[:300, :300]
    upright = evaluate(truth, segment(image).labels)
    image, truth = ndimage.rotate(image, 20, order=1), ndimage.rotate(truth, 20, order=0)
    turned = segment(image)
    assert evaluate(truth, turned.labels).recall > upright.recall - 0.1
    assert not turned.labels[black_frame(planes_of(image))].any()
    assert any("frame" in note for note in turned.notes)
