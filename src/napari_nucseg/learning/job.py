"""What a training run is told: one YAML file, executed alike from the command line and from the window."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from napari_nucseg.counted import count_words
from napari_nucseg.errors import NucSegError, SettingsError
from napari_nucseg.learning.augment import AugmentSettings
from napari_nucseg.learning.job_file import read_job_file
from napari_nucseg.learning.judgement import JudgeSettings
from napari_nucseg.learning.ranges import Percentiles, Seed
from napari_nucseg.learning.settings import (
    DataSource,
    EarlyStop,
    Loss,
    Optimizer,
    Schedule,
    Validation,
)
from napari_nucseg.learning.sizing import SizeSettings
from napari_nucseg.network.architectures import PLAIN, Architecture
from napari_nucseg.network.installed import find_model
from napari_nucseg.network.model_card import read_card
from napari_nucseg.network.names import ModelName, ModelNameOrPath
from napari_nucseg.network.places import SUFFIX
from napari_nucseg.refusals import Settings, problems_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DEFAULT_STEPS = 3000
RANDOM, IMAGENET = "random", "imagenet"

_SHORT = {
    "learning_rate": ("optimizer", "learning_rate"),
    "weight_decay": ("optimizer", "weight_decay"),
    "gradient_clip": ("optimizer", "gradient_clip"),
    "average_decay": ("optimizer", "average_decay"),
    "warmup_steps": ("schedule", "warmup_steps"),
    "seam_weight": ("loss", "seam_weight"),
    "validation_share": ("validation", "share"),
    "validate_every": ("validation", "every"),
}
"""Settings that may stand at the top of a job, and the part they belong to."""


class TrainingJob(Settings):
    """Everything that determines a training run."""

    name: ModelName = Field("my-model", description="Name of the new model.")
    title: str = ""
    description: str = ""
    licence: str = Field(
        "",
        description="Default: that of the model gone on from; without one, all rights with whoever trained it.",
    )
    training_data: tuple[str, ...] = Field(
        (),
        description="Names and licences of the training sets, for the card. Default: names of the folders.",
    )
    data: tuple[DataSource, ...] = ()
    output: Path = Field(Path("runs"), description="Folder for checkpoints, the log and the model file.")
    start: ModelNameOrPath = Field(
        RANDOM,
        description="random, imagenet (needs a network), or name or path of a model to go on from.",
    )
    learn: Literal["all", "decoder"] = Field(
        "all",
        description="What is learned. decoder: the encoder stays that of the model gone on from, and with it the "
        "model's size head.",
    )
    architecture: Architecture = Architecture()
    canonical_diameter_px: float | None = Field(
        24.0,
        gt=4,
        description="Nucleus diameter that images are rescaled to; null leaves them at their own scale.",
    )
    normalisation: Percentiles = Field(
        (0.5, 99.95), description="Percentiles of an image that become 0 and 1."
    )
    clahe: bool = Field(False, description="Whether contrast is equalised locally, here and in inference.")
    patch_px: int = Field(320, ge=64)
    augment: AugmentSettings = AugmentSettings()
    kind_weights: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        {}, description="How often a patch of each kind is drawn."
    )
    crowding: float = Field(
        0.0, ge=0, le=1, description="Patches of n nuclei are drawn (n + 1) to this power as often."
    )
    validation: Validation = Validation()
    early_stop: EarlyStop | None = None
    steps: int | None = Field(None, ge=1, description=f"Default, without epochs: {DEFAULT_STEPS}.")
    epochs: int | None = Field(
        None, ge=1, description="In place of steps; an epoch draws as many crops as there are patches."
    )
    batch_size: int = Field(16, ge=1)
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    size: SizeSettings | Literal["keep"] | None = Field(
        SizeSettings(),
        description="How the size head is taught; keep: that of the model gone on from stays, with the encoder it "
        "reads; null for a model without one.",
    )
    judge: JudgeSettings | None = Field(
        JudgeSettings(),
        description="How the judge of nuclei is taught, which joins and drops what the thresholds find; null for a "
        "model without one.",
    )
    tensorboard: bool = Field(False, description="Also log for TensorBoard; needs the extra of that name.")
    checkpoint_seconds: float = Field(120.0, gt=0)
    device: str = "auto"
    precision: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    seed: Seed = 0

    @model_validator(mode="before")
    @classmethod
    def _short_names(cls, content: Any) -> Any:
        """Put settings given by their short names where they belong."""
        if not isinstance(content, dict):
            return content
        content = dict(content)
        for short, (part, name) in _SHORT.items():
            whole = content.get(part, {})
            if short in content and isinstance(whole, dict):
                if name in whole:
                    raise ValueError(f"got {short} and {part}.{name}: give one of the two")
                content[part] = {**whole, name: content.pop(short)}
        return content

    @model_validator(mode="after")
    def _one_length(self) -> TrainingJob:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("got steps and epochs: give one of the two")
        nothing_held_back = not (self.validation.share or self.validation.images or self.validation.data)
        if self.early_stop and nothing_held_back:
            raise ValueError("early_stop needs images that are held back: raise validation.share")
        if self.learn == "decoder" and self.start == RANDOM:
            raise ValueError("learn: decoder needs an encoder that has learned: set start")
        if self.start == IMAGENET and self.architecture.encoder == PLAIN:
            raise ValueError(
                "start: imagenet has no weights for the plain encoder: choose another, or start: random"
            )
        if self.size == "keep" and not self.starts_from_model:
            raise ValueError("size: keep needs a model that has a size head: set start")
        return self

    @property
    def folder(self) -> Path:
        """Folder of this run."""
        return self.output / self.name

    @property
    def starts_from_model(self) -> bool:
        """Whether training goes on from a model."""
        return self.start not in (RANDOM, IMAGENET)

    def epoch_steps(self, n_patches: int) -> int:
        """Return the steps that draw as many crops as there are patches."""
        return max(1, -(-n_patches // self.batch_size))

    def total_steps(self, n_patches: int) -> int:
        """Length of the run in steps."""
        if self.epochs is not None:
            return self.epochs * self.epoch_steps(n_patches)
        return self.steps or DEFAULT_STEPS


def load_job(path: Path | str, folder: Path | None = None, **changes: Any) -> TrainingJob:
    """Read a job from YAML; ``changes`` replace fields.

    Relative paths, in changes too, count from ``folder``, by default the file's own.

    Raises
    ------
    SettingsError
        If the file is missing, is no YAML mapping, or a field is unknown or out of bounds.
    """
    path = Path(path)
    folder = path.parent if folder is None else folder
    content = read_job_file(path)
    for one, other in (("steps", "epochs"), ("epochs", "steps")):
        if one in changes:
            content.pop(other, None)
    try:
        return make_job({**content, **changes}, folder)
    except SettingsError as error:
        if changes and _is_a_job(content, folder):  # what is wrong does not stand in the file
            raise
        raise SettingsError(f"{path}: {error}") from error


def _is_a_job(content: Mapping[str, Any], folder: Path) -> bool:
    try:
        make_job(content, folder)
    except NucSegError:
        return False
    return True


def make_job(content: Mapping[str, Any], folder: Path) -> TrainingJob:
    """Validate settings; relative paths count from ``folder``, an output nobody names from where we are.

    Where training goes on from a model, what is not said about the network is taken from that model's card.
    """
    with _refusing_in_words():
        job = TrainingJob.model_validate(dict(content))
    folder = folder.absolute()
    validation = job.validation.model_copy(
        update={"data": tuple(source.anchored(folder) for source in job.validation.data)}
    )
    start = str(folder / os.path.expanduser(job.start)) if job.start.endswith(SUFFIX) else job.start
    data = tuple(source.anchored(folder) for source in job.data)
    output = folder / os.path.expanduser(job.output) if "output" in content else job.output.absolute()
    job = job.model_copy(update={"data": data, "validation": validation, "start": start, "output": output})
    job = _like_its_start(job, content.keys()) if job.starts_from_model else job
    _check_crop(job)
    return job


@contextmanager
def _refusing_in_words() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise SettingsError(f"{problems_in(error, TrainingJob)}.") from error


def _like_its_start(job: TrainingJob, said: Any) -> TrainingJob:
    card = read_card(find_model(job.start))
    names = ("canonical_diameter_px", "normalisation", "clahe")
    taken = {name: getattr(card, name) for name in names if name not in said}
    with _refusing_in_words():
        taken["architecture"] = job.architecture.completed_from(card.architecture)
    return job.model_copy(update=taken)


def _check_crop(job: TrainingJob) -> None:
    side, stride = job.augment.crop_px, job.architecture.stride_px
    if side % stride:
        raise SettingsError(
            f"got augment.crop_px {side}, which the network cannot halve {job.architecture.encoder_depth} times: "
            f"give a multiple of {stride}, such as {max(1, round(side / stride)) * stride}."
        )
    if side > job.patch_px:
        raise SettingsError(
            f"got augment.crop_px {side} and patch_px {job.patch_px}: crops are cut out of patches. Give a larger "
            "patch_px, or a smaller augment.crop_px."
        )


def fill_sources(
    templates: Sequence[Mapping[str, Any]], paths: Sequence[Path], **said: Any
) -> list[dict[str, Any]]:
    """Put datasets where a recipe names none: each path takes the place of one, or all that of the only one.

    Parameters
    ----------
    templates : the recipe's sources, whose split, kind and dataset are kept.
    paths : the datasets.
    **said : fields of ``DataSource`` for all of them; those that are None are left as they are.

    Raises
    ------
    SettingsError
        If the recipe has places for another number of datasets.
    """
    places: Sequence[Mapping[str, Any]] = templates or ({},)
    if len(places) == 1:
        places = [places[0]] * len(paths)
    if len(places) != len(paths):
        wanted = ", ".join(str(place.get("path")) for place in places)
        raise SettingsError(
            f"got {count_words(len(paths), 'dataset')}, the recipe has places for {len(places)}, "
            f"in this order: {wanted}"
        )
    known = {name: value for name, value in said.items() if value is not None}
    return [{**place, **known, "path": path} for place, path in zip(places, paths, strict=True)]
