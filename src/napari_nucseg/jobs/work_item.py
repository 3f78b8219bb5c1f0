"""One image of a work list: which it is, how far it is, and where its corrections are."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Status(StrEnum):
    """How far one image is."""

    UNTOUCHED = "untouched"
    SEGMENTED = "segmented"
    IN_WORK = "in work"
    DONE = "done"


class WorkItem(BaseModel):
    """One image: its name in the dataset, its status, the folder of its correction set, and why it failed, if it did.

    ``unreadable`` says that it could not even be opened, where ``error`` may be of its segmentation alone.

    ``file`` is the image within the dataset: it says which image this is when its name changes, as it does when a
    namesake comes to it. Empty where the image has no file, and in lists of older versions.
    ``missing`` images were in the dataset earlier and are no more; what was made of them is kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    folder: str
    file: str = ""
    status: Status = Status.UNTOUCHED
    error: str = ""
    unreadable: bool = False
    missing: bool = False
