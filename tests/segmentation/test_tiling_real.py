"""What tiles and regions change in the labels of the bundled network, on synthetic and real images."""

import numpy as np
import pytest

from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.segmentation.segment import make_settings, segment, segment_steps
from napari_nucseg.steps import drain

TOLERATED = 1e-3


def _changed(a, b):
    """Share of pixels whose nucleus is another one: labels are matched by where they overlap most."""
    pairs, counts = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1, return_counts=True)
    order = np.argsort(-counts)
    first_a = {int(pairs[0, i]): int(pairs[1, i]) for i in order[::-1]}
    first_b = {int(pairs[1, i]): int(pairs[0, i]) for i in order[::-1]}
    same = [first_a[int(x)] == y and first_b[int(y)] == x for x, y in pairs.T]
    return 1 - counts[same].sum() / counts.sum()


@pytest.mark.parametrize("make", [synthetic_fluorescence, synthetic_histology])
def test_tiling_changes_almost_nothing(make):
    image = make((900, 1000), seed=5).image
    whole = segment(image, diameter_px=24, tile_px=2048, precision="float32")
    tiled = segment(image, diameter_px=24, tile_px=256, precision="float32")
    assert _changed(whole.labels, tiled.labels) <= TOLERATED
    assert whole.n_nuclei > 50


def test_tiling_changes_almost_nothing_on_tissue(test_data):
    dataset = open_dataset(test_data / "monuseg")
    image = dataset[0].image
    whole = segment(image, diameter_px=20, tile_px=2048, precision="float32")
    tiled = segment(image, diameter_px=20, tile_px=320, precision="float32")
    assert _changed(whole.labels, tiled.labels) <= TOLERATED


@pytest.mark.parametrize(
    ("diameter_px", "tolerated"),
    [
        pytest.param(20.5, TOLERATED, id="own scale"),
        pytest.param(24, 0.005, id="rescaled"),  # sides are rounded to whole network pixels
    ],
)
def test_a_region_gets_the_labels_of_the_whole(diameter_px, tolerated):
    image = synthetic_fluorescence((800, 800), seed=2).image
    settings = make_settings(diameter_px=diameter_px, precision="float32")
    region = (slice(250, 550), slice(300, 640))
    part = drain(segment_steps(image, settings, region=region))
    whole = segment(image, diameter_px=diameter_px, precision="float32")
    assert part.labels.shape == (300, 340)
    assert part.maps.shape == (3, 300, 340)
    assert _changed(part.labels, whole.labels[region]) <= tolerated
