"""Fine-tuning in a process of its own, so that the window stays alive: the job file goes in, lines of JSON come out.

The child runs ``nucseg finetune --job FILE --json`` at low priority and leaves one CPU thread to the window. It
prints ``{"progress": {…}}`` a line, at its end ``{"result": {…}}`` or ``{"error": "words"}``. A file named ``stop`` in
the job's folder asks it to end early.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_nucseg.errors import OutputError, TrainingError
from napari_nucseg.files import in_words, written_whole
from napari_nucseg.jobs.parent import ENDS_WITH_PARENT
from napari_nucseg.teaching.job import JOB, anchored
from napari_nucseg.teaching.progress import FinetuneProgress, FinetuneResult

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_nucseg.teaching.job import FinetuneJob

STOP, ERRORS = "stop", "errors.log"
# -P: a file numpy.py in the folder napari was started from must not be taken for the real one
NUCSEG = (sys.executable, "-P", "-m", "napari_nucseg")
_POLL_S = 0.05
_GRACE_S = 5.0
_NICENESS = 10
_TOLD_LINES = 5


class _Line(BaseModel):
    """What the child prints in a line: one of the three."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    progress: FinetuneProgress | None = None
    result: FinetuneResult | None = None
    error: str | None = None


def child_steps(
    job: FinetuneJob, *, resume: bool = False, command: Sequence[str] = NUCSEG
) -> Generator[FinetuneProgress | None, bool | None, FinetuneResult]:
    """Fine-tune in a child process; never blocks longer than a tenth of a second.

    ``send(True)`` asks the child to end now and keep the best so far: what it learned is compared and saved as at any
    end. Closing the generator kills the child at once. If this process dies, so does the child.

    Parameters
    ----------
    job : what to learn; written into its folder as ``job.json``. Without ``threads``, all but one are used.
    resume : go on with what an earlier run of this job left in the folder.
    command : what to start in place of ``nucseg``.

    Yields
    ------
    FinetuneProgress | None
        News of the child, each once and in order; None while there are none.

    Raises
    ------
    TrainingError
        If the job cannot be done, in the child's words, or the child dies, with its last words.
    OutputError
        If the job's folder cannot be written.
    """
    path = job.folder / JOB
    with written_whole(path) as part:
        # a job file's relative paths count from its own folder, those of this job from where we are
        said = anchored(_sparing_a_thread(job), Path.cwd())
        part.write_text(said.model_dump_json(indent=1), encoding="utf8")
    (job.folder / STOP).unlink(missing_ok=True)
    going_on = ["--resume"] if resume else []
    arguments = [*command, "finetune", "--job", str(path.resolve()), "--json", *going_on]
    is_up = asked = False
    with _Child(arguments, job.folder / ERRORS) as child:
        while True:
            line = child.next_line()
            if line is not None and line.error is not None:
                raise TrainingError(line.error)
            if line is not None and line.result is not None:
                child.await_end()
                return line.result
            is_up |= line is not None
            asked |= bool((yield line.progress if line is not None else None))
            # while it starts, a child takes a request for one that an earlier run left, and deletes it
            if asked and is_up:
                (job.folder / STOP).touch()
                asked = False


def _sparing_a_thread(job: FinetuneJob) -> FinetuneJob:
    spare = max(1, (os.cpu_count() or 2) - 1)
    return job if job.threads is not None else job.model_copy(update={"threads": spare})


class _Child:
    """A running child; as a context, it is dead when the context is left."""

    def __init__(self, arguments: Sequence[str], errors: Path) -> None:
        self._errors = errors
        try:
            with errors.open("wb") as stderr:
                self._process = start_child(arguments, stderr)
        except OSError as error:
            raise OutputError(in_words(error, errors)) from error
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        assert self._process.stdout is not None
        threading.Thread(
            target=_read, args=(self._process.stdout, self._lines), name="reads the child", daemon=True
        ).start()

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        if sys.platform == "win32":
            self._process.kill()
        else:
            with suppress(ProcessLookupError, PermissionError):  # all of them have ended
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def next_line(self) -> _Line | None:
        """Return the next line there is, None if there is none within a moment.

        Raises
        ------
        TrainingError
            If the child has ended and all its lines are read.
        """
        try:
            line = self._lines.get(timeout=_POLL_S)
        except queue.Empty:
            return None
        if line is None:
            raise TrainingError(self._death())
        try:
            return _Line.model_validate_json(line)
        except ValidationError:  # a library that prints; what matters is said in JSON
            return None

    def await_end(self) -> None:
        """Give a child that has told its result the time to end by itself."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)

    def _death(self) -> str:
        self.await_end()
        code = self._process.returncode
        if code is not None and code < 0:
            how = f"was killed (signal {-code}; often because memory ran out)"
        else:
            how = f"ended unexpectedly (exit code {code})"
        last = [
            line for line in self._errors.read_text(encoding="utf8", errors="replace").splitlines() if line
        ]
        said = " ".join(line.strip() for line in last[-_TOLD_LINES:]) or "nothing"
        return (
            f"the process that learned {how}. Its last words: {said}. "
            f"More may stand in {self._errors}. The old model is as it was; start again to go on."
        )


def _read(stdout: IO[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    """Pass on lines until the child ends, then None."""
    with stdout:
        for line in stdout:
            lines.put(line)
    lines.put(None)


def start_child(arguments: Sequence[str], stderr: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a child of low priority that ends with us, and whose output can be read."""
    child = subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,  # never written to: its end tells the child that we are gone
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=os.environ | {ENDS_WITH_PARENT: "1", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"},
        **_low_priority(),
    )
    if sys.platform != "win32":
        with suppress(OSError):  # it may have ended already
            os.setpriority(os.PRIO_PROCESS, child.pid, _NICENESS)
    return child


def _low_priority() -> dict[str, Any]:
    """How to start a process in a group of its own, on Windows at low priority and without a console window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
