"""Which line of a work list is an image's: found by its file, its name or the SHA-256 in its corrections."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from napari_nucseg.data.correction_record import COPIED_IMAGE, read_record
from napari_nucseg.data.set_place import place_of
from napari_nucseg.errors import CorrectionSetError
from napari_nucseg.files import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from napari_nucseg.data.correction_record import ImageRecord
    from napari_nucseg.data.sample import Dataset
    from napari_nucseg.jobs.work_item import WorkItem


def lines_before(items: Sequence[WorkItem], dataset: Dataset) -> dict[str, WorkItem]:
    """Known line of each image: that of its file, else that of its name, unless the file of that is another image."""
    files = set(dataset.files.values())
    by_file = {item.file: item for item in items if item.file}
    by_name = {item.name: item for item in items if item.file not in files}
    found = {name: by_file.get(dataset.files.get(name, "")) or by_name.get(name) for name in dataset.names}
    return {name: item for name, item in found.items() if item is not None}


def renamed_images(
    gone: Iterable[WorkItem], output: Path, dataset: Dataset, new: Iterable[str]
) -> dict[str, WorkItem]:
    """Line of each new image that is, under another name, one of those that are gone.

    New files are read only where one is missed that was corrected, and only those of its size, where that is known.
    """
    missed: dict[str, WorkItem] = {}
    sizes: set[int | None] = set()
    for item in gone:
        record = _record(output / item.folder)
        if record is not None:
            missed[record.sha256] = item
            sizes.add(record.size_bytes)
    found: dict[str, WorkItem] = {}
    for name in new if missed else ():
        path = dataset.path_of(name)
        with suppress(OSError):  # it cannot be read, which is said when it is opened
            if path is not None and (None in sizes or path.stat().st_size in sizes):
                sha256 = file_sha256(path)
                if sha256 in missed:
                    found[name] = missed.pop(sha256)
    return found


def _record(folder: Path) -> ImageRecord | None:
    """Read what the corrections of an image say about its file; None without any, or where they have a copy of it."""
    with suppress(CorrectionSetError):
        image = read_record(place_of(folder)).image
        return image if image.path != COPIED_IMAGE else None
    return None
