"""Images that a model is tried on: what it finds there, beside what a person vouches for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from scipy import ndimage

from napari_nucseg.network.predict import TilePlan, default_batch
from napari_nucseg.nuclei.decoding import DecodingSettings, decode
from napari_nucseg.nuclei.targets import make_targets, median_diameter
from napari_nucseg.segmentation.blocks import in_blocks
from napari_nucseg.segmentation.clock import Clock
from napari_nucseg.segmentation.finding import Finder
from napari_nucseg.segmentation.looking import look_steps
from napari_nucseg.segmentation.picture import Picture
from napari_nucseg.segmentation.rescale import network_scale
from napari_nucseg.segmentation.showing import Shown
from napari_nucseg.segmentation.views import VIEWS
from napari_nucseg.segmentation.window import Window
from napari_nucseg.steps import drain
from napari_nucseg.teaching.pixels import as_image, shown_pixels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.teaching.examples import Lesson
    from napari_nucseg.teaching.pages import Page

TILE_PX = 1024


@dataclass(frozen=True, eq=False)
class Scene:
    """One image at the scale of its nuclei.

    Attributes
    ----------
    pixels
        (C, Y, X) uint8, as the base model is shown it, C 1 or 3.
    truth
        (Y, X) int32 labels as a person left them.
    checked
        (Y, X) bool: where the truth can be relied on.
    diameter_px
        Of its nuclei.
    filled
        (Y, X) bool: where nothing was taken, and no model is to find anything; None where all was.
    """

    pixels: NDArray[np.uint8]
    truth: NDArray[np.int32]
    checked: NDArray[np.bool_]
    diameter_px: float
    filled: NDArray[np.bool_] | None = None

    @property
    def image(self) -> NDArray[np.float32]:
        """(3, Y, X) float32, 0…1."""
        return as_image(self.pixels)

    @property
    def window(self) -> Window:
        """Rows and columns to predict: those to check, with surroundings."""
        (region,) = ndimage.find_objects(self.checked, 1)
        height, width = self.truth.shape
        return Window.for_nuclei(region, (height, width), self.diameter_px)

    @cached_property
    def targets(self) -> NDArray[np.float32]:
        """(3, Y, X) float32: what the maps of the window should be."""
        return make_targets(self.truth[self.window.read])

    @property
    def n_network_px(self) -> float:
        """Size of the window where nuclei have 20 px, for choosing scenes that are cheap to look at."""
        rows, columns = self.window.shape
        return rows * columns * (20 / self.diameter_px) ** 2


@dataclass(frozen=True, eq=False)
class Seen:
    """What a model makes of a scene's window: maps (3, Y, X) float32 and labels (Y, X) int32."""

    maps: NDArray[np.float32]
    labels: NDArray[np.int32]


def held_out_scene(lesson: Lesson) -> Scene:
    """Scene of what is held out of a lesson."""
    return Scene(lesson.pixels, lesson.labels, lesson.held_out, lesson.diameter_px, lesson.filled)


def scene_of_page(page: Page, base: Model, device: Device) -> Scene:
    """Scene of all that is vouched for on a page; the model's own diameter where the page has no nucleus."""
    assert page.planes is not None
    diameter_px = page.diameter_px or median_diameter(page.labels) or base.card.canonical_diameter_px
    pixels = shown_pixels(page.planes, diameter_px, base, device, page.given_px)
    return Scene(pixels.values, page.labels, page.taught, diameter_px, pixels.filled)


def look_at(model: Model, scene: Scene, device: Device) -> Seen:
    """Segment a scene's window, as ``segment`` does in one view with the same diameter."""
    return look(model, scene.image, scene.diameter_px, device, scene.filled, scene.window)


def look(
    model: Model,
    image: NDArray[np.float32],
    diameter_px: float,
    device: Device,
    filled: NDArray[np.bool_] | None = None,
    window: Window | None = None,
) -> Seen:
    """Segment an image as it is shown, (3, Y, X), or a window of it; where ``filled`` (Y, X), nothing is found."""
    picture = Picture.of(image)
    window = window or Window.around(None, picture.shape, 0)
    scale, _ = network_scale(diameter_px, model.card.canonical_diameter_px)
    plan = TilePlan(device, TILE_PX, default_batch(device))
    decoding = DecodingSettings(**model.card.thresholds.model_dump())
    with_halo = Window.for_nuclei(window.read, picture.shape, diameter_px)
    if len(in_blocks(with_halo, picture.shape, diameter_px, scale, keep_maps=True)) > 1:
        shown = Shown(picture, None, diameter_px, filled=filled)
        finder = Finder(model, shown, scale, VIEWS["plain"], decoding, keep_maps=True)
        found = drain(finder.steps(with_halo, plan, Clock()))
        return Seen(with_halo.crop(found.wide_maps), found.labels)
    maps = drain(look_steps(model, picture, window, scale, VIEWS["plain"], plan, filled)).maps
    labels = decode(maps, decoding, diameter_px=diameter_px, origin=window.origin, judge=model.judge)
    return Seen(maps, labels)
