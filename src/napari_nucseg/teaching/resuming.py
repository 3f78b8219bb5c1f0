"""Whether a run that was stopped can go on: the model it teaches and what it learns from, wherever they are now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from napari_nucseg.errors import ModelFileError, TrainingError
from napari_nucseg.learning.checkpoint import job_of
from napari_nucseg.learning.place import CHECKPOINT, check_resumable
from napari_nucseg.network.lineage import find_by_first_sha256, first_sha256
from napari_nucseg.network.model_file import load_model
from napari_nucseg.teaching.job import JOB

if TYPE_CHECKING:
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.teaching.examples import Lessons
    from napari_nucseg.teaching.job import FinetuneJob


def resumed(job: FinetuneJob) -> FinetuneJob:
    """Return the job with the model that its checkpoint was begun with, which may have another name now.

    A job that names another model than it did then stays as it is, and is refused with the checkpoint.

    Raises
    ------
    TrainingError
        If there is no checkpoint, it is damaged, or examples or the model are gone.
    """
    checkpoint = job.folder / CHECKPOINT
    check_resumable(checkpoint)
    places = [*(example.path for example in job.examples), *job.pinned]
    gone = ", ".join(str(place) for place in places if not place.exists())
    if gone:
        raise TrainingError(
            f"what this run learns from is gone: {gone}. Move it back there, or begin a new run."
        )
    if _named_then(job) != job.model:
        return job
    begun_with = str(job_of(checkpoint).get("model", ""))
    base = find_by_first_sha256(begun_with, job.model)
    if base is not None:
        return job.model_copy(update={"model": str(base)})
    if not _is_in_file(begun_with, job.model):
        raise TrainingError(
            f"the model that “{job.name}” is made from is gone. Import it again, or throw this run away."
        )
    return job


def _is_in_file(first: str, name: str) -> bool:
    """Whether a job names a file that holds the model of this hash, which need not be installed."""
    try:
        model = load_model(name)
    except ModelFileError:
        return False
    return first_sha256(model.card, model.sha256) == first


def _named_then(job: FinetuneJob) -> str:
    try:
        return str(json.loads((job.folder / JOB).read_text(encoding="utf8"))["model"])
    except (OSError, ValueError, KeyError):
        return ""


def identity(job: FinetuneJob, base: Model, lessons: Lessons) -> str:
    """All that decides the weights, as JSON; where it runs and what it and its model are called do not."""
    beside = {"name", "output", "model", "examples", "pinned", "preview", "device", "precision", "threads"}
    content = job.model_dump(mode="json", exclude=beside)
    content["model"] = first_sha256(base.card, base.sha256)
    content["examples"] = [[lesson.sha256, int(lesson.learned.sum())] for lesson in lessons.lessons]
    content["pinned"] = [str(place) for place in job.pinned]
    return json.dumps(content)
