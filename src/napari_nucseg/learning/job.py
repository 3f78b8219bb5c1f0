"""What a training run is told: one YAML file, executed alike from the command line and from the window."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_nucseg.errors import SettingsError, problems_in
from napari_nucseg.learning.augment import AugmentSettings
from napari_nucseg.network.architectures import Architecture

if TYPE_CHECKING:
    from collections.abc import Mapping

RECIPES_DIR = Path(__file__).parent / "recipes"


class DataSource(BaseModel):
    """One dataset of a training run, optionally narrowed to rows of an index file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path = Field(description="Folder or zip in any layout that open_dataset knows.")
    index: Path | None = Field(None, description="CSV with dataset, name, group, split, kind.")
    dataset: str | None = Field(None, description="Only rows of this dataset in the index.")
    split: str | None = Field("train", description="Only rows of this split in the index.")
    kind: str | None = Field(
        None, description="Only rows of this kind; without an index, what all images are."
    )


class TrainingJob(BaseModel):
    """Everything that determines a training run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        "my-model", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the new model."
    )
    title: str = ""
    description: str = ""
    licence: str = "all rights with whoever trained it"
    training_data: tuple[str, ...] = Field(
        (), description="Names and licences of the training sets, for the card."
    )
    data: tuple[DataSource, ...] = ()
    output: Path = Field(Path("runs"), description="Folder for checkpoints, the log and the model file.")
    architecture: Architecture = Architecture()
    canonical_diameter_px: float = Field(
        24.0, gt=4, description="Nucleus diameter the network is trained at."
    )
    patch_px: int = Field(320, ge=64)
    augment: AugmentSettings = AugmentSettings()
    kind_weights: dict[str, float] = Field({}, description="How often a patch of each kind is drawn.")
    validation_share: float = Field(0.1, ge=0, lt=1, description="Share of groups held back to watch AP.")
    steps: int = Field(3000, ge=1)
    batch_size: int = Field(16, ge=1)
    seam_weight: float = Field(
        0.0, ge=0, description="How much more pixels count where nuclei touch or nearly touch."
    )
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    warmup_steps: int = Field(100, ge=0)
    gradient_clip: float = Field(1.0, gt=0)
    average_decay: float = Field(
        0.995, ge=0, lt=1, description="Decay of the running average of the weights."
    )
    checkpoint_seconds: float = Field(120.0, gt=0)
    validate_every: int = Field(500, ge=1)
    device: str = "auto"
    precision: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    seed: int = 0

    @property
    def folder(self) -> Path:
        """Folder of this run."""
        return self.output / self.name

    def learning_rate_at(self, step: int) -> float:
        """Linear warm-up, then a cosine down to a hundredth."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        progress = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def load_job(path: Path | str, **changes: Any) -> TrainingJob:
    """Read a job from YAML; relative paths in it count from the file's own folder. ``changes`` replace fields.

    Raises
    ------
    SettingsError
        If the file is missing, is no YAML mapping, or a field is unknown or out of bounds.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf8")
    except OSError as error:
        raise SettingsError(f"cannot read the job file {path}: {error.strerror}. Check the path.") from error
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(
            f"{path} holds {type(content).__name__}, expected a mapping of settings to values."
        )
    return make_job({**content, **changes}, path.parent)


def make_job(content: Mapping[str, Any], folder: Path) -> TrainingJob:
    """Validate settings; relative data and index paths count from ``folder``."""
    try:
        job = TrainingJob.model_validate(dict(content))
    except ValidationError as error:
        raise SettingsError(f"the training job is not valid: {problems_in(error)}.") from error
    anchored = tuple(
        source.model_copy(
            update={
                "path": folder / source.path,
                "index": None if source.index is None else folder / source.index,
            }
        )
        for source in job.data
    )
    return job.model_copy(update={"data": anchored})


def recipe_path(name: str) -> Path:
    """Path of a recipe that comes with the package.

    Raises
    ------
    SettingsError
        If there is no recipe of that name.
    """
    path = RECIPES_DIR / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in RECIPES_DIR.glob("*.yaml")))
        raise SettingsError(
            f"got recipe {name!r}; known are: {known}. A path to a YAML file goes with --job."
        )
    return path
