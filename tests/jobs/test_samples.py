"""Samples as files: what a dataset is made of comes along whole, or nothing is left behind."""

from __future__ import annotations

import shutil
import zipfile
from typing import TYPE_CHECKING

import pytest

from napari_nucseg import open_dataset
from napari_nucseg.data.sample_data import remember_folder
from napari_nucseg.errors import OutputError
from napari_nucseg.jobs.samples import save_sample
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cpm(tmp_path: Path, test_data: Path, monkeypatch) -> Path:
    """Two images of CPM-15 in a folder the user named."""
    monkeypatch.setenv("NUCSEG_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "cpm15"
    folder.mkdir()
    for name in ("image02.png", "image02_mask.txt", "image06.png", "image06_mask.txt"):
        shutil.copy(test_data / "cpm15" / name, folder)
    remember_folder("cpm", folder)
    return folder


@pytest.fixture
def lizard(tmp_path: Path, test_data: Path, monkeypatch) -> Path:
    """Two images of Lizard with their labels in the folder beside theirs."""
    monkeypatch.setenv("NUCSEG_CACHE", str(tmp_path / "cache"))
    for name in ("consep_1", "consep_2"):
        for file, source in (
            (f"Lizard_Images1/{name}.png", next((test_data / "lizard").glob(f"*/{name}.png"))),
            (f"Lizard_Labels/Labels/{name}.mat", test_data / f"lizard/Lizard_Labels/Labels/{name}.mat"),
        ):
            (tmp_path / "lizard" / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, tmp_path / "lizard" / file)
    return tmp_path / "lizard"


def save(name: str, folder: Path) -> Path:
    return drain(save_sample(name, folder))


def labelled(folder: Path) -> list[str]:
    return [sample.name for sample in open_dataset(folder) if sample.labels is not None]


def test_a_dataset_is_not_copied_into_itself(cpm: Path) -> None:
    (cpm / "out").mkdir()
    with pytest.raises(OutputError, match="lies in the dataset"):
        save("cpm", cpm / "out")
    assert list((cpm / "out").iterdir()) == []


@pytest.mark.parametrize("there", [pytest.param(False, id="new"), pytest.param(True, id="empty folder")])
def test_a_copy_is_whole(tmp_path: Path, cpm: Path, there: bool) -> None:
    (cpm / "back").symlink_to(cpm)
    if there:
        (tmp_path / "out" / "cpm").mkdir(parents=True)
    assert save("cpm", tmp_path / "out") == tmp_path / "out" / "cpm"
    assert sorted(file.name for file in (tmp_path / "out" / "cpm").iterdir()) == sorted(
        file.name for file in cpm.iterdir() if file.name != "back"
    )
    assert labelled(save("cpm", tmp_path / "out")) == ["image02", "image06"]
    assert [folder.name for folder in (tmp_path / "out").iterdir()] == ["cpm"]


@pytest.mark.parametrize("zipped", [pytest.param(False, id="folders"), pytest.param(True, id="zips")])
def test_labels_beside_the_images_come_along(tmp_path: Path, lizard: Path, zipped: bool) -> None:
    named = lizard / "Lizard_Images1"
    if zipped:
        for part, archive in (("Lizard_Images1", "lizard_images1"), ("Lizard_Labels", "lizard_labels")):
            with zipfile.ZipFile(tmp_path / "zips.part", "w") as opened:
                for file in (lizard / part).rglob("*.*"):
                    opened.write(file, file.relative_to(lizard))
            (tmp_path / "zips").mkdir(exist_ok=True)
            (tmp_path / "zips.part").rename(tmp_path / "zips" / f"{archive}.zip")
        named = tmp_path / "zips" / "lizard_images1.zip"
    remember_folder("lizard", named)
    assert labelled(save("lizard", tmp_path / "out")) == ["consep_1", "consep_2"]


def test_a_copy_that_cannot_be_opened_is_not_left(tmp_path: Path, lizard: Path) -> None:
    remember_folder("lizard", lizard / "Lizard_Images1" / "consep_1.png")
    with pytest.raises(OutputError, match=r"consep_1\.png"):
        save("lizard", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_another_folder_of_that_name_is_told(tmp_path: Path, cpm: Path) -> None:
    (tmp_path / "out" / "cpm").mkdir(parents=True)
    (tmp_path / "out" / "cpm" / "letter.txt").write_text("hello")
    with pytest.raises(OutputError, match="is there already"):
        save("cpm", tmp_path / "out")
    assert [file.name for file in (tmp_path / "out" / "cpm").iterdir()] == ["letter.txt"]
