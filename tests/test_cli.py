"""The command line as a user meets it: outputs, exit codes, and errors in one line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import napari_nucseg
from napari_nucseg.cli import main
from napari_nucseg.cli.doctor import examine
from napari_nucseg.cli.main import COMMANDS
from napari_nucseg.cli.time_left import TimeLeft
from napari_nucseg.data.file_lock import one_at_a_time
from napari_nucseg.data.images import read_image
from napari_nucseg.data.rows import read_rows
from napari_nucseg.jobs.batch import BatchProgress
from napari_nucseg.network.installed import find_model
from napari_nucseg.network.places import BUNDLED_DIR
from napari_nucseg.nuclei.decoding import DecodingSettings
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.segmentation.result import Progress
from napari_nucseg.segmentation.settings import SegmentationSettings
from napari_nucseg.steps import drain

RUN = "import sys; from napari_nucseg.cli import main; sys.exit(main())"
PROGRAM = f"{sys.executable} -c '{RUN}'"
needs_bundled = pytest.mark.skipif(
    not (BUNDLED_DIR / "nuclei-unet.safetensors").exists(), reason="the bundled model is not in this checkout"
)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "cells.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 70), np.uint8)).save(path)
    return path


@pytest.fixture
def tiny(tiny_model: str) -> list[str]:
    return ["--model", tiny_model, "--device", "cpu", "--diameter", "24"]


@pytest.fixture
def sample(tmp_path: Path, capsys) -> Path:
    """Folder of the made fluorescence sample; what was said of it is read."""
    assert main(["sample", "synthetic-fluorescence", "-o", str(tmp_path)]) == 0
    capsys.readouterr()
    return tmp_path / "synthetic-fluorescence"


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


# ---- help and options


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert COMMANDS[command].split(".")[0] in " ".join(capsys.readouterr().out.split())


def test_every_setting_is_an_option(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["segment", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    fields = {**SegmentationSettings.model_fields, **DecodingSettings.model_fields}
    fields.pop("decoding")
    for name, field in fields.items():
        assert f"--{name.replace('_', '-')}" in shown
        assert field.description in shown


@pytest.mark.parametrize(
    ("commands", "spared"),
    [
        pytest.param("main(['--help'])", ("torch", "napari", "scipy", "numpy"), id="help"),
        pytest.param(
            "main(['models']), main(['segment', 'cells.png', '-o', 'out', '--model', 'tiny'])",
            ("napari", "timm", "torchvision"),  # take as long as torch
            id="models and a plain one of them",
        ),
    ],
)
def test_no_command_loads_what_it_does_not_need(
    picture: Path, tiny_model: str, commands: str, spared: tuple[str, ...]
) -> None:
    code = f"import sys; from napari_nucseg.cli import main\ntry: {commands}\nexcept SystemExit: pass\n"
    code += f"print([m for m in {spared} if m in sys.modules])"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=picture.parent)
    assert result.stdout.splitlines()[-1] == "[]"
    assert (picture.parent / "out").is_dir() == ("segment" in commands)


# ---- segment


def test_segment_writes_and_says_one_line(tmp_path: Path, picture: Path, tiny: list[str], capsys) -> None:
    assert main(["segment", str(picture), "-o", str(tmp_path / "out"), "--overlay", "--table", *tiny]) == 0
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 1
    assert output.out.startswith(f"{picture}: ")
    assert "tiny" in output.out
    names = ["cells_labels.tif", "cells_overlay.png", "cells_table.csv"]
    assert sorted(os.listdir(tmp_path / "out")) == names


def test_segment_writes_one_table_beside_that_of_each_image(
    tmp_path: Path, picture: Path, tiny: list[str], capsys
) -> None:
    out, table = tmp_path / "out", tmp_path / "all.csv"
    assert main(["segment", str(picture), "-o", str(out), "--one-table", str(table), *tiny]) == 0
    assert f"nuclei of 1 image: {table}" in capsys.readouterr().err
    alone = (out / "cells_table.csv").read_text().splitlines()
    assert table.read_text().splitlines() == [f"image,{alone[0]}", *(f"cells,{row}" for row in alone[1:])]


def test_segment_json_is_one_line_an_image(tmp_path: Path, picture: Path, tiny: list[str], capsys) -> None:
    missing = tmp_path / "missing.png"
    arguments = ["segment", str(picture), str(missing), "-o", str(tmp_path / "out"), "--json"]
    assert main([*arguments, *tiny, "--min-area-px", "3", "--exclude-border"]) == 1
    first, second = json_lines(capsys.readouterr().out)
    assert first["error"] is None
    assert first["diameter_px"] == 24
    assert read_image(first["labels"]).pixels.max() == first["n_nuclei"]
    assert "missing.png" in second["error"]


def test_segment_says_what_it_passes_over(tmp_path: Path, picture: Path, tiny: list[str], capsys) -> None:
    (picture.parent / "cells.zarr").mkdir()
    (picture.parent / "cells.zarr" / ".zgroup").write_text("{}")
    assert main(["segment", str(picture.parent), "-o", str(tmp_path / "out"), *tiny]) == 0
    assert "cells.zarr is passed over: zarr is not read" in capsys.readouterr().err


def test_the_time_left_is_told_by_the_pace_of_the_network() -> None:
    seconds = iter([100, 104, 110, 300, 900, 905, 915])
    left = TimeLeft(lambda: next(seconds))

    def told(done: int, index: int) -> str:
        step = Progress("slice 2/4, network", done, 10, part=(2, 4))
        left.see(BatchProgress(index, 2, Path("a.tif"), step).share)
        return left.words

    words = [told(done, 0) for done in (0, 1, 2, 10)]
    assert words == ["", "", "about 6 min left", "about 20 min left"]
    left.forget_pace()
    assert [told(done, 1) for done in (0, 1, 2)] == [words[-1], words[-1], "about 3 min 30 s left"]
    assert BatchProgress(0, 2, Path("a.tif"), Progress("decode", 0, 1)).share is None


def test_segment_takes_an_image_once_under_whatever_names(
    tmp_path: Path, picture: Path, tiny: list[str], capsys
) -> None:
    link, place = tmp_path / "link.png", tmp_path / "place"
    try:
        link.symlink_to(picture)
        place.symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("this system allows no links")
    another = tmp_path / "another.png"
    another.write_bytes(picture.read_bytes())
    names = [picture, another, tmp_path / "x" / ".." / picture.name, place / picture.name, link]
    assert main(["segment", *map(str, names), "-o", str(tmp_path / "out"), *tiny]) == 0
    output = capsys.readouterr()
    assert [line.split(": ")[0] for line in output.out.splitlines()] == [str(picture), str(another)]
    assert f"{names[2]} is {picture} by another name and segmented once; so are 2 more" in output.err
    assert sorted(os.listdir(tmp_path / "out")) == ["another_labels.tif", "cells_labels.tif"]


def test_segment_says_that_it_waits_for_another_run(
    tmp_path: Path, picture: Path, tiny: list[str], capsys
) -> None:
    lock = tmp_path / "out" / ".cells.lock"
    other = drain(one_at_a_time(lock))
    other.__enter__()
    run = threading.Thread(target=main, args=(["segment", str(picture), "-o", str(tmp_path / "out"), *tiny],))
    run.start()
    said = ""
    try:
        while run.is_alive() and "waiting" not in said:
            said += capsys.readouterr().err
            time.sleep(0.05)
    finally:
        other.__exit__(None, None, None)
        run.join()
    assert said == f"  {picture}: waiting for another run, which writes results of this name\n"
    assert capsys.readouterr().out.startswith(f"{picture}: ")
    assert os.listdir(tmp_path / "out") == ["cells_labels.tif"]


def test_segment_counts_what_it_skips(tmp_path: Path, picture: Path, tiny: list[str], capsys) -> None:
    arguments = ["segment", str(picture), "-o", str(tmp_path / "out"), "--skip-done", *tiny]
    assert [main(arguments), main(arguments)] == [0, 0]
    output = capsys.readouterr()
    assert "done before -> " in output.out.splitlines()[1]
    assert output.err.splitlines() == [f"  {n} of 1 image done before" for n in (0, 1)]


def test_of_several_images_remarks_are_told_apart_and_summed_up(
    tmp_path: Path, picture: Path, tiny: list[str], capsys
) -> None:
    blank, missing = tmp_path / "blank.png", tmp_path / "missing.png"
    Image.fromarray(np.zeros((60, 70), np.uint8)).save(blank)
    options = ["-o", str(tmp_path / "out"), *tiny]
    assert main(["segment", str(blank), *options]) == 0
    (alone,) = capsys.readouterr().err.splitlines()
    assert main(["segment", str(picture), str(blank), str(missing), *options]) == 1
    remark, error, last = capsys.readouterr().err.splitlines()
    assert remark.strip() == f"{blank}: {alone.strip()}"
    assert error.startswith(f"nucseg: {missing} cannot be opened"), "it is named once"
    assert last.strip() == "2 images segmented, 1 failed"


def test_segment_writes_run_lengths(tmp_path: Path, picture: Path, tiny: list[str], capsys) -> None:
    table = tmp_path / "lengths.csv"
    options = ["-o", str(tmp_path / "out"), "--rle", str(table), "--quality", "fast"]
    assert main(["segment", str(picture), *options, *tiny]) == 0
    header, *rows = table.read_text().splitlines()
    assert header == "ImageId,EncodedPixels"
    assert rows and all(row.startswith("cells,") for row in rows)
    assert str(table) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("diameter", "expected"),
    [
        pytest.param(["--diameter", "24"], 24, id="plain"),
        pytest.param(["--diameter", "24px"], 24, id="px"),
        pytest.param(["--diameter", "12um", "--pixel-size-um", "0.5"], 24, id="um"),
        pytest.param(["--diameter", "12 µm", "--pixel-size-um", "0.5"], 24, id="micro-sign"),
        pytest.param(["--diameter-px", "24"], 24, id="px-option"),
        pytest.param(["--diameter-um", "12", "--pixel-size-um", "0.5"], 24, id="um-option"),
    ],
)
def test_diameter_in_all_its_forms(
    tmp_path: Path, picture: Path, tiny_model: str, capsys, diameter: list[str], expected: float
) -> None:
    arguments = ["segment", str(picture), "-o", str(tmp_path / "out"), "--json", "--model", tiny_model]
    assert main([*arguments, *diameter]) == 0
    assert json_lines(capsys.readouterr().out)[0]["diameter_px"] == expected


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param(["--diameter", "big"], ["'big'", "8um"], id="diameter"),
        pytest.param(["--diameter", "."], ["'.'", "8um"], id="no digit"),
        pytest.param(["--diameter", "24.5.5"], ["'24.5.5'", "8um"], id="two points"),
        pytest.param(["--diameter-px", "inf"], ["--diameter-px: ", "finite"], id="no end"),
        pytest.param(["--diameter", "24", "--diameter-px", "24"], ["give one of the two"], id="twice"),
        pytest.param(["--diameter-px", "-3"], ["--diameter-px: got", "more than 0"], id="bounds"),
        pytest.param(
            ["--foreground-threshold", "many"], ["--foreground-threshold: got", "number"], id="type"
        ),
        pytest.param(["--diameter", "0"], ["--diameter: got"], id="none"),
        pytest.param(["--diameter", "0um"], ["--diameter: got"], id="no micrometres"),
        pytest.param(["--axes", ""], ["--axes: got", "must not be empty"], id="no axes"),
        pytest.param(["--rle", "."], ["cannot write"], id="rle"),
        pytest.param(["--device", "abacus"], ["'abacus'", "cpu"], id="device"),
        pytest.param(["--model", "nothing"], ["'nothing'", "tiny"], id="model"),
    ],
)
def test_what_cannot_be_is_one_line_and_code_2(
    tmp_path: Path, picture: Path, tiny_model: str, capsys, wrong: list[str], words: list[str]
) -> None:
    assert main(["segment", str(picture), "-o", str(tmp_path / "out"), "--model", tiny_model, *wrong]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
    assert all(word in output.err for word in words)


def test_micrometres_without_a_pixel_size_are_said_in_options(tmp_path: Path, picture: Path, capsys) -> None:
    assert main(["segment", str(picture), "-o", str(tmp_path / "out"), "--diameter", "8um"]) == 1
    said = "got --diameter without --pixel-size-um: give the pixel size, or --diameter-px."
    assert said in capsys.readouterr().err


def test_a_file_that_is_called_like_a_setting_keeps_its_name(tmp_path: Path, capsys) -> None:
    (tmp_path / "job").write_text("steps: many")
    assert main(["train", "--job", str(tmp_path / "job")]) == 2
    assert f"{tmp_path / 'job'}: steps: got" in capsys.readouterr().err
    (tmp_path / "job").write_text("")
    assert main(["train", "--job", str(tmp_path / "job"), "--name", "x"]) == 2
    assert "such as name: mine" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["segment", "a.png", "-o", ""],
        ["segment", "", "-o", "out"],
        ["segment", "a.png", "-o", "out", "--rle", ""],
        ["evaluate", "--dataset", ""],
        ["train", "--data", ""],
        ["finetune", "--examples", "a", "-o", ""],
        ["sample", "cpm", "-o", ""],
        ["models", "export", "nuclei-unet", ""],
    ],
)
def test_an_empty_name_is_not_the_folder_we_are_in(arguments: list[str], capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "got an empty name" in capsys.readouterr().err


def test_home_is_found_where_the_shell_left_its_sign(
    tmp_path: Path, picture: Path, tiny: list[str], monkeypatch
) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    table = "--rle=~/lengths.csv"
    assert main(["segment", f"~/{picture.name}", "--output=~/out", table, *tiny]) == 0
    assert (tmp_path / "out" / "cells_labels.tif").is_file()
    assert (tmp_path / "lengths.csv").is_file()
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("new", ["in/cells.png", "in/mine", "cells.png", "mine.pt"])
def test_a_new_model_is_a_model_file_or_a_mere_name(new: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["finetune", "--examples", "nowhere", "-o", new]) == 2
    assert f"got --output {new}: a model file's name ends in .safetensors" in capsys.readouterr().err
    assert main(["finetune", "--examples", "nowhere", "-o", "v1.2"]) == 2
    assert "nowhere" in capsys.readouterr().err, "a name with a dot is one"


def test_settings_of_a_job_are_named_as_they_stand_there(tmp_path: Path, capsys) -> None:
    job = tmp_path / "job.yaml"
    job.write_text("examples: [nowhere]\nsteps: 0\n")
    assert main(["finetune", "--job", str(job)]) == 2
    assert ": steps: got 0" in capsys.readouterr().err
    assert main(["finetune", "--examples", "nowhere", "--steps", "0"]) == 2
    assert ": --steps: got 0" in capsys.readouterr().err


def test_unwritable_output_is_code_2(tmp_path: Path, picture: Path, tiny: list[str], capsys) -> None:
    assert main(["segment", str(picture), "-o", str(picture), *tiny]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_place_that_cannot_be_is_one_line(tmp_path: Path, tiny: list[str], monkeypatch, capsys) -> None:
    assert main(["segment", "x" * 5000, "-o", str(tmp_path / "out"), *tiny]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("NUCSEG_CACHE", str(tmp_path / "cache"))
    assert main(["sample", "cpm", "--folder", str(tmp_path)]) in (1, 2)
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals to send to a process there")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_interrupt_leaves_nothing_half_written(
    tmp_path: Path, picture: Path, tiny: list[str], name: str, code: int
) -> None:
    images = []
    for i in range(300):
        images.append(str(tmp_path / f"{i}.png"))
        os.link(picture, images[-1])
    arguments = ["segment", *images, "-o", str(tmp_path / "out"), "--rle", str(tmp_path / "r.csv"), *tiny]
    # under nohup, tests too are told to ignore it
    heard = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)"
    process = nucseg_process(arguments, before=heard)
    process.stdout.readline()  # the first image is done
    time.sleep(0.05)
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "interrupted; files written so far are whole. The same command with --skip-done goes on." in errors
    assert "Traceback" not in errors
    # ended between making and holding it, a run leaves a lock, which is in nobody's way
    written = [file for file in (tmp_path / "out").iterdir() if file.suffix != ".lock"]
    assert 0 < len(written) < len(images)
    assert all(read_image(file).pixels.shape == (60, 70) for file in written)
    assert not [file for file in tmp_path.iterdir() if "r.csv" in file.name]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals to send to a process there")
def test_a_closed_terminal_does_not_end_what_was_told_to_ignore_it(
    tmp_path: Path, picture: Path, tiny: list[str]
) -> None:
    ignored = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    images = [str(picture), str(tmp_path / "missing.png")]
    process = nucseg_process(["segment", *images, "-o", str(tmp_path / "out"), *tiny], before=ignored)
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals to send to a process there")
def test_a_second_interrupt_at_the_end_is_quiet(tmp_path: Path, picture: Path, tiny: list[str]) -> None:
    last = "import atexit, time; atexit.register(lambda: (print('ending', flush=True), time.sleep(60)))"
    process = nucseg_process(["segment", str(picture), "-o", str(tmp_path), *tiny], before=last)
    while (line := process.stdout.readline()) != "ending\n":
        assert line, process.stderr.read()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in errors


def nucseg_process(arguments: list[str], before: str = "") -> subprocess.Popen[str]:
    """Start the command in a process of its own; ``before`` is a statement that it runs first."""
    return subprocess.Popen(
        [sys.executable, "-c", f"{before}\n{RUN}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, and with them these tests, may have been told to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_console_without_the_letters(tmp_path: Path, picture: Path, tiny_model: str) -> None:
    """A console that cannot show · or ² gets a replacement, not an error."""
    options = ["-o", str(tmp_path / "out"), "--model", tiny_model, "--diameter", "24"]
    command = [sys.executable, "-c", RUN, "segment", str(picture), *options]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    assert "?" in result.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell with pipes")
def test_a_reader_that_has_gone_is_no_error_and_told_by_the_code(tiny_model: str) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", RUN, "models", "--json"]
    result = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert result.stderr == ""
    assert result.returncode == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("away", ["2>&-", ">&-", "2>/dev/full"])
def test_remarks_nobody_can_read_stop_nothing(
    tmp_path: Path, picture: Path, tiny_model: str, away: str
) -> None:
    images = f"{tmp_path}/missing.png {picture}"
    line = (
        f"{PROGRAM} segment {images} -o {tmp_path}/out --model {tiny_model} --device cpu --diameter 24 {away}"
    )
    result = subprocess.run(line, shell=True, capture_output=True, text=True)
    assert result.returncode == 1  # for the one that is missing
    assert "Traceback" not in result.stderr
    assert read_image(tmp_path / "out" / "cells_labels.tif").pixels.shape == (60, 70)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_result_that_cannot_be_said_ends_it_in_words() -> None:
    result = subprocess.run(f"{PROGRAM} models >/dev/full", shell=True, capture_output=True, text=True)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("nucseg: cannot write to standard output: No space left on device")


def test_a_package_that_cannot_be_imported_is_one_line(picture: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from napari_nucseg.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "segment", str(picture), "-o", str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("nucseg: torch cannot be imported: ")


# ---- evaluate


def test_evaluate_files(sample: Path, capsys) -> None:
    labels = sample / "labels"
    assert main(["evaluate", "--truth", str(sample), "--pred", str(labels), "--json"]) == 0
    image, summary = json_lines(capsys.readouterr().out)
    assert image["ap50"] == 1
    assert summary["summary"]["scores"]["pooled"]["mean_ap"] == 1
    assert main(["evaluate", "--truth", str(labels), "--pred", str(labels)]) == 0
    assert "1.000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        pytest.param(bool, {}, id="bool"),
        pytest.param(np.uint8, {"photometric": "miniswhite"}, id="0 is white"),
        pytest.param(
            np.uint8,
            {"photometric": "palette", "colormap": np.full((3, 256), 65535, np.uint16)},
            id="palette",
        ),
    ],
)
@pytest.mark.parametrize("part", ["truth", "pred"])
def test_evaluate_reads_labels_as_they_are_stored(part: str, dtype, options, tmp_path: Path, capsys) -> None:
    labels = np.zeros((60, 60), np.uint8)
    for number, (y, x) in enumerate([(5, 5), (5, 30), (30, 5)], 1):
        labels[y : y + 12, x : x + 12] = number
    truth, pred = tmp_path / "truth", tmp_path / "pred"
    files = {"truth": truth / "labels" / "a.tif", "pred": pred / "a_labels.tif"}
    for name, file in files.items():
        file.parent.mkdir(parents=True)
        tifffile.imwrite(file, labels.astype(dtype), **options) if name == part else tifffile.imwrite(
            file, labels
        )
    (truth / "images").mkdir()
    tifffile.imwrite(truth / "images" / "a.tif", labels)
    assert main(["evaluate", "--truth", str(truth), "--pred", str(pred), "--json"]) == 0
    assert json_lines(capsys.readouterr().out)[0]["ap50"] == 1


def test_evaluate_says_that_a_mask_has_no_numbers(tmp_path: Path, capsys) -> None:
    truth, pred = tmp_path / "truth", tmp_path / "pred"
    labels = np.zeros((60, 60), np.uint8)
    labels[5:20, 5:15], labels[5:20, 15:25], labels[30:40, 30:40] = 1, 2, 3
    for folder in (truth, pred):
        folder.mkdir()
    for name in "ab":
        tifffile.imwrite(truth / f"{name}.tif", labels)
        tifffile.imwrite(pred / f"{name}.tif", np.where(labels, 255, 0).astype(np.uint8))
    assert main(["evaluate", "--truth", str(truth), "--pred", str(pred), "--json"]) == 0
    out, err = capsys.readouterr()
    first, _, summary = json_lines(out)
    assert first["n_pred"] == 2
    words = "without numbers: nuclei that touch count as one"
    assert first["notes"] == [f"{pred / 'a.tif'} is a mask {words}"]
    assert summary["summary"]["notes"] == [err.strip()] == [f"{pred / 'a.tif'} and 1 more are masks {words}"]
    assert main(["evaluate", "--truth", str(pred), "--pred", str(truth)]) == 0
    assert words in capsys.readouterr().err, "the truth may be such a mask"
    assert main(["evaluate", "--truth", str(truth), "--pred", str(truth)]) == 0
    assert capsys.readouterr().err == ""


def test_evaluate_model_with_rows(tmp_path: Path, sample: Path, tiny: list[str], capsys) -> None:
    index = tmp_path / "index.csv"
    index.write_text(
        "dataset,name,group,split,kind\n"
        "mine,synthetic-fluorescence,g,val,fluorescence\nother,elsewhere,g,val,x\n"
    )
    arguments = ["evaluate", "--dataset", str(sample), "--index", str(index)]
    assert main([*arguments, "--split", "val", "--json", *tiny]) == 0
    image, summary = json_lines(capsys.readouterr().out)
    assert image["kind"] == "fluorescence"
    older = ["--rows" if word == "--index" else word for word in arguments]
    assert main([*older, "--split", "val", "--json", *tiny]) == 0
    assert json_lines(capsys.readouterr().out)[0]["name"] == image["name"]
    assert main(["evaluate", "--dataset", str(sample), "--split", "val", *tiny]) == 2
    assert "got --split without --index" in capsys.readouterr().err
    assert list(summary["summary"]["by_kind"]) == ["fluorescence"]
    for part in ("images", "labels"):
        shutil.copy(sample / part / "synthetic-fluorescence.tif", sample / part / "elsewhere.tif")
    assert main([*arguments, "--json", *tiny]) == 0
    assert len(json_lines(capsys.readouterr().out)) == 3, "two datasets may lie in one folder"
    assert main([*arguments, "--split", "nonsense", *tiny]) == 2
    assert "split val" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="nothing"),
        pytest.param(["--truth", "a"], id="half"),
        pytest.param(["--truth", "a", "--pred", "b", "--dataset", "c"], id="both"),
    ],
)
def test_evaluate_needs_one_of_two(arguments: list[str], capsys) -> None:
    assert main(["evaluate", *arguments]) == 2
    assert "--truth DIR and --pred DIR, or --dataset PATH" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--model", "no-such-model"], id="model"),
        pytest.param(["--certainty", "99"], id="setting"),
        pytest.param(["--diameter-px", "5"], id="diameter"),
        pytest.param(["--true-diameter"], id="true-diameter"),
    ],
)
def test_evaluate_files_takes_no_settings(options: list[str], sample: Path, capsys) -> None:
    labels = str(sample / "labels")
    assert main(["evaluate", "--truth", labels, "--pred", labels, *options]) == 2
    output = capsys.readouterr()
    assert f"got {options[0]} with --pred" in output.err
    assert output.out == ""


def test_evaluate_takes_one_diameter(sample: Path, tiny: list[str], capsys) -> None:
    assert main(["evaluate", "--dataset", str(sample), "--true-diameter", *tiny]) == 2
    assert "give one of the two" in capsys.readouterr().err


# ---- train, models, sample, doctor


def small_job(data: Path, steps: int) -> Path:
    job = data.parent / "job.yaml"
    job.write_text(
        f"name: mine\noutput: runs\nsteps: {steps}\nbatch_size: 2\npatch_px: 64\ndevice: cpu\n"
        f"validation_share: 0\naugment: {{crop_px: 64}}\ndata: [{{path: {data}}}]\nsize: null\njudge: null\n"
        "architecture: {encoder: tu-regnetx_002, encoder_depth: 3, decoder_channels: [16, 8, 8]}\n"
    )
    return job


def test_train_a_few_steps_and_resume(tmp_path: Path, sample: Path, capsys) -> None:
    job = small_job(sample, steps=2)
    assert main(["train", "--job", str(job), "--output", str(tmp_path / "runs")]) == 0
    model = Path(capsys.readouterr().out.splitlines()[-1])
    assert model == tmp_path / "runs" / "mine" / "mine.safetensors"
    assert model.is_file()
    assert main(["train", "--job", str(job), "--output", str(tmp_path / "runs"), "--resume", "--json"]) == 0
    assert json_lines(capsys.readouterr().out)[-1] == {"model": str(model)}


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals to send to a process there")
def test_train_leaves_a_checkpoint_when_it_is_terminated(tmp_path: Path, sample: Path) -> None:
    job = small_job(sample, steps=100000)
    process = nucseg_process(["train", "--job", str(job), "--output", str(tmp_path / "runs"), "--json"])
    while '"step": 10,' not in (line := process.stdout.readline()):
        assert line, process.stderr.read()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 143, errors
    assert "Go on with --resume." in errors
    assert list((tmp_path / "runs" / "mine").glob("*checkpoint*"))


def test_models_are_listed(tiny_model: str, capsys) -> None:
    assert main(["models", "--json"]) == 0
    listed = {line["name"]: line for line in json_lines(capsys.readouterr().out)}
    assert listed[tiny_model]["card"]["canonical_diameter_px"] == 24
    assert main(["models"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "title", "from", "kind", "size", "licence", "where"]
    (line,) = [line for line in lines if line.startswith("tiny ")]
    assert all(word in line for word in ("Tiny", "U-Net", " MB", "tiny.safetensors"))


def test_models_are_shown_installed_and_removed(tmp_path: Path, tiny_model: str, monkeypatch, capsys) -> None:
    file = find_model(tiny_model)
    assert main(["models", "show", "tiny"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("plain", "none stated", "24 px", str(file)))
    monkeypatch.setenv("NUCSEG_MODELS", str(tmp_path / "own"))
    monkeypatch.setenv("NUCSEG_RUNS", str(tmp_path / "runs"))
    assert main(["models", "install", str(file), "--name", "mine"]) == 0
    output = capsys.readouterr()
    assert str(tmp_path / "own" / "mine.safetensors") in output.out
    assert "Licence: none stated" in output.err
    assert main(["models", "install", str(file), "--name", "mine"]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["models", "install", str(file), "--name", "mine", "--force"]) == 0
    assert main(["models", "show", "mine"]) == 0
    assert main(["models", "remove", "mine"]) == 0
    assert main(["models", "remove", "mine"]) == 2
    assert "'mine'" in capsys.readouterr().err
    assert os.listdir(tmp_path / "own") == []


def test_samples_keep_their_pixel_size(tmp_path: Path, capsys) -> None:
    names = ("synthetic-fluorescence", "synthetic-histology")
    assert main(["sample", *names, "-o", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for name in names:
        image = read_image(tmp_path / name / "images" / f"{name}.tif")
        labels = read_image(tmp_path / name / "labels" / f"{name}.tif")
        assert image.pixel_size_um == pytest.approx(labels.pixel_size_um)
        assert image.pixels.shape[:2] == labels.pixels.shape
        assert name in said


def test_dataset_a_person_must_fetch(tmp_path: Path, test_data: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("NUCSEG_CACHE", str(tmp_path / "cache"))
    assert main(["sample", "lizard", "-o", str(tmp_path / "out")]) == 1
    assert "nucseg sample lizard --folder DIR" in capsys.readouterr().err
    assert main(["sample", "lizard", "--folder", str(test_data / "lizard")]) == 0
    assert main(["sample", "lizard", "-o", str(tmp_path / "out")]) == 0
    monkeypatch.setenv("NUCSEG_CACHE", str(tmp_path / "out"))
    assert main(["sample", "lizard", "-o", str(tmp_path / "again")]) == 0


def test_doctor_reports(capsys) -> None:
    code = main(["doctor", "--json"])
    (report,) = json_lines(capsys.readouterr().out)
    assert "cpu" in report["devices"]
    assert report["packages"]["torch"]
    assert code == (1 if report["problems"] else 0)
    main(["doctor"])
    assert "own models" in capsys.readouterr().out


def test_doctor_says_where_a_persons_work_lies(tmp_path: Path, monkeypatch, capsys) -> None:
    kept = {
        "NUCSEG_JOURNAL": "journals of edits",
        "NUCSEG_WORK": "places of work lists",
        "NUCSEG_RUNS": "runs of Fine-tune",
    }
    for variable in kept:
        monkeypatch.setenv(variable, str(tmp_path / variable))
    main(["doctor", "--json"])
    (report,) = json_lines(capsys.readouterr().out)
    for variable, name in kept.items():
        assert report["places"][name].startswith(f"{tmp_path / variable} (")


def test_doctor_says_which_place_cannot_be_entered(tmp_path: Path, as_anybody) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0)
    code = "from napari_nucseg.cli import main; main(['doctor', '--json'])"
    (line,) = as_anybody(code, NUCSEG_RUNS=str(locked / "runs"), NUCSEG_CACHE=str(locked / "cache"))
    (report,) = json_lines(line)
    for name in ("runs of Fine-tune", "cache"):
        assert any(f"{locked} cannot be written: {name} " in problem for problem in report["problems"])


@pytest.mark.skipif(
    sys.platform != "linux", reason="has no folder that permissions say can be written, and cannot"
)
def test_doctor_says_which_place_cannot_be_made(monkeypatch) -> None:
    monkeypatch.setenv("NUCSEG_RUNS", "/proc/runs")
    assert any("/proc cannot be written: runs of Fine-tune" in problem for problem in examine()["problems"])


def test_doctor_names_the_default_and_says_where_it_is_gone(
    tiny_models: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("NUCSEG_MODELS", str(tmp_path / "models"))
    model = napari_nucseg.install_model(tiny_models / "tiny.safetensors")

    def doctor() -> tuple[str, list[str]]:
        main(["doctor", "--json"])
        (report,) = json_lines(capsys.readouterr().out)
        return report["places"]["default model"], report["problems"]

    by_program, problems = doctor()
    assert by_program.endswith("(the program chooses)")
    napari_nucseg.prefer_model("tiny")
    assert doctor() == ("tiny (your choice)", problems)
    model.path.unlink()
    default, more = doctor()
    assert default == by_program
    assert any(line.startswith("your default model tiny is gone") for line in more)


def test_doctor_says_which_place_is_a_file(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("NUCSEG_MODELS", str(tmp_path / "file" / "models"))
    monkeypatch.setenv("NUCSEG_CACHE", str(tmp_path / "file"))
    assert main(["doctor", "--json"]) == 1
    (report,) = json_lines(capsys.readouterr().out)
    for name in ("own models", "cache"):
        assert any(f"file is a file, not a folder: {name}" in line for line in report["problems"])


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for nvidia-smi is a shell script")
def test_doctor_finds_a_card_torch_cannot_use(tmp_path: Path, monkeypatch, capsys) -> None:
    """A driver that names a card, and a torch that is shown none: as with a build for other hardware."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA T4, 550.1'\n")
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": ""}
    code = "import sys; from napari_nucseg.cli import main; sys.exit(main(['doctor']))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert result.returncode == 1
    expected = "an NVIDIA card is here (NVIDIA T4, driver 550.1) but this torch cannot use it"
    assert expected in result.stdout


# ---- the whole chain with the bundled model


@needs_bundled
def test_synthetic_sample_is_segmented(tmp_path: Path, sample: Path) -> None:
    options = ["-o", str(tmp_path / "out"), "--diameter", "24", "--device", "cpu"]
    assert main(["segment", str(sample / "images"), *options]) == 0
    truth = read_image(sample / "labels" / "synthetic-fluorescence.tif").pixels
    labels = read_image(tmp_path / "out" / "synthetic-fluorescence_labels.tif").pixels
    assert evaluate(truth, labels).f1 > 0.6


@needs_bundled
def test_real_images_are_segmented_and_scored(tmp_path: Path, test_data: Path, known_images, capsys) -> None:
    rows = read_rows(test_data / "index.csv", dataset="dsb2018", split="val", kind="fluorescence")[:2]
    folder = test_data / "dsb2018" / "stage1_train"
    images = [str(folder / row.name / "images" / f"{row.name}.png") for row in rows]
    assert main(["segment", *images, "-o", str(tmp_path / "out"), "--device", "cpu", "--json"]) == 0
    lines = json_lines(capsys.readouterr().out)
    for line, row in zip(lines, rows, strict=True):
        assert 0.3 < line["n_nuclei"] / known_images["dsb2018", row.name]["n_nuclei"] < 3
