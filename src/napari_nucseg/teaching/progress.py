"""What fine-tuning tells while it goes on, and at its end. All of it can be written as JSON, a line each."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Stage = Literal["reading", "checking the old model", "learning", "comparing", "saving"]
Part = Literal["learned", "held out", "cut in two", "partly held out", "left out"]
Kind = Literal["held-out", "reference", "made"]
"""Of images that models are compared on: corrections kept aside, real images of others, made pictures."""
HELD_OUT = "your corrections, held out"
"""Name of the comparison on corrections kept aside, as it stands in model cards."""


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FinetuneProgress(_Told):
    """State after a step."""

    stage: Stage
    step: int = Field(0, description="Learning steps done.")
    total: int = Field(0, description="Learning steps in all; 0 while that is not known.")
    seconds: float = Field(0.0, description="Since the start.")
    seconds_left: float | None = Field(
        None, description="Estimate until the end, from the time of steps so far."
    )
    losses: dict[str, float] = {}
    scores: dict[str, float] = Field(
        {},
        description="ap50 on held-out corrections and others, at the steps that look; step 0 is the old model.",
    )
    message: str = Field("", description="What a user should know, in words.")
    preview: Path | None = Field(
        None, description=".npy with the labels, int32 (Y, X), that the model now finds in the preview image."
    )


class Verdict(StrEnum):
    """How a new model stands to the old one on the same nuclei."""

    BETTER = "better"
    WORSE = "worse"
    UNSURE = "not enough evidence"


class Comparison(_Told):
    """Old and new model on the same images: pooled AP at IoU .5, with a paired bootstrap over their nuclei."""

    name: str = Field(description="'your corrections, held out', or the name of reference images.")
    kind: Kind
    n_images: int
    n_nuclei: int
    old: float
    new: float
    low: float = Field(description="Lower end of the interval of new − old.")
    high: float
    verdict: Verdict
    found_old: int = Field(0, description="Nuclei that the old model finds.")
    found_new: int = 0
    false_old: int = Field(0, description="Nuclei that the old model sees where there are none.")
    false_new: int = 0
    overlap_old: float = Field(0, description="Mean IoU of the nuclei that the old model finds.")
    overlap_new: float = 0
    more_nuclei: int = Field(
        0, description="About how many more would make a gain certain; 0 where it is, or where there is none."
    )

    @property
    def gain(self) -> float:
        """New − old."""
        return self.new - self.old


class ExampleUse(_Told):
    """What became of one example."""

    name: str
    n_nuclei: int = Field(description="Nuclei a person vouches for.")
    taught_px: int = Field(description="Pixels a person vouches for.")
    use: Part
    n_images: int = Field(1, description="Images it has in which something is taught; a stack is one.")
    n_planes: int = Field(1, description="2D planes of these.")
    problem: str = Field("", description="What cannot be used of it, and why, in words.")


class FinetuneResult(_Told):
    """A new model and the judgement on it."""

    model: Path = Field(description="File of the new model.")
    verdict: Verdict = Field(description="Better: on held-out corrections better and nowhere worse.")
    words: str = Field(description="The judgement in two or three sentences for a user.")
    comparisons: tuple[Comparison, ...] = ()
    examples: tuple[ExampleUse, ...] = ()
    warnings: tuple[str, ...] = Field(
        (), description="Systematic nonsense found in the examples, and the like."
    )
    blend: float = Field(1.0, description="Share of the new weights in the model file; 1 without blending.")
    seconds: float = 0.0

    @property
    def acceptable(self) -> bool:
        """Whether the model may become the default."""
        return self.verdict is Verdict.BETTER and not self.warnings

    @property
    def part_words(self) -> str:
        """Say that it gains less than was seen while it learned, without a full stop; empty where it took up all."""
        percent = round(self.blend * 100)
        return (
            ""
            if percent >= 100
            else f"To keep old skills, the new model takes up {percent}% of what was learned"
        )
