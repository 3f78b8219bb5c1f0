"""Which runs are gone on with: those whose images and start are what they were, wherever these lie now."""

import shutil

import pytest
from tifffile import imread, imwrite

from napari_nucseg.errors import TrainingError

LOOKING = {"steps": 4}
STOPPING = {"early_stop": {"score": "auc", "patience": 9}, **LOOKING}


@pytest.fixture
def project(tmp_path, folder):
    """Return a folder that holds images to learn from, ``mine``, and images to score on, ``held``."""
    for name in ("mine", "held"):
        shutil.copytree(folder, tmp_path / "project" / name)
    return tmp_path / "project"


def learning_from(project):
    return {
        "data": [{"path": str(project / "mine")}],
        "validation": {"data": [{"path": str(project / "held")}], "every": 2},
    }


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
def test_other_images_to_score_on_are_refused_where_they_decide(
    project, write_job, train, change, where, named
):
    held = learning_from(project) | STOPPING | ({} if named else {"validation": {"images": 1, "every": 2}})
    train(write_job(**held), steps=2)
    assert train(write_job(**held), resume=True, steps=3)[1][-1].step == 3
    for path in (project / ("held" if named else "mine") / where).glob("*.tif"):
        change(path)
    with pytest.raises(TrainingError, match=r"other images or labels held back to score on\. Restore them"):
        train(write_job(**held), resume=True)


def test_other_images_to_look_on_change_nothing(project, write_job, train):
    train(write_job(**learning_from(project), **LOOKING), steps=2)
    relabelled(project / "held" / "labels" / "0.tif")
    assert train(write_job(**learning_from(project), **LOOKING), resume=True)[1][-1].step == 4


def test_another_model_in_the_file_to_start_from_is_refused(write_job, train):
    first, _ = train(write_job(name="first", **LOOKING))
    second, _ = train(write_job(name="second", seed=5, **LOOKING))
    whole = first.read_bytes()
    train(write_job(start=str(first), **LOOKING), steps=2)
    shutil.copy(second, first)
    with pytest.raises(
        TrainingError, match=r"made with other weights to start from \(start\)\. Restore them"
    ):
        train(write_job(start=str(first), **LOOKING), resume=True)
    first.write_bytes(whole)
    assert train(write_job(start=str(first), **LOOKING), resume=True)[1][-1].step == 4


def test_a_project_that_moved_goes_on(project, write_job, train):
    start, _ = train(write_job(name="start", **LOOKING))
    shutil.copy(start, project)
    train(write_job(start=str(project / start.name), **learning_from(project), **STOPPING), steps=2)
    moved = project.rename(project.with_name("elsewhere"))
    changed = write_job(start=str(moved / start.name), **learning_from(moved), **STOPPING)
    assert [p.step for p in train(changed, resume=True)[1] if p.losses] == [3, 4]


def test_all_that_changed_is_said_at_once(write_job, train):
    train(write_job(**LOOKING), steps=2)
    start, _ = train(write_job(name="start", **LOOKING))
    with pytest.raises(
        TrainingError, match=r"other settings \(seed\), and other weights to start from \(start\)"
    ):
        train(write_job(start=str(start), seed=1, **LOOKING), resume=True)
