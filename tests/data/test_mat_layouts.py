"""Lizard, HoVer-Net's layout and the CPM challenge: swapped masks, class tables, both kinds of .mat."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from napari_nucseg.data.opening import open_dataset
from napari_nucseg.errors import DatasetError

INST_MAP = np.array([[0, 7, 7, 0, 2], [0, 7, 0, 0, 2], [40, 40, 0, 0, 0]], np.int32)


def write_v5(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, arrays)


def write_v73(path, **arrays):
    """As MATLAB does: a 512-byte header, then HDF5 with reversed axes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as mat:
        for key, array in arrays.items():
            mat[key] = np.asarray(array).T
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def write_png(path, shape=(3, 5)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*shape, 3), 120, np.uint8)).save(path)


def write_mask_text(path, labels):
    path.write_text(f"{labels.shape[1]} {labels.shape[0]}\n" + "\n".join(map(str, labels.ravel())))


both_versions = pytest.mark.parametrize(
    "write", [pytest.param(write_v5, id="v5"), pytest.param(write_v73, id="v7.3")]
)


@both_versions
def test_lizard_classes_go_by_id_not_by_row(write, tmp_path):
    write_png(tmp_path / "Lizard_Images2" / "glas_1.png")
    write(
        tmp_path / "Lizard_Labels" / "Labels" / "glas_1.mat",
        inst_map=INST_MAP,
        id=np.array([[40], [2], [7]]),
        **{"class": np.array([[1], [3], [6]])},
    )
    sample = open_dataset(tmp_path)[0]
    np.testing.assert_array_equal(sample.labels, INST_MAP)
    assert sample.classes == {40: "neutrophil", 2: "lymphocyte", 7: "connective"}
    assert sample.metadata["pixel_size_um"] == 0.5


def test_lizard_info_and_classes_of_the_real_set(test_data):
    sample = open_dataset(test_data / "lizard").read("consep_1")
    assert (sample.metadata["source"], sample.metadata["fold"]) == ("test_14", "3")
    assert set(sample.classes) == set(np.unique(sample.labels)) - {0}
    assert set(sample.classes.values()) == {"epithelial", "lymphocyte", "connective"}


@pytest.mark.parametrize(
    ("info", "source"),
    [
        pytest.param(
            "Filename;Source;Split\r\nglas_1;Universität;3\r\n".encode("cp1252"), "Universität", id="Excel"
        ),
        pytest.param("Filename\tSource\tSplit\nglas_1\tx\t3\n".encode("utf-16"), "x", id="Unicode text"),
        pytest.param(b"Name,Source\nglas_1,x\n", None, id="another table"),
        pytest.param(b"\x89PNG\r\n\x00\xff\x81", None, id="no table"),
    ],
)
def test_lizard_images_are_read_whatever_became_of_their_info(info, source, tmp_path):
    write_png(tmp_path / "Lizard_Images2" / "glas_1.png")
    kinds = {"id": np.array([[40], [2], [7]]), "class": np.array([[1], [3], [6]])}
    write_v5(tmp_path / "Lizard_Labels" / "Labels" / "glas_1.mat", inst_map=INST_MAP, **kinds)
    (tmp_path / "Lizard_Labels" / "info.csv").write_bytes(info)
    sample = open_dataset(tmp_path)[0]
    np.testing.assert_array_equal(sample.labels, INST_MAP)
    assert sample.metadata.get("source") == source


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        pytest.param(
            {"id": [[2], [7]], "class": [[1], [1]]}, r"\[40\].*no row", id="a nucleus without class"
        ),
        pytest.param({"id": [[2], [7], [40]], "class": [[1]]}, "3 rows", id="tables of unequal length"),
        pytest.param({"id": [[2]]}, "no 'class'", id="no classes"),
    ],
)
def test_lizard_tables_that_do_not_fit(arrays, says, tmp_path):
    write_png(tmp_path / "Lizard_Images1" / "a.png")
    write_v5(tmp_path / "Lizard_Labels" / "Labels" / "a.mat", inst_map=INST_MAP, **arrays)
    with pytest.raises(DatasetError, match=says):
        open_dataset(tmp_path)[0]


@both_versions
def test_hovernet_layout(write, tmp_path):
    for part in ("train", "test"):
        write_png(tmp_path / "cpm17" / part / "Images" / "image_00.png")
        write(tmp_path / "cpm17" / part / "Labels" / "image_00.mat", inst_map=INST_MAP.astype(float))
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "hovernet"
    assert dataset.names == ("cpm17/test/Images/image_00", "cpm17/train/Images/image_00")
    np.testing.assert_array_equal(dataset[0].labels, INST_MAP)
    assert dataset[0].classes is None


def test_consep_classes_follow_the_order_of_label_values(tmp_path):
    write_png(tmp_path / "Train" / "Images" / "a.png")
    write_v5(tmp_path / "Train" / "Labels" / "a.mat", inst_map=INST_MAP, inst_type=[[1.0], [5.0], [2.0]])
    assert open_dataset(tmp_path)[0].classes == {2: "other", 7: "fibroblast", 40: "inflammatory"}


@pytest.mark.parametrize("write", [write_v5, write_v73])
def test_a_map_of_another_size_names_the_one_that_fits(write, tmp_path):
    write_png(tmp_path / "Images" / "a.png", (3, 5))
    write_png(tmp_path / "Images" / "b.png", (5, 3))
    write(tmp_path / "Labels" / "a.mat", inst_map=INST_MAP.T)
    write(tmp_path / "Labels" / "b.mat", inst_map=INST_MAP)
    with pytest.raises(DatasetError, match=r"a\.mat is 3 x 5 px.*a\.png is 5 x 3 px.*b\.mat would fit"):
        open_dataset(tmp_path).read("a")


@pytest.mark.parametrize(
    ("number", "other"), [pytest.param("04", "05", id="04"), pytest.param("05", "04", id="05")]
)
def test_the_swapped_masks_of_cpm15(number, other, test_data):
    dataset = open_dataset(test_data / "cpm15")
    with pytest.raises(DatasetError) as caught:
        dataset.read(f"image{number}")
    message = str(caught.value)
    assert f"image{number}.png" in message
    assert f"image{number}_mask.txt" in message
    assert f"image{other}_mask.txt would fit" in message
    assert "623 x 493" in message
    assert "863 x 597" in message
    told = []
    assert len(list(dataset.valid(lambda name, _: told.append(name)))) == 9
    assert told == ["image04", "image05"]


def test_both_layouts_of_cpm15_hold_the_same(test_data):
    challenge, hovernet = open_dataset(test_data / "cpm15"), open_dataset(test_data / "cpm15_hovernet")
    for sample in challenge.valid():
        repackaged = hovernet.read(sample.name.replace("image", "image_"))
        np.testing.assert_array_equal(sample.labels, repackaged.labels)
        np.testing.assert_array_equal(sample.image[..., :3], repackaged.image)
        assert sample.image.shape[-1] == 4
        assert sample.metadata["magnification"] == (20 if sample.name <= "image07" else 40)


def test_the_challenge_readme_example(tmp_path):
    labels = np.array([[0, 0, 0, 0, 0], [0, 1, 1, 0, 0], [1, 1, 2, 0, 0], [0, 2, 2, 2, 0]])
    write_png(tmp_path / "image01.png", (4, 5))
    write_png(tmp_path / "image01_poly.png", (4, 5))
    write_png(tmp_path / "image03.png", (4, 5))
    write_mask_text(tmp_path / "image01_mask.txt", labels)
    dataset = open_dataset(tmp_path)
    assert dataset.names == ("image01", "image03")
    np.testing.assert_array_equal(dataset[0].labels, labels)
    assert dataset[1].labels is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("5\n0 0", "starts with '5'", id="no size"),
        pytest.param("5 4\n0\n0\n", "holds 2", id="cut short"),
        pytest.param("5 4\n" + "0\n" * 19 + "x", "no whole number", id="a letter"),
        pytest.param("5 4\n" + "0\n" * 19 + "-1", "outside", id="negative"),
    ],
)
def test_damaged_mask_texts(text, says, tmp_path):
    write_png(tmp_path / "image01.png", (4, 5))
    (tmp_path / "image01_mask.txt").write_text(text)
    with pytest.raises(DatasetError, match=says):
        open_dataset(tmp_path)[0]
