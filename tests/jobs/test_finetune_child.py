"""The child process of fine-tuning: real processes, of a small program that speaks the child's language."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from napari_nucseg.data.correction_set import CorrectionSet, save_correction_set
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import OutputError, TrainingError
from napari_nucseg.jobs import finetune_child
from napari_nucseg.jobs.finetune_child import ERRORS, child_steps
from napari_nucseg.network.model_card import read_card
from napari_nucseg.teaching.job import FinetuneJob, load_finetune_job
from napari_nucseg.teaching.progress import FinetuneProgress, FinetuneResult, Verdict

START = """
import json, os, pathlib, sys, time
from napari_nucseg.jobs.parent import end_with_parent
end_with_parent()
path = pathlib.Path(sys.argv[sys.argv.index("--job") + 1])
job = json.loads(path.read_text())
(path.parent / "pid").write_text(str(os.getpid()))

def tell(**line):
    print(json.dumps(line), flush=True)

def learn(step):
    tell(progress={"stage": "learning", "step": step, "losses": {"all": 1 / step}})

RESULT = {"model": "new.safetensors", "verdict": "better", "words": "Fine."}
"""
LEARN_UNTIL_STOPPED = """
learn(1)
while not (path.parent / "stop").exists():
    time.sleep(0.02)
tell(result=RESULT)
"""
LEARN_FOR_EVER = """
learn(1)
time.sleep(600)
"""
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX's")


@pytest.fixture
def start(tmp_path):
    """Start fine-tuning in a child that runs the given lines."""

    def starts(lines, **asked):
        script = tmp_path / "child.py"
        script.write_text(START + textwrap.dedent(lines), encoding="utf8")
        job = FinetuneJob(name="mine", output=tmp_path / "runs", **asked)
        return child_steps(job, command=(sys.executable, str(script)))

    return starts


def news(steps, answer=None):
    """All news until the end, and the result; the first request carries an answer."""
    told = []
    try:
        if answer is not None:
            steps.send(answer)
        while True:
            if (step := next(steps)) is not None:
                told.append(step)
    except StopIteration as end:
        return told, end.value


def first_news(steps):
    return next(step for step in steps if step is not None)


def child_pid(tmp_path):
    return int((tmp_path / "runs" / "mine" / "pid").read_text())


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(pid, seconds=20):
    end = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not is_alive(pid)


def test_news_come_in_order_and_the_result_at_the_end(start):
    told, result = news(start("learn(1)\nprint('a library says hello')\nlearn(2)\ntell(result=RESULT)"))
    assert [(step.stage, step.step) for step in told] == [("learning", 1), ("learning", 2)]
    assert isinstance(told[0], FinetuneProgress)
    assert isinstance(result, FinetuneResult)
    assert result.verdict is Verdict.BETTER


def test_the_job_file_is_the_job_with_a_thread_to_spare(start, tmp_path):
    news(start("tell(result=RESULT)", seed=7))
    job = json.loads((tmp_path / "runs" / "mine" / "job.json").read_text(encoding="utf8"))
    assert job["seed"] == 7
    assert job["threads"] == max(1, os.cpu_count() - 1)


def test_relative_paths_stay_what_they_are(tmp_path, monkeypatch):
    script = tmp_path / "child.py"
    script.write_text(START + "tell(result=RESULT)", encoding="utf8")
    monkeypatch.chdir(tmp_path)
    job = FinetuneJob(name="mine", output="runs", examples=({"path": "cells"},), model="base.safetensors")
    news(child_steps(job, command=(sys.executable, str(script))))
    read = load_finetune_job(tmp_path / "runs" / "mine" / "job.json")
    assert (read.folder, read.examples[0].path) == (tmp_path / "runs" / "mine", tmp_path / "cells")
    assert read.model == str(tmp_path / "base.safetensors")


def test_without_news_the_caller_gets_none_and_can_do_other_things(start):
    steps = start("time.sleep(1)\ntell(result=RESULT)")
    assert next(steps) is None
    steps.close()


def test_asked_to_stop_it_keeps_what_it_has(start, tmp_path):
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "stop").touch()  # left by an earlier run: must not end this one
    steps = start(LEARN_UNTIL_STOPPED)
    first_news(steps)
    assert next(steps) is None
    assert news(steps, answer=True)[1].verdict is Verdict.BETTER


@needs_posix
def test_closing_kills_the_child_and_its_children_at_once(start, tmp_path):
    steps = start("import subprocess\nlearn(subprocess.Popen(['sleep', '600']).pid)\n" + LEARN_FOR_EVER)
    pid_of_grandchild = first_news(steps).step
    pid = child_pid(tmp_path)
    assert is_alive(pid)
    steps.close()
    assert not is_alive(pid)
    assert wait_until_gone(pid_of_grandchild)


@needs_posix
def test_it_runs_at_low_priority(start):
    steps = start("learn(os.getpriority(os.PRIO_PROCESS, 0))\n" + LEARN_FOR_EVER)
    assert first_news(steps).step >= 10
    steps.close()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        pytest.param(
            "tell(error='No nucleus is reviewed.')", "^No nucleus is reviewed.$", id="error in words"
        ),
        pytest.param(
            "learn(1)\nraise KeyError('surprise')", "exit code 1.*KeyError: 'surprise'", id="exception"
        ),
        pytest.param("os._exit(3)", "exit code 3.*last words: nothing", id="silent end"),
        pytest.param(
            "os.kill(os.getpid(), 9)", "signal 9; often because memory", id="killed", marks=needs_posix
        ),
        pytest.param("tell(result={'model': 'x'})", "exit code 0", id="a result that is none"),
    ],
)
def test_what_goes_wrong_in_the_child_is_said(start, lines, words):
    with pytest.raises(TrainingError, match=words):
        news(start(lines))


def test_last_words_are_kept_in_the_folder(start, tmp_path):
    with pytest.raises(TrainingError, match=r"errors\.log"):
        news(start("raise KeyError('surprise')"))
    assert "Traceback" in (tmp_path / "runs" / "mine" / ERRORS).read_text(encoding="utf8")


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(OutputError, match="cannot write"):
        next(child_steps(FinetuneJob(name="mine", output=tmp_path / "runs")))


PARENT = """
import sys
from pathlib import Path
from napari_nucseg.jobs.finetune_child import child_steps
from napari_nucseg.teaching.job import FinetuneJob
for step in child_steps(FinetuneJob(name="mine", output=Path(sys.argv[1])), command=(sys.executable, sys.argv[2])):
    if step is not None:
        print("learning", flush=True)
"""


@needs_posix
def test_a_killed_parent_leaves_no_orphan(tmp_path):
    script = tmp_path / "child.py"
    script.write_text(START + LEARN_FOR_EVER, encoding="utf8")
    command = [sys.executable, "-c", PARENT, str(tmp_path / "runs"), str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"learning\n"
        pid = child_pid(tmp_path)
        parent.send_signal(signal.SIGKILL)
    assert wait_until_gone(pid)


def test_python_dash_m_is_the_command_line():
    answer = subprocess.run(
        [sys.executable, "-P", "-m", "napari_nucseg", "--version"], capture_output=True, text=True, check=True
    )
    assert answer.stdout.startswith("napari-nucseg ")


@pytest.fixture
def real_job(tiny_models, tmp_path, monkeypatch):
    """Return a job that a real child can do."""
    monkeypatch.setattr(
        finetune_child, "_NICENESS", 0
    )  # on a busy machine a nice child comes to its turn late
    monkeypatch.setenv("NUCSEG_CACHE", str(tmp_path / "cache"))
    sample = synthetic_fluorescence((96, 96), seed=1)
    reviewed = np.ones(sample.labels.shape, np.uint8)
    save_correction_set(tmp_path / "cells", CorrectionSet(sample.image, "YX", sample.labels, reviewed))
    return FinetuneJob(
        name="mine",
        model=str(tiny_models / "tiny.safetensors"),
        examples=({"path": tmp_path / "cells"},),
        output=tmp_path / "runs",
        steps=2,
        device="cpu",
    )


def test_a_real_child_teaches_a_real_model(real_job):
    told, result = news(child_steps(real_job))
    assert {step.stage for step in told} >= {"reading", "learning", "comparing", "saving"}
    card = read_card(result.model)
    assert (card.name, card.parent_name) == ("mine", "tiny")


def test_a_real_child_that_is_asked_to_stop_before_it_is_up_stops(real_job):
    steps = child_steps(real_job.model_copy(update={"steps": 30}))
    next(steps)
    told, _ = news(steps, answer=True)
    assert max(step.step for step in told) == 1
