"""The place of a run, its own while it goes on: models there must not be lost, a checkpoint may be gone on from."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from napari_nucseg.data.file_lock import try_lock
from napari_nucseg.errors import OutputError, TrainingError
from napari_nucseg.files import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHECKPOINT = "checkpoint.safetensors"
LOCK = "run.lock"


@contextmanager
def held(folder: Path, otherwise: str, *, lock: str = LOCK, named_by: str = "") -> Iterator[None]:
    """Keep other runs out of a run's folder, which is made where it is missing, as long as this process works on it.

    What it made and left empty is taken away again.

    Parameters
    ----------
    folder : of the run.
    otherwise : what else to do than to wait, for the message.
    lock : name of the file that is locked.
    named_by : the environment variable that names another folder, where no folder is asked for.

    Raises
    ------
    TrainingError
        If another run has it.
    OutputError
        If it cannot be made, or not be written.
    """
    locked = folder / lock
    made = [place for place in (folder, *folder.parents) if not os.path.exists(place)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = locked.open("a+b")
    except OSError as error:
        raise OutputError(in_words(error, folder, named_by)) from error
    with file:
        # whoever had it may have deleted the file since we opened it: to lock what has no name keeps nobody out
        if not (try_lock(file) and locked.exists()):
            raise TrainingError(f"a run of this name is going on in {folder}: wait for it, or {otherwise}.")
        try:
            yield
        finally:
            # Windows deletes no open file: there it stays, and is in nobody's way
            with suppress(OSError):
                locked.unlink()
                for place in made:
                    place.rmdir()


def check_place(path: Path, start: Path | None, *, replace: bool, otherwise: str) -> None:
    """Refuse to write a new model to ``path`` where something would be lost.

    Parameters
    ----------
    path : file of the new model.
    start : file of the model it begins with, if there is one.
    replace : whether another file may be replaced.
    otherwise : what else to do, a sentence, for the message.

    Raises
    ------
    TrainingError
        If it is the model to begin with, is there already and may not be replaced, or has the name of a checkpoint.
    """
    if path.name.lower() == CHECKPOINT:
        raise TrainingError(f"a run keeps its checkpoint in {path.name}. Give the model another name.")
    if not path.exists():
        return
    if start is not None and path.samefile(start):
        raise TrainingError(f"the new model would replace the old one, {path}. Give it another name.")
    if not replace:
        raise TrainingError(f"{path} is there already. {otherwise}")


def check_resumable(checkpoint: Path) -> None:
    """Refuse to go on with a run that has left nothing to go on with.

    Raises
    ------
    TrainingError
        If there is no checkpoint.
    """
    if not checkpoint.exists():
        raise TrainingError(
            f"there is nothing to resume in {checkpoint.parent}. Check name and output, or begin without --resume."
        )
