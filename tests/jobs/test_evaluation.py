"""Datasets and folders scored: numbers as from evaluate, failures listed, kinds told apart."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_nucseg import evaluate, open_dataset
from napari_nucseg.data.rows import read_rows, select_rows
from napari_nucseg.errors import DatasetError, ModelFileError, SettingsError
from napari_nucseg.jobs.batch import segment_files
from napari_nucseg.jobs.batch_files import Outputs
from napari_nucseg.jobs.evaluation import compare_labels, evaluate_model
from napari_nucseg.jobs.export import write_labels
from napari_nucseg.jobs.prediction_files import PredictionFiles
from napari_nucseg.network.model_file import load_model
from napari_nucseg.nuclei.scoring import METRICS
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    from pathlib import Path


def squares(shift: int = 0) -> np.ndarray:
    labels = np.zeros((60, 60), np.int32)
    for i, (y, x) in enumerate([(5, 5), (5, 30), (30, 5), (30, 30)]):
        labels[y + shift : y + shift + 12, x : x + 12] = i + 1
    return labels


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """A plain folder dataset: three images with their labels beside them."""
    folder = tmp_path / "truth"
    (folder / "images").mkdir(parents=True)
    for name in ("a", "b", "c"):
        pixels = (squares() > 0).astype(np.uint8) * 200
        Image.fromarray(pixels).save(folder / "images" / f"{name}.png")
        write_labels(folder / "labels" / f"{name}.tif", squares())
    return folder


def test_label_files_score_as_evaluate_does(tmp_path: Path, truth: Path) -> None:
    for name, shift in (("a", 0), ("b", 3), ("c", 6)):
        write_labels(tmp_path / "pred" / f"{name}_labels.tif", squares(shift))
    (tmp_path / "pred" / "a_table.csv").write_text("not an image")
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "pred" / "a_overlay.png")
    result = drain(compare_labels(open_dataset(truth), tmp_path / "pred"))
    expected = evaluate([squares()] * 3, [squares(s) for s in (0, 3, 6)])
    assert result.failures == ()
    assert result.scores.as_dict() == expected.as_dict()
    assert 0 < result.scores.ap50 < 1
    json.dumps(result.as_dict())


def test_truth_may_be_plain_label_files(tmp_path: Path, truth: Path) -> None:
    result = drain(compare_labels(open_dataset(truth / "labels"), truth / "labels"))
    assert (result.scores.mean_ap, result.scores.n_images) == (1.0, 3)


def test_an_image_without_labels_is_not_its_own_truth(tmp_path: Path, truth: Path) -> None:
    shutil.copytree(truth / "labels", tmp_path / "pred")
    (truth / "labels" / "b.tif").unlink()
    result = drain(compare_labels(open_dataset(truth), tmp_path / "pred"))
    assert [failure.name for failure in result.failures] == ["b"]
    assert "no labels" in result.failures[0].error
    assert result.scores.ap50 == 1


def test_missing_broken_and_misfitting_predictions_are_listed(tmp_path: Path, truth: Path) -> None:
    (tmp_path / "pred").mkdir()
    (tmp_path / "pred" / "a.tif").write_bytes(b"II*\x00 and nothing else")
    write_labels(tmp_path / "pred" / "b.tif", np.ones((5, 5), int))
    result = drain(compare_labels(open_dataset(truth), tmp_path / "pred"))
    assert [failure.name for failure in result.failures] == ["a", "b", "c"]
    assert "a.tif" in result.failures[0].error
    assert all(part in result.failures[1].error for part in ("(5, 5)", "(60, 60)", "pred", "b.tif", "truth"))
    assert "no prediction" in result.failures[2].error
    assert result.as_dict()["scores"] is None


def test_labels_come_before_a_mask(tmp_path: Path, truth: Path) -> None:
    for ending in ("", "_labels", "_mask"):
        shift = 0 if ending == "_labels" else 20
        write_labels(tmp_path / "pred" / f"a{ending}.tif", squares(shift))
    result = drain(compare_labels(open_dataset(truth).select(["a"]), tmp_path / "pred"))
    assert result.scores.ap50 == 1


@pytest.mark.parametrize("stem", ["a", "a_labels"])
@pytest.mark.parametrize(
    "other",
    [
        pytest.param(squares(20), id="other labels"),
        pytest.param(np.stack([squares(), squares(1), squares(2)], axis=-1), id="a picture"),
    ],
)
def test_two_files_for_one_image_are_told(tmp_path: Path, truth: Path, stem: str, other) -> None:
    write_labels(tmp_path / "pred" / f"{stem}.tif", squares())
    Image.fromarray(other.astype(np.uint8)).save(tmp_path / "pred" / f"{stem}.png")
    result = drain(compare_labels(open_dataset(truth).select(["a"]), tmp_path / "pred"))
    assert all(name in result.failures[0].error for name in (f"{stem}.png", f"{stem}.tif", "leave one"))


@pytest.mark.parametrize("stem", ["a", "a_labels"])
def test_two_files_of_the_same_labels_are_one_prediction(tmp_path: Path, truth: Path, stem: str) -> None:
    write_labels(tmp_path / "pred" / f"{stem}.tif", squares())
    Image.fromarray(squares().astype(np.uint8)).save(tmp_path / "pred" / f"{stem}.png")
    result = drain(compare_labels(open_dataset(truth).select(["a"]), tmp_path / "pred"))
    assert (result.failures, result.scores.ap50) == ((), 1)


@pytest.fixture
def namesakes(tmp_path: Path) -> Path:
    """Two images called cell, whose nuclei lie at different places, in two folders."""
    for folder, shift in (("a", 0), ("b", 10)):
        write_labels(tmp_path / "truth" / folder / "cell_labels.tif", squares(shift))
        Image.fromarray(np.zeros((60, 60), np.uint8)).save(tmp_path / "truth" / folder / "cell.png")
    return tmp_path / "truth"


def test_namesakes_are_told_apart_by_their_folders(tmp_path: Path, namesakes: Path, tiny_model: str) -> None:
    images = sorted(namesakes.glob("*/cell.png"))
    written = drain(segment_files(images, Outputs(tmp_path / "pred"), {"model": tiny_model, "device": "cpu"}))
    assert [result.error for result in written] == [None, None]
    for result, shift in zip(written, (0, 10), strict=True):
        write_labels(result.labels, squares(shift))
    result = drain(compare_labels(open_dataset(namesakes), tmp_path / "pred"))
    assert (result.scores.n_images, result.scores.ap50) == (2, 1)


def test_predictions_with_more_folders_before_are_those_of_the_longest_name(tmp_path: Path) -> None:
    for name in ("x_a_cell_labels", "y_a_cell_labels", "ba_cell_labels"):
        write_labels(tmp_path / f"{name}.tif", squares())
    files = PredictionFiles(tmp_path, ["a/cell", "x/a/cell"])
    assert files.find("x/a/cell").name == "x_a_cell_labels.tif"
    assert files.find("a/cell").name == "y_a_cell_labels.tif"


def test_predictions_are_found_without_the_folders_that_all_images_lie_in(tmp_path: Path) -> None:
    for name in ("p_cell_labels", "q_cell_labels", "r_cell_labels", "s_cell_labels"):
        write_labels(tmp_path / f"{name}.tif", squares())
    others = ["i/p/cell", "i/r/cell", "k/r/cell", "i/s/cell", "s_cell"]
    files = PredictionFiles(tmp_path, ["images/q/cell", *others])
    assert files.find("images/q/cell").name == "q_cell_labels.tif"
    assert files.find("i/p/cell").name == "p_cell_labels.tif"
    assert files.find("s_cell").name == "s_cell_labels.tif"
    for sample in ("i/r/cell", "k/r/cell", "i/s/cell"):
        with pytest.raises(DatasetError, match="no prediction"):
            files.find(sample)


def test_of_names_that_are_one_in_a_file_the_first_is_meant(tmp_path: Path) -> None:
    write_labels(tmp_path / "a_b_c_labels.tif", squares())
    files = PredictionFiles(tmp_path, ["a/b_c", "a_b/c"])
    assert files.find("a/b_c").name == "a_b_c_labels.tif"
    with pytest.raises(DatasetError, match="no prediction"):
        files.find("a_b/c")


def test_one_prediction_is_not_scored_against_two_namesakes(tmp_path: Path, namesakes: Path) -> None:
    write_labels(tmp_path / "pred" / "cell_labels.tif", squares())
    write_labels(tmp_path / "pred" / "b_cell_labels.tif", squares(10))
    result = drain(compare_labels(open_dataset(namesakes), tmp_path / "pred"))
    assert "name the prediction of this one a_cell_labels" in result.failures[0].error
    assert [(image.name, image.scores.ap50) for image in result.images] == [("b/cell", 1)]


def test_predictions_of_a_folder_and_one_within_it_are_told_apart(tmp_path: Path) -> None:
    for name in ("cell_labels", "b_cell_labels"):
        write_labels(tmp_path / f"{name}.tif", squares())
    files = PredictionFiles(tmp_path, ["images/b/cell", "images/cell", "other"])
    assert files.find("images/cell").name == "cell_labels.tif"
    assert files.find("images/b/cell").name == "b_cell_labels.tif"
    (tmp_path / "b_cell_labels.tif").rename(tmp_path / "other_labels.tif")
    for sample in ("images/cell", "images/b/cell"):
        with pytest.raises(DatasetError, match="may belong to any of the 2 images called cell"):
            files = PredictionFiles(tmp_path, ["images/b/cell", "images/cell", "other"])
            files.find(sample)


def test_slices_of_a_stack_are_one_image(tmp_path: Path) -> None:
    write_labels(tmp_path / "truth" / "s.tif", np.stack([squares(), squares()]), axes="TYX")
    numbered_on = np.stack([squares(), np.where(squares(3) > 0, squares(3) + 4, 0)])
    write_labels(tmp_path / "pred" / "s_labels.tif", numbered_on, axes="TYX")
    result = drain(compare_labels(open_dataset(tmp_path / "truth"), tmp_path / "pred"))
    planes = evaluate([squares(), squares()], [squares(), squares(3)])
    assert result.scores.n_images == 1
    assert {name: result.scores.pooled(name) for name in METRICS} == {
        name: planes.pooled(name) for name in METRICS
    }
    assert result.images[0].true_diameter_px == pytest.approx(2 * 12 / np.sqrt(np.pi))


@pytest.mark.parametrize(
    ("last", "masks"), [pytest.param(2, 0, id="one nucleus in a slice"), pytest.param(1, 1, id="one value")]
)
def test_a_stack_is_a_mask_where_all_of_it_has_one_value(tmp_path: Path, last: int, masks: int) -> None:
    planes = np.stack([squares() > 0, squares() == 1]).astype(np.int32)
    planes[1] *= last
    write_labels(tmp_path / "s.tif", planes, axes="TYX")
    result = drain(compare_labels(open_dataset(tmp_path), tmp_path))
    assert result.scores.n_true == 5
    assert len(result.notes) == masks


def test_a_predicted_stack_that_names_no_axes_has_those_of_its_truth(tmp_path: Path) -> None:
    planes = np.stack([squares(), squares(3), squares(6)]).astype(np.uint16)
    write_labels(tmp_path / "truth" / "s.tif", planes, axes="TYX")
    (tmp_path / "pred").mkdir()
    tifffile.imwrite(tmp_path / "pred" / "s.tif", planes, photometric="minisblack")
    result = drain(compare_labels(open_dataset(tmp_path / "truth"), tmp_path / "pred"))
    assert (result.failures, result.scores.ap50, result.scores.n_true) == ((), 1, 12)


def test_a_stack_in_place_of_an_image_is_told_with_what_to_do(tmp_path: Path, truth: Path) -> None:
    write_labels(tmp_path / "pred" / "a.tif", squares())
    write_labels(truth / "labels" / "a.tif", np.stack([squares()] * 5), axes="ZYX")
    result = drain(compare_labels(open_dataset(truth).select(["a"]), tmp_path / "pred"))
    assert all(words in result.failures[0].error for words in ("a stack of shape (5, 60, 60)", "--truth"))


def test_pictures_are_no_labels(tmp_path: Path, truth: Path, test_data: Path) -> None:
    pictures = sorted((test_data / "cpm15").glob("image0*.png"))[:1]
    (tmp_path / "grey").mkdir()
    with Image.open(pictures[0]) as picture:
        picture.convert("L").save(tmp_path / "grey" / "a.png")
    result = drain(compare_labels(open_dataset(tmp_path / "grey"), tmp_path / "grey"))
    assert "is it a picture" in result.failures[0].error
    result = drain(compare_labels(open_dataset(truth).select(["a"]), tmp_path / "grey"))
    assert "is it a picture" in result.failures[0].error


def test_cellposes_label_files_belong_to_their_images(tmp_path: Path, truth: Path) -> None:
    (tmp_path / "pred").mkdir()
    for file in (truth / "labels").iterdir():
        shutil.copy(file, tmp_path / "pred" / f"{file.stem}_cp_masks.tif")
    result = drain(compare_labels(open_dataset(truth), tmp_path / "pred"))
    assert (result.scores.mean_ap, result.failures) == (1.0, ())


def test_predictions_must_be_somewhere(tmp_path: Path, truth: Path) -> None:
    with pytest.raises(DatasetError, match="no folder"):
        drain(compare_labels(open_dataset(truth), tmp_path / "nowhere"))


def test_predictions_in_zarr_are_said(tmp_path: Path, truth: Path) -> None:
    zarr = tmp_path / "pred" / "a.zarr"
    zarr.mkdir(parents=True)
    (zarr / ".zarray").write_text("{}")
    for name, folder in (("b", zarr), ("c.zarr", zarr.parent)):
        shutil.make_archive(str(tmp_path / name), "zip", folder)
    for place in (zarr, zarr.parent, tmp_path / "b.zip", tmp_path / "c.zarr.zip"):
        with pytest.raises(DatasetError, match="zarr is not read by nucseg: save the labels as TIFF"):
            drain(compare_labels(open_dataset(truth), place))


def test_model_on_dataset_groups_by_kind(tmp_path: Path, truth: Path, tiny_model: str) -> None:
    index = tmp_path / "index.csv"
    index.write_text(
        "dataset,name,group,split,kind\n"
        "x,a,g1,val,fluorescence\nx,b,g1,val,fluorescence\n"
        "x,c,g2,val,histology\n"
    )
    tifffile.imwrite(truth / "labels" / "b.tif", np.ones((3, 3), np.uint16))
    dataset = select_rows(open_dataset(truth), read_rows(index, split="val"))
    result = drain(evaluate_model(dataset, {"model": tiny_model, "device": "cpu"}, true_diameter=True))
    assert [(i.name, i.kind, i.group) for i in result.images] == [
        ("a", "fluorescence", "g1"),
        ("c", "histology", "g2"),
    ]
    assert list(result.by_kind) == ["fluorescence", "histology"]
    assert [f.name for f in result.failures] == ["b"]
    assert result.images[0].diameter_px == result.images[0].true_diameter_px
    assert result.scores.n_true == 8
    json.dumps([image.as_dict() for image in result.images])


def test_a_model_is_told_what_a_sample_says_of_itself(tmp_path: Path, tiny_model: str) -> None:
    channels = np.stack([np.zeros((60, 60)), squares() > 0]).astype(np.uint8) * 200
    metadata = {"axes": "CYX", "Channel": {"Name": ["GFP", "DAPI"]}, "PhysicalSizeX": 0.5}
    tifffile.imwrite(tmp_path / "a.ome.tif", channels, metadata=metadata)
    write_labels(tmp_path / "a_labels.tif", squares())
    choices = {"model": tiny_model, "device": "cpu", "diameter_um": 6}
    result = drain(evaluate_model(open_dataset(tmp_path), choices))
    assert (result.failures, result.images[0].diameter_px) == ((), 12)
    unchosen = choices | {"model": None, "axes": None, "channel": None, "pixel_size_um": None}
    result = drain(evaluate_model(open_dataset(tmp_path), unchosen, model=load_model(tiny_model)))
    assert (result.failures, result.images[0].diameter_px) == ((), 12)
    result = drain(evaluate_model(open_dataset(tmp_path), choices | {"channel": 2}))
    assert "choose 0 to 1" in result.failures[0].error, "another channel may be chosen"


def test_choices_are_checked_for_a_loaded_model_too(truth: Path, tiny_model: str) -> None:
    with pytest.raises(SettingsError, match="qualities"):
        next(evaluate_model(open_dataset(truth), {"qualities": "fast"}, model=load_model(tiny_model)))


def test_unknown_model_is_said_before_the_first_image(truth: Path) -> None:
    with pytest.raises(ModelFileError, match="no-such-model"):
        next(evaluate_model(open_dataset(truth), {"model": "no-such-model"}))


def test_images_without_labels_are_failures(tmp_path: Path, tiny_model: str) -> None:
    Image.fromarray(np.zeros((30, 30), np.uint8)).save(tmp_path / "lonely.png")
    result = drain(evaluate_model(open_dataset(tmp_path), {"model": tiny_model}))
    assert "no labels" in result.failures[0].error
