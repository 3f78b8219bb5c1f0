"""Maps of an image on its own grid: the network is shown one or more views of it, the answers are averaged."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.network.predict import Prediction, count_tiles, predict_steps
from napari_nucseg.network.tiling import pad_to_stride
from napari_nucseg.segmentation.rescale import GRID_PX, on_grid, resample
from napari_nucseg.segmentation.window import Window
from napari_nucseg.steps import told_as

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_nucseg.network.model_file import Model
    from napari_nucseg.network.predict import TilePlan, TileProgress
    from napari_nucseg.segmentation.picture import Picture
    from napari_nucseg.segmentation.views import Symmetry, Views


@dataclass(frozen=True)
class _Look:
    """One pass of the network.

    Attributes
    ----------
    window : what is read for it, and which part of that is wanted
    scale : from image to network pixels
    symmetry : how the image is held
    stride_px : the network's stride
    """

    window: Window
    scale: float
    symmetry: Symmetry
    stride_px: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns in network pixels, before turning."""
        return self.window.scaled_shape(self.scale)

    def show(self, picture: Picture) -> NDArray[np.float32]:
        """Cut out of a picture what the network is shown, (3, Y, X).

        It is padded before it is turned: so the stride's grid lies on the same pixels however it is held, and a
        region is seen as it is within the whole.
        """
        scaled = resample(picture.read(*self.window.read), self.scale, self.shape)
        return self.symmetry.apply(pad_to_stride(scaled, self.stride_px))

    def take_back(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring maps of what was shown back to the wanted part of the image's grid."""
        upright = self.symmetry.undo(maps)[:, : self.shape[0], : self.shape[1]]
        return self.window.crop(resample(upright, 1 / self.scale, self.window.shape))


def look_steps(
    model: Model,
    picture: Picture,
    wanted: Window,
    scale: float,
    views: Views,
    plan: TilePlan,
    filled: NDArray[np.bool_] | None = None,
) -> Generator[TileProgress, None, Prediction]:
    """Predict the maps of what a window reads of an image; yields after every batch of tiles, counting all views.

    Memory does not grow with the number of views: their mean is taken as they come.

    Parameters
    ----------
    model : loaded model.
    picture : the whole image.
    wanted : the part to predict, ``wanted.read``; around it as much is looked at as the network's halo needs.
    scale : from image to network pixels.
    views : how to look at it.
    plan : device, tile and batch size to begin with.
    filled : (Y, X), where nothing was taken: the maps are 0 there; None where all was.

    Raises
    ------
    InferenceError
        As ``predict_steps``.
    """
    looks = _plan_looks(model, picture.shape, wanted, scale, views)
    mean: NDArray[np.float32] | None = None
    done = 0
    for number, look in enumerate(looks, start=1):
        ahead = sum(count_tiles(model, later.shape, plan) for later in looks[number:])
        passed = partial(_counted, done=done, ahead=ahead)
        prediction = yield from told_as(predict_steps(model, look.show(picture), plan), passed)
        plan = prediction.plan
        done += count_tiles(model, look.shape, plan)
        mean = _sum(mean, look.take_back(prediction.maps))
        del prediction  # its maps need not stay in memory while the next view is looked at
    assert mean is not None  # there is at least one view
    maps = mean if len(looks) == 1 else mean / np.float32(len(looks))
    if filled is not None:
        maps[:, filled[wanted.read]] = 0
    return Prediction(maps, plan)


def _sum(so_far: NDArray[np.float32] | None, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    return maps if so_far is None else np.add(so_far, maps, out=so_far)


def _plan_looks(
    model: Model, shape: tuple[int, int], wanted: Window, scale: float, views: Views
) -> list[_Look]:
    halo_px, stride_px = model.card.halo_px, model.card.architecture.stride_px
    looks = []
    for at in dict.fromkeys(on_grid(scale * factor) for factor in views.scales):
        window = Window.around(wanted.read, shape, round(halo_px / at), _whole_step(stride_px, at))
        looks += [_Look(window, at, symmetry, stride_px) for symmetry in views.symmetries]
    return looks


def _whole_step(stride_px: int, scale: float) -> int:
    """Smallest number of image pixels that is a multiple of the stride in network pixels."""
    grid_px = round(GRID_PX / scale)
    return grid_px // math.gcd(grid_px, GRID_PX // stride_px)


def _counted(tile: TileProgress, *, done: int, ahead: int) -> TileProgress:
    """Progress of one pass among others."""
    return replace(tile, done=done + tile.done, total=done + tile.total + ahead)
