"""What *Work through a folder* does in threads: read an image of a list, segment those that remain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_nucseg._napari.torch_import import make_torch_safe
from napari_nucseg.data.correction_set import is_correction_set, open_correction_set, stamp_of
from napari_nucseg.errors import CorrectionSetError
from napari_nucseg.jobs.work_item import Status
from napari_nucseg.jobs.work_sets import SET_ASIDE, new_corrections
from napari_nucseg.jobs.worklist import check_there

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from napari_nucseg.data.correction_set import CorrectionSet
    from napari_nucseg.jobs.work_outcomes import Outcome
    from napari_nucseg.jobs.work_segmentation import WorkProgress
    from napari_nucseg.jobs.worklist import WorkList


@dataclass(frozen=True, eq=False)
class Opened:
    """An image with its corrections; ``stamp`` is that of the set they were read from, None where there was none."""

    name: str
    corrections: CorrectionSet
    stamp: bytes | None = None


@dataclass(frozen=True)
class Refused:
    """An image that can be read, with corrections that cannot, are of other pixels, or are gone.

    ``kept_in`` is where they are moved when it is begun anew; None where they are gone.
    """

    name: str
    reason: str
    kept_in: Path | None = None


def open_image(
    worklist: WorkList, name: str, lock: threading.Lock
) -> Generator[None, None, Opened | Refused]:
    """Read an image's corrections; an untouched one has its dataset's labels, or none.

    Raises
    ------
    NucSegError
        If the image cannot be read, or the list with its corrections is gone.
    """
    yield
    folder = worklist.folder_of(name)
    with lock:  # if it is being written, wait for it
        known = is_correction_set(folder)
    stamp = stamp_of(folder) if known else None  # before it is read: what is newer then was not shown
    if known:
        try:
            corrections = open_correction_set(folder, worklist.dataset.path_of(name))
        except CorrectionSetError as error:
            _read_anew(worklist, name)  # what cannot be read either says so
            return Refused(name, str(error), worklist.output / SET_ASIDE)
        return Opened(name, replace(corrections, name=name), stamp)  # it may have been renamed since
    anew = _read_anew(worklist, name)
    if worklist.item(name).status is Status.UNTOUCHED:
        return Opened(name, anew)
    check_there(worklist.output)
    return Refused(name, f"its corrections are no longer in {folder}. Put them back.")


def _read_anew(worklist: WorkList, name: str) -> CorrectionSet:
    sample = worklist.dataset.read(name)
    return new_corrections(sample, sample.labels, is_prediction=False)


def segment(
    worklist: WorkList, free: Callable[[str], AbstractContextManager[bool]]
) -> Generator[WorkProgress, None, tuple[Outcome, ...]]:
    """Segment the images that remain and are free."""
    # torch takes seconds to import: here, in the worker's thread, and not with the window
    make_torch_safe()
    from napari_nucseg.jobs.work_segmentation import segment_remaining

    return (yield from segment_remaining(worklist, free=free))
