"""What fine-tuning is told: one YAML or JSON file, executed alike from the window and from the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from napari_nucseg.errors import SettingsError
from napari_nucseg.learning.job_file import read_job_file
from napari_nucseg.learning.ranges import Seed
from napari_nucseg.network.names import ModelName, ModelNameOrPath
from napari_nucseg.network.places import SUFFIX
from napari_nucseg.refusals import Settings, problems_in

if TYPE_CHECKING:
    from collections.abc import Mapping

Preset = Literal["quick", "standard", "thorough"]
Use = Literal["auto", "learn", "check"]
JOB, RESULT, LOG = "job.json", "result.json", "log.csv"
"""Files in the folder of a run."""
PRESET_STEPS: dict[Preset, int] = {"quick": 40, "standard": 150, "thorough": 480}
OTHER_SECONDS = 8.0
"""What a run takes besides learning: start of the process, reading and saving."""


class Example(Settings):
    """Corrected images to learn from, or to check the outcome on."""

    path: Path = Field(
        description="Correction set, folder of correction sets, folder worked through, or any dataset with labels."
    )
    use: Use = Field(
        "auto",
        description="auto: we decide; learn: never kept aside; check: only checked on, never learned from.",
    )
    name: str = Field("", description="What a user knows it by, where the path does not tell.")

    @model_validator(mode="before")
    @classmethod
    def _mere_path(cls, given: Any) -> Any:
        return {"path": given} if isinstance(given, str | Path) else given


class Preview(Settings):
    """Image that the new model is tried on while it learns."""

    image: Path = Field(description="Image file, or .npy.")
    axes: str = Field(description="One letter an axis of the image, of CYX.")
    diameter_px: float = Field(gt=0, description="Nucleus diameter in it.")


class FinetuneJob(Settings):
    """Everything that determines a fine-tuning."""

    name: ModelName = Field("my-nuclei", description="Name of the new model.")
    model: ModelNameOrPath = Field("auto", description="Name or path of the model to teach.")
    examples: tuple[Example, ...] = Field((), description="What was corrected.")
    pinned: tuple[Path, ...] = Field(
        (), description="Images with labels on which the new model must be as good as the old one."
    )
    output: Path = Field(Path("runs"), description="Folder for the run's files and the new model.")
    preset: Preset = Field("standard", description="How long to learn.")
    keep_old_skills: float = Field(
        0.5, ge=0, le=1, description="0: only the corrections count. 1: change as little as possible."
    )
    steps: int | None = Field(None, ge=1, description="In place of the preset's steps.")
    learning_rate: float | None = Field(None, gt=0, description="In place of the preset's rate.")
    preview: Preview | None = None
    device: str = "auto"
    precision: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    threads: int | None = Field(None, ge=1, description="CPU threads. Default: all.")
    seed: Seed = 0

    @field_validator("examples", "pinned", mode="before")
    @classmethod
    def _single(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str | Path | Example) else given

    @property
    def folder(self) -> Path:
        """Folder of this run."""
        return self.output / self.name


def load_finetune_job(path: Path | str) -> FinetuneJob:
    """Read a job from a YAML or JSON file; relative paths in it count from the file's own folder.

    Raises
    ------
    SettingsError
        If the file is missing, is no mapping, or a field is unknown or out of bounds.
    """
    path = Path(path)
    content = read_job_file(path)
    return anchored(make_finetune_job(content), path.parent.absolute())


def make_finetune_job(content: Mapping[str, Any]) -> FinetuneJob:
    """Validate settings; an example may be its mere path, and one path may stand for a list of one.

    Raises
    ------
    SettingsError
        If a field is unknown or out of bounds.
    """
    try:
        return FinetuneJob.model_validate(dict(content))
    except ValidationError as error:
        raise SettingsError(
            f"the fine-tuning job is not valid: {problems_in(error, FinetuneJob)}."
        ) from error


def anchored(job: FinetuneJob, folder: Path) -> FinetuneJob:
    """Count relative paths from a folder, with ``~`` for one's own; a model's name is no path."""
    preview = job.preview

    def place(path: Path) -> Path:
        # unlike Path.expanduser, it leaves a folder ~old alone that is no one's home
        return folder / os.path.expanduser(path)

    return job.model_copy(
        update={
            "model": str(place(Path(job.model))) if job.model.endswith(SUFFIX) else job.model,
            "examples": tuple(e.model_copy(update={"path": place(e.path)}) for e in job.examples),
            "pinned": tuple(map(place, job.pinned)),
            "output": place(job.output),
            "preview": preview and preview.model_copy(update={"image": place(preview.image)}),
        }
    )
