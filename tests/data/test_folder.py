from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_nucseg.data.opening import open_dataset
from napari_nucseg.errors import DatasetError

PIXELS = np.arange(48, dtype=np.uint8).reshape(6, 8)
LABELS = np.zeros((6, 8), np.uint16)
LABELS[1:3, 1:3] = 700
LABELS[4:6, 4:8] = 3


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels)
    else:
        Image.fromarray(pixels).save(path)


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        pytest.param("images/a.png", "labels/a.png", id="labels folder"),
        pytest.param("images/a.tif", "masks/a.tif", id="masks folder, as StarDist's"),
        pytest.param("Images/a.png", "Masks/a_mask.tif", id="capitals and a suffix"),
        pytest.param("set/train/images/a.png", "set/train/masks/a.png", id="nested"),
        pytest.param("a.png", "a_labels.tif", id="beside, _labels"),
        pytest.param("a.png", "a_label.png", id="beside, _label"),
        pytest.param("a.png", "a_mask.tif", id="beside, _mask"),
        pytest.param("a.tif", "a_masks.tif", id="beside, _masks"),
        pytest.param("a.png", "a_cp_masks.png", id="beside, Cellpose's"),
        pytest.param("down/a.png", "down/a_labels.tif", id="beside, one folder down"),
        pytest.param("a.png", "labels/a.tif", id="a folder of labels within"),
        pytest.param("images/p/a.png", "labels/p/a.png", id="mirrored subfolders"),
        pytest.param("set/imgs/p/q/a.png", "set/masks/p/q/a_mask.png", id="mirrored, two deep"),
        pytest.param("images/p/a.png", "images/p/labels/a.png", id="a folder of labels within a subfolder"),
    ],
)
def test_where_labels_may_lie(image, labels, tmp_path):
    write(tmp_path / image, PIXELS)
    write(tmp_path / labels, LABELS)
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.names) == ("folder", ("a",))
    np.testing.assert_array_equal(dataset[0].image, PIXELS)
    np.testing.assert_array_equal(dataset[0].labels, LABELS)  # 3 and 700 stay 3 and 700
    assert dataset[0].metadata["labels_path"] == str(tmp_path / labels)


def test_images_without_labels(tmp_path):
    write(tmp_path / "a.png", PIXELS)
    write(tmp_path / "b_mask.png", PIXELS)  # no b: an image of its own
    dataset = open_dataset(tmp_path)
    assert dataset.names == ("a", "b_mask")
    assert dataset[0].labels is None


def test_subfolders_of_images_go_with_those_of_labels(tmp_path):
    for place in ("p/a.png", "q/a.png", "b.png"):
        write(tmp_path / "images" / place, PIXELS)
        write(tmp_path / "labels" / place, LABELS)
    dataset = open_dataset(tmp_path)
    assert dataset.names == ("b", "images/p/a", "images/q/a")
    for place in (tmp_path / "images", tmp_path):
        assert all(sample.labels is not None for sample in open_dataset(place).valid())
    [one] = open_dataset(tmp_path / "images" / "q" / "a.png")
    assert one.metadata["labels_path"] == str(tmp_path / "labels" / "q" / "a.png")


def test_what_belongs_to_no_image_is_told(tmp_path):
    for place in ("a", "below/b"):
        write(tmp_path / f"{place}.png", PIXELS)
        write(tmp_path / f"{place}_labels.png", LABELS)
    write(tmp_path / "labels" / "orphan.png", LABELS)
    write(tmp_path / "labels" / "a.png", LABELS)
    assert open_dataset(tmp_path).unused() == {
        "in zarr, which is not read (save as TIFF)": (),
        "of labels without an image": ("labels/orphan.png",),
        "with labels in folders below that of the images": ("below/b.png",),
    }


def test_labels_in_a_file_of_another_kind_are_told(tmp_path):
    write(tmp_path / "images" / "a.png", PIXELS)
    (tmp_path / "labels").mkdir()
    np.save(tmp_path / "labels" / "a.npy", LABELS)
    assert open_dataset(tmp_path)[0].metadata["unread_labels_path"] == str(tmp_path / "labels" / "a.npy")


def test_names_stay_unique(tmp_path):
    for part in ("train", "test"):
        write(tmp_path / part / "images" / "a.png", PIXELS)
        write(tmp_path / part / "images" / f"{part}.png", PIXELS)
    assert open_dataset(tmp_path).names == ("test/images/a", "test", "train/images/a", "train")


@pytest.mark.parametrize(
    ("mask", "values", "was_mask"),
    [
        pytest.param(np.where(LABELS > 0, 255, 0).astype(np.uint8), [0, 1, 2], True, id="0 and 255"),
        pytest.param(LABELS > 0, [0, 1, 2], True, id="boolean"),
        pytest.param(
            np.where(LABELS == 3, 9, 0).astype(np.uint8), [0, 9], False, id="one nucleus keeps its number"
        ),
        pytest.param(np.zeros((6, 8), np.uint8), [0], False, id="no nucleus"),
        pytest.param(
            np.repeat((LABELS > 3)[..., None] * np.uint8(5), 3, -1), [0, 5], False, id="grey as RGB"
        ),
    ],
)
def test_masks_become_instances(mask, values, was_mask, tmp_path):
    write(tmp_path / "a.png", PIXELS)
    write(tmp_path / "a_mask.png", mask)
    sample = open_dataset(tmp_path)[0]
    assert np.unique(sample.labels).tolist() == values
    assert sample.metadata["labels_were_mask"] is was_mask


def test_a_palette_counts_by_its_indices(tmp_path):
    write(tmp_path / "a.png", PIXELS)
    palette = Image.fromarray(np.where(LABELS == 3, 2, LABELS > 0).astype(np.uint8), mode="P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "a_labels.png")
    assert np.unique(open_dataset(tmp_path)[0].labels).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        pytest.param(LABELS.T.copy(), r"a_labels\.tif is 6 x 8 px.*a\.png is 8 x 6 px", id="another size"),
        pytest.param(LABELS.astype(np.float32) + 0.5, "fractions", id="fractions"),
        pytest.param(LABELS.astype(np.int32) - 1, "outside", id="negative"),
        pytest.param(np.full((6, 8), 2**31, np.uint32), "outside", id="too large"),
        pytest.param(np.stack([LABELS] * 2), "a stack of shape", id="stack"),
    ],
)
def test_labels_that_cannot_be(labels, says, tmp_path):
    write(tmp_path / "a.png", PIXELS)
    tifffile.imwrite(tmp_path / "a_labels.tif", labels)
    with pytest.raises(DatasetError, match=says):
        open_dataset(tmp_path)[0]


def test_jpeg_and_colour_labels_are_refused(tmp_path):
    write(tmp_path / "a.png", PIXELS)
    write(tmp_path / "a_mask.jpg", PIXELS)
    with pytest.raises(DatasetError, match="JPEG"):
        open_dataset(tmp_path)[0]
    (tmp_path / "a_mask.jpg").unlink()
    colours = np.zeros((6, 8, 3), np.uint8)
    colours[:3, :, 0] = 9
    write(tmp_path / "a_mask.png", colours)
    with pytest.raises(DatasetError, match="colour picture"):
        open_dataset(tmp_path)[0]


def test_multichannel_tiffs_keep_their_axes_and_their_pixel_size(tmp_path):
    pixels = np.arange(2 * 48, dtype=np.uint16).reshape(2, 6, 8)
    metadata = {"axes": "CYX", "unit": "um"}
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, resolution=(2, 2), metadata=metadata)
    sample = open_dataset(tmp_path)[0]
    np.testing.assert_array_equal(sample.image, pixels)
    assert (sample.metadata["axes"], sample.metadata["pixel_size_um"]) == ("CYX", 0.5)
    tifffile.imwrite(tmp_path / "a.tif", pixels[[0, 1, 1]], photometric="rgb", planarconfig="separate")
    assert (open_dataset(tmp_path)[0].image.shape, open_dataset(tmp_path)[0].metadata["axes"]) == (
        (6, 8, 3),
        "YXC",
    )


def test_an_image_amid_others_is_opened_alone(tmp_path):
    for name in "abc":
        write(tmp_path / f"{name}.png", PIXELS)
    write(tmp_path / "b_labels.tif", LABELS)
    dataset = open_dataset(tmp_path / "b.png")
    assert dataset.names == ("b",)
    assert dataset[0].labels is not None


def test_three_channels_on_a_bright_ground_are_colours(tmp_path):
    for ground, axes in ((200, "YXC"), (5, "CYX")):
        pixels = np.full((3, 40, 50), ground, np.uint8)
        pixels[1, 5:15, 5:15] = 90
        tifffile.imwrite(tmp_path / f"{ground}.tif", pixels, imagej=True, metadata={"axes": "CYX"})
        assert open_dataset(tmp_path / f"{ground}.tif")[0].metadata["axes"] == axes
