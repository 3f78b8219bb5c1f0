"""Which image labels from elsewhere belong to.

Labels that we made know theirs, and so do those that were worked on; others are paired by what is seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_nucseg._napari.layer_data import SAMPLE
from napari_nucseg._napari.layer_state import OVERLAYS
from napari_nucseg.data.nuclear_dyes import names_nuclei

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer
    from numpy.typing import NDArray

BESIDE_PX = 0.5
Rank = tuple[bool, int, bool, bool, bool, int, bool, int]


def lies_with(layer: Labels, image: Image) -> bool:
    """Whether labels and image lie at one place of the world: the centre of one within the other.

    Their scales may differ: labels of other programs often have none.
    """
    own, other = _sides(layer), _sides(image)
    return _holds_centre(own, other) or _holds_centre(other, own)


def beside_px(layer: Labels, image: Image) -> float:
    """How far labels lie beside an image of their size in the window, in pixels; 0 where scales differ.

    Less than half a pixel is none: some programs give a pixel's corner, others its centre.
    """
    own, other = _sides(layer), _sides(image)
    extent = own[1] - own[0]
    if not np.allclose(extent, other[1] - other[0], rtol=1e-3) or not extent.all():
        return 0.0
    pixel = extent / (np.array(layer.data.shape[-2:]) - 1)
    shift = np.abs((own[0] - other[0]) / pixel)
    return float(np.hypot(*shift)) if shift.max() > BESIDE_PX else 0.0


def rank(viewer: ViewerModel, layer: Labels, image: Image) -> Rank:
    """Rank an image among those that labels may belong to: the lowest is the likeliest.

    What was opened as one sample belongs together, then what shares a name, the longer the better, then what is called
    after a dye of nuclei, then what covers the same part of the world. Then come images below the labels before those
    above, and the fewer other labels lie between, the better; of several alike the ones on show, and the nearest of
    them.
    """
    layers = list(viewer.layers)
    own = layers.index(layer) if layer in layers else len(layers)
    place = layers.index(image)
    between = layers[min(own, place) + 1 : max(own, place)]
    others = sum(isinstance(other, Labels) and not OVERLAYS & set(other.metadata) for other in between)
    return (
        not _of_one_sample(layer.metadata, image.metadata),
        -_shared_name(layer.name, image.name),
        not names_nuclei(image.name),
        not np.allclose(_sides(layer), _sides(image)),
        place > own,
        others,
        not image.visible,
        abs(place - own),
    )


def _of_one_sample(labels: dict[str, Any], image: dict[str, Any]) -> bool:
    sample = labels.get(SAMPLE)
    return isinstance(sample, str) and sample == image.get(SAMPLE)


def _shared_name(one: str, other: str) -> int:
    """Length of the name that the other begins with; 0 where neither does, or a number in it goes on ("w1", "w12")."""
    shorter, longer = sorted((one, other), key=len)
    goes_on = longer[len(shorter) : len(shorter) + 1].isdigit()
    return len(shorter) if longer.startswith(shorter) and not goes_on else 0


def _sides(layer: Layer) -> NDArray[np.float64]:
    """First and last Y and X of a layer in the world, (2, 2)."""
    return np.asarray(layer.extent.world)[:, -2:]


def _holds_centre(sides: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    centre = others.mean(axis=0)
    return bool((sides[0] <= centre).all() and (centre <= sides[1]).all())
