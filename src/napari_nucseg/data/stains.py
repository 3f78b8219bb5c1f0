"""Brown stains: where diaminobenzidine (DAB) covers a tissue, networks are shown the nuclei in familiar colours.

Immunohistochemistry shows a protein in brown, most often outside the nuclei, and the nuclei in pale blue. Networks
taught on haematoxylin and eosin hardly find them there: the brown is taken out before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.color import combine_stains, hed_from_rgb, rgb_from_hed, separate_stains

if TYPE_CHECKING:
    from numpy.typing import NDArray

STAINED_DENSITY = 0.3
"""Optical density, summed over colours, from which on a pixel is stained."""
BROWNER = 1.1
"""How much more blue than green and red light a brown pixel absorbs; tissue in blue and pink absorbs green most."""
BROWN_SHARE = 0.3
"""Share of stained pixels that are brown; .81 in scikit-image's sample, at most .09 in 205 images of H&E."""
FEWEST_STAINED = 0.01
BRIGHT_FIELD = 0.4
"""Mean brightness from which on an image is taken for one of a bright field."""
HAEMATOXYLIN = 2.0
"""How much stronger it is shown: beside so much brown it is pale."""
TRACE = 0.2
"""What is left of the brown, as eosin: cells keep their bodies."""
GRAIN_PX = 0.7
"""Blur of the haematoxylin: deconvolution brings out the grain."""
MOST_LOOKED_AT = 500
STRIP_ROWS = 512


def without_brown(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Show an image with brown stain as one of haematoxylin and eosin: (3, Y, X), 0…1; return others as they are.

    Colour deconvolution by the stain vectors of Ruifrok & Johnston 2001 (Anal. Quant. Cytol. Histol. 23, 291); the
    haematoxylin is strengthened, and a trace of eosin put where the brown was.

    Parameters
    ----------
    planes : (C, Y, X) in any units that are 0 in the dark.
    """
    if not has_brown_stain(planes):
        return planes
    white, shown = _white(planes), np.empty(planes.shape, np.float32)
    for first in range(0, planes.shape[1], STRIP_ROWS):  # the deconvolution's float64 copies stay small
        rows = slice(first, first + STRIP_ROWS)
        colours = np.clip(np.moveaxis(planes[:, rows], 0, -1) / white, 0, 1)
        blue, _, brown = np.moveaxis(separate_stains(colours, hed_from_rgb, channel_axis=-1), -1, 0)
        blue = gaussian_filter(blue, GRAIN_PX)
        stains = np.stack([HAEMATOXYLIN * blue, TRACE * brown, np.zeros_like(blue)], axis=-1).clip(0)
        shown[:, rows] = np.moveaxis(combine_stains(stains, rgb_from_hed), -1, 0)
    return shown


def has_brown_stain(planes: NDArray[np.float32]) -> bool:
    """Whether (C, Y, X) is a colour image of a bright field in which much of the stain is brown."""
    if len(planes) != 3:
        return False
    step = max(1, max(planes.shape[1:]) // MOST_LOOKED_AT)
    seen, white = planes[:, ::step, ::step], _white(planes)
    if not (np.isfinite(seen).all() and white > 0) or seen.mean() < BRIGHT_FIELD * white:
        return False
    density = -np.log10(np.clip(seen / white, 1 / 255, 1))
    red, green, blue = density[:, density.sum(axis=0) > STAINED_DENSITY]
    if red.size < FEWEST_STAINED * seen[0].size:
        return False
    return float(((blue > BROWNER * green) & (blue > BROWNER * red)).mean()) > BROWN_SHARE


def _white(planes: NDArray[np.float32]) -> float:
    """Brightness of an unstained place."""
    step = max(1, max(planes.shape[1:]) // MOST_LOOKED_AT)
    return float(np.percentile(planes[:, ::step, ::step], 99.5))
