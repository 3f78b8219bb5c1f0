"""Readers claim only what is named as one of our layouts, and read it with its truth."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels
from npe2 import PluginManager, PluginManifest

import napari_nucseg
from napari_nucseg._napari.readers import get_reader
from napari_nucseg.data import tree
from napari_nucseg.errors import DatasetError

OURS = [
    pytest.param("dsb2018/stage1_train", id="dsb2018-folder"),
    pytest.param("lizard", id="lizard-folder"),
    pytest.param("lizard/Lizard_Labels/Labels/consep_2.mat", id="lizard-label-file"),
    pytest.param("cpm15", id="cpm-challenge-folder"),
    pytest.param("cpm15/image02_mask.txt", id="cpm-challenge-mask"),
    pytest.param("cpm15_hovernet", id="hovernet-folder"),
    pytest.param("cpm15_hovernet/Labels/image_02.mat", id="hovernet-label-file"),
]


@pytest.mark.parametrize("place", OURS)
def test_reads_image_and_truth_without_a_window(test_data, place):
    reader = get_reader(str(test_data / place))
    assert reader is not None
    (image, image_meta, image_kind), (truth, truth_meta, truth_kind) = reader(str(test_data / place))
    assert (image_kind, truth_kind) == ("image", "labels")
    assert truth.shape == image.shape[:2]
    assert truth.max() > 0
    assert truth_meta["name"] == f"{image_meta['name']} ground truth"


@pytest.mark.parametrize(
    "place",
    [pytest.param("tnbc", id="plain-folder"), pytest.param("", id="several-datasets"), "no-such-thing"],
)
def test_claims_nothing_else(test_data, place):
    assert get_reader(str(test_data / place)) is None


@pytest.fixture(scope="module")
def offered():
    """Return a test of whether napari's plugin manager offers NucSeg for a file's name."""
    plugins = PluginManager()
    plugins.register(PluginManifest.from_file(Path(napari_nucseg.__file__).with_name("napari.yaml")))
    return lambda name: any(plugins.iter_compatible_readers([f"/home/me/Downloads/{name}"]))


OFFERED = f"""
stage1_train.zip stage1_test.zip Stage1_train_mine.zip STAGE1_TRAIN.ZIP STAGE1_TEST.zip
lizard_images1.zip Lizard.zip Lizard_Images2.zip LIZARD_LABELS.ZIP LIZARD_IMAGES1.zip
cpm.zip cpm15.zip cpm_train.zip CPM.zip CPM.ZIP CPM15.zip CPM-15.zip Cpm_17_test.zip
{"0af9" * 16}.png consep_1.mat consep_1.MAT image01_mask.txt image_01.mat
""".split()
OTHERS = "images.zip IMAGES.zip IMG_2024.zip Train.zip STAGE2_TRAIN.zip notes.txt a.mat a.png".split()


@pytest.mark.parametrize("name", [*OFFERED, *OTHERS])
def test_napari_offers_it_for_names_of_datasets_in_any_case(offered, name):
    assert offered(name) == (name in OFFERED)


@pytest.mark.parametrize(
    "name", ["stage1_train_mine.zip", "lizard_images1.zip", "cpm15.zip", "image01_mask.txt"]
)
def test_looks_inside_before_it_claims(tmp_path, name):
    path = tmp_path / name
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("letter.txt", "hello")
    else:
        path.write_text("hello")
    assert get_reader(str(path)) is None


@pytest.mark.parametrize(
    "name", ["image_01.mat", "Labels/image_01.mat", "letter_mask.txt", "image01_mask.txt"]
)
def test_a_stray_label_file_has_no_folder_walked(tmp_path, monkeypatch, name):
    """A dataset deep in the folders around is not found, since nobody looks there."""
    hidden = tmp_path / "home" / "data" / "set"
    for file in (
        "Images/image_01.png",
        "Labels/image_01.mat",
        "image01.png",
        "image01_mask.txt",
        "letter.png",
    ):
        (hidden / file).parent.mkdir(parents=True, exist_ok=True)
        (hidden / file).touch()
    stray = tmp_path / "home" / "Downloads" / name
    stray.parent.mkdir(parents=True)
    stray.touch()
    walked = []
    monkeypatch.setattr(tree.os, "walk", lambda top, **_: walked.append(top) or iter(()))
    assert get_reader(str(stray)) is None
    assert walked == []


def test_a_label_file_may_be_named_from_its_folder(test_data, monkeypatch):
    monkeypatch.chdir(test_data / "cpm15_hovernet" / "Labels")
    assert get_reader("none.mat") is None
    assert len(get_reader("image_02.mat")("image_02.mat")) == 2


def test_stacks_and_addresses_are_not_claimed(test_data):
    folder = str(test_data / "cpm15")
    assert get_reader([folder, folder]) is None
    assert get_reader("https://example.org/stage1_train.zip") is None


def test_classes_and_pixel_size_arrive_in_the_layer(viewer, test_data):
    image, truth = viewer.open(test_data / "lizard", plugin="napari-nucseg")
    assert isinstance(image, Image) and isinstance(truth, Labels)
    assert image.units == truth.units
    np.testing.assert_allclose(image.scale, (0.5, 0.5))
    assert {"epithelial", "connective"} <= set(truth.features["class"])
    assert set(truth.features["index"]) == set(np.unique(truth.data)) - {0}


def test_zip_is_read_in_place(viewer, test_data, tmp_path):
    sample = next(p for p in sorted((test_data / "dsb2018/stage1_train").iterdir()) if p.is_dir())
    path = tmp_path / "stage1_train.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sample.rglob("*.png"):
            archive.write(file, file.relative_to(sample.parent))
    image, truth = viewer.open(path, plugin="napari-nucseg")
    assert image.data.shape[:2] == truth.data.shape
    assert image.name == f"{sample.name[:8]}…"


def test_napari_opens_a_zip_with_capitals_in_its_name(viewer, test_data, tmp_path):
    path = tmp_path / "CPM-15.ZIP"
    with zipfile.ZipFile(path, "w") as archive:
        for file in (test_data / "cpm15").glob("image01*"):
            archive.write(file, file.name)
    image, truth = viewer.open(path, plugin="napari-nucseg")
    assert image.data.shape[:2] == truth.data.shape


def test_whole_dataset_hints_at_its_other_images(test_data):
    from napari.utils.notifications import notification_manager

    path = str(test_data / "cpm15")
    get_reader(path)(path)
    said = notification_manager.records[-1].message
    assert "11 images" in said and "open_dataset" in said


def test_of_damaged_images_the_first_that_can_be_read_is_shown_and_the_reason_where_none_can(
    test_data, tmp_path
):
    for name in ("image01.png", "image01_mask.txt", "image02.png", "image02_mask.txt"):
        shutil.copy(test_data / "cpm15" / name, tmp_path / name)
    (tmp_path / "image01.png").write_bytes(b"cut short")
    reader = get_reader(str(tmp_path))
    assert reader(str(tmp_path))[0][1]["name"] == "image02"
    (tmp_path / "image02_mask.txt").write_text("no numbers")
    with pytest.raises(DatasetError, match="image01"):
        reader(str(tmp_path))


@pytest.mark.parametrize("part", [pytest.param("images/{}.png", id="file"), pytest.param("", id="folder")])
def test_one_image_of_dsb2018_is_claimed_by_its_name(viewer, test_data, part):
    sample = next(p for p in sorted((test_data / "dsb2018/stage1_train").iterdir()) if p.is_dir())
    image, truth = viewer.open(sample / part.format(sample.name), plugin="napari-nucseg")
    assert image.name == f"{sample.name[:8]}…"
    assert image.data.shape[:2] == truth.data.shape
    assert truth.data.max() == len(list((sample / "masks").iterdir()))


def test_a_label_file_may_have_its_suffix_in_capitals(test_data, tmp_path):
    for file in ("Images/image_02.png", "Labels/image_02.mat"):
        place = tmp_path / file.replace(".mat", ".MAT")
        place.parent.mkdir()
        shutil.copy(test_data / "cpm15_hovernet" / file, place)
    assert get_reader(str(place)) is not None
