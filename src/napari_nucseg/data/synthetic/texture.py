"""Random textures: smooth noise, fibres, and noise that is cut out per nucleus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucseg.data.synthetic.outlines import Shape

SHEET_PX = 512


def smooth_noise(shape: Shape, sigma_px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Gaussian noise (Y, X) of mean 0 and standard deviation 1 with structures of about ``sigma_px``.

    Wide structures are made on a coarse grid and enlarged, so the time does not grow with ``sigma_px``.
    """
    step = max(1, int(sigma_px / 3))
    coarse = tuple(-(-side // step) + 3 for side in shape)
    noise = ndimage.gaussian_filter(
        rng.standard_normal(coarse, dtype=np.float32), sigma_px / step, mode="wrap"
    )
    if step > 1:
        noise = ndimage.zoom(noise, step, order=1)
    noise = noise[: shape[0], : shape[1]]
    return np.asarray((noise - noise.mean()) / (noise.std() + 1e-6), dtype=np.float32)


def fibres(
    shape: Shape, direction: NDArray[np.float32], length_px: float, width_px: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Noise (Y, X), mean 0 and standard deviation about 1, drawn out along ``direction`` (radians, (Y, X)).

    White noise is filtered along a few fixed directions; each pixel blends those nearest to its own.
    """
    n_directions = 8
    spectrum = fft.rfft2(rng.standard_normal(shape, dtype=np.float32))
    fy, fx = (
        fft.fftfreq(shape[0])[:, None].astype(np.float32),
        fft.rfftfreq(shape[1])[None, :].astype(np.float32),
    )
    total, weights = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for angle in np.arange(n_directions) * np.pi / n_directions:
        along, across = fx * np.cos(angle) + fy * np.sin(angle), fy * np.cos(angle) - fx * np.sin(angle)
        envelope = np.exp(-2 * np.pi**2 * ((along * length_px) ** 2 + (across * width_px) ** 2))
        layer = fft.irfft2(spectrum * envelope.astype(np.float32), s=shape)
        weight = np.abs(np.cos(direction - np.float32(angle))) ** 24
        total += weight * layer / (layer.std() + 1e-6)
        weights += weight**2
    return np.asarray(total / np.sqrt(weights + 1e-6), dtype=np.float32)


class TextureSheet:
    """A sheet of noise from which each nucleus gets its own piece; touching nuclei share no texture."""

    def __init__(self, sigmas_px: tuple[float, ...], rng: np.random.Generator) -> None:
        self._rng = rng
        shape = (SHEET_PX, SHEET_PX)
        self._sheet = sum((smooth_noise(shape, s, rng) for s in sigmas_px), np.zeros(shape, np.float32))
        self._sheet /= self._sheet.std()

    def piece(self, shape: Shape) -> NDArray[np.float32]:
        """Return a piece (Y, X) from a random place, mean about 0 and standard deviation about 1."""
        top, left = self._rng.integers(0, SHEET_PX, 2)
        rows, columns = np.arange(top, top + shape[0]) % SHEET_PX, np.arange(left, left + shape[1]) % SHEET_PX
        return np.asarray(self._sheet[rows[:, None], columns[None, :]], dtype=np.float32)
