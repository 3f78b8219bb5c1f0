"""A DAPI-like widefield picture: nuclei on an uneven background, blurred, with shot and read noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_nucseg.data.sample import Sample
from napari_nucseg.data.synthetic.outlines import Crowd, Outline, paint_outlines, wobble
from napari_nucseg.data.synthetic.texture import TextureSheet, smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucseg.data.synthetic.outlines import Shape

COVERAGE = 0.27
TOUCHING = 0.4
PHOTONS_AT_ONE = 420.0
READ_NOISE_ELECTRONS = 6.0
COUNTS_PER_ELECTRON = 4.0
CAMERA_OFFSET = 110.0
NUCLEUS_UM = 12.0


def synthetic_fluorescence(shape: Shape = (512, 512), seed: int = 0, diameter_px: float = 24.0) -> Sample:
    """Make a fluorescence picture of a moderately dense culture with its exact truth.

    Parameters
    ----------
    shape
        Height and width in pixels.
    seed
        The same seed gives the same picture.
    diameter_px
        Median diameter of the nuclei in pixels.

    Returns
    -------
    sample
        Image uint16 (Y, X); labels int32 (Y, X), 1 … n.
    """
    rng = np.random.default_rng(seed)
    outlines, labels = paint_outlines(_place(shape, diameter_px, rng), shape, 0.1 * diameter_px**2)
    signal = _stain(outlines, shape, diameter_px, rng) + _debris(labels, diameter_px, rng)
    metadata = {
        "layout": "synthetic",
        "kind": "fluorescence",
        "seed": seed,
        "pixel_size_um": NUCLEUS_UM / diameter_px,
        "axes": "YX",
    }
    return Sample("synthetic-fluorescence", _photograph(signal, diameter_px, rng), labels, None, metadata)


def _place(shape: Shape, diameter_px: float, rng: np.random.Generator) -> list[Outline]:
    n_nuclei = max(1, round(COVERAGE * shape[0] * shape[1] / (np.pi / 4 * diameter_px**2)))
    crowd = Crowd(reach_px=3 * diameter_px)
    margin = diameter_px / 3
    for _ in range(40 * n_nuclei):
        if len(crowd.outlines) >= n_nuclei:
            break
        radius = diameter_px / 2 * float(np.exp(rng.normal(0, 0.16)))
        touches = bool(crowd.outlines) and rng.random() < TOUCHING
        y, x = crowd.neighbour_place(radius, rng) if touches else rng.uniform(-margin, np.add(shape, margin))
        inside = -margin < y < shape[0] + margin and -margin < x < shape[1] + margin
        if inside and crowd.has_room(y, x, radius, 0.8 if touches else 1.12):
            stretch = float(np.exp(abs(rng.normal(0, 0.13))))
            angle = float(rng.uniform(0, np.pi))
            crowd.add(
                Outline(float(y), float(x), radius * stretch, radius / stretch, angle, wobble(rng, 0.05))
            )
    return crowd.outlines


def _stain(
    outlines: list[Outline], shape: Shape, diameter_px: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Add the light of all nuclei (they are thin: light adds where they overlap); 1 is a typical nucleus."""
    unit = diameter_px / 24
    fine, coarse = TextureSheet((0.9 * unit, 1.8 * unit), rng), TextureSheet((3.5 * unit,), rng)
    signal = np.zeros(shape, np.float32)
    for outline in outlines:
        window = outline.window(shape)
        depth = outline.depth(window)
        thickness = 0.5 + 0.5 * np.sqrt(np.clip(1 - depth**2, 0, 1))
        chromatin = 1 + 0.13 * fine.piece(depth.shape) + 0.12 * coarse.piece(depth.shape)
        brightness = float(np.exp(rng.normal(-0.1, 0.38)))
        edge = np.clip((1 - depth) * outline.radius_px + 0.5, 0, 1)
        body = thickness * np.clip(chromatin, 0.2, None) * _nucleoli(outline, window, rng)
        signal[window] += brightness * edge * body
    return signal


def _nucleoli(outline: Outline, window: tuple[slice, slice], rng: np.random.Generator) -> NDArray[np.float32]:
    """Dim spots where the dye finds little DNA, as a factor (Y, X)."""
    factor = np.ones((window[0].stop - window[0].start, window[1].stop - window[1].start), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.55) * outline.short_px
        size = outline.radius_px * rng.uniform(0.11, 0.22)
        spot = Outline(
            outline.y + reach * np.sin(angle), outline.x + reach * np.cos(angle), size, size * 0.8, angle
        )
        factor *= 1 - np.float32(rng.uniform(0.25, 0.5)) * np.exp(-(spot.depth(window) ** 2))
    return factor


def _debris(labels: NDArray[np.int32], diameter_px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Few small specks outside the nuclei, which no one would count."""
    specks = np.zeros(labels.shape, np.float32)
    n_specks = int(rng.poisson(labels.size / (80 * diameter_px**2)))
    for y, x in zip(
        rng.integers(0, labels.shape[0], n_specks), rng.integers(0, labels.shape[1], n_specks), strict=True
    ):
        if not labels[y, x]:
            size = diameter_px * rng.uniform(0.03, 0.08)
            speck = Outline(float(y), float(x), size, size * rng.uniform(0.6, 1))
            window = speck.window(labels.shape, reach=4)
            specks[window] += np.float32(rng.uniform(0.2, 0.7)) * np.exp(-(speck.depth(window) ** 2))
    return specks


def _photograph(
    signal: NDArray[np.float32], diameter_px: float, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Blur, light unevenly, add glow and background, count photons and read them out."""
    shape = signal.shape
    unit = diameter_px / 24
    sharp = ndimage.gaussian_filter(signal, 0.9 * unit)
    glow = ndimage.gaussian_filter(signal, 14 * unit, truncate=2.5)
    slope = rng.normal(0, 0.22, 2)
    y, x = (
        np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None],
        np.linspace(-1, 1, shape[1], dtype=np.float32),
    )
    lamp = (1 + slope[0] * y + slope[1] * x) * (1 - 0.16 * (y**2 + x**2))
    haze = 0.1 + 0.03 * smooth_noise(shape, 0.16 * max(shape), rng)
    electrons = PHOTONS_AT_ONE * np.clip(lamp, 0.2, None) * (sharp + 0.18 * glow + np.clip(haze, 0.02, None))
    counts = rng.poisson(electrons) + rng.normal(0, READ_NOISE_ELECTRONS, shape)
    return np.asarray(np.clip(CAMERA_OFFSET + COUNTS_PER_ELECTRON * counts, 0, 65535), dtype=np.uint16)
