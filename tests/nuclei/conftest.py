"""Maps far messier than any network's answer."""

import numpy as np
import pytest
from scipy import ndimage


@pytest.fixture(scope="session")
def random_maps():
    """Return a maker of maps: blobs of all sizes and shapes."""

    def make(seed, shape, smoothness):
        rng = np.random.default_rng(seed)
        maps = np.stack([ndimage.gaussian_filter(rng.standard_normal(shape), smoothness) for _ in range(3)])
        maps /= maps.std(axis=(1, 2), keepdims=True)
        distance = 1 / (1 + np.exp(-maps[0]))
        foreground = 1 / (1 + np.exp(-(maps[0] + 0.5 * maps[1] + 0.5)))
        core = 1 / (1 + np.exp(-(maps[0] + 0.5 * maps[2] - 0.5)))
        return np.stack([foreground, distance, core]).astype(np.float32)

    return make
