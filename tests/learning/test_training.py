"""Runs of a tiny network: what comes out, again with the same seed, and after an interruption."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tifffile import imwrite

import napari_nucseg
from napari_nucseg.cli import main
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import OutputError, SettingsError, TrainingError
from napari_nucseg.learning import training
from napari_nucseg.learning.average import RunningAverage
from napari_nucseg.learning.job import load_job
from napari_nucseg.learning.place import LOCK
from napari_nucseg.learning.training import train_steps
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import load_model
from napari_nucseg.segmentation.segment import segment
from napari_nucseg.segmentation.size_views import summaries
from napari_nucseg.steps import drain

RUN = "import sys; from napari_nucseg.cli import main; sys.exit(main())"
KINDS = ["unet", "unetplusplus"]
SIZE = {"views_an_image": 2, "steps": 5}
STOPPING = {
    "validation": {"images": 1, "every": 2},
    "early_stop": {"score": "auc", "patience": 2},
    "schedule": {"kind": "step", "milestones": [0.5]},
    "optimizer": {"kind": "adam-amsgrad", "learning_rate": 0.02, "weight_decay": 0},
}


def assert_same_weights(one, other):
    expected = load_model(other).network.state_dict()
    for key, value in load_model(one).network.state_dict().items():
        torch.testing.assert_close(value, expected[key], rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_images_becomes_a_model_that_segments(write_job, train, tmp_path, kind):
    path, seen = train(write_job(kind, steps=40, validate_every=20, learning_rate=0.01, size=SIZE, judge={}))
    steps = [p for p in seen if p.losses]
    first, last = (np.mean([p.loss for p in part]) for part in (steps[:10], steps[-10:]))
    assert last < 0.8 * first
    assert [p.step for p in steps] == list(range(1, 41))
    assert {p.total for p in steps} == {40}
    assert steps[19].scores.keys() == {"ap50", "mean_ap", "pixel_accuracy", "pixel_iou", "auc"}
    model = load_model(path)
    assert model.size_head is not None
    assert model.card.figures == steps[-1].scores
    assert model.card.architecture.kind == kind
    assert segment(synthetic_fluorescence((100, 100)).image, model=str(path)).labels.shape == (100, 100)
    rows = list(csv.DictReader((tmp_path / "runs" / "tiny" / "log.csv").open()))
    assert [row["step"] for row in rows] == ["10", "20", "30", "40"]
    assert float(rows[1]["auc"]) == pytest.approx(steps[19].scores["auc"], abs=1e-4)
    for step in (20, 40):
        with Image.open(tmp_path / "runs" / "tiny" / "samples" / f"step-{step:06d}.png") as picture:
            assert picture.size == (3 * 160 + 2 * 4, 160)


def test_training_from_python_is_that_of_the_command(folder, tiny_models, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO", "napari_nucseg")
    shutil.copytree(folder, tmp_path / "mine")
    shutil.copy(tiny_models / "tiny.safetensors", tmp_path)
    small = {"size": None, "judge": None, "device": "cpu", "batch_size": 2, "seed": 3}
    with pytest.raises(SettingsError, match=r"stepps.*steps"):
        napari_nucseg.train("mine", stepps=1)
    path = napari_nucseg.train("mine", name="own", start="tiny.safetensors", epochs=1, **small)
    assert path == tmp_path / "runs" / "own" / "own.safetensors"
    card = load_model(path).card
    assert card.parent_name == "tiny"
    assert card.training_data == ("3 images of mine",)
    assert "1 image held back" in caplog.text
    source = {"path": "mine", "channel": 0}
    other = napari_nucseg.train(source, name="other", start=Path("tiny.safetensors"), epochs=1, **small)
    assert_same_weights(other, path)


def test_a_decoder_learns_on_an_encoder_that_stays(write_job, train, tmp_path):
    unet, _ = train(write_job(steps=3, name="unet", size=SIZE))
    shape = {**load_model(unet).card.architecture.model_dump(mode="json"), "kind": "unetplusplus"}
    changes = {"architecture": shape, "start": str(unet), "learn": "decoder", "steps": 3, "size": SIZE}
    whole, _ = train(write_job(name="whole", **changes))
    before, after = load_model(unet), load_model(whole)
    for name, value in before.network.encoder.state_dict().items():
        torch.testing.assert_close(after.network.encoder.state_dict()[name], value, rtol=0, atol=0)
    assert any(
        (value != grown).any()
        for value, grown in zip(
            before.network.decoder.blocks[0].parameters(),
            after.network.decoder.nodes["1_1"].parameters(),
            strict=True,
        )
    )
    torch.testing.assert_close(after.size_head.state_dict(), before.size_head.state_dict(), rtol=0, atol=0)
    train(write_job(name="parts", **changes), steps=2)
    assert_same_weights(train(write_job(name="parts", **changes), resume=True)[0], whole)
    other, _ = train(write_job(name="other", **changes, canonical_diameter_px=30))
    assert (
        load_model(other).size_head.state_dict()["centre"] != before.size_head.state_dict()["centre"]
    ).any()


def test_a_size_head_is_kept_with_the_encoder_it_reads(write_job, train):
    path, _ = train(write_job(steps=3, name="first", size=SIZE))
    changes = {"start": str(path), "size": "keep", "steps": 3}
    again, _ = train(write_job(name="second", **changes))
    first, second = load_model(path), load_model(again)
    for name, value in first.network.encoder.state_dict().items():
        torch.testing.assert_close(second.size_encoder.state_dict()[name], value, rtol=0, atol=0)
    moved = zip(first.network.encoder.parameters(), second.network.encoder.parameters(), strict=True)
    assert any((before != after).any() for before, after in moved)
    image = synthetic_fluorescence((96, 96), seed=1).image
    views = [np.repeat(image[None].astype(np.float32) / image.max(), 3, 0)]
    device = choose_device("cpu", "float32")
    read = [model.size_head(summaries(model.size_encoder, views, device)) for model in (first, second)]
    torch.testing.assert_close(read[1], read[0])
    third, _ = train(write_job(name="third", **{**changes, "start": str(again)}))
    torch.testing.assert_close(
        load_model(third).size_head.state_dict(), second.size_head.state_dict(), rtol=0, atol=0
    )


def test_a_size_head_that_would_read_something_else_is_not_kept(write_job, train):
    path, _ = train(write_job(steps=2, name="first", size=SIZE))
    with pytest.raises(TrainingError, match="cannot keep the size head"):
        train(write_job(name="second", start=str(path), size="keep", canonical_diameter_px=30))
    with pytest.raises(SettingsError, match="size: keep needs a model"):
        load_job(write_job(name="third", size="keep"))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        pytest.param("unet", {"steps": 8}, id="cosine"),
        pytest.param("unetplusplus", {"steps": 8}, id="deep supervision"),
        pytest.param("unetplusplus", {"epochs": 3, **STOPPING}, id="early stop, milestones, epochs"),
    ],
)
def test_a_run_cut_short_goes_on_as_if_nothing_had_happened(write_job, train, kind, changes):
    whole, seen = train(write_job(kind, name="whole", **changes))
    _, earlier = train(write_job(kind, name="parts", **changes), steps=4)
    parts, later = train(write_job(kind, name="parts", **changes), resume=True)
    assert next(p.step for p in later if p.step) in (4, 5)
    assert later[-1].step == seen[-1].step
    assert later[-1].scores == seen[-1].scores
    assert_same_weights(parts, whole)
    log = (load_job(write_job(name="parts")).folder / "log.csv").read_text()
    steps = [row["step"] for row in csv.DictReader(log.splitlines())]
    assert len(steps) == len(set(steps))
    seconds = [p.seconds for p in (*earlier, *later) if p.losses]
    assert seconds == sorted(seconds)


def test_training_stops_when_nothing_gets_better_and_the_best_weights_are_kept(write_job, train):
    frozen = {"optimizer": {"learning_rate": 1e-12}, "validation": {"images": 1, "every": 2}}
    stop = {"score": "pixel_accuracy", "patience": 3}
    path, seen = train(write_job(steps=100, **frozen, early_stop=stop))
    scored = [p.scores["pixel_accuracy"] for p in seen if p.scores]
    best = int(np.argmax(scored))
    assert len(scored) == best + 1 + 3
    assert seen[-1].step == 2 * len(scored) < 100
    card = load_model(path).card
    assert card.figures["pixel_accuracy"] == max(scored)
    kept = 2 * (best + 1)
    assert f"{kept} steps of 4 crops of 64 px, the best scored of {seen[-1].step}" in card.history[0]
    words = f"Stopped early: no better pixel_accuracy for 3 scorings; the weights of step {kept} are kept."
    assert words in [p.message for p in seen]
    assert train(write_job(steps=100, **frozen, early_stop=stop), resume=True)[1][-1].losses == {}


def test_an_epoch_draws_as_many_crops_as_there_are_patches(write_job, train):
    # 3 images to learn from, one held back; each is cut into 2 x 2 patches at its own scale: 12 crops are 3 steps
    _, seen = train(
        write_job(epochs=2, canonical_diameter_px=None, validation={"images": 1, "every": "epoch"})
    )
    assert [p.step for p in seen if p.scores] == [3, 6]
    assert seen[-1].total == 6


def test_a_model_of_native_scale_says_which_size_is_typical(write_job, train, folder):
    path, _ = train(write_job(steps=1, canonical_diameter_px=None))
    card = load_model(path).card
    assert 15 < card.canonical_diameter_px < 40
    assert card.canonical_diameter_px != 24
    assert "at their own scale" in card.history[0]


def test_kill_minus_nine_in_the_middle_of_training_loses_no_checkpoint(write_job, tmp_path):
    path = write_job(steps=20000)
    checkpoint = tmp_path / "runs" / "tiny" / "checkpoint.safetensors"
    command = [sys.executable, "-c", RUN, "train", "--job", str(path)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 400
        while not checkpoint.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert (checkpoint.parent / LOCK).exists()
    steps = train_steps(load_job(path), resume=True)
    first = next(p for p in steps if p.step)
    steps.close()
    assert first.step > 1


def test_other_settings_are_not_resumed(write_job, train):
    train(write_job(steps=2))
    steps = train_steps(load_job(write_job(steps=2, learning_rate=0.1)), resume=True)
    with pytest.raises(TrainingError, match=r"optimizer\.learning_rate"):
        next(steps)  # before the images are read


def test_no_model_is_replaced_by_a_new_one(write_job, train):
    path, _ = train(write_job(steps=2))
    before = path.read_bytes()
    for start in ("random", str(path)):
        with pytest.raises(TrainingError, match=r"another --name|would replace the old one"):
            train(write_job(steps=2, seed=1, start=start))
    assert path.read_bytes() == before
    with pytest.raises(TrainingError, match="another name"):
        train(write_job(name="checkpoint"))


def test_two_runs_of_one_name_do_not_go_on_at_once(write_job, train, tmp_path):
    first = train_steps(load_job(write_job(steps=2)))
    next(first)
    for resume in (False, True):
        with pytest.raises(TrainingError, match=r"is going on in .*tiny: wait for it, or .* --name"):
            train(write_job(steps=2), resume=resume)
    train(write_job(name="other", steps=1))
    path = drain(first)
    assert not (path.parent / LOCK).exists()
    train(write_job(steps=2), resume=True)


def test_a_run_that_is_refused_leaves_no_folder(write_job, train, tmp_path):
    with pytest.raises(TrainingError, match="nothing to resume"):
        train(write_job(name="misspelt"), resume=True)
    assert not (tmp_path / "runs").exists()


def test_a_model_that_came_while_another_was_trained_stays(write_job, tmp_path):
    steps = train_steps(load_job(write_job(steps=2)))
    next(steps)
    came = tmp_path / "runs" / "tiny" / "tiny.safetensors"
    came.write_bytes(b"a model")
    with pytest.raises(TrainingError, match=r"there already\. Move it away, then go on with --resume\."):
        drain(steps)
    assert came.read_bytes() == b"a model"


def test_what_is_resumed_is_this_run_not_an_earlier_one_of_its_name(write_job, train, tmp_path):
    train(write_job(steps=4))
    (tmp_path / "runs" / "tiny" / "tiny.safetensors").unlink()
    changes = {"steps": 4, "checkpoint_seconds": 1000}
    train(write_job(**changes, seed=1), steps=1)
    with pytest.raises(TrainingError, match=r"other settings \(seed\)"):
        train(write_job(**changes), resume=True)


def test_a_run_that_is_closed_leaves_a_checkpoint_of_its_last_step(write_job, train):
    changes = {"steps": 4, "checkpoint_seconds": 1000}
    whole, _ = train(write_job(name="whole", **changes))
    train(write_job(name="parts", **changes), steps=2)
    parts, later = train(write_job(name="parts", **changes), resume=True)
    assert [p.step for p in later if p.losses] == [3, 4]
    assert_same_weights(parts, whole)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send to a process there")
@pytest.mark.parametrize(
    ("changes", "until"),
    [
        pytest.param({"steps": 20000, "checkpoint_seconds": 1000}, '"losses": {"', id="between steps"),
        pytest.param({"steps": 20, "size": {**SIZE, "steps": 10**6}}, "Learning the size", id="size head"),
    ],
)
def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on(write_job, tmp_path, changes, until):
    path = write_job(**changes)
    child = subprocess.Popen(
        [sys.executable, "-c", RUN, "train", "--job", str(path), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while until not in child.stdout.readline():
        pass
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130, errors
    assert errors.endswith("Go on with --resume.\n")
    steps = train_steps(load_job(path), resume=True)
    assert next(p.step for p in steps if p.step) > 10
    steps.close()
    if "losses" in until:
        assert errors.startswith("  Stopping after this step; Ctrl-C again stops at once.\n")


def test_other_images_are_not_resumed_and_a_finished_run_says_so(write_job, train, folder, tmp_path):
    data = shutil.copytree(folder, tmp_path / "data")
    changes = {"data": [{"path": str(data)}], "steps": 2, "validation_share": 0}
    path, _ = train(write_job(**changes))
    before = load_model(path)
    again, seen = train(write_job(**changes), resume=True)
    assert any("finished already" in p.message for p in seen)
    torch.testing.assert_close(load_model(again).network.state_dict(), before.network.state_dict())
    more = synthetic_fluorescence((160, 160), seed=9)
    for sub, pixels in (("images", more.image), ("labels", more.labels)):
        imwrite(data / sub / "9.tif", pixels)
    with pytest.raises(
        TrainingError, match=r"was made with other images or labels to learn from\. Restore them"
    ):
        train(write_job(**changes), resume=True)


def test_how_often_is_looked_may_change_on_resuming(write_job, train):
    train(write_job(steps=2))
    train(write_job(steps=2, validate_every=1), resume=True)


def test_a_damaged_checkpoint_is_said(write_job, train, tmp_path):
    train(write_job(steps=2))
    (tmp_path / "runs" / "tiny" / "checkpoint.safetensors").write_bytes(b"rubbish")
    with pytest.raises(TrainingError, match="damaged"):
        train(write_job(steps=2), resume=True)


def test_a_loss_that_bursts_is_said(write_job, train):
    with pytest.raises(TrainingError, match=r"the loss became.*lower the learning rate"):
        train(write_job(steps=20, warmup_steps=0, learning_rate=1e30))


def test_what_cannot_be_learned_is_said_before_the_first_step(write_job, train):
    with pytest.raises(TrainingError, match=r"kind_weights leaves nothing.*unknown"):
        train(write_job(kind_weights={"unknown": 0}))
    swin = {"encoder": "tu-swin_tiny_patch4_window7_224", "encoder_depth": 4, "decoder_channels": [8] * 4}
    with pytest.raises(SettingsError, match=r"swin.*any size"):
        train(write_job(architecture=swin))


def test_a_network_that_bursts_in_its_last_step_is_said_before_it_is_scored(write_job, train):
    with pytest.raises(TrainingError, match="lower the learning rate"):
        train(write_job(steps=5, warmup_steps=0, learning_rate=1e9))
    with pytest.raises(TrainingError, match=r"no numbers.*lower the learning rate"):
        train(write_job(steps=1, warmup_steps=0, learning_rate=1e38))


def test_an_output_that_cannot_be_written_is_said(write_job, train, tmp_path):
    (tmp_path / "runs").write_text("a file, not a folder")
    with pytest.raises(OutputError, match="cannot write"):
        train(write_job(steps=2))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_disk_that_fills_up_is_said(write_job, train, tmp_path):
    steps = train_steps(load_job(write_job(steps=20)))
    while next(steps).step < 2:
        pass
    log = tmp_path / "runs" / "tiny" / "log.csv"
    log.unlink()
    log.symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"cannot write .*log\.csv: the disk is full\. Free"):
        for _ in steps:
            pass


@pytest.mark.parametrize(
    ("in_the_way", "resumable"),
    [pytest.param("runs/tiny/samples", True, id="later"), pytest.param("runs", False, id="at once")],
)
def test_what_cannot_be_written_says_how_to_go_on_where_that_can_be(
    write_job, tmp_path, capsys, in_the_way, resumable
):
    place = tmp_path / in_the_way
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("a file, not a folder")
    assert main(["train", "--job", str(write_job(steps=2))]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"{place} is a file, not a folder" in last
    assert last.endswith("Go on with --resume.") == resumable
    place.unlink()
    assert main(["train", "--job", str(write_job(steps=2)), "--resume"]) == (0 if resumable else 2)


@pytest.mark.parametrize("steps", [10, 100, 400])
def test_the_running_average_of_a_short_run_has_left_its_beginning_behind(steps):
    network = torch.nn.Linear(1, 1)
    average = RunningAverage(network, 0.999)
    for step in range(steps):
        torch.nn.init.constant_(network.weight, step)
        average.update(network)
    assert 0.8 * steps < average.module.weight.item() < steps


def test_the_running_average_of_a_long_run_has_its_decay():
    network = torch.nn.Linear(1, 1)
    torch.nn.init.zeros_(network.weight)
    average = RunningAverage(network, 0.9)
    average.n_averaged.fill_(1_000_000)
    torch.nn.init.ones_(network.weight)
    average.update(network)
    assert average.module.weight.item() == pytest.approx(0.1)


def test_the_halo_does_not_shrink_with_the_patches(write_job, train, monkeypatch):
    bundled = load_model("nuclei-unet").card
    monkeypatch.setattr(training, "HALO_VIEWS", 16)
    small = {"patch_px": 64, "augment": {"crop_px": 64}, "batch_size": 2}
    as_it_was = {"architecture": bundled.architecture.model_dump(mode="json"), "start": bundled.name}
    path, _ = train(write_job(**small, **as_it_was, learning_rate=1e-7, steps=1))
    assert abs(load_model(path).card.halo_px - bundled.halo_px) <= bundled.architecture.stride_px
