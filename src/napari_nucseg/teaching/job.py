"""What fine-tuning is told: one YAML or JSON file, executed alike from the window and from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Preset = Literal["quick", "standard", "thorough"]
Use = Literal["auto", "learn", "check"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Example(_Part):
    """Corrected images to learn from, or to check the outcome on."""

    path: Path = Field(
        description="Correction set, folder of correction sets, folder worked through, or any dataset with labels."
    )
    use: Use = Field("auto", description="auto: we decide; check: held out, never learned from.")


class Preview(_Part):
    """Image that the new model is tried on while it learns."""

    image: Path = Field(description="Image file, or .npy.")
    axes: str = Field(description="One letter an axis of the image, of CYX.")
    diameter_px: float = Field(gt=0, description="Nucleus diameter in it.")


class FinetuneJob(_Part):
    """Everything that determines a fine-tuning."""

    name: str = Field(
        "my-nuclei", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Name of the new model."
    )
    model: str = Field("auto", description="Name or path of the model to teach.")
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
    seed: int = 0

    @property
    def folder(self) -> Path:
        """Folder of this run."""
        return self.output / self.name
