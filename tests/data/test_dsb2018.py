from __future__ import annotations

import csv

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from napari_nucseg.data.dsb2018 import decode_rle, encode_labels
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.errors import DatasetError


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def box(rows, columns, shape=(6, 8)):
    mask = np.zeros(shape, np.uint8)
    mask[rows, columns] = 255
    return mask


def write_image(folder, name, shape=(6, 8), masks=()):
    save(folder / name / "images" / f"{name}.png", np.full((*shape, 4), 90, np.uint8))
    for i, mask in enumerate(masks):
        save(folder / name / "masks" / f"{i}.png", mask)


def write_table(path, rows, header=("ImageId", "EncodedPixels", "Height", "Width", "Usage")):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def encode_rle(mask):
    return encode_labels(mask.astype(np.int8)).get(1, "")


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_run_lengths_round_trip(mask):
    np.testing.assert_array_equal(decode_rle(encode_rle(mask), mask.shape), mask)


@given(hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 4)))
def test_all_labels_are_encoded_as_each_alone(labels):
    numbers = [number for number in np.unique(labels).tolist() if number > 0]
    assert encode_labels(labels) == {number: encode_rle(labels == number) for number in numbers}


def test_run_lengths_are_column_major_and_count_from_1():
    mask = np.array([[1, 0, 0], [1, 0, 1]], bool)
    assert encode_rle(mask) == "1 2 6 1"
    np.testing.assert_array_equal(decode_rle("1 2 6 1", (2, 3)), mask)
    assert not decode_rle("", (2, 3)).any()


@pytest.mark.parametrize("text", ["1", "1 x", "0 2", "6 2", "1 -1"])
def test_run_lengths_that_cannot_be(text):
    with pytest.raises(DatasetError, match=text):
        decode_rle(text, (2, 3))


def test_masks_are_numbered_in_order_and_the_smaller_is_on_top(tmp_path):
    masks = [box(slice(0, 2), slice(0, 2)), box(slice(2, 6), slice(2, 8)), box(slice(3, 4), slice(3, 5))]
    write_image(tmp_path / "stage1_train", "a", masks=masks)
    sample = open_dataset(tmp_path)[0]
    assert sample.labels[0, 0] == 1
    assert sample.labels[2, 2] == 2
    assert sample.labels[3, 3] == 3  # not lost under the large one
    assert sample.metadata["overlap_px"] == 2
    assert sample.image.shape == (6, 8, 4)


def test_an_empty_mask_leaves_a_gap(tmp_path):
    masks = [box(slice(0, 2), slice(0, 2)), np.zeros((6, 8), np.uint8), box(slice(4, 6), slice(0, 2))]
    write_image(tmp_path, "a", masks=masks)
    sample = open_dataset(tmp_path)[0]
    assert np.unique(sample.labels).tolist() == [0, 1, 3]
    assert sample.metadata["n_empty_masks"] == 1


def test_colour_masks_are_read(tmp_path):
    rgba = np.zeros((6, 8, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[1:3, 1:3, 1] = 255
    write_image(tmp_path, "a", masks=[rgba])
    assert (open_dataset(tmp_path)[0].labels > 0).sum() == 4


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        pytest.param(bool, {}, id="bool"),
        pytest.param(np.uint8, {"photometric": "miniswhite"}, id="0 is white"),
        pytest.param(
            np.uint8,
            {"photometric": "palette", "colormap": np.full((3, 256), 65535, np.uint16)},
            id="palette of white",
        ),
    ],
)
def test_what_is_stored_in_a_tiff_mask_counts(dtype, options, tmp_path):
    mask = box(slice(0, 2), slice(0, 3)).astype(dtype)
    write_image(tmp_path, "a")
    (tmp_path / "a" / "masks").mkdir()
    tifffile.imwrite(tmp_path / "a" / "masks" / "0.tif", mask, **options)
    np.testing.assert_array_equal(open_dataset(tmp_path)[0].labels, mask > 0)


def test_alpha_of_a_tiff_mask_says_nothing(tmp_path):
    mask = box(slice(0, 2), slice(0, 3))
    write_image(tmp_path, "a")
    (tmp_path / "a" / "masks").mkdir()
    options = {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]}
    tifffile.imwrite(
        tmp_path / "a" / "masks" / "0.tif", np.dstack([mask, np.full_like(mask, 255)]), **options
    )
    np.testing.assert_array_equal(open_dataset(tmp_path)[0].labels, mask > 0)


def test_a_mask_that_does_not_fit_names_both(tmp_path):
    write_image(tmp_path, "a", masks=[box(slice(0, 2), slice(0, 2), shape=(8, 6))])
    with pytest.raises(DatasetError, match=r"0\.png is 6 x 8 px.*a\.png is 8 x 6 px"):
        open_dataset(tmp_path)[0]


def test_stage1_test_without_solution_has_no_truth(tmp_path):
    write_image(tmp_path / "stage1_test", "a")
    assert open_dataset(tmp_path)[0].labels is None


@pytest.mark.parametrize("opened", ["", "stage1_test"], ids=["folder around both", "images' folder"])
def test_stage1_test_with_solution(opened, tmp_path):
    write_image(tmp_path / "stage1_test", "a")
    write_image(tmp_path / "stage1_test", "b")
    first, second = box(slice(0, 3), slice(2, 4)), box(slice(4, 6), slice(6, 8))
    rows = [("a", encode_rle(mask > 0), 6, 8, "Public") for mask in (first, second)]
    write_table(tmp_path / "stage1_solution.csv", rows)
    dataset = open_dataset(tmp_path / opened)
    sample = dataset.read("a")
    np.testing.assert_array_equal(sample.labels, (first > 0) + 2 * (second > 0))
    assert sample.metadata["labels_path"].endswith("stage1_solution.csv")
    assert dataset.read("b").labels is None


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-16"), (",", "utf-16"), (";", "cp1252")]
)
def test_a_table_that_a_spreadsheet_saved_again(delimiter, encoding, tmp_path):
    write_image(tmp_path / "stage1_test", "a")
    rows = [("ImageId", "EncodedPixels", "Height", "Width", "Usage"), ("a", "1 2", "6.0", "8", "für alle")]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    (tmp_path / "stage1_solution.csv").write_bytes(text.encode(encoding))
    assert np.flatnonzero(open_dataset(tmp_path)[0].labels).tolist() == [0, 8]


def test_a_size_that_is_no_number_is_told_with_its_column(tmp_path):
    write_image(tmp_path / "stage1_test", "a")
    write_table(tmp_path / "stage1_solution.csv", [("a", "1 2", "6,5", 8, "Public")])
    with pytest.raises(DatasetError, match=r"stage1_solution\.csv \(row of a\) has Height '6,5'"):
        open_dataset(tmp_path)[0]


@pytest.mark.parametrize("place", ["stage1_solution.csv", "stage1_test/stage1_solution.csv"])
def test_one_image_has_the_truth_of_the_table(place, tmp_path):
    write_image(tmp_path / "stage1_test", "a")
    write_table(tmp_path / place, [("a", "1 2", 6, 8, "Public")])
    sample = open_dataset(tmp_path / "stage1_test" / "a" / "images" / "a.png")[0]
    assert np.flatnonzero(sample.labels).tolist() == [0, 8]


def test_real_masks_as_run_lengths_give_the_same_labels(dsb2018, tmp_path):
    expected = dsb2018[0]
    save(tmp_path / "stage1_train" / expected.name / "images" / f"{expected.name}.png", expected.image)
    numbers = np.unique(expected.labels)[1:]
    rows = [(expected.name, encode_rle(expected.labels == number)) for number in numbers]
    write_table(tmp_path / "stage1_train_labels.csv", rows, ("ImageId", "EncodedPixels"))
    np.testing.assert_array_equal(open_dataset(tmp_path)[0].labels, expected.labels)


def test_a_solution_of_another_size_is_refused(tmp_path):
    write_image(tmp_path / "stage1_test", "a")
    write_table(tmp_path / "stage1_solution.csv", [("a", "1 2", 8, 6, "Public")])
    with pytest.raises(DatasetError, match=r"row of a\) is 6 x 8 px"):
        open_dataset(tmp_path)[0]


def test_stage1_train_and_test_together(tmp_path):
    write_image(tmp_path / "stage1_train", "a", masks=[box(slice(0, 2), slice(0, 2))])
    write_image(tmp_path / "stage1_test", "a")
    dataset = open_dataset(tmp_path)
    assert sorted(dataset.names) == ["stage1_test/a/images/a", "stage1_train/a/images/a"]
    assert {sample.metadata["subset"] for sample in dataset} == {"stage1_train", "stage1_test"}
