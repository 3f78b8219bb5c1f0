"""What became of the images of a work list: entered into it, and said in words. No torch: a window needs it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nucseg.counted import listed
from napari_nucseg.data.correction_set import is_correction_set
from napari_nucseg.jobs.work_item import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_nucseg.jobs.worklist import WorkList

NAMES_SHOWN = 5


@dataclass(frozen=True)
class Outcome:
    """What became of one image; ``error`` is empty where it was segmented, ``unreadable``: it was not even read."""

    name: str
    n_nuclei: int = 0
    error: str = ""
    unreadable: bool = False


def with_outcomes(worklist: WorkList, outcomes: Iterable[Outcome]) -> WorkList:
    """Return the list with what was segmented, unless a person was there first."""
    for outcome in outcomes:
        if worklist.item(outcome.name).status is Status.UNTOUCHED:
            status = Status.UNTOUCHED if outcome.error else Status.SEGMENTED
            worklist = worklist.with_status(
                outcome.name, status, outcome.error, unreadable=outcome.unreadable
            )
    return worklist


def with_sets_found(worklist: WorkList) -> WorkList:
    """Return the list with sets that were written before a cancel kept them from being told.

    Not that of the image on show, which a person made.
    """
    for item in worklist.remaining:
        if item.name != worklist.current and is_correction_set(worklist.folder_of(item.name)):
            worklist = worklist.with_status(item.name, Status.SEGMENTED)
    return worklist


def segmented_in_words(worklist: WorkList, names: Sequence[str], outcomes: Iterable[Outcome]) -> str:
    """Say what came of the images that were to be segmented, as the list is now."""
    failed = [outcome.name for outcome in outcomes if outcome.error]
    statuses = {name: worklist.item(name).status for name in names}
    n_segmented = sum(status is Status.SEGMENTED for status in statuses.values())
    n_left = sum(status is Status.UNTOUCHED and name not in failed for name, status in statuses.items())
    words = f"{n_segmented} segmented"
    if failed:
        words += f", {len(failed)} could not be (point at ⚠ for the reason): {listed(failed, NAMES_SHOWN)}"
    return words + (f"; {n_left} left." if n_left else ".")


def all_done_in_words(worklist: WorkList) -> str:
    """Say that nothing is left to be done, and which images could not be opened."""
    closed = [item.name for item in worklist.present if item.unreadable and item.status is not Status.DONE]
    if not closed:
        return "All images are done."
    return f"All images are done but {len(closed)} that cannot be opened (⚠): {listed(closed, NAMES_SHOWN)}."
