"""Corrections that were saved become labels, tables, outlines and overlays for other programs."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from napari_nucseg.cli import main
from napari_nucseg.data.correction_set import CorrectionSet, save_correction_set
from napari_nucseg.data.images import read_image
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.nuclei.measuring import areas_in

CELLS = synthetic_fluorescence((96, 120), seed=2)
TISSUE = synthetic_histology((96, 120), seed=2)


@pytest.fixture
def save(tmp_path):
    def save(name, image, axes, labels, **more):
        parts = {"image": image, "axes": axes, "labels": labels, "trust": np.zeros_like(labels, np.uint8)}
        return save_correction_set(tmp_path / "work" / name, CorrectionSet(name=name, **parts, **more))

    return save


def export(tmp_path, *arguments):
    return main(["export", *map(str, arguments), "-o", str(tmp_path / "out")])


def columns(path):
    return path.read_text().splitlines()[0].split(",")


def test_all_files_of_an_image_are_those_of_its_corrected_nuclei(save, tmp_path, capsys):
    folder = save("cells", CELLS.image, "YX", CELLS.labels, pixel_size_um=0.5)
    assert export(tmp_path, folder, "--table", "--outlines", "--overlay") == 0
    out, n = tmp_path / "out", int(CELLS.labels.max())
    assert f"{n} nuclei" in capsys.readouterr().out
    labels = read_image(out / "cells_labels.tif")
    np.testing.assert_array_equal(labels.pixels, CELLS.labels)
    assert labels.pixel_size_um == pytest.approx(0.5)
    assert areas_in(out / "cells_table.csv") == np.bincount(CELLS.labels.ravel())[1:].tolist()
    assert {"area_um2", "mean_intensity"} < {*columns(out / "cells_table.csv")}
    assert len(json.loads((out / "cells_outlines.geojson").read_text())["features"]) == n
    assert Image.open(out / "cells_overlay.png").size == (120, 96)


def test_a_folder_of_sets_is_exported_and_a_broken_one_stops_nothing(save, tmp_path, capsys):
    save("a", CELLS.image, "YX", CELLS.labels)
    broken = save("b", CELLS.image, "YX", CELLS.labels)
    (broken / "labels.tif").write_bytes(b"II*\0")
    save("c", TISSUE.image, "YXC", TISSUE.labels)
    assert export(tmp_path, tmp_path / "work", "--table") == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{name}_{file}" for name in "ac" for file in ("labels.tif", "table.csv")
    ]
    assert "mean_intensity_2" in columns(tmp_path / "out" / "c_table.csv")
    told = capsys.readouterr()
    assert "labels.tif" in told.err
    assert "2 images exported, 1 failed" in told.err


def test_images_of_one_name_get_files_of_their_own(save, tmp_path):
    shutil.copytree(save("cells", CELLS.image, "YX", CELLS.labels), tmp_path / "work" / "other")
    assert export(tmp_path, tmp_path / "work") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "cells_2_labels.tif",
        "cells_labels.tif",
    ]


@pytest.mark.parametrize("axes", ["ZTYX", "TZYX", "ZYX", "TYX", "ZYXT", "CZYX", "TCYX"])
def test_slices_keep_their_nuclei_in_whatever_order_the_axes_are(save, tmp_path, axes):
    sizes = {"T": 2, "Z": 3, "C": 2, "Y": 8, "X": 9}
    image = np.random.default_rng(0).integers(0, 99, [sizes[a] for a in axes], np.uint16)
    letters = axes.replace("C", "")
    labels = np.random.default_rng(1).integers(0, 4, [sizes[a] for a in letters], np.int32)
    assert export(tmp_path, save("stack", image, axes, labels), "--table", "--channel", "0") == 0
    out = read_image(tmp_path / "out" / "stack_labels.tif")
    walked = [letter for letter in "TZ" if letter in letters]
    assert out.axes == "".join(walked) + "YX"
    np.testing.assert_array_equal(out.pixels, labels.transpose([letters.index(a) for a in out.axes]))
    named = columns(tmp_path / "out" / "stack_table.csv")
    assert named[: len(walked) + 1] == [*map(str.lower, walked), "label"]


def test_of_several_channels_the_one_that_was_segmented_is_measured_or_is_asked_for(save, tmp_path, capsys):
    image = np.stack([CELLS.image, 255 - CELLS.image])
    inside = CELLS.labels == 1

    def mean():
        return float((tmp_path / "out" / "cells_table.csv").read_text().splitlines()[1].split(",")[-1])

    assert export(tmp_path, save("cells", image, "CYX", CELLS.labels), "--table") == 1
    assert "--channel NUMBER" in capsys.readouterr().err
    folder = save("cells", image, "CYX", CELLS.labels, settings={"channel": 1})
    assert export(tmp_path, folder, "--table") == 0
    assert mean() == pytest.approx(image[1][inside].mean())
    assert export(tmp_path, folder, "--table", "--channel", "0", "--overwrite") == 0
    assert mean() == pytest.approx(image[0][inside].mean())


def test_a_file_is_replaced_only_when_that_is_said_and_an_image_never(save, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    image = out / "cells_labels.tif"
    Image.fromarray(CELLS.image).save(image)
    before = image.read_bytes()
    folder = save("cells", CELLS.image, "YX", CELLS.labels, image_path=image)
    for more in ((), ("--overwrite",)):
        assert export(tmp_path, folder, *more) == 1
        assert image.read_bytes() == before
    other = save("other", CELLS.image, "YX", CELLS.labels)
    (out / "other_labels.tif").write_text("mine")
    assert export(tmp_path, other) == 1
    assert (out / "other_labels.tif").read_text() == "mine"
    assert "--overwrite" in capsys.readouterr().err
    assert export(tmp_path, other, "--overwrite") == 0
    np.testing.assert_array_equal(read_image(out / "other_labels.tif").pixels, CELLS.labels)


def test_what_was_exported_is_not_replaced_by_what_a_model_finds(save, tmp_path, capsys):
    image = tmp_path / "cells.png"
    Image.fromarray(CELLS.image).save(image)
    assert export(tmp_path, save("cells", CELLS.image, "YX", CELLS.labels, image_path=image)) == 0
    assert main(["segment", str(image), "-o", str(tmp_path / "out"), "--diameter", "24"]) == 1
    assert "there already" in capsys.readouterr().err
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "cells_labels.tif").pixels, CELLS.labels)


def test_a_folder_without_corrections_is_named(tmp_path, capsys):
    assert export(tmp_path, tmp_path) == 2
    assert "holds no corrections" in capsys.readouterr().err


def test_one_table_holds_the_nuclei_of_all_images_by_name(save, tmp_path, capsys):
    save("grey", CELLS.image, "YX", CELLS.labels)
    save("stack", np.stack([CELLS.image] * 2), "ZYX", np.stack([CELLS.labels, 0 * CELLS.labels]))
    save("tissue", TISSUE.image, "YXC", TISSUE.labels, pixel_size_um=0.5)
    (tmp_path / "all.csv").write_text("mine")
    said = (tmp_path / "work", "--one-table", tmp_path / "all.csv")
    assert export(tmp_path, *said) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert export(tmp_path, *said, "--overwrite") == 0
    with (tmp_path / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    n_cells, n_tissue = int(CELLS.labels.max()), int(TISSUE.labels.max())
    assert [row["image"] for row in rows] == ["grey"] * n_cells + ["stack"] * n_cells + ["tissue"] * n_tissue
    assert list(rows[0])[:3] == ["image", "z", "label"]
    assert [rows[0]["z"], rows[n_cells]["z"], rows[-1]["z"]] == ["", "0", ""]
    assert [rows[0]["area_um2"], float(rows[-1]["area_um2"])] == ["", int(rows[-1]["area_px"]) / 4]
    with (tmp_path / "out" / "grey_table.csv").open(newline="") as file:
        alone = list(csv.DictReader(file))
    assert [{name: row[name] for name in alone[0]} for row in rows[:n_cells]] == alone


def test_a_set_whose_saving_was_killed_half_way_is_found_by_its_name(save, tmp_path):
    folder = save("cells", CELLS.image, "YX", CELLS.labels)
    folder.rename(folder.with_name(".cells.before"))
    assert export(tmp_path, folder) == 0
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "cells_labels.tif").pixels, CELLS.labels)
