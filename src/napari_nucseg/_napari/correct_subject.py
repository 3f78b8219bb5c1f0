"""The Labels layer that is being corrected: its plane in view, its image, its maps, and why it cannot be edited."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels

from napari_nucseg._napari.camera import shows_y_and_x
from napari_nucseg._napari.image_layout import fits, image_data
from napari_nucseg._napari.layer_state import (
    CorrectionState,
    is_work_on,
    read_corrections,
    read_state,
    snapshot_of,
    write_corrections,
    write_state,
)
from napari_nucseg._napari.pairing import beside_px, lies_with, rank
from napari_nucseg._napari.results import make_room
from napari_nucseg.learning.instances import UNNUMBERED, why_no_instances
from napari_nucseg.nuclei.edit import number_refusal, present

if TYPE_CHECKING:
    from uuid import UUID

    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from napari_nucseg._napari.planes import PlaneIndex
    from napari_nucseg.nuclei.decoding import DecodingSettings
    from napari_nucseg.nuclei.edit import Edit
    from napari_nucseg.nuclei.judging import Judge

SWITCH_VIEW = "Switch to the 2D view of Y and X."
HIDDEN = "This layer is hidden. Show it in the layer list to correct it."


@dataclass(frozen=True, eq=False)
class Maps:
    """Cached maps of a plane, (3, Y, X), and how they were decoded."""

    maps: NDArray[np.float32]
    decoding: DecodingSettings
    diameter_px: float
    judge: Judge | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """A Labels layer in its viewer."""

    viewer: ViewerModel
    layer: Labels

    @property
    def index(self) -> PlaneIndex:
        """Leading indices of the plane in view; () where the layer is one plane."""
        position = self.layer.world_to_data(self.viewer.dims.point)[:-2]
        return tuple(
            int(np.clip(round(float(p)), 0, n - 1))
            for p, n in zip(position, self.layer.data.shape, strict=False)
        )

    @property
    def labels(self) -> NDArray[np.integer]:
        """Plane in view, (Y, X), a view of the layer's own array."""
        return self.layer.data[self.index]

    @property
    def snapshot(self) -> NDArray[np.integer] | None:
        """What the plane in view is compared with."""
        whole = snapshot_of(self.layer)
        return None if whole is None else whole[self.index]

    @property
    def image(self) -> Image | None:
        """Image the labels belong to: the likeliest of those on the same pixels whose other axes fit, too."""
        return min(self.images, key=lambda image: not fits(self.layer, image), default=None)

    @property
    def images(self) -> list[Image]:
        """Images that lie on the same pixels, the likeliest first.

        For labels that know the one they were made from or worked on with, or that a work list shows with one, it
        alone; where it is gone, one of its name is taken for it: it was closed and opened again.
        """
        images = self._of_its_size
        if read_state(self.layer) is None and (shown := [i for i in images if is_work_on(self.layer, i)]):
            return shown
        if (known := self._known_image) is None:
            return self._likely
        image_id, name = known
        return [i for i in images if i.unique_id == image_id] or [i for i in images if i.name == name]

    @property
    def image_in_question(self) -> str:
        """Say which image it is where another one would fit, too; empty where it is no question."""
        image = self.image
        if image is None or read_state(self.layer) is not None or is_work_on(self.layer, image):
            return ""
        others = [other for other in self._likely if other != image and fits(self.layer, other)]
        return f"with the image “{image.name}”" if others and fits(self.layer, image) else ""

    @property
    def image_beside(self) -> str:
        """Say that the labels are shown beside their image, by their translation; empty where they lie on it."""
        image = self.image
        if image is None or not (shift_px := beside_px(self.layer, image)):
            return ""
        return (
            f"⚠ “{self.layer.name}” is shown {shift_px:.3g} px beside the image “{image.name}”, but saved and taught "
            "as if both began at the same corner. To see that, give both layers the same translation (layer.translate)."
        )

    @property
    def image_wanted(self) -> str:
        """Say which image is missing."""
        name = self.layer.name
        if (known := self._known_image) is not None:
            return (
                f"there is no image “{known[1]}” on the pixels of “{name}”. "
                "Open it in the same window, or give its layer this name."
            )
        if of_its_size := self._of_its_size:
            return (
                f"the image “{of_its_size[0].name}” has the size of “{name}”, but lies elsewhere. "
                "Give both the same scale and translation, or open the labels' own image in the same window."
            )
        return f"there is no image on the pixels of “{name}”. Open it in the same window."

    @property
    def _of_its_size(self) -> list[Image]:
        shape = tuple(self.layer.data.shape[-2:])
        return [i for i in reversed(self.viewer.layers) if isinstance(i, Image) and _yx(i) == shape]

    @property
    def _likely(self) -> list[Image]:
        """Images that labels may belong to that know none, the likeliest first."""
        there = [image for image in self._of_its_size if lies_with(self.layer, image)]
        return sorted(there, key=partial(rank, self.viewer, self.layer))

    @property
    def _known_image(self) -> tuple[UUID | None, str] | None:
        """Identity and name of the image that the labels were made from, else worked on with; None before that."""
        origin, corrections = read_state(self.layer), read_corrections(self.layer)
        if origin is not None:
            return origin.image_id, origin.image_name
        if corrections is None or not corrections.image_name:
            return None
        return corrections.image_id, corrections.image_name

    @property
    def maps(self) -> Maps | None:
        """Maps of the plane in view; None where there are none in memory."""
        origin = read_state(self.layer)
        segmentation = None if origin is None else origin.maps.get(self.index)
        if origin is None or segmentation is None:
            return None
        maps = segmentation.maps
        if segmentation.region is not None:
            whole = np.zeros((3, *self.layer.data.shape[-2:]), np.float32)
            whole[:, *segmentation.region] = maps
            maps = whole
        return Maps(maps, origin.settings.decoding, segmentation.diameter_px, segmentation.judge)

    def refusal_of_data(self) -> str:
        """Say why nothing at all can be done with the layer; empty where it is one array in memory."""
        if self.layer.multiscale:
            return "Pyramids of labels cannot be edited. Open one resolution as a layer of its own."
        if not isinstance(self.layer.data, np.ndarray):
            return "Labels not in memory cannot be edited. Read them into memory as a layer of its own."
        return ""

    def refusal_of_numbers(self) -> str:
        """Say why the layer's numbers cannot be those of nuclei; empty where they can."""
        return number_refusal(self.layer.data, f"“{self.layer.name}”")

    @property
    def mask_in_words(self) -> str:
        """Say of a plane whose nuclei all have one number, as in a mask, what that means; empty for all others."""
        labels = self.labels
        largest = labels.max(initial=0)
        # row by row: nearly all labels show in the first with nuclei that they are numbered
        is_numbered = any(((row != largest) & (row != 0)).any() for row in labels)
        if is_numbered or not largest or why_no_instances(labels) != UNNUMBERED:
            return ""
        return f"⚠ These are labels {UNNUMBERED}. As they are, tools take all of them for one nucleus."

    def refusal(self) -> str:
        """Say why the layer cannot be edited; empty where it can."""
        if words := self.refusal_of_data():
            return words
        if not self.layer.data.flags.writeable:
            return "These labels are read-only. Duplicate the layer and correct the copy."
        if words := self.refusal_of_view():
            return words
        return "" if self.layer.editable else "This layer is locked. Make it editable in the layer list."

    def refusal_of_view(self) -> str:
        """Say why nothing can be pointed at; empty where one plane is in view."""
        if not shows_y_and_x(self.viewer):
            return SWITCH_VIEW
        return "" if self.layer.visible else HIDDEN


def corrections_of(layer: Labels) -> CorrectionState:
    """Corrections of a layer, begun where there are none: nothing reviewed, compared with what is there now."""
    state = read_corrections(layer)
    if state is None:
        own = read_state(layer) is not None
        snapshot = None if own else np.array(layer.data, copy=True)
        state = CorrectionState(trust=np.zeros(layer.data.shape, np.uint8), snapshot=snapshot)
        write_corrections(layer, state)
    return state


def remember_image(subject: Subject) -> None:
    """Remember the image that labels are worked on with, also where it was opened again; no other takes its place."""
    layer, image = subject.layer, subject.image
    if image is None or not fits(layer, image):
        return
    origin, state = read_state(layer), corrections_of(layer)
    if origin is not None:
        if origin.image_id != image.unique_id:
            write_state(layer, origin.model_copy(update={"image_id": image.unique_id}))
    elif state.image_id != image.unique_id:
        known = {"image_id": image.unique_id, "image_name": state.image_name or image.name}
        write_corrections(layer, state.model_copy(update=known))


def apply_edit(layer: Labels, index: PlaneIndex, edit: Edit) -> None:
    """Make an edit one step of the layer's own history."""
    make_room(layer, int(edit.values.max(initial=0)))
    places, values = edit.changed_pixels(layer.data[index])
    leading = tuple(np.full(values.size, i) for i in index)
    with layer.block_history():
        layer.data_setitem((*leading, *places), values.astype(layer.data.dtype))


def goes_on_beside(layer: Labels, index: PlaneIndex, edit: Edit) -> bool:
    """Whether a nucleus that an edit will change goes on in a slice beside its own: no others are looked at."""
    old = layer.data[index][edit.box]
    changed = old != edit.values
    numbers = present(np.concatenate([old[changed], edit.values[changed]]))
    places = [(axis, place) for axis, i in enumerate(index) for place in (i - 1, i + 1)]
    beside = (
        (*index[:axis], place, *index[axis + 1 :], *edit.box)
        for axis, place in places
        if 0 <= place < layer.data.shape[axis]
    )
    return any(np.isin(layer.data[slices], numbers).any() for slices in beside)


def _yx(image: Image) -> tuple[int, ...]:
    shape = image_data(image).shape
    return tuple(shape[-3:-1] if image.rgb else shape[-2:])
