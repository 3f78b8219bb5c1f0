"""What a segmentation yields on its way and returns at its end."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.counted import count_words
from napari_nucseg.errors import SettingsError
from napari_nucseg.nuclei.decoding import DecodingSettings, decode
from napari_nucseg.nuclei.tidying import areas_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.installed import ModelInfo
    from napari_nucseg.nuclei.judging import Judge
    from napari_nucseg.segmentation.settings import SegmentationSettings
    from napari_nucseg.segmentation.size import DiameterEstimate
    from napari_nucseg.segmentation.window import Region, Window


@dataclass(frozen=True)
class Progress:
    """Where a segmentation stands.

    Stages: normalise, size, network, decode; of a file then draw, measure, outline, write. ``part`` is which slice of a
    stack, counted from 1, and of how many.
    """

    stage: str
    done: int
    total: int
    message: str = ""
    part: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Labels of an image (or of a region of it) and all that is needed to repeat or refine them.

    Attributes
    ----------
    labels : (Y, X) int32, 0 is background
    wide_maps : (3, Y, X) float32, maps of all that ``window`` reads: nuclei across a region's edge depend on them; of
        no pixel where they were not kept
    window : what of the image the network was asked for, and which part of that is ``labels``
    settings : what was asked for
    model : what was run
    diameter_px : median nucleus diameter used, in pixels
    diameter : the estimate, None where the diameter was given or the image shows nothing
    device : where and in which precision the network ran
    timings : seconds by stage, and ``total``
    notes : what a user should know, in sentences
    region : rows and columns of the image that were asked for, None for all
    judge : who told how likely a nucleus is right, None where the model has nobody
    """

    labels: NDArray[np.int32]
    wide_maps: NDArray[np.float32]
    window: Window
    settings: SegmentationSettings
    model: ModelInfo
    diameter_px: float
    diameter: DiameterEstimate | None
    device: Device
    timings: Mapping[str, float]
    notes: tuple[str, ...] = ()
    region: Region | None = None
    judge: Judge | None = None

    def __repr__(self) -> str:
        return f"<Segmentation: {self.summary()}>"

    @property
    def maps(self) -> NDArray[np.float32]:
        """(3, Y, X) on the image's grid, as ``labels``, in the order of ``MAP_NAMES``; of no pixel if not kept."""
        return self.window.crop(self.wide_maps)

    @property
    def has_maps(self) -> bool:
        """Whether its maps were kept."""
        return self.wide_maps.size > 0

    @property
    def n_nuclei(self) -> int:
        """Number of nuclei found."""
        return self.areas_px.size

    @property
    def areas_px(self) -> NDArray[np.int64]:
        """Area of each nucleus found, in the order of their numbers."""
        areas = areas_of(self.labels)
        return areas[areas > 0]

    def redecode(self, decoding: DecodingSettings) -> Segmentation:
        """Apply other decoding settings to the same maps; the network is not run.

        Raises
        ------
        SettingsError
            If these are no settings, or the maps were not kept.
        """
        if not self.has_maps:
            raise SettingsError(
                "got a segmentation whose maps were not kept: segment the image again with these settings."
            )
        if not isinstance(decoding, DecodingSettings):
            raise SettingsError(f"got {decoding!r}: give DecodingSettings(foreground_threshold=0.4, …)")
        started = time.perf_counter()
        labels = decode_kept(self.wide_maps, self.window, decoding, self.diameter_px, self.judge)
        timings = {**self.timings, "decode": time.perf_counter() - started}
        settings = self.settings.model_copy(update={"decoding": decoding})
        return replace(self, labels=labels, settings=settings, timings=timings)

    def summary(self) -> str:
        """Say it in one line: number of nuclei, median area, model, time, device."""
        areas = self.areas_px
        area = f"median {np.median(areas):.0f} px²" if areas.size else "no area"
        nuclei = count_words(areas.size, "nucleus", "nuclei")
        seconds = self.timings["total"]
        return f"{nuclei} · {area} · {self.model.name} · {seconds:.1f} s on {self.device.name.upper()}"


def decode_kept(
    wide_maps: NDArray[np.float32],
    window: Window,
    decoding: DecodingSettings,
    diameter_px: float,
    judge: Judge | None,
) -> NDArray[np.int32]:
    """Decode maps of all that a window reads into labels (Y, X) of what it keeps; some numbers may be missing."""
    labels = decode(wide_maps, decoding, diameter_px=diameter_px, origin=window.origin, judge=judge)
    return np.ascontiguousarray(window.crop(labels))
