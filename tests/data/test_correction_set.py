import errno
import json
import os
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_nucseg.data.correction_set import (
    CorrectionSet,
    is_correction_set,
    open_correction_set,
    save_correction_set,
)
from napari_nucseg.data.images import read_image
from napari_nucseg.errors import CorrectionSetError, OutputError
from napari_nucseg.files import in_words

BLANK = np.zeros((3, 20, 30), np.int32)
STACK = {"image": BLANK, "axes": "ZYX", "labels": BLANK, "trust": BLANK.astype(np.uint8), "prediction": None}


def _corrections(**more):
    labels = np.zeros((20, 30), np.int32)
    labels[3:9, 4:12] = 70_000
    trust = np.zeros((20, 30), np.uint8)
    trust[:10], trust[15:] = 1, 2
    image = np.arange(600, dtype=np.uint16).reshape(20, 30)
    parts = {"image": image, "axes": "YX", "labels": labels, "trust": trust, "prediction": labels // 2}
    known = {"name": "cells", "pixel_size_um": 0.5, "model_name": "nuclei-unet", "counts": {"added": 2}}
    return CorrectionSet(**parts | known | more)


def _assert_same(one, other):
    for name in ("image", "labels", "trust", "prediction"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
    for name in ("axes", "name", "pixel_size_um", "model_name", "model_sha256", "settings", "counts"):
        assert getattr(one, name) == getattr(other, name)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="grey"),
        pytest.param({"prediction": None, "pixel_size_um": None}, id="no prediction"),
        pytest.param({"image": np.zeros((20, 30, 3), np.uint8), "axes": "YXC"}, id="colour"),
        pytest.param({"image": np.zeros((4, 20, 30), np.float32), "axes": "CYX"}, id="channels"),
        pytest.param({"settings": {"model": "auto", "decoding": {"min_area_px": None}}}, id="settings"),
        pytest.param(STACK, id="stack"),
    ],
)
def test_saved_and_opened_it_is_the_same(tmp_path, more):
    corrections = _corrections(**more)
    folder = save_correction_set(tmp_path / "sets" / "one", corrections)
    assert is_correction_set(folder)
    _assert_same(open_correction_set(folder), corrections)
    assert [path.name for path in folder.parent.iterdir()] == ["one"], "nothing is left beside it"


def test_an_image_referred_to_is_found_and_checked(tmp_path):
    path = tmp_path / "images" / "cells.tif"
    path.parent.mkdir()
    corrections = _corrections(image_path=path)
    tifffile.imwrite(path, corrections.image)
    folder = save_correction_set(tmp_path / "sets" / "one", corrections)
    assert not (folder / "image.tif").exists()
    opened = open_correction_set(folder)
    _assert_same(opened, corrections)
    assert opened.image_path == path
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    os.replace(tmp_path, moved)
    _assert_same(open_correction_set(moved / "sets" / "one"), corrections)
    tifffile.imwrite(moved / "images" / "cells.tif", corrections.image + 1)
    with pytest.raises(CorrectionSetError, match="has changed"):
        open_correction_set(moved / "sets" / "one")
    (moved / "images" / "cells.tif").unlink()
    with pytest.raises(CorrectionSetError, match="is not at"):
        open_correction_set(moved / "sets" / "one")


def test_an_image_that_was_renamed_is_accepted_where_it_is_now(tmp_path):
    path, now = tmp_path / "cells.tif", tmp_path / "moved.tif"
    corrections = _corrections(image_path=path)
    tifffile.imwrite(path, corrections.image)
    folder = save_correction_set(tmp_path / "one", corrections)
    path.rename(now)
    opened = open_correction_set(folder, now)
    _assert_same(opened, corrections)
    assert opened.image_path == now
    tifffile.imwrite(now, corrections.image + 1)
    with pytest.raises(CorrectionSetError, match="has changed"):
        open_correction_set(folder, now)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_an_image_written_again_with_the_same_pixels_is_the_same(tmp_path, dtype):
    """As Fiji does after *Set Scale*: other metadata, another order of bytes."""
    path = tmp_path / "cells.tif"
    image = np.arange(600).reshape(20, 30).astype(dtype)
    corrections = _corrections(image=image, image_path=path)
    tifffile.imwrite(path, image)
    folder = save_correction_set(tmp_path / "one", corrections)
    meta = {"unit": "um"}
    tifffile.imwrite(path, image, imagej=True, resolution=(3, 3), metadata=meta, byteorder=">")
    opened = open_correction_set(folder)
    np.testing.assert_array_equal(opened.image, image)
    np.testing.assert_array_equal(opened.labels, corrections.labels)
    _assert_same(open_correction_set(save_correction_set(folder, opened)), opened)
    tifffile.imwrite(path, image[::-1], imagej=True)
    with pytest.raises(CorrectionSetError, match="has changed"):
        open_correction_set(folder)


def test_a_set_that_does_not_know_the_pixels_opens_with_its_file_alone(tmp_path):
    path = tmp_path / "cells.tif"
    corrections = _corrections(image_path=path)
    tifffile.imwrite(path, corrections.image)
    folder = save_correction_set(tmp_path / "one", corrections)
    record = json.loads((folder / "correction.json").read_text())
    del record["image"]["pixels_sha256"]
    (folder / "correction.json").write_text(json.dumps(record))
    _assert_same(open_correction_set(folder), corrections)
    tifffile.imwrite(path, corrections.image, imagej=True)
    with pytest.raises(CorrectionSetError, match="has changed"):
        open_correction_set(folder)


INVERTED_GREY = np.repeat(np.arange(255, -1, -1, dtype=np.uint16)[np.newaxis] * 257, 3, axis=0)


def _write_palette(path, pixels):
    tifffile.imwrite(path, pixels, photometric="palette", colormap=INVERTED_GREY)


def _write_min_is_white(path, pixels):
    tifffile.imwrite(path, pixels, photometric="miniswhite")


def _write_cmyk(path, pixels):
    tifffile.imwrite(path, np.dstack([pixels] * 4), photometric="separated")


def _write_larger_second(path, pixels):
    with tifffile.TiffWriter(path) as tiff:
        for image in (pixels, np.tile(pixels, (2, 2))):
            tiff.write(image, photometric="minisblack")


WRITERS = [_write_palette, _write_min_is_white, _write_cmyk, _write_larger_second]


def _referring(path, image):
    axes, shape = ("YX", "YXC")[image.ndim - 2], image.shape[:2]
    labels = np.ones(shape, np.int32)
    return _corrections(
        image=image, axes=axes, labels=labels, trust=labels.astype(np.uint8), prediction=None, image_path=path
    )


@pytest.mark.parametrize("write", WRITERS)
def test_an_image_referred_to_opens_to_the_pixels_that_were_read(write, tmp_path):
    write(tmp_path / "cells.tif", np.arange(200, dtype=np.uint8).reshape(10, 20))
    corrections = _referring(tmp_path / "cells.tif", read_image(tmp_path / "cells.tif").pixels)
    folder = save_correction_set(tmp_path / "one", corrections)
    assert not (folder / "image.tif").exists()
    opened = open_correction_set(folder)
    _assert_same(opened, corrections)
    _assert_same(open_correction_set(save_correction_set(tmp_path / "two", opened)), corrections)


@pytest.mark.parametrize("write", WRITERS)
def test_a_record_that_does_not_say_how_its_image_is_read_means_as_stored(write, tmp_path):
    write(tmp_path / "cells.tif", np.arange(200, dtype=np.uint8).reshape(10, 20))
    corrections = _referring(tmp_path / "cells.tif", tifffile.imread(tmp_path / "cells.tif", series=0))
    folder = save_correction_set(tmp_path / "one", corrections)
    record = json.loads((folder / "correction.json").read_text(encoding="utf-8"))
    del record["image"]["as_shown"]
    (folder / "correction.json").write_text(json.dumps(record), encoding="utf-8")
    assert not (folder / "image.tif").exists()
    _assert_same(open_correction_set(folder), corrections)


def test_colours_of_a_png_palette_are_read_where_the_record_does_not_say_how(tmp_path):
    picture = Image.fromarray(np.arange(200, dtype=np.uint8).reshape(10, 20), mode="P")
    picture.putpalette(np.arange(255, -1, -1, dtype=np.uint8).repeat(3).tobytes())
    picture.save(tmp_path / "cells.png")
    corrections = _referring(tmp_path / "cells.png", np.array(picture.convert("RGB")))
    folder = save_correction_set(tmp_path / "one", corrections)
    record = json.loads((folder / "correction.json").read_text(encoding="utf-8"))
    del record["image"]["as_shown"]
    (folder / "correction.json").write_text(json.dumps(record), encoding="utf-8")
    _assert_same(open_correction_set(folder), corrections)


def test_an_image_that_its_file_does_not_give_is_copied(tmp_path):
    tifffile.imwrite(tmp_path / "cells.tif", np.zeros((20, 30), np.uint16))
    corrections = _corrections(image_path=tmp_path / "cells.tif")
    folder = save_correction_set(tmp_path / "one", corrections)
    assert (folder / "image.tif").exists()
    _assert_same(open_correction_set(folder), corrections)


def test_saving_again_replaces_it(tmp_path):
    folder = save_correction_set(tmp_path / "one", _corrections())
    newer = _corrections(prediction=None, name="newer")
    save_correction_set(folder, newer)
    _assert_same(open_correction_set(folder), newer)
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_saving_again_leaves_everything_else_in_the_folder(tmp_path):
    folder = save_correction_set(tmp_path / "one", _corrections())
    (folder / "notes.txt").write_text("three days of work")
    (folder / "pictures").mkdir()
    (folder / "pictures" / "a.png").write_bytes(b"x")
    inner = save_correction_set(folder / "second", _corrections(name="second"))
    save_correction_set(folder, _corrections(prediction=None, name="newer"))
    assert open_correction_set(folder).name == "newer"
    assert not (folder / "prediction.tif").exists()
    assert (folder / "notes.txt").read_text() == "three days of work"
    assert (folder / "pictures" / "a.png").exists()
    assert open_correction_set(inner).name == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("new_is_there", [True, False])
def test_what_else_was_in_the_folder_comes_back_after_a_kill(tmp_path, new_is_there):
    folder = save_correction_set(tmp_path / "one", _corrections())
    (folder / "notes.txt").write_text("old")
    os.replace(folder, tmp_path / ".one.before")
    if new_is_there:
        save_correction_set(tmp_path / "other", _corrections())
        os.replace(tmp_path / "other", folder)
        (folder / "notes.txt").write_text("newer")
    save_correction_set(folder, _corrections(name="newest"))
    assert open_correction_set(folder).name == "newest"
    notes = {path.name: path.read_text() for path in folder.glob("notes*")}
    assert notes == ({"notes.txt": "newer", "notes.txt_2": "old"} if new_is_there else {"notes.txt": "old"})
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_link_stays_one_and_can_be_saved_in_again(tmp_path):
    (tmp_path / "disk").mkdir()
    corrections = _corrections(image_path=tmp_path / "cells.tif")
    tifffile.imwrite(tmp_path / "cells.tif", corrections.image)
    link = tmp_path / "here" / "mine"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "disk" / "mine", target_is_directory=True)
    for name in ("first", "second", "third"):
        save_correction_set(link, replace(corrections, name=name))
        assert open_correction_set(link).name == name
    assert is_correction_set(link)
    assert link.is_symlink()
    _assert_same(open_correction_set(tmp_path / "disk" / "mine"), replace(corrections, name="third"))
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["mine"]


def test_killed_between_two_renames_the_older_one_is_still_there(tmp_path):
    folder = save_correction_set(tmp_path / "one", _corrections())
    os.replace(folder, tmp_path / ".one.before")
    assert is_correction_set(folder)
    _assert_same(open_correction_set(folder), _corrections())
    save_correction_set(folder, _corrections(name="newer"))
    assert open_correction_set(folder).name == "newer"


def test_a_set_that_does_not_get_to_its_place_leaves_the_older_one_there(tmp_path, monkeypatch):
    """As on Windows, where a program has the folder open."""
    folder = save_correction_set(tmp_path / "one", _corrections())
    (folder / "notes.txt").write_text("old")
    real = os.replace

    def held(source, target):
        if os.fspath(source).endswith(".part"):
            raise PermissionError(errno.EACCES, "Permission denied")
        real(source, target)

    monkeypatch.setattr(os, "replace", held)
    with pytest.raises(OutputError, match="no permission"):
        save_correction_set(folder, _corrections(name="newer"))
    _assert_same(open_correction_set(folder), _corrections())
    assert (folder / "notes.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_nothing_else_is_ever_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    with pytest.raises(CorrectionSetError, match="Choose a new folder"):
        save_correction_set(tmp_path / "thesis", _corrections())
    (tmp_path / "file").write_text("x")
    with pytest.raises(CorrectionSetError):
        save_correction_set(tmp_path / "file", _corrections())
    (tmp_path / "empty").mkdir()
    save_correction_set(tmp_path / "empty", _corrections())


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot write"):
        save_correction_set(tmp_path / "file" / "one", _corrections())


def test_a_folder_that_cannot_be_looked_into_is_said_in_words(tmp_path, as_anybody):
    for name in ("one", "two"):
        save_correction_set(tmp_path / name, _corrections())
    said = as_anybody("""
from dataclasses import replace
from pathlib import Path
from napari_nucseg.data.correction_set import open_correction_set, save_correction_set
from napari_nucseg.errors import OutputError

corrections = replace(open_correction_set("one"), image_path=None)
for name, mode in (("one", 0o300), ("two", 0)):
    Path(name).chmod(mode)
    try:
        save_correction_set(name, corrections)
    except OutputError as error:
        print(error)
    Path(name).chmod(0o700)
""")
    assert [line.partition(":")[0] for line in said] == ["cannot write one", "cannot write two"]
    for name in ("one", "two"):
        _assert_same(open_correction_set(tmp_path / name), _corrections())


def test_files_that_cannot_be_read_are_said_and_are_no_missing_set(tmp_path, as_anybody):
    for name in ("image", "record"):
        save_correction_set(tmp_path / name, _corrections())
    said = as_anybody("""
from pathlib import Path
from napari_nucseg.data.correction_set import open_correction_set, stamp_of
from napari_nucseg.errors import CorrectionSetError

for name, file in (("image", "image.tif"), ("record", "correction.json")):
    Path(name, file).chmod(0)
    try:
        open_correction_set(name)
    except CorrectionSetError as error:
        print(error)
print(stamp_of("record"), stamp_of("missing"))
""")
    assert said == [
        "image/image.tif cannot be read: Permission denied.",
        "record/correction.json cannot be read: Permission denied.",
        "b'' None",
    ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param({"trust": np.zeros((20, 31), np.uint8)}, "trust map has shape", id="trust"),
        pytest.param({"labels": np.zeros((1, 1), np.int32)}, "labels has shape", id="labels"),
        pytest.param({"labels": np.full((20, 30), -1)}, "from 0", id="negative"),
        pytest.param({"labels": np.zeros((20, 30))}, "whole numbers", id="fractions"),
        pytest.param({"labels": np.full((20, 30), 2**31)}, "to 2,147,483,648; whole numbers", id="large"),
        pytest.param(
            {"prediction": np.full((20, 30), 2**32 + 2)}, "the prediction: got numbers", id="predicted"
        ),
        pytest.param({"trust": np.full((20, 30), 3, np.uint8)}, "other values", id="trust values"),
        pytest.param({"axes": "CYX"}, "axes", id="axes"),
    ],
)
def test_parts_that_do_not_belong_together_are_not_saved(tmp_path, more, words):
    with pytest.raises(CorrectionSetError, match=words):
        save_correction_set(tmp_path / "one", _corrections(**more))
    assert list(tmp_path.iterdir()) == []


def _edit_record(folder, **changes):
    path = folder / "correction.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        pytest.param(
            lambda f: (f / "correction.json").unlink(), "correction.json is missing", id="no record"
        ),
        pytest.param(lambda f: (f / "correction.json").write_text("{"), "damaged", id="no JSON"),
        pytest.param(lambda f: _edit_record(f, version=2), "newer", id="newer"),
        pytest.param(lambda f: _edit_record(f, more=1), "damaged", id="unknown field"),
        pytest.param(lambda f: (f / "labels.tif").unlink(), "labels.tif is missing", id="no labels"),
        pytest.param(
            lambda f: (f / "labels.tif").write_bytes(b"II*\x00"), "damaged or no image", id="torn labels"
        ),
        pytest.param(
            lambda f: tifffile.imwrite(f / "reviewed.tif", np.ones((2, 2), "u1")), "shape", id="trust"
        ),
        pytest.param(
            lambda f: tifffile.imwrite(f / "labels.tif", np.ones((20, 30), "f4")), "whole", id="floats"
        ),
        pytest.param(
            lambda f: tifffile.imwrite(f / "image.tif", np.ones((20, 30), "u2")), "changed", id="image"
        ),
        pytest.param(lambda f: (f / "image.tif").unlink(), "is not at", id="no image"),
        pytest.param(
            lambda f: tifffile.imwrite(f / "reviewed.tif", np.full((20, 30), 257, "u2")), "range", id="large"
        ),
    ],
)
def test_a_damaged_set_says_what_is_wrong(tmp_path, damage, words):
    folder = save_correction_set(tmp_path / "one", _corrections())
    damage(folder)
    with pytest.raises(CorrectionSetError, match=words):
        open_correction_set(folder)


def test_a_place_that_cannot_even_be_looked_at_is_said_to_be_none(tmp_path):
    """So it is with a drive that no longer answers; a name that is too long fails as early."""
    folder = tmp_path / ("x" * 300)
    assert not is_correction_set(folder)
    with pytest.raises(OutputError, match="the name is too long"):
        save_correction_set(folder, _corrections())
    assert "cannot write" in in_words(OSError(errno.EIO, "Input/output error"), folder / "labels.tif")


def test_no_set_at_all(tmp_path):
    assert not is_correction_set(tmp_path)
    with pytest.raises(CorrectionSetError, match="holds no corrections"):
        open_correction_set(tmp_path)
    with pytest.raises(CorrectionSetError, match="holds no corrections"):
        open_correction_set(tmp_path / "missing")
