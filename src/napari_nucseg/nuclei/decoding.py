"""From maps to labels."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DecodingSettings(BaseModel):
    """Choices that turn maps into labels; changing them never runs the network again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    foreground_threshold: float = Field(
        0.5,
        ge=0.05,
        le=0.95,
        title="Threshold",
        description="Pixels above this probability belong to a nucleus. Lower finds fainter nuclei.",
    )
    core_threshold: float = Field(
        0.5,
        ge=0.05,
        le=0.95,
        title="Split sensitivity",
        description="Higher cuts touching nuclei apart more readily, lower keeps them together.",
    )
    min_area_px: int | None = Field(
        None,
        ge=0,
        title="Minimum area (px)",
        description="Smaller objects are dropped. Empty: a twentieth of a nucleus of the diameter in use.",
    )
    exclude_border: bool = Field(
        False, title="Drop nuclei at the border", description="Remove nuclei that touch the image's edge."
    )
