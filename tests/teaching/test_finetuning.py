"""Fine-tuning of a tiny network: what it leaves, that it is repeatable, and that it only learns what is vouched for."""

import csv
import json
import resource
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tifffile import imwrite

import napari_nucseg
from napari_nucseg.cli import main
from napari_nucseg.cli.finetune import _tell
from napari_nucseg.data.correction_set import CorrectionSet, save_correction_set
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import ImageError, ModelFileError, OutputError, SettingsError, TrainingError
from napari_nucseg.network.architectures import Architecture, build_network
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.installing import install_model, remove_model, rename_model
from napari_nucseg.network.model_card import ModelCard
from napari_nucseg.network.model_file import load_model, save_model
from napari_nucseg.network.preferred import prefer_model
from napari_nucseg.network.size_head import SizeHead, n_summaries
from napari_nucseg.nuclei.judging import Judge
from napari_nucseg.nuclei.pieces import FEATURES
from napari_nucseg.nuclei.trust import Trust
from napari_nucseg.steps import drain
from napari_nucseg.teaching.examples import read_examples
from napari_nucseg.teaching.finetuning import finetune_steps
from napari_nucseg.teaching.job import Preview, load_finetune_job, make_finetune_job
from napari_nucseg.teaching.material import Material, prepare
from napari_nucseg.teaching.progress import Comparison, FinetuneProgress, FinetuneResult, Verdict
from napari_nucseg.teaching.references import reference_images
from napari_nucseg.teaching.trial import estimate_steps

SIZE = 128
PLAIN = Architecture(
    encoder="plain",
    encoder_depth=2,
    encoder_widths=(8, 8, 8),
    encoder_convolutions=(1, 1, 1),
    decoder_channels=(8, 8),
    full_size_channels=4,
)


@pytest.fixture(autouse=True)
def no_fetched_samples(tmp_path, monkeypatch):
    monkeypatch.setenv("NUCSEG_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Return a model file of a tiny network with all groups of tensors; what it finds means nothing."""
    torch.manual_seed(0)
    network = build_network(PLAIN)
    head = SizeHead(n_summaries(network.feature_channels))
    importance = {name: torch.rand(len(p)) + 0.5 for name, p in network.named_parameters()}
    card = ModelCard(name="base", title="Base", architecture=PLAIN, canonical_diameter_px=24, halo_px=16)
    path = tmp_path_factory.mktemp("models") / "base.safetensors"
    n = len(FEATURES)
    judge = Judge(np.zeros(n), np.ones(n), (np.zeros((1, n)),), (np.array([2.0]),))  # believes in all alike
    save_model(path, card, network, head, importance, judge)
    return path


def corrected(folder, seed=0, reviewed=(slice(0, 96), slice(None)), **changes):
    sample = synthetic_fluorescence((SIZE, SIZE), seed=seed)
    trust = np.zeros(sample.labels.shape, np.uint8)
    trust[reviewed] = Trust.REVIEWED
    parts = {"image": sample.image, "axes": "YX", "labels": sample.labels, "trust": trust, "name": "cells"}
    return save_correction_set(folder, CorrectionSet(**parts | changes))


@pytest.fixture
def make_job(base, tmp_path):
    """Return a function that makes a small job on one corrected image; keywords change settings."""

    def make(**changes):
        if "examples" not in changes and not (tmp_path / "mine").exists():
            corrected(tmp_path / "mine")
        small = {"model": str(base), "examples": [tmp_path / "mine"], "output": tmp_path / "runs", "steps": 2}
        return make_finetune_job(
            {**small, "device": "cpu", "precision": "float32", "preset": "quick", **changes}
        )

    return make


def weights(path):
    return load_model(path).network.state_dict()


def assert_same_weights(one, other):
    expected = weights(other)
    for name, value in weights(one).items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0)


def run(job, steps=None, **choices):
    """Run a job, or its first so many steps: (result, all progress)."""
    seen, going = [], finetune_steps(job, **choices)
    while True:
        try:
            seen.append(next(going))
        except StopIteration as end:
            return end.value, seen
        if steps and seen[-1].step == steps:
            going.close()
            return None, seen


def test_a_corrected_image_becomes_a_model_with_a_judgement_and_the_old_one_stays(make_job, base, tmp_path):
    before = base.read_bytes()
    view = tmp_path / "view.npy"
    np.save(view, synthetic_fluorescence((SIZE, SIZE), seed=3).image)
    job = make_job(preview=Preview(image=view, axes="YX", diameter_px=24), steps=6)
    result, seen = run(job)
    assert base.read_bytes() == before
    stages = list(dict.fromkeys(p.stage for p in seen))
    assert stages == ["reading", "checking the old model", "learning", "comparing", "saving"]
    learning = [p for p in seen if p.losses]
    assert [p.step for p in learning] == [1, 2, 3, 4, 5, 6]
    assert learning[0].losses.keys() == {"foreground", "distance", "core"}
    assert all(FinetuneProgress.model_validate_json(p.model_dump_json()) == p for p in seen)
    assert [p.step for p in seen if p.scores] == [0, 2, 4, 6]
    folder = job.folder
    rows = list(csv.DictReader((folder / "log.csv").open()))
    assert [row["step"] for row in rows] == list("0123456")
    assert np.load(folder / "preview.npy").shape == (SIZE, SIZE)
    assert FinetuneResult.model_validate_json((folder / "result.json").read_bytes()) == result
    assert load_finetune_job(folder / "job.json") == job
    assert {c.kind for c in result.comparisons} == {"held-out", "made"}
    model = load_model(result.model)
    assert model.card.parent_sha256 == load_model(base).sha256
    record = model.card.teaching
    assert record.parent == "base"
    assert record.examples[0].n_learned > 0 < record.examples[0].n_held_out
    assert len(record.curve) == 4
    assert "fine-tuned from base" in model.card.history[-1]
    assert napari_nucseg.segment(np.load(view), model=str(result.model)).labels.shape == (SIZE, SIZE)


def test_images_that_are_only_checked_are_no_training_data(make_job, tmp_path):
    learned, checked = (
        corrected(tmp_path / name, seed=k, name=name) for k, name in enumerate(("mine", "aside"))
    )
    examples = [{"path": learned, "use": "learn"}, {"path": checked, "use": "check"}]
    card = load_model(run(make_job(examples=examples))[0].model).card
    assert card.training_data[-1].endswith("in 1 image: mine")
    assert [example.n_held_out > 0 for example in card.teaching.examples] == [False, True]


def test_what_is_learned_from_is_what_the_network_sees_whatever_a_judge_leaves_of_it(make_job, base):
    lessons, n = read_examples(make_job()), len(FEATURES)
    nothing = Judge(np.zeros(n), np.ones(n), (np.zeros((1, n)),), (np.array([-9.0]),))
    one, other = (
        drain(prepare(replace(load_model(base), judge=judge), lessons, (), 256, choose_device("cpu")))
        for judge in (None, nothing)
    )
    assert one.reliance == other.reliance
    for ground, same in zip((*one.own, *one.replayed), (*other.own, *other.replayed), strict=True):
        np.testing.assert_array_equal(ground.fields, same.fields)
        np.testing.assert_array_equal(ground.places, same.places)
    assert not other.held_out.old or not any(labels.any() for labels in other.held_out.old)


def test_what_the_size_head_reads_is_unchanged(make_job, base):
    old, new = load_model(base), load_model(run(make_job(keep_old_skills=0, learning_rate=0.01))[0].model)
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        for one, other in zip(old.network.encoder(image), new.network.encoder(image), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)
    for name, value in old.size_head.state_dict().items():
        torch.testing.assert_close(new.size_head.state_dict()[name], value, rtol=0, atol=0)
    assert new.importance.keys() == old.importance.keys()
    assert new.judge.tensors().keys() == old.judge.tensors().keys()
    changed = [
        name
        for name, value in weights(base).items()
        if not torch.equal(value, new.network.state_dict()[name])
    ]
    assert changed
    assert not any("running" in name for name in changed)


def test_the_same_job_gives_the_same_weights(make_job):
    one, other = (run(make_job(name=name))[0] for name in "ab")
    assert_same_weights(one.model, other.model)
    assert one.comparisons == other.comparisons


def test_a_run_cut_short_goes_on_as_if_nothing_had_happened(make_job):
    whole = run(make_job(name="whole", steps=6))[0]
    run(make_job(name="parts", steps=6), steps=5)
    parts, later = run(make_job(name="parts", steps=6), resume=True)
    assert next(p.step for p in later if p.losses) == 5  # the checkpoint was written with the look at 4
    assert_same_weights(parts.model, whole.model)
    assert load_model(parts.model).card.teaching.curve == load_model(whole.model).card.teaching.curve
    with (parts.model.parent / "log.csv").open() as log:
        seconds = [float(row["seconds"]) for row in csv.DictReader(log)]
    reading_again = max(p.seconds for p in later if p.stage == "checking the old model")
    assert seconds[5] > seconds[4] + reading_again - 0.001, "those before it was cut short count"


@pytest.mark.parametrize("n", [1, 3])
def test_from_the_first_step_on_there_is_something_to_go_on_with(make_job, monkeypatch, n):
    monkeypatch.setattr("napari_nucseg.teaching.course.SAVE_SECONDS", 0.0 if n > 1 else 1e6)
    whole = run(make_job(name="whole", steps=6))[0]
    run(make_job(name="parts", steps=6), steps=n)  # the first look comes at 2
    parts, later = run(make_job(name="parts", steps=6), resume=True)
    assert next(p.step for p in later if p.losses) == n + 1
    assert_same_weights(parts.model, whole.model)
    assert load_model(parts.model).card.teaching.curve == load_model(whole.model).card.teaching.curve


def test_what_never_began_is_not_resumed(make_job):
    with pytest.raises(TrainingError, match="nothing to resume"):
        run(make_job(name="misspelt"), resume=True)


def test_other_examples_are_not_resumed(make_job, tmp_path):
    run(make_job(), steps=1)
    corrected(tmp_path / "other", seed=1)
    with pytest.raises(TrainingError, match="examples"):
        run(make_job(examples=[tmp_path / "other"]), resume=True)


class TestResumedElsewhere:
    @pytest.fixture
    def own_base(self, base, tmp_path, monkeypatch):
        monkeypatch.setenv("NUCSEG_MODELS", str(tmp_path / "models"))
        return install_model(base, "mine")

    def test_a_base_model_that_was_renamed_is_found(self, make_job, own_base):
        whole = run(make_job(name="whole", model="mine"))[0]
        job = make_job(model="mine")
        run(job, steps=1)
        rename_model("mine", "renamed")
        parts, _ = run(job, resume=True)
        assert_same_weights(parts.model, whole.model)
        card = load_model(parts.model).card
        assert (card.parent_name, card.parent_sha256) == ("renamed", load_model("renamed").sha256)
        assert load_finetune_job(job.folder / "job.json") == job

    @pytest.mark.parametrize("named", ["mine", "auto"])
    def test_a_base_model_that_was_deleted_is_missed(self, make_job, own_base, named):
        prefer_model("mine")
        job = make_job(model=named)
        run(job, steps=1)
        remove_model("mine")
        with pytest.raises(TrainingError, match=r"is made from is gone\. Import it again"):
            run(job, resume=True)

    def test_another_model_that_the_job_names_now_is_refused(self, make_job, own_base):
        run(make_job(model="mine"), steps=1)
        for _ in range(2):  # the refusal leaves nothing that makes it right
            with pytest.raises(TrainingError, match=r"other settings \(model\)"):
                run(make_job(model="nuclei-unet"), resume=True)

    def test_examples_that_were_moved_are_named(self, make_job, tmp_path):
        job = make_job()
        run(job, steps=1)
        (tmp_path / "mine").rename(tmp_path / "moved")
        with pytest.raises(TrainingError, match=r"is gone: .*mine\. Move it back"):
            run(job, resume=True)
        (tmp_path / "moved").rename(tmp_path / "mine")
        assert run(job, resume=True)[0].model.is_file()


def test_stopping_keeps_the_best_so_far_and_compares_it(make_job):
    asked = iter([False, True])
    result, seen = run(make_job(steps=50), stop=lambda: next(asked))
    assert [p.step for p in seen if p.losses] == [1, 2]
    assert "Stopped early at step 2 of" in next(p.message for p in seen if p.step == 2)
    assert result.model.is_file()
    assert "2 steps" in load_model(result.model).card.history[-1]


def test_what_was_learned_until_a_stop_can_be_kept_later(make_job):
    """Stopped and killed in its first step, long before the first look: the checkpoint has it."""
    job = make_job(steps=50)
    run(job, steps=1, stop=lambda: True)
    result, seen = run(job, resume=True, stop=lambda: True)
    assert [p.step for p in seen if p.losses] == [2]
    assert result.model.is_file()


def test_labels_that_nobody_vouches_for_change_nothing(make_job, tmp_path):
    labels = synthetic_fluorescence((SIZE, SIZE)).labels
    trust = np.zeros(labels.shape, np.uint8)
    trust[:80] = Trust.REVIEWED
    trust[40:60, 40:60] = Trust.IGNORE
    for number in np.unique(labels[trust != Trust.REVIEWED]):
        trust[(labels == number) & (labels > 0)] = Trust.IGNORE  # no nucleus is half in what is compared
    scribbled = labels.copy()
    scribbled[trust != Trust.REVIEWED] = 0
    scribbled[100:110, 100:120] = labels.max() + 1
    models = []
    for name, content in (("plain", labels), ("scribbled", scribbled)):
        corrected(tmp_path / name / "set", trust=trust, labels=content)
        models.append(
            run(make_job(name=name, examples=[tmp_path / name / "set"], keep_old_skills=0.5))[0].model
        )
    assert_same_weights(*models)


def test_keeping_old_skills_changes_less(make_job, base):
    moved = []
    for keep in (0.0, 1.0):
        job = make_job(name=f"keep{keep:.0f}", keep_old_skills=keep, learning_rate=0.01, steps=6)
        old, new = weights(base), weights(run(job)[0].model)
        moved.append(sum(float((new[k] - old[k]).square().sum()) for k in old))
    assert moved[1] < 0.7 * moved[0]


def test_a_base_that_is_right_already_goes_a_part_of_the_way(make_job, base, monkeypatch):
    moved = {}
    for reliance in (0.0, 1.0):
        monkeypatch.setattr(Material, "reliance", reliance)  # the tiny network's own means nothing
        result, _ = run(make_job(name=f"r{reliance:.0f}", steps=6))
        new, old = weights(result.model), weights(base)
        moved[result.blend] = sum(float((new[name] - old[name]).abs().sum()) for name in old)
    (whole, part) = sorted(moved, reverse=True)
    assert whole == pytest.approx(1)
    assert part <= 0.35 + 1e-9
    assert moved[part] < 0.5 * moved[whole]


def test_learning_makes_the_loss_fall(make_job):
    _, seen = run(make_job(steps=30, learning_rate=0.01, keep_old_skills=0))
    losses = [sum(p.losses.values()) for p in seen if p.losses]
    assert np.mean(losses[-6:]) < 0.8 * np.mean(losses[:6])


def test_pinned_images_are_compared_by_name(make_job, tmp_path):
    corrected(tmp_path / "precious", seed=4)
    result = run(make_job(pinned=[tmp_path / "precious"], steps=1))[0]
    assert "precious" in [c.name for c in result.comparisons if c.kind == "reference"]


def test_pinned_images_are_not_learned_from_where_examples_show_them_too(make_job, tmp_path):
    folders = [corrected(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 4), ("precious", 4))]
    result, seen = run(make_job(examples=folders[:2], pinned=folders[2:], steps=1))
    assert [use.use for use in result.examples] == ["cut in two", "left out"]
    assert any("shows a pinned image" in p.message for p in seen)
    with pytest.raises(TrainingError, match=r"nothing to learn from\. .*shows a pinned image.*Unpin it"):
        run(make_job(examples=folders[1:2], pinned=folders[2:], name="other"))


def test_what_is_kept_aside_is_not_replayed_where_it_is_pinned_too(base, make_job, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_nucseg.teaching.material.WORTH_KEEPING", 0)  # the tiny network finds nothing
    references = reference_images([corrected(tmp_path / "precious", seed=4)])
    device, lessons = choose_device("cpu"), read_examples(make_job())
    checked = replace(lessons.lessons[0], image_sha256=references[-1].pages[0].image_sha256)
    n_replayed = [
        len(drain(prepare(load_model(base), each, references, 256, device)).replayed)
        for each in (lessons, replace(lessons, lessons=(checked,)))
    ]
    assert n_replayed == [5, 4]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        pytest.param({"model": "no-such-model"}, ModelFileError, "no-such-model", id="no base"),
        pytest.param({"examples": ()}, TrainingError, "no examples", id="no examples"),
        pytest.param(
            {"learning_rate": 1e30, "keep_old_skills": 0}, TrainingError, "the loss became", id="bursts"
        ),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_no_model(make_job, changes, error, words):
    job = make_job(**changes)
    with pytest.raises(error, match=words):
        run(job)
    assert not list(job.folder.glob("my-nuclei*"))


def test_the_old_model_is_never_replaced(make_job, base):
    before = base.read_bytes()
    place = base.parent / "runs" / "base"
    place.mkdir(parents=True)
    own = place / "base.safetensors"
    own.write_bytes(before)
    with pytest.raises(TrainingError, match="would replace the old one"):
        run(make_job(model=str(own), name="base", output=base.parent / "runs"))
    assert own.read_bytes() == before


def test_no_other_model_is_replaced_unasked(make_job):
    job = make_job(steps=1)
    model = run(job)[0].model
    before = model.read_bytes()
    with pytest.raises(TrainingError, match=r"is there already.*--force"):
        run(job)
    assert model.read_bytes() == before
    assert run(job, resume=True)[0].model == run(job, force=True)[0].model == model


def test_two_runs_of_one_name_do_not_go_on_at_once(make_job):
    job = make_job()
    first = finetune_steps(job)
    next(first)
    with pytest.raises(TrainingError, match=r"is going on in .*: wait for it, or choose another name"):
        drain(finetune_steps(job, force=True))
    first.close()
    next(finetune_steps(job))


def test_the_command_line_replaces_neither_the_old_model_nor_another_unasked(
    make_job, base, tmp_path, capsys
):
    make_job()
    own, other = tmp_path / "own.safetensors", tmp_path / "other.safetensors"
    own.write_bytes(base.read_bytes())
    other.write_bytes(b"precious")
    said = ["finetune", "--model", str(own), "--examples", str(tmp_path / "mine"), "--steps", "1"]
    said += ["--preset", "quick", "--device", "cpu", "-o"]
    for asked, words in (([own], "the old one"), ([own, "--force"], "the old one"), ([other], "--force")):
        assert main([*said, *map(str, asked)]) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    assert (own.read_bytes(), other.read_bytes()) == (base.read_bytes(), b"precious")
    assert main([*said, str(other), "--force"]) == 0
    assert load_model(other).card.parent_name == "base"


def test_a_file_that_came_to_the_name_meanwhile_stays(make_job, base, tmp_path, capsys):
    make_job()
    place, begun = tmp_path / "new.safetensors", tmp_path / "runs" / "new" / "job.json"
    said = [sys.executable, "-m", "napari_nucseg", "finetune", "--model", str(base), "--steps", "2"]
    said += ["--preset", "quick", "--device", "cpu", "--examples", str(tmp_path / "mine"), "-o", str(place)]
    with subprocess.Popen(said, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while not begun.exists() and child.poll() is None:
            time.sleep(0.01)
        place.write_bytes(b"precious")
        out, errors = child.communicate()
    assert child.returncode == 0
    assert place.read_bytes() == b"precious"
    assert out.strip() == str(tmp_path / "new-2.safetensors")
    assert f"{place} was written by something else" in errors
    assert load_model(out.strip()).card.name == "new-2"


def test_the_second_round_is_checked_on_what_the_first_did_not_learn(make_job, tmp_path, capsys):
    first, _ = run(make_job(steps=1))
    (known,) = load_model(first.model).card.learned_images
    again, _ = run(make_job(steps=1, model=str(first.model), name="again"))
    assert "learned from what is kept aside before" in again.words
    assert load_model(again.model).card.teaching.words == again.words
    assert "before" not in first.words
    corrected(tmp_path / "new", seed=1)
    both = [tmp_path / "mine", tmp_path / "new"]
    second, _ = run(make_job(steps=1, model=str(first.model), name="second", examples=both))
    assert [use.use for use in second.examples] == ["learned", "cut in two"]
    assert "before" not in second.words
    learned = load_model(second.model).card.learned_images
    assert (learned[0], len(learned)) == (known, 2)
    compare = ["models", "compare", str(first.model), str(second.model), "--data"]
    assert main([*compare, *map(str, both)]) == 0
    assert "second learned from new, and may only remember" in capsys.readouterr().err
    assert main([*compare, str(tmp_path / "mine")]) == 0
    assert "may only remember" not in capsys.readouterr().err, "both did"


def test_a_disk_that_is_full_is_said_and_leaves_nothing_half_written(make_job, base):
    job, before = make_job(), base.read_bytes()
    steps = finetune_steps(job)
    while next(steps).stage != "learning":
        pass
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            drain(steps)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(path.name for path in job.folder.iterdir()) == ["job.json"]
    assert base.read_bytes() == before


def test_the_command_line_speaks_the_line_protocol(make_job, base, tmp_path, capsys):
    new = tmp_path / "new.safetensors"
    make_job()
    said = ["finetune", "--model", str(base), "--examples", str(tmp_path / "mine"), "--steps", "2"]
    said += ["--preset", "quick", "--device", "cpu", "--json", "-o", str(new)]
    assert main(said) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {key for line in lines for key in line} == {"progress", "result"}
    assert FinetuneResult.model_validate(lines[-1]["result"]).model == new
    assert load_model(new).card.name == "new"
    newer = str(tmp_path / "newer.safetensors")
    assert main(["finetune", "--examples", str(tmp_path / "nowhere"), "--json", "-o", newer]) == 2
    assert "nowhere" in json.loads(capsys.readouterr().out.splitlines()[-1])["error"]


def test_window_and_command_line_give_the_same_file(make_job, tmp_path, capsys):
    job = make_job(name="one")
    path = tmp_path / "job.json"
    path.write_text(job.model_copy(update={"name": "two"}).model_dump_json())
    result = napari_nucseg.finetune(**job.model_dump())
    assert main(["finetune", "--job", str(path)]) == 0
    said = capsys.readouterr()
    assert_same_weights(said.out.strip().splitlines()[-1], result.model)
    assert "of what was learned" not in said.err, "all of it was taken up"
    assert said.err.count(result.words) == 1
    assert "Tried and left" not in said.err
    assert "kept aside" in said.err and "held out" not in said.err


def test_the_command_line_says_what_else_was_tried_and_that_other_images_stayed_as_they_were(capsys):
    same = {"n_images": 1, "n_nuclei": 9, "old": 1, "new": 1, "low": 0, "high": 0, "verdict": Verdict.UNSURE}
    result = FinetuneResult(
        model=Path("new.safetensors"),
        verdict=Verdict.UNSURE,
        words="It finds 9. That is no gain.",
        comparisons=(
            Comparison(name="your corrections, held out", kind="held-out", **same),
            Comparison(name="synthetic fluorescence", kind="made", **same),
        ),
    )
    _tell(result, ["It finds 8. But elsewhere it got worse.", "It finds 9."])
    figures = "AP50 1.000 → 1.000 (+0.000 to +0.000) on 9 nuclei of 1 image"
    assert capsys.readouterr().err.splitlines() == [
        f"  your corrections, kept aside: {figures}: not enough evidence",
        f"  synthetic fluorescence: {figures}: as before",
        "  Tried and left: It finds 8. But elsewhere it got worse.",
        "  not enough evidence: It finds 9. That is no gain.",
    ]


def test_the_command_line_says_that_only_a_part_was_taken_up(make_job, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("napari_nucseg.teaching.blend.PARTS", (0.25,))
    path = tmp_path / "job.json"
    path.write_text(make_job(name="one").model_dump_json())
    assert main(["finetune", "--job", str(path)]) == 0
    assert "takes up 25% of what was learned" in capsys.readouterr().err


def test_no_score_is_given_where_no_nucleus_was_kept_aside(make_job, tmp_path, capsys):
    labels = np.zeros((SIZE, SIZE), np.int32)
    labels[40:60, 40:60] = 1
    corrected(tmp_path / "mine", labels=labels)
    path = tmp_path / "job.json"
    path.write_text(make_job(steps=1).model_dump_json())
    assert main(["finetune", "--job", str(path)]) == 0
    said = capsys.readouterr()
    assert "your corrections, kept aside: no AP50, on 0 nuclei" in said.err
    card = load_model(said.out.strip().splitlines()[-1]).card
    assert card.figures.keys() == {"AP50, synthetic fluorescence", "AP50, synthetic histology"}


def test_images_to_check_on_come_to_the_jobs_own_examples(make_job, tmp_path, capsys):
    (tmp_path / "job.json").write_text(make_job(steps=1).model_dump_json())
    corrected(tmp_path / "other", seed=1)
    said = ["finetune", "--job", str(tmp_path / "job.json"), "--check", str(tmp_path / "other"), "--json"]
    assert main(said) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])["result"]
    assert [use["use"] for use in result["examples"]] == ["learned", "held out"]


def test_a_request_to_stop_that_an_earlier_run_left_ends_no_other(make_job, tmp_path, capsys):
    job = make_job(steps=2)
    (tmp_path / "job.json").write_text(job.model_dump_json())
    job.folder.mkdir(parents=True)
    (job.folder / "stop").touch()
    assert main(["finetune", "--job", str(tmp_path / "job.json")]) == 0
    assert "2 steps" in load_model(capsys.readouterr().out.strip()).card.history[-1]


def test_a_run_that_is_refused_leaves_the_others_request_to_stop(make_job, tmp_path, capsys):
    job = make_job(steps=2)
    (tmp_path / "job.json").write_text(job.model_dump_json())
    with closing(finetune_steps(job)) as going:
        next(going)
        (job.folder / "stop").touch()
        assert main(["finetune", "--job", str(tmp_path / "job.json")]) == 2
        assert "is going on" in capsys.readouterr().err
        assert (job.folder / "stop").exists()


def test_an_interrupted_command_goes_on_with_resume_until_its_model_is_where_it_was_wanted(
    make_job, base, tmp_path, capsys
):
    make_job()
    new, folder = tmp_path / "new.safetensors", tmp_path / "runs" / "new"
    said = ["finetune", "--model", str(base), "--examples", str(tmp_path / "mine"), "--steps", "8"]
    said += ["--preset", "quick", "--device", "cpu", "-o", str(new)]
    command = [sys.executable, "-m", "napari_nucseg", *said]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while not (folder / "checkpoint.safetensors").exists() and child.poll() is None:
            time.sleep(0.01)
        child.terminate()
        _, errors = child.communicate()
    assert child.returncode == 143
    assert "The same command with --resume goes on." in errors
    (folder / "stop").touch()  # enough is learned
    assert main([*said, "--resume"]) == 0
    assert load_model(capsys.readouterr().out.strip()).path == new
    assert not (folder / "stop").exists()


@pytest.mark.parametrize("resume", [False, True])
def test_a_checkpoint_of_an_earlier_run_is_not_offered_to_go_on_with(
    make_job, tmp_path, monkeypatch, capsys, resume
):
    def interrupted(*_, **__):
        raise KeyboardInterrupt
        yield

    job = make_job()
    (tmp_path / "job.json").write_text(job.model_dump_json())
    job.folder.mkdir(parents=True)
    (job.folder / "checkpoint.safetensors").touch()
    monkeypatch.setattr("napari_nucseg.teaching.finetuning.finetune_steps", interrupted)
    assert main(["finetune", "--job", str(tmp_path / "job.json"), *["--resume"][:resume]]) == 130
    assert ("--resume" in capsys.readouterr().err) == resume


def test_the_job_that_a_run_leaves_names_all_places_in_full(make_job, base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.safetensors").write_bytes(base.read_bytes())
    job = make_job(steps=1, model="base.safetensors", examples=["mine"], output="runs")
    corrected(tmp_path / "mine")
    run(job)
    left = load_finetune_job(tmp_path / "runs" / job.name / "job.json")
    assert left.folder == tmp_path / "runs" / job.name
    assert (left.model, left.examples[0].path) == (str(tmp_path / "base.safetensors"), tmp_path / "mine")


def test_no_time_is_estimated_for_examples_that_are_not_there(tmp_path, capsys):
    assert main(["finetune", "--examples", str(tmp_path / "nowhere"), "--estimate"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_paths_of_a_job_file_count_from_the_file(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(
        "examples: [mine]\noutput: out\nmodel: models/a.safetensors\npinned: [~/good, ~no-one/x]\n"
    )
    job = load_finetune_job(path)
    assert job.examples[0].path == tmp_path / "mine"
    assert job.folder == tmp_path / "out" / "my-nuclei"
    assert job.model == str(tmp_path / "models" / "a.safetensors")
    assert job.pinned == (Path.home() / "good", tmp_path / "~no-one" / "x")


@pytest.mark.parametrize(
    "wrong", [{"stepz": 3}, {"examples": None}, {"examples": 3}, {"pinned": 3}, {"steps": True}]
)
def test_wrong_settings_are_refused_by_name(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        make_finetune_job(wrong)


def test_a_preview_that_cannot_be_read_is_said(make_job, tmp_path):
    imwrite(tmp_path / "view.tif", np.zeros((3, 4, 5, 6), np.uint8), photometric="minisblack")
    with pytest.raises(ImageError, match="axes"):
        run(make_job(preview=Preview(image=tmp_path / "view.tif", axes="YX", diameter_px=24)))


def test_the_time_a_job_takes_is_estimated_by_a_short_trial(make_job):
    job = make_job()
    short, long = (drain(estimate_steps(job.model_copy(update={"steps": n}))) for n in (1, 10_000))
    assert 0 < short < long
