"""What a run finds in its place: models that must not be lost, and a checkpoint to go on from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucseg.errors import TrainingError

if TYPE_CHECKING:
    from pathlib import Path

CHECKPOINT = "checkpoint.safetensors"


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
