"""What a model's card lists of the images it learned from, and who hears of it later."""

import hashlib

import numpy as np

from napari_nucseg.cli import main
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.same_pixels import sha256_of_pixels
from napari_nucseg.learning import learned_images
from napari_nucseg.learning.learned_images import list_learned
from napari_nucseg.network.model_file import load_model
from napari_nucseg.teaching.examples import read_examples
from napari_nucseg.teaching.job import FinetuneJob
from napari_nucseg.teaching.pages import annotated_page


def test_images_learned_from_are_known_when_they_are_compared_or_taught(write_job, train, folder, capsys):
    changes = {"steps": 1, "validation": {"images": 1}}
    new, _ = train(write_job(**changes, name="new"))
    other, _ = train(write_job(**changes, name="other"))
    listed = load_model(new).card.learned_images
    pages = {page.name: page.image_sha256 for page in map(annotated_page, open_dataset(folder))}
    assert len(listed) == 3
    assert {*listed} < {*pages.values()}
    examples = [{"path": folder / "images" / f"{name}.tif"} for name, key in pages.items() if key in listed]
    assert "learned from" in read_examples(FinetuneJob(model=str(new), examples=examples)).remark
    everything = read_examples(FinetuneJob(model=str(new), examples=[{"path": folder}]))
    assert [lesson.image_sha256 in listed for lesson in everything.held_out] == [False], "the one held back"
    again, _ = train(write_job(**changes, name="again", start=str(new)))
    assert load_model(again).card.learned_images == listed
    assert main(["models", "compare", str(new), "nuclei-unet", "--data", str(folder)]) == 0
    assert "new learned from" in capsys.readouterr().err
    assert main(["models", "compare", str(new), str(other), "--data", str(folder)]) == 0
    assert "may only remember" not in capsys.readouterr().err, "both did"


def test_of_very_many_images_the_same_ones_are_listed_every_time(folder, monkeypatch):
    samples = list(open_dataset(folder))
    every = list_learned(samples)
    monkeypatch.setattr(learned_images, "MOST_LISTED", 2)
    assert list_learned(samples[::-1]) == every[:2]
    assert list_learned(samples, ("before", every[1])) == ("before", every[1], every[0])


def test_an_image_is_known_by_its_pixels_in_whatever_type_it_is_stored():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 7), np.uint8)
    listed = hashlib.sha256(b"(3, 5, 7)" + pixels.astype(np.float32).tobytes()).hexdigest()
    for stored in (pixels, pixels.astype(np.int16), pixels.astype(np.float32)):
        assert sha256_of_pixels(stored) == listed
