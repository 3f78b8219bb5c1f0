"""How a resumed run is recognised: by all that decides its weights, whatever it is called and wherever it lies."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from napari_nucseg.data.correction_image import pixels_sha256
from napari_nucseg.network.lineage import first_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.learning.job import TrainingJob
    from napari_nucseg.learning.patches import PatchBank
    from napari_nucseg.network.model_file import Model

_BESIDE = (
    "data",
    "output",
    "checkpoint_seconds",
    "device",
    "precision",
    "title",
    "description",
    "tensorboard",
    "size",
)
"""Settings that change nothing of the weights, or name what is known by its content."""


def deciding_settings(job: TrainingJob, start: Model | None) -> dict[str, Any]:
    """Say which settings decide the result, known before the images are read.

    Parameters
    ----------
    job : the run.
    start : the model it goes on from, told by what is in its file; None where there is none.
    """
    beside: dict[str, Any] = dict.fromkeys(_BESIDE, True)
    beside["validation"] = {"data"} if job.early_stop else True  # else only looking on
    settings = job.model_dump(mode="json", exclude=beside)
    return settings if start is None else {**settings, "start": first_sha256(start.card, start.sha256)}


def identity(job: TrainingJob, start: Model | None, bank: PatchBank, held_back: Iterable[Sample]) -> str:
    """Say all that decides the result, as JSON: the settings, patches, and images whose score may end the run."""
    content = {**deciding_settings(job, start), "examples": bank.sha256}
    if job.early_stop:
        content["held_back"] = _sha256(held_back)
    return json.dumps(content)


def _sha256(samples: Iterable[Sample]) -> str:
    digest = hashlib.sha256()
    for sample in samples:
        assert sample.labels is not None
        digest.update(f"{pixels_sha256(sample.image)} {pixels_sha256(sample.labels)} ".encode())
    return digest.hexdigest()
