"""Where the list of a folder of images is kept: found by the images, or by the list's own folder."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from napari_nucseg.errors import DatasetError, OutputError
from napari_nucseg.jobs.work_places import Place, place_of, remember_place, remove_untouched
from napari_nucseg.jobs.worklist import open_worklist


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.setenv("NUCSEG_WORK", str(tmp_path / "memory"))
    folder = tmp_path / "plate 7"
    folder.mkdir()
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(folder / "a.png")
    return folder


def test_the_last_place_of_a_list_is_remembered(images, tmp_path):
    beside = images.with_name("plate 7 corrections")
    assert place_of(images) == Place(images, beside)
    for output in (tmp_path / "one", tmp_path / "two"):
        remember_place(open_worklist(images, output).save())
        assert place_of(images) == Place(images, output)
    (tmp_path / "two" / "worklist.json").unlink()
    assert place_of(images) == Place(images, beside), "it was deleted"
    remember_place(open_worklist(images, beside).save())
    assert "plate" not in (tmp_path / "memory" / "places.json").read_text()


def test_a_memory_that_is_damaged_is_none(images, tmp_path):
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "places.json").write_text('{"places": 3')
    assert place_of(images).output == images.with_name("plate 7 corrections")


def test_the_folder_of_a_list_stands_for_its_images(images, tmp_path):
    output = tmp_path / "one"
    open_worklist(images, output).save()
    assert place_of(output) == Place(images, output)
    images.rename(tmp_path / "moved")
    with pytest.raises(DatasetError, match="plate 7, which is not there"):
        place_of(output)
    (output / "worklist.json").write_text("{")
    with pytest.raises(OutputError, match="damaged"):
        place_of(output)


def test_only_a_list_without_corrections_is_removed(images, tmp_path):
    output = tmp_path / "one"
    open_worklist(images, output).save()
    (output / "a").mkdir()
    remove_untouched(output)
    assert (output / "worklist.json").exists()
    (output / "a").rmdir()
    remove_untouched(output)
    assert not output.exists()
