"""What tiles and regions change in the labels of the bundled network, on synthetic and real images."""

import numpy as np
import pytest

from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.segmentation import blocks
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
    image = make((560, 620), seed=5).image
    whole = segment(image, diameter_px=24, tile_px=2048, precision="float32")
    tiled = segment(image, diameter_px=24, tile_px=256, precision="float32")
    assert _changed(whole.labels, tiled.labels) <= TOLERATED
    assert whole.n_nuclei > 50


def test_tiling_changes_almost_nothing_on_tissue(test_data):
    image = open_dataset(test_data / "monuseg")[0].image[:600, :640]
    whole = segment(image, diameter_px=20, tile_px=2048, precision="float32")
    tiled = segment(image, diameter_px=20, tile_px=320, precision="float32")
    assert _changed(whole.labels, tiled.labels) <= TOLERATED


def in_blocks_and_whole(image, monkeypatch, block_px, **choices):
    """Segment an image in blocks of a side and whole: both results."""
    settings = make_settings(precision="float32", **choices)
    monkeypatch.setattr(blocks, "BLOCK_PX", block_px)
    return drain(segment_steps(image, settings, keep_maps=False)), drain(segment_steps(image, settings))


@pytest.mark.parametrize(("diameter_px", "block_px"), [(12.3, 300), (20, 300), (31, 350)])
def test_blocks_of_tissue_give_the_labels_of_the_whole(test_data, monkeypatch, diameter_px, block_px):
    image = open_dataset(test_data / "monuseg")[0].image[:600, :500]
    parts, whole = in_blocks_and_whole(image, monkeypatch, block_px, diameter_px=diameter_px)
    assert whole.n_nuclei > 50
    assert parts.n_nuclei == pytest.approx(whole.n_nuclei, rel=0.01)  # told 12.3 px these of 23 px lose one
    assert _changed(parts.labels, whole.labels) <= TOLERATED


def test_blocks_know_where_the_image_ends(monkeypatch):
    image = synthetic_fluorescence((500, 700), seed=3).image
    parts, whole = in_blocks_and_whole(image, monkeypatch, 300, diameter_px=18, exclude_border=True)
    assert _changed(parts.labels, whole.labels) <= TOLERATED
    assert whole.n_nuclei > 50
    assert not any(edge.any() for edge in (parts.labels[0], parts.labels[-1], parts.labels[:, 0]))


def a_region(image, **choices):
    """Segment a region of an image and all of it: (result of the region, labels of the whole there)."""
    settings, region = make_settings(precision="float32", **choices), (slice(230, 420), slice(230, 450))
    part = drain(segment_steps(image, settings, region=region))
    assert part.labels.shape == (190, 220)
    assert part.maps.shape == (3, 190, 220)
    return part, drain(segment_steps(image, settings)).labels[region]


@pytest.mark.parametrize("diameter_px", [20.5, 24, 13.7])  # at the network's own scale, and rescaled
def test_a_region_gets_the_labels_of_the_whole(diameter_px):
    part, whole = a_region(synthetic_fluorescence((640, 680), seed=2).image, diameter_px=diameter_px)
    assert _changed(part.labels, whole) <= TOLERATED


@pytest.mark.parametrize("diameter_px", [12.3, 31])
def test_a_region_of_tissue_gets_the_labels_of_the_whole(test_data, diameter_px):
    part, whole = a_region(open_dataset(test_data / "monuseg")[0].image[:640, :680], diameter_px=diameter_px)
    assert _changed(part.labels, whole) <= TOLERATED


def test_a_region_decoded_again_stays_as_it_was():
    part, _ = a_region(synthetic_fluorescence((640, 680), seed=2).image, diameter_px=24)
    np.testing.assert_array_equal(part.redecode(part.settings.decoding).labels, part.labels)
    inner = part.settings.decoding.model_copy(update={"exclude_border": True})
    assert part.redecode(inner).n_nuclei == part.n_nuclei  # nothing touches the image's edge
