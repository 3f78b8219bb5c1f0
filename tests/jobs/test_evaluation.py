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
from napari_nucseg.errors import DatasetError, ModelFileError
from napari_nucseg.jobs.evaluation import Evaluation, compare_labels, evaluate_model
from napari_nucseg.jobs.export import write_labels

if TYPE_CHECKING:
    from pathlib import Path


def drain(steps) -> Evaluation:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


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
    assert "(5, 5)" in result.failures[1].error
    assert "no prediction" in result.failures[2].error
    assert result.as_dict()["scores"] is None


def test_predictions_must_be_somewhere(tmp_path: Path, truth: Path) -> None:
    with pytest.raises(DatasetError, match="no folder"):
        drain(compare_labels(open_dataset(truth), tmp_path / "nowhere"))


def test_model_on_dataset_groups_by_kind(tmp_path: Path, truth: Path, tiny_model: str) -> None:
    index = tmp_path / "index.csv"
    index.write_text(
        "dataset,name,group,split,kind,height,width,n_nuclei\n"
        "x,a,g1,val,fluorescence,60,60,4\nx,b,g1,val,fluorescence,60,60,4\n"
        "x,c,g2,val,histology,60,60,4\n"
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


def test_unknown_model_is_said_before_the_first_image(truth: Path) -> None:
    with pytest.raises(ModelFileError, match="no-such-model"):
        next(evaluate_model(open_dataset(truth), {"model": "no-such-model"}))


def test_images_without_labels_are_failures(tmp_path: Path, tiny_model: str) -> None:
    Image.fromarray(np.zeros((30, 30), np.uint8)).save(tmp_path / "lonely.png")
    result = drain(evaluate_model(open_dataset(tmp_path), {"model": tiny_model}))
    assert "no labels" in result.failures[0].error
