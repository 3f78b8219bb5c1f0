"""What a network is shown of an image: intensities of 0…1, nuclei of a known size, as it can trust its findings most.

Segmenting, fine-tuning and checking a model all show an image so: what is learned and judged is what is used.

Where an image may be shown in several ways (brown as haematoxylin, without haze), the network looks at each, and the
likeliest stays unless what is found in another can be trusted clearly more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.familiar import appearances
from napari_nucseg.data.frame import without_frame
from napari_nucseg.data.intensity import IntensityRange, equalise
from napari_nucseg.data.on_disk import lies_on_disk
from napari_nucseg.segmentation.background import without_background
from napari_nucseg.segmentation.picture import Picture
from napari_nucseg.segmentation.size import estimate_diameter, trust_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucseg.data.familiar import Appearance
    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.segmentation.size import DiameterEstimate

NOTE = "The background is uneven: light behind the nuclei was taken out before the network looked."
LARGE = "So large an image is taken as it is: frames, marks and haze are not looked for."
LOST = 0.5
"""Share of the evidence that agrees on the size below which a haze may have been taken for one large nucleus."""
SURER = 0.3
"""How much more of it must agree where the haze is taken out."""
SMALLER = 0.5
"""How large nuclei then are beside what was taken for one."""
HELPS = 0.04
"""How much more a network must trust what it finds without the background: crowded nuclei suffer by taking it out."""


@dataclass(frozen=True, eq=False)
class Whole:
    """An image without gaps, in the ways in which a network may be shown it.

    Attributes
    ----------
    looks : of a kind that networks know, in any units; the likeliest first
    filled : (Y, X), where nothing was taken, and nothing is to be found; None where all was
    note : what was filled, for the user; empty where nothing was
    """

    looks: tuple[Appearance, ...]
    filled: NDArray[np.bool_] | None = None
    note: str = ""

    @classmethod
    def of(cls, planes: NDArray[Any]) -> Whole:
        """Fill what was not taken of planes (C, Y, X) in any units that are 0 in the dark; on disk they stay as are."""
        if lies_on_disk(planes):
            return cls(appearances(planes), note=LARGE)
        planes, filled, note = without_frame(planes)
        return cls(appearances(planes), filled, note)

    @property
    def likeliest(self) -> NDArray[Any]:
        """(C, Y, X) in the likeliest way, C 1 or 3."""
        return self.looks[0].planes


@dataclass(frozen=True, eq=False)
class Shown:
    """An image as a network is shown it.

    Attributes
    ----------
    picture : the image, 0…1
    estimate : of the median nucleus diameter; None where it was given, or there is nothing to measure
    diameter_px : to work with
    notes : what a user should know, in sentences
    filled : (Y, X), where nothing was taken, and nothing is to be found; None where all was
    """

    picture: Picture
    estimate: DiameterEstimate | None
    diameter_px: float
    notes: tuple[str, ...] = ()
    filled: NDArray[np.bool_] | None = None

    def outdoes(self, other: Shown) -> bool:
        """Whether clearly more of the evidence agrees on a clearly smaller nucleus size."""
        if self.estimate is None or other.estimate is None:
            return False
        surer = self.estimate.confidence > other.estimate.confidence + SURER
        return surer and self.diameter_px < SMALLER * other.diameter_px


def show(whole: Whole, given_px: float | None, model: Model, device: Device) -> Shown:
    """Normalise an image, find its nucleus size, and show it as the network can trust its findings most.

    A grey image with an uneven background is looked at with and without it. Without it is how it is segmented where
    the network can trust clearly more of what it finds: nuclei that fit its maps, and that it is certain of. Where the
    evidence on the size disagrees widely, it may be the haze that was measured: without it, more must agree.

    Parameters
    ----------
    whole : the image.
    given_px : median nucleus diameter, None to estimate it.
    model : loaded model.
    device : where to run.
    """
    look, shown = _most_trusted(whole.looks, given_px, model, device)
    if _may_have_haze(look):
        shown = _without_haze(_scaled(look, model).scaled(), shown, given_px, model, device)
    return _without_gaps(shown, whole)


def show_the_only_way(whole: Whole, given_px: float, model: Model, device: Device) -> Shown | None:
    """Show an image without asking the network; None where ``show`` would have to choose for nuclei of this diameter.

    Parameters
    ----------
    whole : the image.
    given_px : median nucleus diameter.
    model : loaded model.
    device : where it would run.
    """
    if len(whole.looks) > 1:
        return None
    (look,) = whole.looks
    if _may_have_haze(look) and without_background(_scaled(look, model).scaled(), given_px) is not None:
        return None
    return _without_gaps(_plain(look, given_px, model, device), whole)


def _may_have_haze(look: Appearance) -> bool:
    """Whether it is looked for: in grey images that are in memory."""
    return len(look.planes) == 1 and not lies_on_disk(look.planes)


def _without_gaps(shown: Shown, whole: Whole) -> Shown:
    """Say what was filled of the image."""
    notes = (whole.note, *shown.notes) if whole.note else shown.notes
    return replace(shown, notes=notes, filled=whole.filled)


def _most_trusted(
    looks: tuple[Appearance, ...], given_px: float | None, model: Model, device: Device
) -> tuple[Appearance, Shown]:
    """Choose the likeliest, unless the network trusts what it finds in another more, by its ``helps`` at least.

    All are looked at at the nucleus size that the likeliest tells: a gland in brown may be a fine nucleus, ten times as
    large.
    """
    first = _plain(looks[0], given_px, model, device)
    if len(looks) == 1:
        return looks[0], first
    shown = [first, *(_plain(look, first.diameter_px, model, device) for look in looks[1:])]
    gain = [_trust(s, model, device) - look.helps for s, look in zip(shown, looks, strict=True)]
    best = int(np.argmax(gain))
    return looks[best], first if best == 0 else _plain(looks[best], given_px, model, device)


def _plain(look: Appearance, given_px: float | None, model: Model, device: Device) -> Shown:
    """Show an appearance as it is, and say what was done."""
    scaled = _scaled(look, model)
    notes = [look.note] if look.note else []
    if scaled.intensity.is_empty:
        notes.append("All pixels have the same value: there is nothing to segment.")
        given_px = given_px or model.card.canonical_diameter_px
    return _sized(scaled, given_px, model, device, *notes)


def _scaled(look: Appearance, model: Model) -> Picture:
    return Picture(look.planes, IntensityRange.of(look.planes, *model.card.normalisation))


def _without_haze(
    scaled: NDArray[np.float32], plain: Shown, given_px: float | None, model: Model, device: Device
) -> Shown:
    """Take out what is uneven behind the nuclei of a grey image where that helps."""
    if plain.estimate is not None and plain.estimate.confidence < LOST:
        near = _evened(scaled, plain.estimate.low_px, given_px, model, device)
        if near is not None and near.outdoes(plain):
            return _evened(scaled, near.diameter_px, given_px, model, device) or near
    even = _evened(scaled, plain.diameter_px, given_px, model, device)
    if even is None or _trust(even, model, device) < _trust(plain, model, device) + HELPS:
        return plain
    return even


def _evened(
    scaled: NDArray[np.float32], size_px: float, given_px: float | None, model: Model, device: Device
) -> Shown | None:
    """Show a grey image without what lies behind nuclei of a size; None where that is even already."""
    flat = without_background(scaled, size_px)
    if flat is None:
        return None
    picture = Picture(flat, IntensityRange.of(flat, *model.card.normalisation))
    return _sized(picture, given_px, model, device, NOTE)


def _sized(picture: Picture, given_px: float | None, model: Model, device: Device, *notes: str) -> Shown:
    """Show a picture at a size that is given or estimated."""
    if model.card.clahe:
        picture = Picture.of(equalise(picture.scaled()))
    shown = Shown(picture, None, given_px or model.card.canonical_diameter_px, notes)
    if given_px is not None:
        return shown
    estimate = estimate_diameter(model, picture, device)
    return replace(shown, estimate=estimate, diameter_px=estimate.diameter_px)


def _trust(shown: Shown, model: Model, device: Device) -> float:
    return trust_in(model, shown.picture, shown.diameter_px, device)
