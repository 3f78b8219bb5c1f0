"""All layouts on the real data: as folders, as zips read in place, nested and side by side."""

from __future__ import annotations

import pickle
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_nucseg.data.opening import LAYOUTS, open_dataset
from napari_nucseg.data.rows import read_rows, select_rows
from napari_nucseg.errors import DatasetError

REAL = [
    pytest.param("dsb2018", "dsb2018", 664, id="dsb2018"),
    pytest.param("lizard", "lizard", 16, id="lizard"),
    pytest.param("cpm15", "cpm", 11, id="cpm challenge"),
    pytest.param("cpm15_hovernet", "hovernet", 11, id="cpm hovernet"),
    pytest.param("consep", "hovernet", 18, id="consep"),
    pytest.param("tnbc", "folder", 43, id="tnbc"),
    pytest.param("monuseg", "folder", 30, id="monuseg"),
]


def zip_folder(folder, target, prefix=""):
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, prefix + file.relative_to(folder).as_posix())
    return target


def assert_same(first, second):
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.classes == second.classes


@pytest.mark.parametrize(("folder", "layout", "n"), REAL)
def test_layouts_are_recognised(folder, layout, n, test_data):
    dataset = open_dataset(test_data / folder)
    assert (dataset.layout, len(dataset), len(set(dataset.names))) == (layout, n, n)
    sample = dataset[0]
    assert sample.name == dataset.names[0]
    assert sample.labels.dtype == np.int32
    assert sample.labels.shape == sample.image.shape[:2]
    assert sample.labels.max() > 0
    assert sample.metadata["layout"] == layout
    assert sample.metadata["image_path"].startswith(str(test_data))
    assert sample.metadata["labels_path"].startswith(str(test_data))


@pytest.mark.parametrize("folder", ["dsb2018", "lizard", "cpm15", "consep", "tnbc", "monuseg"])
def test_counts_agree_with_the_index(folder, test_data, known_images):
    rows = {row.name: row for row in read_rows(test_data / "index.csv", dataset=folder)[:25]}
    samples = list(select_rows(open_dataset(test_data / folder), rows.values()).valid())
    assert len(samples) == len(rows) - (2 if folder == "cpm15" else 0)  # of which two masks are swapped
    for sample in samples:
        row, known = rows[sample.name], known_images[folder, sample.name]
        assert sample.labels.shape == (known["height"], known["width"])
        assert len(np.unique(sample.labels[sample.labels > 0])) == known["n_nuclei"]
        assert (sample.metadata["split"], sample.metadata["kind"]) == (row.split, row.kind)


@pytest.mark.parametrize("folder", ["lizard", "cpm15", "cpm15_hovernet"])
@pytest.mark.parametrize("prefix", ["", "unzipped/"])
def test_a_zip_is_read_in_place(folder, prefix, test_data, tmp_path):
    archive = zip_folder(test_data / folder, tmp_path / "set.zip", prefix)
    dataset, expected = open_dataset(archive), open_dataset(test_data / folder)
    assert (dataset.layout, dataset.names) == (expected.layout, expected.names)
    assert_same(dataset[0], expected[0])
    assert dataset[0].metadata["image_path"].startswith(f"{archive}!")
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize("folder", ["lizard", "cpm15", "cpm15_hovernet"])
def test_an_image_added_to_a_zip_again_keeps_its_name(folder, test_data, tmp_path):
    archive, expected = zip_folder(test_data / folder, tmp_path / "set.zip"), open_dataset(test_data / folder)
    with zipfile.ZipFile(archive, "a") as again, pytest.warns(UserWarning, match="Duplicate name"):
        again.write(expected.places[expected.names[0]], expected.files[expected.names[0]])
    assert open_dataset(archive).names == expected.names


def test_a_zip_beside_what_was_unpacked_from_it_changes_nothing(test_data, tmp_path):
    whole = open_dataset(test_data / "lizard")
    shutil.copytree(test_data / "lizard", tmp_path / "set")
    zip_folder(test_data / "lizard" / "Lizard_Images1", tmp_path / "set" / "Lizard_Images1.zip")
    dataset = open_dataset(tmp_path / "set")
    assert (dataset.layout, dataset.names) == (whole.layout, whole.names)
    assert_same(dataset[0], whole[0])


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_linked_folders_are_read_and_circles_left(tmp_path):
    pixels = np.arange(600, dtype=np.uint8).reshape(20, 30)
    for part in ("images", "labels"):
        (tmp_path / "elsewhere" / part).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "elsewhere" / part / "a.png")
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / part).symlink_to(tmp_path / "elsewhere" / part)
    (tmp_path / "elsewhere" / "images" / "round").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "more").symlink_to(tmp_path / "set" / "images", target_is_directory=True)
    (tmp_path / "set" / "above").symlink_to(tmp_path)
    dataset = open_dataset(tmp_path / "set")
    assert dataset.names == ("a",)
    assert dataset[0].labels is not None
    assert Path(dataset[0].metadata["image_path"]) == tmp_path / "set" / "images" / "a.png"


def test_the_official_dsb_zip(dsb2018_archive, dsb2018, tmp_path):
    (tmp_path / "stage1_train.zip").write_bytes(dsb2018_archive)
    dataset = open_dataset(tmp_path)  # a folder that holds the zip
    assert (dataset.layout, len(dataset)) == ("dsb2018", 30)
    assert_same(dataset[3], dsb2018.read(dataset.names[3]))
    assert dataset[3].metadata["subset"] == "stage1_train"


def test_the_official_lizard_zips_side_by_side(test_data, tmp_path):
    lizard = test_data / "lizard"
    halves = {}
    for part, names in (("1", ("consep_1", "consep_2")), ("2", ("consep_3",))):
        halves[part] = tmp_path / "in" / part
        halves[part].mkdir(parents=True)
        for name in names:
            shutil.copy(lizard / "Lizard_Images1" / f"{name}.png", halves[part])
    together = tmp_path / "zips"
    together.mkdir()
    for part, folder in halves.items():
        zip_folder(folder, together / f"lizard_images{part}.zip", f"Lizard_Images{part}/")
    zip_folder(lizard / "Lizard_Labels", together / "lizard_labels.zip", "Lizard_Labels/")
    dataset = open_dataset(together)
    assert sorted(dataset.names) == ["consep_1", "consep_2", "consep_3"]
    assert_same(dataset.read("consep_3"), open_dataset(lizard).read("consep_3"))
    half = open_dataset(together / "lizard_images2.zip")  # finds its labels beside it
    assert half.names == ("consep_3",)
    assert half[0].labels is not None


@pytest.mark.parametrize(
    ("image", "layout"),
    [
        pytest.param("lizard/Lizard_Images1/consep_1.png", "lizard", id="lizard"),
        pytest.param("cpm15/image01.png", "cpm", id="cpm"),
        pytest.param("consep/Train/Images/train_1.png", "hovernet", id="hovernet"),
        pytest.param("tnbc/images/04_3.png", "folder", id="folder"),
    ],
)
def test_one_image_comes_with_its_labels(image, layout, test_data):
    dataset = open_dataset(test_data / image)
    assert (dataset.layout, len(dataset)) == (layout, 1)
    assert dataset[0].labels.max() > 0
    assert dataset[0].metadata["image_path"] == str(test_data / image)


def test_one_dsb_image_comes_with_its_masks(test_data):
    folder = sorted((test_data / "dsb2018" / "stage1_train").iterdir())[0]
    dataset = open_dataset(folder / "images" / f"{folder.name}.png")
    assert (dataset.layout, dataset.names) == ("dsb2018", (folder.name,))
    assert dataset[0].labels.max() == 27


def _write_pair(images: Path, labels: Path, name: str) -> Path:
    for folder, value in ((images, 200), (labels, 1)):
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9), value, np.uint8)).save(folder / f"{name}.png")
    return images / f"{name}.png"


def test_an_image_called_like_its_set_keeps_its_labels(tmp_path):
    image = _write_pair(tmp_path / "cells" / "images", tmp_path / "cells" / "labels", "cells")
    for path in (image, image.parent, image.parent.parent, tmp_path):
        dataset = open_dataset(path)
        assert (dataset.layout, [sample.labels is not None for sample in dataset]) == ("folder", [True])


def test_a_part_of_the_images_comes_with_its_labels(tmp_path, monkeypatch):
    part = _write_pair(tmp_path / "Images" / "day1" / "p0", tmp_path / "labels" / "day1" / "p0", "a").parent
    _write_pair(tmp_path / "Images" / "day2", tmp_path / "labels" / "day2", "a")
    for path in (part, part.parent):
        (sample,) = open_dataset(path)
        assert Path(sample.metadata["labels_path"]) == tmp_path / "labels" / "day1" / "p0" / "a.png"
    monkeypatch.chdir(part)
    (sample,) = open_dataset(".")
    assert sample.labels is not None


def test_an_empty_name_is_not_the_folder_we_are_in():
    with pytest.raises(DatasetError, match="got an empty name for a dataset"):
        open_dataset("")


def test_several_datasets_in_one_folder_have_to_be_told_apart(test_data):
    with pytest.raises(DatasetError, match=r"several datasets.*dsb2018.*lizard.*cpm.*hovernet"):
        open_dataset(test_data)
    assert len(open_dataset(test_data, layout="lizard")) == 16


def test_what_is_no_dataset_is_said(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DatasetError, match=r"found 1 x \.txt"):
        open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="neither a folder nor a zip"):
        open_dataset(tmp_path / "notes.txt")
    with pytest.raises(DatasetError, match="does not exist"):
        open_dataset(tmp_path / "gone")
    with pytest.raises(DatasetError, match=", ".join(LAYOUTS)):
        open_dataset(tmp_path, layout="x")
    (tmp_path / "broken.zip").write_bytes(b"PK\x05\x06" + b"\0" * 18)  # an empty zip
    with pytest.raises(DatasetError, match="no files"):
        open_dataset(tmp_path / "broken.zip")


def test_zarr_is_no_image_and_said(tmp_path):
    zarr = tmp_path / "images" / "cells.zarr"
    zarr.mkdir(parents=True)
    for file in (".zarray", "0.0", "0.1", "0.tif"):
        (zarr / file).touch()
    for path in (zarr, tmp_path / "images", tmp_path):
        with pytest.raises(DatasetError, match="zarr is not read"):
            open_dataset(path)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "images" / "cell.tif")
    dataset = open_dataset(tmp_path)
    assert dataset.names == ("cell",)
    assert ("images/cells.zarr",) in dataset.unused().values()


def test_a_zip_of_zarr_is_no_dataset_and_said(tmp_path):
    with zipfile.ZipFile(tmp_path / "cells.zip", "w") as archive:
        archive.writestr("0/.zarray", "{}")
        archive.writestr(".zgroup", "{}")
    with pytest.raises(DatasetError, match="zarr is not read"):
        open_dataset(tmp_path / "cells.zip")


def test_a_dataset_is_a_lazy_sequence(test_data):
    dataset = open_dataset(test_data / "lizard")
    assert dataset[2:5].names == dataset.names[2:5]
    assert dataset[-1].name == dataset.names[-1]
    assert dataset.select(["consep_9", "consep_2"]).names == ("consep_9", "consep_2")
    with pytest.raises(DatasetError, match="near: consep_9"):
        dataset.read("consep_99")
    with pytest.raises(DatasetError, match="nothing"):
        dataset.select(["nothing"])
    with pytest.raises(IndexError):
        dataset[16]


def test_a_dataset_knows_where_its_images_are(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for folder in ("images", "labels"):
        Image.fromarray(np.ones((4, 4), np.uint8)).save(tmp_path / folder / "a.png")
    for opened in (tmp_path, tmp_path / "images", tmp_path / "images" / "a.png"):
        assert open_dataset(opened).select(["a"]).path_of("a") == tmp_path / "images" / "a.png"
    shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path / "images")
    assert open_dataset(tmp_path / "zipped.zip").path_of("a") is None
    dataset = open_dataset(tmp_path / "images")
    (tmp_path / "images" / "a.png").unlink()
    assert dataset.path_of("a") is None


@pytest.mark.parametrize("zipped", [False, True])
def test_a_dataset_travels_to_other_processes(zipped, test_data, tmp_path):
    folder = test_data / "cpm15_hovernet"
    dataset = open_dataset(zip_folder(folder, tmp_path / "cpm.zip") if zipped else folder)
    assert_same(pickle.loads(pickle.dumps(dataset))[0], dataset[0])


def test_a_sample_that_cannot_be_read_names_its_file_once(tmp_path):
    for name in "abc":
        Image.fromarray(np.ones((4, 4), np.uint8)).save(tmp_path / f"{name}.png")
    dataset = open_dataset(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").unlink()
    (tmp_path / "c.png").unlink()
    (tmp_path / "c.png").mkdir()
    for name, words in {"a": "is empty", "b": "is no longer there", "c": "cannot be opened"}.items():
        with pytest.raises(DatasetError) as raised:
            dataset.read(name)
        assert str(raised.value).startswith(f"{tmp_path / name}.png {words}")
        assert str(raised.value).count(str(tmp_path)) == 1


def test_one_broken_sample_never_stops_the_others(test_data, tmp_path):
    shutil.copytree(test_data / "lizard", tmp_path / "lizard")
    images, labels = tmp_path / "lizard" / "Lizard_Images1", tmp_path / "lizard" / "Lizard_Labels" / "Labels"
    for file in (images / "consep_1.png", labels / "consep_2.mat"):
        file.chmod(0o644)
        file.write_bytes(file.read_bytes()[:1000])
    for file in (images / "consep_4.png", labels / "consep_3.mat"):
        file.chmod(0o644)
        file.write_bytes(b"")
    told = {}
    dataset = open_dataset(tmp_path / "lizard")
    names = [sample.name for sample in dataset.valid(lambda name, error: told.__setitem__(name, str(error)))]
    assert len(names) == 12
    assert {name: name in message for name, message in told.items()} == {
        f"consep_{i}": True for i in (1, 2, 3, 4)
    }
    assert "consep_2.mat" in told["consep_2"]
