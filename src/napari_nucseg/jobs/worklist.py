"""Work through a folder of images: which are untouched, segmented, in work or done, today and tomorrow.

All of it lies in an output folder of the user's choice: ``worklist.json``, and one correction set an image. The list is
small and written whole; the sets are written by whoever works on an image. A set that a crash left without its line
in the list is found again when the list is opened.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_nucseg.data.correction_set import is_correction_set
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.errors import DatasetError, OutputError
from napari_nucseg.files import natural_key, unused_name, written_whole
from napari_nucseg.jobs.work_item import Status, WorkItem
from napari_nucseg.jobs.work_renamed import lines_before, renamed_images
from napari_nucseg.refusals import problems_in

if TYPE_CHECKING:
    from napari_nucseg.data.sample import Dataset

FILE = "worklist.json"


class _File(BaseModel):
    """Content of ``worklist.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(1, ge=1, le=1)
    source: str
    current: str = ""
    items: tuple[WorkItem, ...]


@dataclass(frozen=True)
class WorkList:
    """The images of a dataset and how far each is; every change gives a new list, :meth:`save` keeps it.

    Attributes
    ----------
    dataset
        Where the images come from.
    output
        Folder of the list and of the correction sets.
    items
        In natural order (2 before 10), missing ones last.
    current
        Name of the image that was worked on last; empty before the first.
    on_disk
        Items as this list read or wrote them last: what differs from them was entered here.
    """

    dataset: Dataset = field(compare=False)
    output: Path
    items: tuple[WorkItem, ...]
    current: str = ""
    on_disk: tuple[WorkItem, ...] = field(default=(), compare=False)

    @property
    def present(self) -> tuple[WorkItem, ...]:
        """Images that are there."""
        return tuple(item for item in self.items if not item.missing)

    @property
    def remaining(self) -> tuple[WorkItem, ...]:
        """Images that nobody and nothing has worked on."""
        return tuple(item for item in self.present if item.status is Status.UNTOUCHED)

    @property
    def summary(self) -> str:
        """Say it as "17 of 100 done"."""
        counts = Counter(item.status for item in self.present)
        return f"{counts[Status.DONE]} of {len(self.present)} done"

    def item(self, name: str) -> WorkItem:
        """Find an image by its name.

        Raises
        ------
        DatasetError
            If it is not in the list.
        """
        for item in self.items:
            if item.name == name:
                return item
        raise DatasetError(f"no image {name!r} in the list of {self.output}.")

    def is_elsewhere(self, other: WorkList) -> bool:
        """Whether another list is of the same dataset and in another folder."""
        return self.dataset.root == other.dataset.root and not self.is_in(other.output)

    def is_in(self, folder: Path) -> bool:
        """Whether the list is in this folder, however its path is spelt."""
        return self.output.resolve() == folder.resolve()

    def folder_of(self, name: str) -> Path:
        """Folder of an image's correction set."""
        return self.output / self.item(name).folder

    def step(self, by: int = 1, start: str = "") -> str | None:
        """Name of the image so many after the current one, or ``start`` (before: negative); None beyond the ends."""
        names, start = [item.name for item in self.present], start or self.current
        if not names:
            return None
        if start not in names:
            return names[0]
        place = names.index(start) + by
        return names[place] if 0 <= place < len(names) else None

    def next_undone(self) -> str | None:
        """Name of the next image that is not done and can be opened, from the current one on and round, if any."""
        names = [item.name for item in self.present]
        start = names.index(self.current) if self.current in names else 0
        for item in (*self.present[start:], *self.present[:start]):
            if item.status is not Status.DONE and not item.unreadable:
                return item.name
        return None

    def with_status(
        self, name: str, status: Status, error: str = "", *, unreadable: bool = False
    ) -> WorkList:
        """Return the list with one image's status changed."""
        update = {"status": status, "error": error, "unreadable": unreadable}
        changed = self.item(name).model_copy(update=update)
        items = tuple(changed if item.name == name else item for item in self.items)
        return replace(self, items=items)

    def opened(self, name: str) -> WorkList:
        """Return the list with an image known to be readable; what else was wrong with it stays."""
        item = self.item(name)
        return self.with_status(name, item.status, "" if item.unreadable else item.error)

    def at(self, name: str) -> WorkList:
        """Return the list with another current image."""
        return replace(self, current=self.item(name).name)

    def save(self) -> WorkList:
        """Write ``worklist.json``, whole or not at all; return the list with what another window entered there.

        Raises
        ------
        OutputError
            If it cannot be written, or was there before and is gone.
        """
        if self.on_disk:
            check_there(self.output)
        others: dict[str, WorkItem] = {}
        with suppress(OutputError):  # what cannot be read is written anew
            known = _read(self.output)
            others = {} if known is None else {item.folder: item for item in known.items}
        before = {item.folder: item for item in self.on_disk}
        items = tuple(
            _newer(item, before.get(item.folder), others.pop(item.folder, None)) for item in self.items
        )
        source = str(self.dataset.root.absolute())
        content = _File(source=source, current=self.current, items=(*items, *others.values()))
        with written_whole(self.output / FILE) as part:
            part.write_text(content.model_dump_json(indent=2), encoding="utf-8")
        return replace(self, items=items, on_disk=items)


def open_worklist(source: str | Path, output: str | Path) -> WorkList:
    """Open the list of a folder of images or a dataset; begin one where there is none.

    Images added since are untouched, images that are gone are marked as missing; one that was corrected keeps its line
    when its file is renamed.

    Parameters
    ----------
    source
        Anything ``open_dataset`` opens.
    output
        Folder for the list and the correction sets; it is made when the list is saved.

    Raises
    ------
    DatasetError
        If nothing is recognised, or the output folder holds the list of another dataset.
    OutputError
        If the list that is there is damaged.
    """
    output = Path(output).expanduser()
    dataset = open_dataset(source)
    known = _read(output) or _File(source=str(dataset.root.absolute()), items=())
    before = lines_before(known.items, dataset)
    kept = {item.folder for item in before.values()}
    gone = [item for item in known.items if item.folder not in kept]
    before |= renamed_images(gone, output, dataset, [name for name in dataset.names if name not in before])
    if Path(known.source) != dataset.root.absolute() and not before:
        raise DatasetError(
            f"{output} holds the work on {known.source}, which shares no image with {dataset.root}. "
            "Choose another output folder."
        )
    taken = {item.folder.casefold() for item in known.items}
    items = [_item(name, dataset, before, taken, output) for name in sorted(dataset.names, key=natural_key)]
    there = {item.folder for item in items}
    items += [_gone(item, dataset) for item in known.items if item.folder not in there]
    names = {item.name: name for name, item in before.items()}
    return WorkList(dataset, output, tuple(items), names.get(known.current, known.current), known.items)


def check_there(output: Path) -> None:
    """Refuse to write where a list is gone, with its drive or under another name: a new one would hide what was done.

    Raises
    ------
    OutputError
        If there is no list in this folder.
    """
    for place in (output, output / FILE):
        if not os.path.exists(place):  # False, not an error, for a drive that does not answer
            raise OutputError(
                f"{place} is no longer there. Put it back, or keep the work in another folder: Save in…"
            )


def source_of(output: Path) -> Path | None:
    """Folder or dataset that the list in a folder is of; None where there is no list.

    Raises
    ------
    OutputError
        If the list that is there is damaged.
    """
    known = _read(output)
    return None if known is None else Path(known.source)


def _read(output: Path) -> _File | None:
    path = output / FILE
    try:
        return _File.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValidationError as error:
        raise OutputError(
            f"{path} is damaged, or of a newer version: {problems_in(error)}. "
            "Move it away to begin anew; the correction sets beside it will be found."
        ) from error


def _newer(mine: WorkItem, before: WorkItem | None, other: WorkItem | None) -> WorkItem:
    """Line of an image that another window may have written: what was not entered here is theirs.

    What a program entered gives way to what a person did.
    """
    if other is None:
        return mine
    mine_is_new, other_is_new = (before is None or _state(item) != _state(before) for item in (mine, other))
    by_person = (Status.IN_WORK, Status.DONE)
    if mine_is_new and (not other_is_new or mine.status in by_person or other.status not in by_person):
        return mine
    return mine.model_copy(update=_state(other))


def _state(item: WorkItem) -> dict[str, Any]:
    return {"status": item.status, "error": item.error, "unreadable": item.unreadable}


def _gone(item: WorkItem, dataset: Dataset) -> WorkItem:
    """Line of an image that is no more; its name may be another's now."""
    name = f"{item.name} ({item.file or item.folder})" if item.name in dataset.names else item.name
    return item.model_copy(update={"missing": True, "name": name})


def _item(
    name: str, dataset: Dataset, before: dict[str, WorkItem], taken: set[str], output: Path
) -> WorkItem:
    """Line of one image: the known one, or a new one with a folder of its own."""
    item = before.get(name) or WorkItem(name=name, folder=_folder_name(name, taken))
    now: dict[str, Any] = {"name": name, "file": dataset.files.get(name, ""), "missing": False}
    if item.unreadable:  # it may have been put right
        now |= {"unreadable": False, "error": ""}
    if item.status is Status.UNTOUCHED and is_correction_set(output / item.folder):
        now |= {"status": Status.SEGMENTED, "error": ""}
    return item.model_copy(update=now)


def _folder_name(name: str, taken: set[str]) -> str:
    """Name every file system takes, made of an image's name, used by no other image."""
    plain = re.sub(r"[^\w.+-]+", "_", name).strip("._")[:80] or "image"
    return unused_name(plain, taken)
