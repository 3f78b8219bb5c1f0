"""Which runs are gone on with: those whose images and start are what they were, wherever these lie now."""

import shutil

import pytest
import yaml
from tests.learning.conftest import NETWORKS, SMALL, write_pairs
from tifffile import imread, imwrite

from napari_nucseg.errors import TrainingError

STOPPING = {"early_stop": {"score": "auc", "patience": 9}, "size": None, "judge": None}
VALIDATION = {"data": [{"path": "held"}], "every": 2}
LOOKING = {"size": None, "judge": None}


@pytest.fixture
def project(tmp_path):
    """Return a folder with images to learn from, images to score on, and a function that writes its job there."""
    root = tmp_path / "project"
    write_pairs(root / "mine", 3)
    write_pairs(root / "held", 1, size=128)

    def write(folder=root, **changes):
        content = {**SMALL, "architecture": NETWORKS["unet"], "data": [{"path": "mine"}], "output": "runs"}
        path = folder / "job.yaml"
        path.write_text(yaml.safe_dump({**content, "steps": 4, **changes}))
        return path

    return root, write


def relabelled(path):
    labels = imread(path)
    labels[labels == labels.max()] = 0
    imwrite(path, labels)


def darkened(path):
    imwrite(path, imread(path) // 2)


@pytest.mark.parametrize(
    ("change", "where"),
    [pytest.param(relabelled, "labels", id="labels"), pytest.param(darkened, "images", id="pixels")],
)
@pytest.mark.parametrize("named", [True, False])
def test_other_images_to_score_on_are_refused_where_they_decide(project, train, change, where, named):
    root, write = project
    held = {"validation": VALIDATION if named else {"images": 1, "every": 2}, **STOPPING}
    train(write(**held), steps=2)
    unchanged = train(write(**held), resume=True, steps=3)[1]
    assert unchanged[-1].step == 3
    for path in (root / ("held" if named else "mine") / where).glob("*.tif"):
        change(path)
    with pytest.raises(TrainingError, match=r"other images or labels held back to score on\. Restore them"):
        train(write(**held), resume=True)


def test_other_images_to_look_on_change_nothing(project, train):
    root, write = project
    train(write(validation=VALIDATION, **LOOKING), steps=2)
    relabelled(root / "held" / "labels" / "0.tif")
    assert train(write(validation=VALIDATION, **LOOKING), resume=True)[1][-1].step == 4


def test_another_model_in_the_file_to_start_from_is_refused(project, train):
    _, write = project
    first, _ = train(write(name="first", steps=1, **LOOKING))
    second, _ = train(write(name="second", steps=1, seed=5, **LOOKING))
    whole = first.read_bytes()
    train(write(start=str(first), **LOOKING), steps=2)
    shutil.copy(second, first)
    with pytest.raises(
        TrainingError, match=r"made with other weights to start from \(start\)\. Restore them"
    ):
        train(write(start=str(first), **LOOKING), resume=True)
    first.write_bytes(whole)
    assert train(write(start=str(first), **LOOKING), resume=True)[1][-1].step == 4


def test_a_project_that_moved_goes_on(project, train):
    root, write = project
    start, _ = train(write(name="start", steps=1, **LOOKING))
    changes = {"start": f"runs/start/{start.name}", "validation": VALIDATION, **STOPPING}
    train(write(**changes), steps=2)
    moved = root.rename(root.with_name("elsewhere"))
    path, seen = train(write(moved, **changes), resume=True)
    assert [p.step for p in seen if p.losses] == [3, 4]
    assert path.is_relative_to(moved)


def test_all_that_changed_is_said_at_once(project, train):
    _, write = project
    train(write(**LOOKING), steps=2)
    start, _ = train(write(name="start", steps=1, **LOOKING))
    changed = write(start=str(start), seed=1, **LOOKING)
    with pytest.raises(
        TrainingError, match=r"other settings \(seed\), and other weights to start from \(start\)"
    ):
        train(changed, resume=True)
