"""What a user can choose for one image, written once: the form, the command line and the record come from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from napari_nucseg.network.names import ModelNameOrPath
from napari_nucseg.nuclei.decoding import DecodingSettings
from napari_nucseg.refusals import Settings
from napari_nucseg.segmentation.views import ACCURATE_VIEWS, ONE_HEAD_VIEWS, VIEWS, ViewsName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_nucseg.segmentation.views import Views

Quality = Literal["fast", "standard", "accurate"]
Precision = Literal["auto", "bfloat16", "float16", "float32"]

DIAMETERS_PX = (0.1, 100_000.0)


class SegmentationSettings(Settings):
    """Everything that, with the image and the model file, determines the labels."""

    model: ModelNameOrPath = Field(
        "auto", title="Model", description="Name of an installed model, or path of a model file."
    )
    quality: Quality = Field(
        "standard",
        title="Quality",
        description="fast: half the time or less, finds a little less. standard: for nearly all images. accurate: four "
        "to six times slower, finds a little more, most on tissue.",
    )
    axes: str | None = Field(
        None,
        min_length=1,
        title="Axes",
        description="Meaning of each image axis, e.g. YX, YXC or CYX. Needed where the shape alone does not tell.",
    )
    channel: int | None = Field(
        None,
        ge=0,
        title="Channel",
        description="Channel that shows the nuclei, counted from 0; for images with several channels.",
    )
    diameter_px: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        title="Diameter (px)",
        description="Median nucleus diameter in pixels. Unless given, it is estimated.",
    )
    pixel_size_um: float | None = Field(
        None,
        ge=1e-5,
        le=1e6,
        allow_inf_nan=False,
        title="Pixel size (µm)",
        description="Size of a pixel in micrometres.",
    )
    diameter_um: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        title="Diameter (µm)",
        description="Median nucleus diameter in micrometres; needs a pixel size.",
    )
    views: ViewsName = Field(
        "auto",
        title="Views",
        description="Views of the image whose maps are averaged. auto: what the quality stands for.",
    )
    device: str = Field("auto", title="Device", description="auto, cuda, cuda:1, mps or cpu.")
    precision: Precision = Field(
        "auto",
        title="Precision",
        description="Number format of the network's arithmetic. Unless chosen, what is fast here.",
    )
    tile_px: int = Field(
        1024, ge=64, le=4096, title="Tile (px)", description="Side of the squares the network works on."
    )
    batch_size: int | None = Field(
        None,
        ge=1,
        le=256,
        title="Batch",
        description="Tiles worked on at once. Unless set, chosen for the device.",
    )
    decoding: DecodingSettings = DecodingSettings()

    @model_validator(mode="after")
    def _diameter_has_one_unit(self) -> SegmentationSettings:
        if self.diameter_px is not None and self.diameter_um is not None:
            raise ValueError("got diameter_px and diameter_um: give one of the two")
        if self.diameter_um is not None and self.pixel_size_um is None:
            raise ValueError("got diameter_um without pixel_size_um: give the pixel size, or diameter_px")
        given, (low, high) = self.given_diameter_px, DIAMETERS_PX
        if given is not None and not low <= given <= high:
            raise ValueError(
                f"got a nucleus diameter of {given:g} px; {low:g} to {high:g} px are allowed: check the unit and the "
                "pixel size"
            )
        return self

    @property
    def given_diameter_px(self) -> float | None:
        """Diameter the user gave, in pixels of the image; None where it is to be estimated."""
        if self.diameter_um is not None and self.pixel_size_um is not None:
            return self.diameter_um / self.pixel_size_um
        return self.diameter_px

    def views_for(self, n_heads: int) -> Views:
        """How a network of so many heads is shown the image."""
        if self.views != "auto":
            return VIEWS[self.views]
        standard: ViewsName = ONE_HEAD_VIEWS if n_heads == 1 else "plain"
        of: Mapping[Quality, ViewsName] = {"fast": "plain", "standard": standard, "accurate": ACCURATE_VIEWS}
        return VIEWS[of[self.quality]]

    def with_thresholds(self, thresholds: Mapping[str, Any]) -> SegmentationSettings:
        """Take a model's thresholds where the user has set none."""
        unset = {
            name: value for name, value in thresholds.items() if name not in self.decoding.model_fields_set
        }
        decoding = DecodingSettings(**{**self.decoding.model_dump(), **unset})
        return self.model_copy(update={"decoding": decoding})
