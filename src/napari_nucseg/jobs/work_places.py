"""Where the list of a folder of images is kept: beside it, or in another folder that was chosen and is remembered.

The memory is a small file in the user's data folder. It may be lost: the list is then chosen by its own folder.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, ValidationError

from napari_nucseg.data.correction_set import is_correction_set
from napari_nucseg.errors import DatasetError
from napari_nucseg.files import named_folder, written_whole
from napari_nucseg.jobs.worklist import FILE, source_of

if TYPE_CHECKING:
    from napari_nucseg.jobs.worklist import WorkList

_MEMORY = "places.json"
_KEPT = 500


@dataclass(frozen=True)
class Place:
    """A folder of images and the folder of its list."""

    source: Path
    output: Path


class _Memory(BaseModel):
    """Folders of lists that lie elsewhere than beside their images, by the folder of the images; the latest last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    places: dict[str, str] = {}


def work_dir() -> Path:
    """Folder of the memory; the environment variable NUCSEG_WORK names another than the system's."""
    return named_folder("NUCSEG_WORK", lambda: user_data_path("napari-nucseg", appauthor=False) / "work")


def place_of(chosen: Path) -> Place:
    """Find the list of a folder of images, or the images of a list whose folder was chosen.

    Raises
    ------
    DatasetError
        If it is the correction set of one image, or a list whose images are gone.
    OutputError
        If it is a list that is damaged.
    """
    source = source_of(chosen)
    if source is not None:
        if not source.exists():
            raise DatasetError(
                f"{chosen} holds the work on {source}, which is not there. Choose the folder of these images."
            )
        return Place(source, chosen)
    if is_correction_set(chosen):
        raise DatasetError(
            f"{chosen} holds the corrections of one image. "
            "Choose a folder of images, or the folder of corrections that holds worklist.json."
        )
    kept = _read().places.get(str(chosen.absolute()))
    if kept is not None and (Path(kept) / FILE).is_file():
        return Place(chosen, Path(kept))
    return Place(chosen, _beside(chosen))


def remember_place(worklist: WorkList) -> None:
    """Remember where a list is kept, so that choosing its images opens it again.

    Raises
    ------
    OutputError
        If that cannot be written.
    """
    source, output = worklist.dataset.root.absolute(), worklist.output.absolute()
    before = _read().places
    places = {known: place for known, place in before.items() if known != str(source)}
    if output != _beside(source):
        places[str(source)] = str(output)
    if places != before:
        memory = _Memory(places=dict(list(places.items())[-_KEPT:]))
        with written_whole(_path()) as part:
            part.write_text(memory.model_dump_json(indent=2), encoding="utf-8")


def remove_untouched(output: Path) -> None:
    """Delete a list, and its folder, where no image has corrections; what else lies there stops it."""
    with suppress(OSError):
        if [path.name for path in output.iterdir()] == [FILE]:
            (output / FILE).unlink()
            output.rmdir()


def _beside(source: Path) -> Path:
    return source.parent / f"{source.name or 'images'} corrections"  # a drive has no name


def _read() -> _Memory:
    """Read what is remembered; a file that is missing or cannot be read is nothing."""
    try:
        return _Memory.model_validate_json(_path().read_bytes())
    except (OSError, ValidationError):
        return _Memory()


def _path() -> Path:
    return work_dir() / _MEMORY
