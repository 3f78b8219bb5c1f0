"""Nuclei in an image as a network is shown it: maps, then labels; of a large image block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.network.predict import GLASS_STEP_PX, is_glass
from napari_nucseg.nuclei.decoding import decode
from napari_nucseg.segmentation.blocks import Mosaic, in_blocks
from napari_nucseg.segmentation.looking import look_steps
from napari_nucseg.segmentation.result import Progress, decode_kept
from napari_nucseg.steps import told_as

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.network.predict import Prediction, TilePlan, TileProgress
    from napari_nucseg.nuclei.decoding import DecodingSettings
    from napari_nucseg.segmentation.clock import Clock
    from napari_nucseg.segmentation.showing import Shown
    from napari_nucseg.segmentation.views import Views
    from napari_nucseg.segmentation.window import Window


@dataclass(frozen=True, eq=False)
class Found:
    """What was found.

    Attributes
    ----------
    labels : (Y, X) int32, of what the window keeps
    wide_maps : (3, Y, X) float32, of all it reads; of no pixel where they are not kept
    device : where the network ran in the end
    """

    labels: NDArray[np.int32]
    wide_maps: NDArray[np.float32]
    device: Device


@dataclass(frozen=True, eq=False)
class Finder:
    """How to find nuclei in an image.

    Attributes
    ----------
    model : to be run; its judge chooses among what is found
    shown : the image, and the size of its nuclei
    scale : from image to network pixels
    views : how to look at it
    decoding : from maps to labels
    keep_maps : whether maps are part of what is found
    """

    model: Model
    shown: Shown
    scale: float
    views: Views
    decoding: DecodingSettings
    keep_maps: bool

    def steps(self, window: Window, plan: TilePlan, clock: Clock) -> Generator[Progress, None, Found]:
        """Find the nuclei of a window, whole or in blocks; yields progress.

        Raises
        ------
        InferenceError
            As ``look_steps``.
        """
        blocks = in_blocks(
            window, self.shown.picture.shape, self.shown.diameter_px, self.scale, keep_maps=self.keep_maps
        )
        if len(blocks) > 1:
            return (yield from self._in_blocks(window, blocks, plan, clock))
        with clock("network"):
            prediction = yield from self._look(window, plan)
        yield Progress("decode", 0, 1)
        with clock("decode"):
            labels = decode_kept(
                prediction.maps, window, self.decoding, self.shown.diameter_px, self.model.judge
            )
        maps = prediction.maps if self.keep_maps else np.empty((len(prediction.maps), 0, 0), np.float32)
        return Found(labels, maps, prediction.plan.device)

    def _in_blocks(
        self, window: Window, blocks: Sequence[Window], plan: TilePlan, clock: Clock
    ) -> Generator[Progress, None, Found]:
        mosaic = Mosaic(window, self.shown.picture.planes, keep_maps=self.keep_maps)
        for number, block in enumerate(blocks):
            if self._is_glass(block):
                yield Progress("network", number + 1, len(blocks))
                continue
            with clock("network"):
                prediction = yield from self._look(block, plan, number, len(blocks))
            plan = prediction.plan
            with clock("decode"):
                labels = decode(
                    prediction.maps,
                    self.decoding,
                    diameter_px=self.shown.diameter_px,
                    origin=block.origin,
                    judge=self.model.judge,
                )
                mosaic.add(labels, prediction.maps, block)
            del prediction  # its maps need not stay in memory while the next block is looked at
        return Found(mosaic.labels(), mosaic.maps, plan.device)

    def _is_glass(self, block: Window) -> bool:
        step = max(1, round(GLASS_STEP_PX / self.scale))
        rows, columns = (slice(side.start, side.stop, step) for side in block.read)
        return is_glass(self.shown.picture.scaled(rows, columns))

    def _look(
        self, block: Window, plan: TilePlan, number: int = 0, n_blocks: int = 1
    ) -> Generator[Progress, None, Prediction]:
        """Predict the maps of a block; as many tiles are told for those before and after it."""

        def told(tile: TileProgress) -> Progress:
            return Progress("network", number * tile.total + tile.done, n_blocks * tile.total, tile.message)

        looking = look_steps(
            self.model, self.shown.picture, block, self.scale, self.views, plan, self.shown.filled
        )
        return (yield from told_as(looking, told))
