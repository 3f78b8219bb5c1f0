"""Reference images: made ones, fetched ones in the cache, and what a user pins."""

import shutil

import numpy as np
import pytest
import tifffile

from napari_nucseg.data.correction_set import CorrectionSet, save_correction_set
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import TrainingError
from napari_nucseg.teaching.references import MOST_IMAGES, describe_pinned, labelled_images, reference_images


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NUCSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def dataset(folder, n, shape=(64, 64)):
    for i in range(n):
        sample = synthetic_fluorescence((64, 64), seed=i, diameter_px=14)
        for part, array in (("images", sample.image), ("labels", sample.labels[: shape[0], : shape[1]])):
            (folder / part).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / part / f"{i:02}.tif", array)
    return folder


def test_made_images_are_always_there_and_always_the_same():
    made = reference_images()
    assert [reference.name for reference in made] == ["synthetic fluorescence", "synthetic histology"]
    for (page,) in (reference.pages for reference in made):
        assert page.planes.shape[1:] == page.labels.shape
        assert page.taught.all()
        assert np.unique(page.labels).size > 40
        assert page.diameter_px > 10
    assert reference_images()[0] is made[0]


def test_fetched_samples_are_taken_from_the_cache(cache, test_data):
    from napari_nucseg.data.sample_data import find_sample

    fetched = find_sample("dsb2018-fluorescence")
    for image_id in fetched.image_ids:
        source = test_data / "dsb2018" / "stage1_train" / image_id
        shutil.copytree(source, cache / fetched.name / image_id)
    reference = reference_images()[2]
    assert (reference.name, len(reference.pages)) == ("DSB2018 fluorescence", 5)


def test_a_large_dataset_is_looked_at_here_and_there(tmp_path):
    reference = labelled_images(dataset(tmp_path / "mine", 30))
    assert (reference.name, len(reference.pages)) == ("mine", MOST_IMAGES)
    assert reference.pages[0].name.endswith("00")
    assert reference.pages[-1].name.endswith("29")


def test_of_a_correction_set_the_reviewed_area_counts(tmp_path):
    sample = synthetic_fluorescence((64, 64), diameter_px=14)
    trust = np.zeros((64, 64), np.uint8)
    trust[:32] = 1
    save_correction_set(tmp_path / "set", CorrectionSet(sample.image, "YX", sample.labels, trust))
    (page,) = reference_images([tmp_path / "set"])[-1].pages
    assert page.taught[:32].all()
    assert not page.taught[32:].any()


def test_what_is_pinned_is_described_as_it_will_be_compared(tmp_path):
    sample = synthetic_fluorescence((64, 64), diameter_px=14)
    reviewed = np.ones((64, 64), np.uint8)
    for name, trust in (("set", reviewed), ("unreviewed", 0 * reviewed)):
        save_correction_set(tmp_path / name, CorrectionSet(sample.image, "YX", sample.labels, trust))
    use = describe_pinned(tmp_path / "set", "mine").use
    assert (use.name, use.n_nuclei, use.problem) == ("mine", sample.labels.max(), "")
    assert describe_pinned(dataset(tmp_path / "many", 30), "many").use.n_images == MOST_IMAGES
    stack = [np.stack([part, part]) for part in (sample.image, sample.labels, reviewed)]
    save_correction_set(tmp_path / "stack", CorrectionSet(stack[0], "ZYX", *stack[1:]))
    use = describe_pinned(tmp_path / "stack", "stack").use
    assert (use.n_images, use.n_planes) == (1, 2)
    use = describe_pinned(tmp_path / "unreviewed", "mine").use
    assert (use.n_nuclei, use.problem) == (0, "No nucleus in it is reviewed or labelled.")
    with pytest.raises(TrainingError, match=r"compared on .*unreviewed: No nucleus in it is reviewed"):
        reference_images([tmp_path / "unreviewed"])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda path: None, "", id="missing"),
        pytest.param(lambda path: path.mkdir(), "", id="empty folder"),
        pytest.param(lambda path: dataset(path, 1, (40, 64)), "differ in size", id="labels of another size"),
        pytest.param(lambda path: path.write_text("no image"), "", id="no image"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(tmp_path, make, words):
    make(tmp_path / "pinned")
    with pytest.raises(TrainingError, match=f"(?s)cannot be compared on .*pinned.*{words}"):
        reference_images([tmp_path / "pinned"])
