"""Where runs of *Fine-tune* are kept, so that closing napari, or its death, loses none. No Qt.

A run has a folder of the new model's name: the job, its examples, what was learned so far, and at its end the model.
Whoever works on it holds a lock; a folder with a job whose model was never installed, and without a lock, was left
unfinished. What came to its end, or ended before it learned anything, gives way to a new run of its name.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from napari_nucseg.data.file_lock import try_lock
from napari_nucseg.files import not_deleted
from napari_nucseg.learning import place
from napari_nucseg.learning.place import CHECKPOINT
from napari_nucseg.network.names import checked_name
from napari_nucseg.teaching.job import JOB, RESULT
from napari_nucseg.teaching.runs import DONE, RUNS_VARIABLE, runs_dir

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractContextManager
    from pathlib import Path

_LOCK = "window.lock"


@dataclass(frozen=True)
class Unfinished:
    """A run that somebody or something stopped."""

    folder: Path
    begun: datetime

    @property
    def words(self) -> str:
        """Say which one and since when."""
        return f"“{self.folder.name}”, begun on {self.begun:%d %B at %H:%M}, was not finished."


def unused_name(taken: Collection[str], wanted: str = "my-nuclei") -> str:
    """Suggest a name that no model and no run has: my-nuclei, my-nuclei-2 …."""
    used = {*taken, *_run_names()}
    number, name = 1, wanted
    while name in used:
        number += 1
        name = f"{wanted}-{number}"
    return name


def refuse_name(name: str, taken: Collection[str]) -> str:
    """Say why a model cannot be called so; empty where it can."""
    try:
        checked_name(name)
    except ValueError as error:
        return str(error)
    if name in taken:
        return f"There is a model “{name}” already. Choose another name."
    if name in _run_names():
        return f"There is a run “{name}” already. Choose another name, or finish that run."
    return ""


def unfinished_run() -> Unfinished | None:
    """Find the newest run that can be finished and is not being worked on."""
    found = [
        Unfinished(job.parent, datetime.fromtimestamp(job.stat().st_mtime))
        for job in runs_dir().glob(f"*/{JOB}")
        if not _gives_way(job.parent) and not _is_locked(job.parent)
    ]
    return max(found, key=lambda run: run.begun, default=None)


def has_learned(folder: Path) -> bool:
    """Whether a run left something to go on with, or to keep."""
    return (folder / CHECKPOINT).exists() or (folder / RESULT).exists()


def make_way(folder: Path) -> None:
    """Empty a folder that this process holds, except for the lock, if the run in it has ended or came to nothing.

    Raises
    ------
    OutputError
        If something cannot be deleted.
    """
    if _gives_way(folder):
        _empty(folder)


def discard_run(folder: Path) -> None:
    """Delete what a run left, unless another window works on it.

    Raises
    ------
    TrainingError
        If one does.
    OutputError
        If something cannot be deleted.
    """
    if not folder.is_dir():  # it was never made, or another window has thrown it away
        return
    with held(folder, "throw it away there"):
        _empty(folder)
    with suppress(OSError):  # another window begins in it just now
        folder.rmdir()


def held(folder: Path, otherwise: str = "choose another name") -> AbstractContextManager[None]:
    """Keep other windows out of a run's folder as long as this one works on it; its child has a lock of its own."""
    return place.held(folder, otherwise, lock=_LOCK, named_by=RUNS_VARIABLE)


def _empty(folder: Path) -> None:
    """Delete all in a folder but the lock: Windows deletes no open file."""
    try:
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != _LOCK:
                path.unlink()
    except OSError as error:
        raise not_deleted(error, folder) from error


def _run_names() -> set[str]:
    """Names of runs that are worked on or can be finished, and of folders that are something else."""
    folder = runs_dir()
    found = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return {path.name for path in found if not _gives_way(path) or _is_locked(path)}


def _gives_way(folder: Path) -> bool:
    return (folder / JOB).exists() and ((folder / DONE).exists() or not has_learned(folder))


def _is_locked(folder: Path) -> bool:
    lock = folder / _LOCK
    if not lock.exists():
        return False
    try:
        with lock.open("r+b") as file:
            return not try_lock(file)
    except OSError:
        return True
