"""A haematoxylin-eosin picture: glands and stroma whose colours come from light absorbed by two stains.

Light passes the dyes by Beer and Lambert's law, one absorption vector a stain as measured by Ruifrok and
Johnston (Anal Quant Cytol Histol 2001; 23: 291-299), so colours mix as they do on a slide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_nucseg.data.sample import Sample
from napari_nucseg.data.synthetic.outlines import paint_outlines
from napari_nucseg.data.synthetic.texture import TextureSheet, fibres, smooth_noise
from napari_nucseg.data.synthetic.tissue import Kind, grow_tissue

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucseg.data.synthetic.outlines import Outline, Shape
    from napari_nucseg.data.synthetic.tissue import Nucleus, Tissue

# Optical density of red, green and blue for one unit of stain.
HAEMATOXYLIN = np.array([0.65, 0.704, 0.286], np.float32)
EOSIN = np.array([0.072, 0.99, 0.105], np.float32)
# Tissue itself takes away some blue and scatters a little; chosen by eye, no measurement.
TISSUE = np.array([0.05, 0.08, 0.3], np.float32)
LAMP_RGB = np.array([246, 244, 248], np.float32)
NUCLEUS_UM = 7.0
# Haematoxylin of the nucleus' body, its rim and its clumps of chromatin, in optical density.
_STAINING = {
    Kind.EPITHELIAL: (0.40, 0.30, 0.13),
    Kind.LYMPHOCYTE: (0.88, 0.12, 0.22),
    Kind.FIBROBLAST: (0.62, 0.14, 0.12),
}


def synthetic_histology(shape: Shape = (512, 512), seed: int = 0, diameter_px: float = 24.0) -> Sample:
    """Make a picture of glandular tissue stained with haematoxylin and eosin, with its exact truth.

    Parameters
    ----------
    shape
        Height and width in pixels.
    seed
        The same seed gives the same picture.
    diameter_px
        Diameter of epithelial nuclei in pixels; lymphocytes and fibroblasts are smaller.

    Returns
    -------
    sample
        Image uint8 (Y, X, 3); labels int32 (Y, X), 1 … n; the class of each nucleus.
    """
    rng = np.random.default_rng(seed)
    tissue = grow_tissue(shape, diameter_px, rng)
    kinds = {nucleus.outline: nucleus for nucleus in tissue.nuclei}
    outlines, labels = paint_outlines([n.outline for n in tissue.nuclei], shape, 0.06 * diameter_px**2)
    nuclei = [kinds[outline] for outline in outlines]
    stains = _stain_ground(tissue, diameter_px, rng)
    _stain_nuclei(stains, nuclei, diameter_px, rng)
    classes = {number: nucleus.kind.value for number, nucleus in enumerate(nuclei, start=1)}
    metadata = {
        "layout": "synthetic",
        "kind": "histology",
        "seed": seed,
        "pixel_size_um": NUCLEUS_UM / diameter_px,
        "axes": "YXC",
    }
    return Sample("synthetic-histology", _photograph(stains, diameter_px, rng), labels, classes, metadata)


def _stain_ground(tissue: Tissue, diameter_px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Haematoxylin and eosin, (2, Y, X) in optical density, of everything but the nuclei."""
    shape, unit = tissue.gland.shape, diameter_px / 24
    strands = fibres(shape, tissue.direction, 11 * unit, 1.1 * unit, rng)
    bundles = fibres(shape, tissue.direction, 30 * unit, 4 * unit, rng)
    grain = smooth_noise(shape, 1.1 * unit, rng)
    stroma = 0.18 + 0.04 * strands + 0.05 * np.clip(bundles, -1.4, 2) + 0.012 * grain
    cytoplasm = 0.17 + 0.022 * smooth_noise(shape, 2.2 * unit, rng) + 0.02 * grain
    cytoplasm += 0.03 * smooth_noise(shape, 10 * unit, rng)
    in_gland = np.clip((1.0 - tissue.gland) * 14 + 0.5, 0, 1)
    glass = (1 - tissue.lumen) * (1 + 0.1 * smooth_noise(shape, 60 * unit, rng))
    eosin = np.clip((1 - in_gland) * stroma + in_gland * cytoplasm, 0.02, None) * glass
    haematoxylin = (0.035 + 0.075 * in_gland + 0.012 * grain * in_gland + 0.008 * strands) * glass
    return np.asarray(np.clip(np.stack([haematoxylin, eosin]), 0, None), dtype=np.float32)


def _stain_nuclei(
    stains: NDArray[np.float32], nuclei: list[Nucleus], diameter_px: float, rng: np.random.Generator
) -> None:
    """Put the nuclei's haematoxylin on the ground, in place; upper nuclei cover lower ones only partly."""
    unit = diameter_px / 24
    fine, clumps = TextureSheet((0.8 * unit, 1.4 * unit), rng), TextureSheet((1.7 * unit, 2.6 * unit), rng)
    for nucleus in nuclei:
        outline = nucleus.outline
        window = outline.window(stains.shape[1:])
        depth = outline.depth(window)
        body, rim, chromatin = _STAINING[nucleus.kind]
        strength = float(np.exp(rng.normal(0, 0.26)))
        softness = unit * rng.uniform(1.0, 2.6)  # sections are thicker than a nucleus' edge is steep
        edge = np.clip((1 - depth) * outline.radius_px / softness + 0.5, 0, 1)
        border = np.exp(-((((1 - depth) * outline.radius_px - 1.2 * unit) / (1.1 * unit)) ** 2))
        texture = 0.6 * fine.piece(depth.shape) + np.clip(clumps.piece(depth.shape), -0.8, 2)
        density = body + rim * border + chromatin * texture
        if nucleus.kind is Kind.EPITHELIAL:
            density = density + _nucleoli(outline, window, rng)
        density = strength * np.clip(density, 0.06, None)
        stains[0][window] = stains[0][window] * (1 - 0.7 * edge) + density * edge
        stains[1][window] *= 1 - 0.5 * edge


def _nucleoli(outline: Outline, window: tuple[slice, slice], rng: np.random.Generator) -> NDArray[np.float32]:
    """One to three dark dots, in optical density of haematoxylin, (Y, X)."""
    y = np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None]
    x = np.arange(window[1].start, window[1].stop, dtype=np.float32)[None, :]
    density = np.zeros((y.size, x.size), np.float32)
    for _ in range(int(rng.integers(0, 3))):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.5) * outline.short_px
        size = outline.radius_px * rng.uniform(0.12, 0.2)
        distance = np.hypot(y - outline.y - reach * np.sin(angle), x - outline.x - reach * np.cos(angle))
        density += np.float32(rng.uniform(0.25, 0.5)) * np.exp(-((distance / size) ** 2))
    return density


def _photograph(
    stains: NDArray[np.float32], diameter_px: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Let light through the stains (10 to the minus optical density), blur it and add the camera's noise."""
    density = stains[0, ..., None] * HAEMATOXYLIN + stains[1, ..., None] * (EOSIN + TISSUE)
    light = LAMP_RGB * 10.0**-density
    blur = 0.75 * diameter_px / 24
    blurred = ndimage.gaussian_filter(light, (blur, blur, 0))
    noise = rng.normal(0, 1.6, blurred.shape).astype(np.float32)
    return np.asarray(np.clip(blurred + noise + 0.5, 0, 255), dtype=np.uint8)
