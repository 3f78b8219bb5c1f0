"""The parts a training job is made of: where examples come from, how weights are moved, when to stop."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from napari_nucseg.refusals import Settings

OverlapLoss = Literal["bce+dice", "bce", "dice"]
ScoreName = Literal["ap50", "mean_ap", "pixel_accuracy", "pixel_iou", "auc"]


class DataSource(Settings):
    """One dataset of a training run, optionally narrowed to rows of an index file."""

    path: Path = Field(
        description="Folder or zip in any layout that open_dataset knows.", examples=["my-folder"]
    )
    index: Path | None = Field(None, description="CSV with dataset, name, group, split, kind.")
    dataset: str | None = Field(None, description="Only rows of this dataset in the index.")
    split: str | None = Field("train", description="Only rows of this split in the index.")
    kind: str | None = Field(
        None, description="Only rows of this kind; without an index, what all images are."
    )
    channel: int | None = Field(
        None, ge=0, description="Channel that shows the nuclei, counted from 0; for multichannel images."
    )

    def anchored(self, folder: Path) -> DataSource:
        """Return this source with relative paths counted from ``folder``, with ``~`` for one's own."""
        # unlike Path.expanduser, it leaves a folder ~old alone that is no one's home
        index = None if self.index is None else folder / os.path.expanduser(self.index)
        return self.model_copy(update={"path": folder / os.path.expanduser(self.path), "index": index})


class Optimizer(Settings):
    """How a step changes the weights."""

    kind: Literal["adamw", "adam", "adam-amsgrad"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    gradient_clip: float = Field(1.0, gt=0, description="Longest gradient, as a norm over all weights.")
    average_decay: float = Field(
        0.995, ge=0, lt=1, description="Decay of the running average of the weights."
    )


class Schedule(Settings):
    """How the learning rate changes over a run: a linear warm-up, then one of three ways."""

    kind: Literal["cosine", "constant", "step"] = Field(
        "cosine", description="cosine: down to a hundredth. step: times factor at every milestone."
    )
    warmup_steps: int = Field(100, ge=0)
    milestones: tuple[float, ...] = Field((0.5,), description="Shares of the run, for step.")
    factor: float = Field(0.5, gt=0, le=1)

    @model_validator(mode="after")
    def _milestones_within_the_run(self) -> Schedule:
        if not all(0 < m < 1 for m in self.milestones):
            raise ValueError(f"got milestones {self.milestones}: they are shares of the run, between 0 and 1")
        return self

    def factor_at(self, step: int, total: int) -> float:
        """Factor on the learning rate of a step, counted from 0, of a run of ``total`` steps."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.kind == "step":
            return self.factor ** sum(step >= m * total for m in self.milestones)
        if self.kind == "constant":
            return 1.0
        progress = (step - self.warmup_steps) / max(1, total - self.warmup_steps)
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class Loss(Settings):
    """What a step makes small; the map of distance has a loss of its own."""

    foreground: OverlapLoss = Field(
        "bce+dice", description="Loss of the foreground: cross-entropy, Dice, or both."
    )
    core: OverlapLoss = Field("bce", description="Loss of the core, alike.")
    seam_weight: float = Field(
        0.0, ge=0, description="How much more pixels count where nuclei touch or nearly touch."
    )


class Validation(Settings):
    """Which images are held back, and how often they are scored."""

    share: float = Field(0.1, ge=0, lt=1, description="Share of the groups of each kind to hold back.")
    images: int | None = Field(None, ge=1, description="Number of images to hold back, in place of a share.")
    data: tuple[DataSource, ...] = Field(
        (), description="Datasets to score on, in place of images held back from those to learn from."
    )
    every: int | Literal["epoch"] = Field(500, description="Steps from one scoring to the next, or epoch.")

    @model_validator(mode="after")
    def _one_way(self) -> Validation:
        ways = [
            name
            for name in ("share", "images", "data")
            if name in self.model_fields_set and getattr(self, name)
        ]
        if len(ways) > 1:
            raise ValueError(f"got {' and '.join(ways)}: give one of them")
        if self.every != "epoch" and self.every < 1:
            raise ValueError(f"got every {self.every}: allowed are 1 or more steps, or epoch")
        return self


class EarlyStop(Settings):
    """Stop when held-back images are scored no better for a while; the best weights are kept."""

    score: ScoreName = Field("mean_ap", description="Score that is to rise.")
    patience: int = Field(5, ge=1, description="Scorings without a better one before training stops.")
