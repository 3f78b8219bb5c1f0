"""Images as they might have been taken worse: few photons, bright debris, out of focus, noisy, another exposure.

Whole images at their own resolution, since noise is of the camera's pixels, whatever the scale it is looked at. What
the size head learns from: how large things look must not hang on how well they were taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field
from skimage.draw import disk
from skimage.filters import gaussian

from napari_nucseg.learning.ranges import PositiveRange
from napari_nucseg.refusals import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

DARK = 0.5
"""An image darker than this on average shines on a dark ground."""
N_DISCS = 4


class WorseSettings(Settings):
    """How badly images are taken; ``p_…`` says how often. Ranges are drawn from on a logarithmic scale."""

    photons: PositiveRange = Field((6.0, 150.0), description="In the brightest pixel of fluorescence.")
    debris: PositiveRange = Field(
        (2.0, 12.0), description="Brightness of debris beside the brightest hundredth of fluorescence."
    )
    debris_diameter: PositiveRange = Field(
        (0.3, 3.3), description="Of debris, in median diameters of nuclei: it must not tell their size."
    )
    blur_sigma_px: PositiveRange = (0.4, 8.0)
    most_blur: float = Field(0.25, gt=0, description="Largest sigma of a blur in median diameters.")
    noise: PositiveRange = Field((0.01, 0.12), description="Standard deviation of Gaussian noise.")
    gamma: PositiveRange = (0.45, 2.2)
    p_photons: float = Field(0.5, ge=0, le=1)
    p_debris: float = Field(0.2, ge=0, le=1)
    p_blur: float = Field(0.3, ge=0, le=1)
    p_noise: float = Field(0.2, ge=0, le=1)
    p_gamma: float = Field(0.4, ge=0, le=1)


def worsened(
    image: Floats, diameter_px: float, settings: WorseSettings, random: np.random.Generator
) -> Floats:
    """Take a (C, Y, X) image worse, 0…1; nuclei have this median diameter. The result's range may differ."""
    s = settings

    def drawn(limits: tuple[float, float]) -> float:
        return float(np.exp(random.uniform(*np.log(limits))))

    def happens(p: float) -> bool:
        return bool(random.random() < p)

    if image.mean() < DARK:
        if happens(s.p_photons):
            image = _counted(image, drawn(s.photons), random)
        if happens(s.p_debris):
            image = _littered(image, drawn(s.debris_diameter) * diameter_px, drawn(s.debris), random)
    if happens(s.p_blur):
        sigma = min(drawn(s.blur_sigma_px), s.most_blur * diameter_px)
        image = gaussian(image, sigma, channel_axis=0)
    if happens(s.p_noise):
        image = image + random.normal(0, drawn(s.noise), image.shape[1:]).astype(np.float32)
    if happens(s.p_gamma):
        image = np.clip(image, 0, 1) ** drawn(s.gamma)
    return np.asarray(image, np.float32).clip(0, 1)


def _counted(image: Floats, n: float, random: np.random.Generator) -> Floats:
    """Count the light of n photons at the brightest; what is grey stays grey."""
    light = image.mean(0)
    brightest = max(float(light.max()), 1e-6)
    counted = random.poisson(light / brightest * n) * brightest / n
    return np.asarray(image + (counted - light), np.float32).clip(0, 1)


def _littered(image: Floats, diameter_px: float, times: float, random: np.random.Generator) -> Floats:
    """Put discs into the image, this many times as bright as its brightest hundredth, which set the range then."""
    size = image.shape[1:]
    bright = max(times * float(np.percentile(image, 99)), float(image.max()), 1e-6)
    littered = image.copy()
    for _ in range(N_DISCS):
        y, x = disk(random.uniform(0, size), max(diameter_px / 2, 1.0), shape=size)
        littered[:, y, x] = bright
    return littered / np.float32(bright)
