"""Where *Fine-tune* in the window keeps its runs, and what becomes of one after its model was installed.

A run has a folder of its model's name. Once the model is installed nobody goes on with it: it is kept as long as the
model, and goes by its name.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from platformdirs import user_data_path

from napari_nucseg.files import named_folder, not_deleted

if TYPE_CHECKING:
    from pathlib import Path

DONE = "installed"
"""File in the folder of a run whose model was installed."""
RUNS_VARIABLE = "NUCSEG_RUNS"


def runs_dir() -> Path:
    """Folder of all runs; the environment variable overrides the system's place."""
    return named_folder(RUNS_VARIABLE, lambda: user_data_path("napari-nucseg", appauthor=False) / "runs")


def delete_run(folder: Path) -> None:
    """Delete a run's folder, examples included.

    Raises
    ------
    OutputError
        If it cannot be deleted.
    """
    try:
        shutil.rmtree(folder)
    except (FileNotFoundError, NotADirectoryError):  # it was never made, or could not be
        return
    except OSError as error:
        raise not_deleted(error, folder) from error


def forget_run_of(model: str) -> None:
    """Delete the run that made a model, where there is one; a run of that name that goes on stays.

    Raises
    ------
    OutputError
        If it cannot be deleted.
    """
    folder = runs_dir() / model
    if (folder / DONE).exists():
        delete_run(folder)


def rename_run_of(model: str, new: str) -> None:
    """Let the run that made a model go by the model's new name."""
    old, folder = runs_dir() / model, runs_dir() / new
    if (old / DONE).exists():
        forget_run_of(new)
        with suppress(OSError):  # it stays where another run has that name: it is in nobody's way
            old.rename(folder)
