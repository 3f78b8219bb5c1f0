import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from tifffile import imwrite

from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import SettingsError, TrainingError
from napari_nucseg.learning.augment import Augmenter, AugmentSettings
from napari_nucseg.learning.examples import hold_back, load_examples
from napari_nucseg.learning.job import TrainingJob, load_job, recipe_path
from napari_nucseg.learning.patches import cut, pack_patches
from napari_nucseg.learning.training import train_steps
from napari_nucseg.network.model_file import load_model
from napari_nucseg.segmentation.segment import segment

RUN = "import sys; from napari_nucseg.cli import main; sys.exit(main())"
SMALL = {
    "name": "tiny",
    "architecture": {"encoder": "tu-regnetx_002", "encoder_depth": 3, "decoder_channels": [16, 8, 8]},
    "patch_px": 96,
    "augment": {"crop_px": 64},
    "batch_size": 4,
    "warmup_steps": 5,
    "checkpoint_seconds": 0.001,
    "device": "cpu",
    "precision": "float32",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a user's own folder: images/ and labels/ side by side."""
    root = tmp_path_factory.mktemp("mine")
    for sub in ("images", "labels"):
        (root / sub).mkdir()
    for i in range(4):
        sample = synthetic_fluorescence((160, 160), seed=i)
        imwrite(root / "images" / f"{i}.tif", sample.image)
        imwrite(root / "labels" / f"{i}.tif", sample.labels)
    return root


@pytest.fixture
def write_job(tmp_path, folder):
    def write(**changes):
        path = tmp_path / "job.yaml"
        content = {**SMALL, "data": [{"path": str(folder)}], "output": str(tmp_path / "runs"), **changes}
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def drain(steps):
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return end.value, seen


def test_a_folder_of_images_becomes_a_model_that_segments(write_job, folder):
    job = load_job(write_job(steps=40, validate_every=20))
    path, seen = drain(train_steps(job))
    maps = [p for p in seen if p.step]
    first, last = (np.mean([p.loss for p in part]) for part in (maps[:10], maps[-10:]))
    assert last < 0.8 * first
    assert [p.step for p in maps] == list(range(1, 41))
    assert maps[19].scores.keys() >= {"ap50", "mean_ap"}
    model = load_model(path)
    assert model.card.figures["ap50"] >= 0
    assert segment(synthetic_fluorescence((100, 100)).image, model=str(path)).labels.shape == (100, 100)
    assert (job.folder / "log.csv").read_text().startswith("step,seconds,foreground")


def test_the_same_seed_gives_the_same_weights(write_job):
    weights = []
    for name in ("a", "b"):
        path, _ = drain(train_steps(load_job(write_job(name=name, steps=4))))
        weights.append(load_model(path).network.state_dict())
    for key, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][key], rtol=0, atol=0)


def test_a_run_cut_short_goes_on_as_if_nothing_had_happened(write_job):
    whole, _ = drain(train_steps(load_job(write_job(name="whole", steps=8))))
    path = write_job(name="parts", steps=8)
    steps = train_steps(load_job(path))
    while next(steps).step < 4:
        pass
    steps.close()
    parts, seen = drain(train_steps(load_job(path), resume=True))
    assert next(p.step for p in seen if p.step) in (4, 5)
    for key, value in load_model(whole).network.state_dict().items():
        torch.testing.assert_close(value, load_model(parts).network.state_dict()[key], rtol=0, atol=0)


def test_kill_minus_nine_in_the_middle_of_training_loses_no_checkpoint(write_job, tmp_path):
    path = write_job(steps=2000)
    checkpoint = tmp_path / "runs" / "tiny" / "checkpoint.safetensors"
    command = [sys.executable, "-c", RUN, "train", "--job", str(path)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not checkpoint.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    steps = train_steps(load_job(path), resume=True)
    first = next(p for p in steps if p.step)
    steps.close()
    assert first.step > 1


def test_other_settings_are_not_resumed(write_job):
    drain(train_steps(load_job(write_job(steps=2))))
    with pytest.raises(TrainingError, match="learning_rate"):
        drain(train_steps(load_job(write_job(steps=2, learning_rate=0.1)), resume=True))


def test_a_damaged_checkpoint_is_said(write_job, tmp_path):
    drain(train_steps(load_job(write_job(steps=2))))
    (tmp_path / "runs" / "tiny" / "checkpoint.safetensors").write_bytes(b"rubbish")
    with pytest.raises(TrainingError, match="damaged"):
        drain(train_steps(load_job(write_job(steps=2)), resume=True))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("steps: -1", "steps", id="out of bounds"),
        pytest.param("stepps: 5", "stepps", id="misspelt"),
        pytest.param("- a\n- b", "expected a mapping", id="a list"),
        pytest.param("a: [", "not valid YAML", id="no YAML"),
        pytest.param("name: ../escape", "name", id="a path for a name"),
    ],
)
def test_jobs_that_make_no_sense_are_refused_in_words(tmp_path, content, words):
    (tmp_path / "job.yaml").write_text(content)
    with pytest.raises(SettingsError, match=words):
        load_job(tmp_path / "job.yaml")


def test_missing_job_and_unknown_recipe(tmp_path):
    with pytest.raises(SettingsError, match="cannot read"):
        load_job(tmp_path / "none.yaml")
    with pytest.raises(SettingsError, match=r"known are:.*nuclei-unet"):
        recipe_path("no-such-recipe")
    assert load_job(recipe_path("nuclei-unet")).architecture.kind == "unet"


def test_one_index_may_describe_several_datasets(folder, tmp_path):
    rows = ["dataset,name,group,split,kind,height,width,n_nuclei"]
    rows += [f"mine,{i},g{i},{'train' if i else 'val'},fluorescence,160,160,9" for i in range(4)]
    rows += ["other,elsewhere,g9,train,histology,160,160,9"]
    (tmp_path / "index.csv").write_text("\n".join(rows))
    source = {"path": str(folder), "index": str(tmp_path / "index.csv")}
    examples = load_examples(TrainingJob(data=[source], validation={"share": 0}))
    assert [(s.name, s.metadata["group"]) for s in examples.learned] == [
        ("1", "g1"),
        ("2", "g2"),
        ("3", "g3"),
    ]


def test_no_data_is_said(tmp_path):
    with pytest.raises(TrainingError, match="no data at all"):
        load_examples(TrainingJob(output=tmp_path))


def test_groups_are_never_split_and_no_kind_is_left_empty():
    samples = [
        synthetic_fluorescence((32, 32), seed=0).__class__(
            f"{kind}{group}{i}", np.zeros((4, 4)), metadata={"kind": kind, "group": f"{kind}{group}"}
        )
        for kind in ("a", "b")
        for group in range(5)
        for i in range(3)
    ]
    learned, held = hold_back(samples, 0.2)
    assert {s.metadata["group"] for s in learned}.isdisjoint(s.metadata["group"] for s in held)
    assert {s.metadata["kind"] for s in held} == {"a", "b"}
    assert len(learned) + len(held) == len(samples)
    assert hold_back(samples[:3], 0.5)[1] == []


def test_patches_are_at_the_canonical_scale():
    sample = synthetic_fluorescence((256, 256), seed=0, diameter_px=12)
    bank = pack_patches([sample], canonical_diameter_px=24, patch_px=128)
    assert bank.fields.dtype == torch.uint8
    assert bank.fields.shape[1:] == (5, 128, 128)
    assert 14 <= len(bank) <= 25


@pytest.mark.parametrize("shape", [(10, 300), (128, 128), (129, 500)])
def test_patches_cover_the_image(shape):
    fields = np.arange(np.prod(shape), dtype=np.int64).reshape(1, *shape)
    patches = cut(fields, 128)
    assert all(p.shape == (1, 128, 128) for p in patches)
    assert set(np.unique(fields)) <= set(np.unique(np.stack(patches)))


def test_kinds_are_drawn_by_their_weights_and_groups_by_the_root_of_their_size():
    make = synthetic_fluorescence((64, 64), seed=0)
    samples = [
        make.__class__(str(i), make.image, make.labels, metadata={"kind": kind, "group": group})
        for i, (kind, group) in enumerate([("a", "x")] * 4 + [("a", "y")] + [("b", "z")])
    ]
    bank = pack_patches(samples, canonical_diameter_px=24, patch_px=64)
    weights = bank.sampling_weights({"a": 0.75, "b": 0.25})
    by_group = {g: weights[[bank.groups[s] == g for s in bank.sources]].sum() for g in "xyz"}
    assert by_group["z"] == pytest.approx(0.25)
    assert by_group["x"] == pytest.approx(2 * by_group["y"])


def test_augmentation_keeps_image_and_targets_together():
    torch.manual_seed(0)
    fields = torch.zeros(8, 5, 96, 96, dtype=torch.uint8)
    fields[:, :, 30:60, 30:60] = 255
    plain = AugmentSettings(crop_px=64, p_color=0, p_blur=0, p_gray=0, p_invert=0, p_noise=0, gamma=(1, 1))
    image, targets = Augmenter(plain)(fields)
    assert image.shape == (8, 3, 64, 64)
    assert ((image.mean(1) > 0.5) == (targets[:, 0] > 0.5)).float().mean() > 0.98
