"""Brown stains: where diaminobenzidine (DAB) shows a protein, networks are shown the nuclei in familiar colours.

Immunohistochemistry shows a protein in brown, and the nuclei in pale blue. Networks taught on haematoxylin and eosin
hardly find them beside much brown, so it is taken out; where the protein lies in the nuclei (Ki-67, oestrogen receptor,
p53) it is brown nuclei that they do not find, and the brown is shown as haematoxylin. Colours alone do not tell which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.color import combine_stains, hed_from_rgb, rgb_from_hed, separate_stains

from napari_nucseg.data.on_disk import lies_on_disk, zeros_beside
from napari_nucseg.data.thinned import thinned
from napari_nucseg.strips import strips

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    # Haematoxylin and eosin (Y, X) to show, of the densities (Y, X) of haematoxylin, eosin and brown.
    _Restaining = Callable[
        [NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
        tuple[NDArray[np.float64], NDArray[np.float64]],
    ]

STAINED_DENSITY = 0.3
"""Optical density, summed over colours, from which on a pixel is stained."""
BROWNER = 1.1
"""How much more blue than green and red light a brown pixel absorbs; tissue in blue and pink absorbs green most."""
BROWN_SHARE = 0.3
"""Share of stained pixels that are brown; .81 in scikit-image's sample, at most .09 in 205 images of H&E."""
DENSE = 0.5
"""Optical density from which on a brown pixel may be one of a brown nucleus: those of H&E are fainter."""
DENSE_SHARE = 0.01
"""Share of stained pixels that are densely brown, from which on nuclei may be; at most .0053 in 164 images of H&E."""
FEWEST_STAINED = 0.01
BRIGHT_FIELD = 0.4
"""Mean brightness from which on an image is taken for one of a bright field."""
HAEMATOXYLIN = 2.0
"""How much stronger it is shown: beside so much brown it is pale."""
TRACE = 0.2
"""What is left of the brown, as eosin: cells keep their bodies."""
GRAIN_PX = 0.7
"""Blur of the haematoxylin: deconvolution brings out the grain."""
BLURRED_ROWS = 3
"""Rows beyond a strip that its blur looks at: four times ``GRAIN_PX``, rounded."""


def without_brown(planes: NDArray[Any]) -> NDArray[Any]:
    """Show an image with brown stain as one of haematoxylin and eosin: (3, Y, X), 0…1; return others as they are.

    The haematoxylin is strengthened, and a trace of eosin put where the brown was. What lies on disk is shown in bytes,
    0…255.

    Parameters
    ----------
    planes : (C, Y, X) in any units that are 0 in the dark.
    """
    if not has_brown_stain(planes):
        return planes
    return _restained(
        planes, lambda blue, _, brown: (HAEMATOXYLIN * gaussian_filter(blue, GRAIN_PX), TRACE * brown)
    )


def brown_as_haematoxylin(planes: NDArray[Any]) -> NDArray[Any]:
    """Show what is brown as haematoxylin, so that brown nuclei look like the others: (3, Y, X), 0…1, on disk 0…255.

    Parameters
    ----------
    planes : (3, Y, X) in any units that are 0 in the dark.
    """
    return _restained(planes, lambda blue, pink, brown: (blue + brown, pink))


def has_brown_stain(planes: NDArray[Any]) -> bool:
    """Whether (C, Y, X) is a colour image of a bright field in which much of the stain is brown."""
    return _brown_share(planes) > BROWN_SHARE


def may_have_brown_nuclei(planes: NDArray[Any]) -> bool:
    """Whether (C, Y, X) is a colour image of a bright field with spots as densely brown as no H&E is."""
    return _brown_share(planes, DENSE) > DENSE_SHARE


def _restained(planes: NDArray[Any], restain: _Restaining) -> NDArray[Any]:
    """Show a picture with other amounts of haematoxylin and eosin and no brown: (3, Y, X), 0…1, on disk 0…255.

    Colour deconvolution by the stain vectors of Ruifrok & Johnston 2001 (Anal. Quant. Cytol. Histol. 23, 291).
    """
    white, in_bytes = _white(planes), lies_on_disk(planes)
    shown = zeros_beside(planes, planes.shape, np.uint8 if in_bytes else np.float32)
    for rows in strips(planes.shape):  # the deconvolution's float64 copies stay small
        before = min(rows.start, BLURRED_ROWS)
        strip = np.moveaxis(planes[:, rows.start - before : rows.stop + BLURRED_ROWS], 0, -1)
        strip = strip.astype(np.float32)
        unknown = np.isnan(strip)
        colours = np.clip(np.where(unknown, white, strip) / white, 0, 1)  # blurred, NaN would spread
        blue, pink = restain(*np.moveaxis(separate_stains(colours, hed_from_rgb, channel_axis=-1), -1, 0))
        stains = np.stack([blue, pink, np.zeros_like(blue)], axis=-1).clip(0)
        strip = combine_stains(stains, rgb_from_hed)
        strip = np.rint(255 * strip) if in_bytes else np.where(unknown, np.nan, strip)
        shown[:, rows] = np.moveaxis(strip[before : before + shown[:, rows].shape[1]], -1, 0)
    return shown


def _brown_share(planes: NDArray[Any], density: float = STAINED_DENSITY) -> float:
    """Share of the stained pixels of a colour image that are brown and of a density at least; 0 for other images."""
    if len(planes) != 3:
        return 0.0
    seen, white = _known(planes), _white(planes)
    if not white > 0 or seen.mean() < BRIGHT_FIELD * white:
        return 0.0
    absorbed = -np.log10(np.clip(seen / white, 1 / 255, 1))
    red, green, blue = absorbed
    total = absorbed.sum(axis=0)
    n_stained = np.count_nonzero(total > STAINED_DENSITY)
    if n_stained < FEWEST_STAINED * total.size:
        return 0.0
    brown = (total > density) & (blue > BROWNER * green) & (blue > BROWNER * red)
    return float(np.count_nonzero(brown) / n_stained)


def _white(planes: NDArray[Any]) -> float:
    """Brightness of an unstained place; 0 where no pixel is known."""
    known = _known(planes)
    return float(np.percentile(known, 99.5)) if known.size else 0.0


def _known(planes: NDArray[Any]) -> NDArray[np.float32]:
    """Enough of the pixels that are finite in all channels: (C, N)."""
    seen = thinned(planes).astype(np.float32)
    return seen[:, np.isfinite(seen).all(axis=0)]
