"""Job files, recipes and schedules."""

import re

import pytest
import torch
import yaml

from napari_nucseg.errors import ModelFileError, SettingsError
from napari_nucseg.learning.job import TrainingJob, fill_sources, load_job
from napari_nucseg.learning.job_file import RECIPES_DIR, recipe_path
from napari_nucseg.learning.settings import Schedule
from napari_nucseg.network.architectures import build_network

SYSTEMS = ["unet-dsb2018", "unet-dsb2018-80-20", "unetpp-dsb2018", "unet26-lizard-cpm"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("steps: -1", "steps", id="out of bounds"),
        pytest.param(
            "stepps: 5",
            r"job\.yaml: stepps: there is no such setting; perhaps steps is meant\.$",
            id="misspelt",
        ),
        pytest.param("crop_px: 64", r"perhaps augment\.crop_px is meant", id="one level too high"),
        pytest.param(
            "size: {stepz: 5}", r"yaml: size\.stepz: there is no .* steps is meant\.$", id="in one of two"
        ),
        pytest.param("normalisation: 5", r"got 5, must be a list, such as \[0\.5, 99\.95\]", id="no list"),
        pytest.param(
            "augment: 5", r"got 5, must be names with values, such as \{crop_px: 256\}", id="no settings"
        ),
        pytest.param("training_data: 5", r"got 5, must be a list\.$", id="no list of texts"),
        pytest.param("title: 5", r"got 5, must be text, in quotes: \"5\"\.$", id="a number for a text"),
        pytest.param("title: [a]", r"title: must be text\.$", id="a list for a text"),
        pytest.param("data: small", r"such as \[\{path: my-folder\}\]", id="no list of settings"),
        pytest.param(
            "validation: {every: x}", r"every: got \"x\", must be a whole number or 'epoch'", id="either"
        ),
        pytest.param("", "is empty: write settings into it", id="empty"),
        pytest.param(
            "steps: 5\nname: a\nsteps: 6", r"'steps' stands there a second time in line 3", id="twice"
        ),
        pytest.param("- a\n- b", "expected a mapping", id="a list"),
        pytest.param("name: ''", r"name: Give it a name\.$", id="no name"),
        pytest.param("name: a/b", r"Choose another name\.$", id="a path for a name"),
        pytest.param("name: CON", r"Choose another name\.$", id="a name of Windows' own"),
        pytest.param("a: [", "not valid YAML", id="no YAML"),
        pytest.param("{{name}}: a", "not valid YAML", id="a template"),
        pytest.param("steps: 5\nepochs: 2", "steps and epochs", id="two lengths"),
        pytest.param(
            "schedule: {kind: step, milestones: [30]}", "shares of the run", id="milestone in epochs"
        ),
        pytest.param("validation: {every: never}", "every", id="no interval"),
        pytest.param(
            "validation: {images: 3, data: [{path: a}]}", "images and data: give one", id="two held back"
        ),
        pytest.param(
            "validation: {images: 3, share: 0.2}", "share and images: give one", id="a share and a number"
        ),
        pytest.param(
            "batch_size: true", "batch_size: got true, must be a number", id="a switch for a number"
        ),
        pytest.param("augment: {p_clahe: yes}", "p_clahe: got true, must be a number", id="deeper"),
        pytest.param("patch_px: 96", "crop_px 256 and patch_px 96: crops are cut", id="crops beyond patches"),
        pytest.param("validation_share: 0\nearly_stop: {}", "early_stop needs", id="nothing to stop by"),
        pytest.param("loss: {foreground: focal}", "foreground", id="unknown loss"),
        pytest.param("optimizer: sgd", "optimizer", id="no part"),
        pytest.param("optimizer: sgd\nlearning_rate: 0.1", "optimizer", id="no part, and a short name"),
        pytest.param(
            "learning_rate: 0.1\noptimizer: {learning_rate: 0.2}",
            "give one of the two",
            id="two learning rates",
        ),
        pytest.param(
            "start: imagenet\narchitecture: {encoder: plain, encoder_depth: 2, encoder_widths: [8, 8, 8], "
            "encoder_convolutions: [1, 1, 1], decoder_channels: [8, 8]}",
            "no weights for the plain encoder",
            id="plain and ImageNet",
        ),
        pytest.param("seed: -1", "seed", id="negative seed"),
        pytest.param("seed: 100000000000000000", "seed", id="seed beyond 64 bits"),
        pytest.param("normalisation: [-1, 101]", "normalisation", id="percentiles out of bounds"),
        pytest.param("normalisation: [99, 1]", "larger than the first", id="percentiles reversed"),
        pytest.param("size: {log_size: [1.6, -1.9]}", "lower number comes first", id="sizes reversed"),
        pytest.param(
            "augment: {crop_px: 100}", "multiple of 16, such as 96", id="a crop that cannot be halved"
        ),
        pytest.param("augment: {photons: [0, 200]}", "photons", id="no photons"),
        pytest.param("augment: {jpeg_quality: [0, 200]}", "jpeg_quality", id="no quality"),
        pytest.param(
            "augment: {jpeg_quality: [95, 40]}", "lower number comes first", id="qualities reversed"
        ),
        pytest.param("augment: {clahe_clip: [4, 1]}", "lower number comes first", id="clips reversed"),
        pytest.param("augment: {blur_sigma_px: [0, 0]}", "blur_sigma_px", id="no blur"),
        pytest.param("augment: {gamma: [-1, 1]}", "gamma", id="negative gamma"),
        pytest.param("kind_weights: {histology: -1}", "kind_weights", id="negative weight"),
        pytest.param("start: nowhere.safetensors", "no model file", id="start from nothing"),
    ],
)
def test_jobs_that_make_no_sense_are_refused_in_words(tmp_path, content, words):
    (tmp_path / "job.yaml").write_text(content)
    with pytest.raises(Exception, match=words) as refused:
        load_job(tmp_path / "job.yaml")
    assert type(refused.value).__module__ == "napari_nucseg.errors"


def test_what_is_wrong_with_a_change_is_not_said_of_the_file(tmp_path):
    (tmp_path / "job.yaml").write_text("steps: 5")
    with pytest.raises(SettingsError, match=r'^steps: got "many", must be a whole number\.$'):
        load_job(tmp_path / "job.yaml", steps="many")
    (tmp_path / "job.yaml").write_text("steps: -5")
    with pytest.raises(SettingsError, match=r"job\.yaml: steps: got -5, must be 1 or more"):
        load_job(tmp_path / "job.yaml", name="mine")


def test_missing_job_and_unknown_recipe(tmp_path):
    with pytest.raises(SettingsError, match="cannot read"):
        load_job(tmp_path / "none.yaml")
    with pytest.raises(SettingsError, match=r"known are:.*nuclei-unet"):
        recipe_path("no-such-recipe")


def test_a_job_file_in_another_encoding_is_said(tmp_path):
    (tmp_path / "job.yaml").write_bytes("title: Müller".encode("latin-1"))
    with pytest.raises(SettingsError, match="UTF-8"):
        load_job(tmp_path / "job.yaml")


def test_settings_at_the_top_of_older_job_files_find_their_part(tmp_path):
    old = {
        "learning_rate": 0.1,
        "validation_share": 0.3,
        "validate_every": 7,
        "warmup_steps": 3,
        "seam_weight": 2,
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump({**old, "optimizer": {"kind": "adam"}}))
    job = load_job(tmp_path / "job.yaml")
    assert (job.optimizer.kind, job.optimizer.learning_rate) == ("adam", 0.1)
    assert (job.validation.share, job.validation.every) == (0.3, 7)
    assert (job.schedule.warmup_steps, job.loss.seam_weight) == (3, 2)


def test_paths_of_a_job_file_count_from_the_file_wherever_it_is_read(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "job.yaml").write_text("data: [{path: mine}]\noutput: out\n")
    monkeypatch.chdir(tmp_path)
    jobs = [load_job(place) for place in ("a/job.yaml", tmp_path / "a" / "job.yaml")]
    assert jobs[0] == jobs[1]
    assert jobs[0].output == tmp_path / "a" / "out"
    assert jobs[0].data[0].path == tmp_path / "a" / "mine"
    (tmp_path / "a" / "job.yaml").write_text("name: mine")
    assert load_job("a/job.yaml").output == tmp_path / "runs"


def test_paths_of_a_job_may_begin_at_ones_own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "job.yaml").write_text(
        "data: [{path: ~/mine, index: ~/i.csv}]\noutput: ~/out\nstart: ~/m.safetensors\n"
    )
    with pytest.raises(ModelFileError, match=re.escape(str(tmp_path / "m.safetensors"))):
        load_job(tmp_path / "a" / "job.yaml")
    job = load_job(tmp_path / "a" / "job.yaml", start="random")
    assert (job.output, job.data[0].path, job.data[0].index) == tuple(
        tmp_path / n for n in ("out", "mine", "i.csv")
    )


def test_a_length_given_replaces_the_recipes(tmp_path):
    assert load_job(recipe_path("unet-dsb2018"), steps=5).epochs is None
    assert load_job(recipe_path("nuclei-unet"), epochs=5).steps is None
    assert TrainingJob().total_steps(100) == 3000
    assert TrainingJob(epochs=2, batch_size=16).total_steps(100) == 14


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        pytest.param({"kind": "constant", "warmup_steps": 0}, [1, 1, 1, 1], id="constant"),
        pytest.param({"kind": "cosine", "warmup_steps": 0}, [1, 0.8550, 0.5050, 0.1550], id="cosine"),
        pytest.param(
            {"kind": "step", "warmup_steps": 0, "milestones": [0.5, 0.75], "factor": 0.1},
            [1, 1, 0.1, 0.01],
            id="step",
        ),
        pytest.param({"kind": "constant", "warmup_steps": 50}, [0.02, 0.52, 1, 1], id="warm-up"),
    ],
)
def test_schedules(schedule, factors):
    chosen = Schedule(**schedule)
    assert [chosen.factor_at(step, 100) for step in (0, 25, 50, 75)] == pytest.approx(factors, abs=1e-4)


@pytest.mark.parametrize("name", sorted(p.stem for p in RECIPES_DIR.glob("*.yaml")))
def test_every_recipe_can_be_built_and_is_told_about(name):
    job = load_job(recipe_path(name))
    assert job.name == name or name == "own-images"
    assert job.title or name == "own-images", "whose models are called as the user names them"
    assert f"--recipe {name}" in recipe_path(name).read_text() or name == "own-images"
    answer = build_network(job.architecture).heads(torch.rand(1, 3, 64, 64))
    assert answer.shape == (len(job.architecture.heads), 1, 3, 64, 64)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_systems_are_told_in_full(name):
    stated = yaml.safe_load(recipe_path(name).read_text()).keys()
    assert stated >= {"architecture", "augment", "validation", "epochs", "batch_size", "loss", "optimizer"}
    assert stated >= {"schedule", "normalisation", "canonical_diameter_px"}


def test_unet26_has_26_convolutions():
    network = build_network(load_job(recipe_path("unet26-lizard-cpm")).architecture)
    assert sum(isinstance(module, torch.nn.Conv2d) for module in network.modules()) == 26


def test_paths_take_the_places_of_a_recipes_datasets(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert fill_sources((), [one, two], kind=None) == [{"path": one}, {"path": two}]
    alike = fill_sources([{"path": "any", "kind": "histology"}], [one, two], split="val")
    assert alike == [{"path": path, "kind": "histology", "split": "val"} for path in (one, two)]
    places = [{"path": "lizard", "split": "train"}, {"path": "cpm15", "split": "eval"}]
    assert [source["split"] for source in fill_sources(places, [one, two])] == ["train", "eval"]
    with pytest.raises(SettingsError, match=r"got 1 dataset, .*in this order: lizard, cpm15"):
        fill_sources(places, [one])
