from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.color import rgb2gray
from skimage.measure import regionprops

from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology

both = pytest.mark.parametrize("make", [synthetic_fluorescence, synthetic_histology])


@both
def test_the_same_seed_gives_the_same_picture(make):
    first, second, other = make(seed=3), make(seed=3), make(seed=4)
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert not np.array_equal(first.image, other.image)


@both
@pytest.mark.parametrize("seed", range(3))
def test_truth_is_whole(make, seed):
    sample = make(seed=seed)
    labels = sample.labels
    assert labels.dtype == np.int32
    assert labels.shape == sample.image.shape[:2] == (512, 512)
    assert np.unique(labels).tolist() == list(range(labels.max() + 1))
    assert labels.max() > 80
    for region in regionprops(labels):
        pieces, _ = ndimage.label(region.image)
        assert np.bincount(pieces.ravel())[1:].max() >= 0.97 * region.area


def test_fluorescence_is_bright_where_nuclei_are():
    sample = synthetic_fluorescence()
    assert sample.image.dtype == np.uint16
    inside, outside = sample.image[sample.labels > 0], sample.image[sample.labels == 0]
    assert np.median(inside) > 3 * np.median(outside)
    assert sample.image.max() < 65535


def test_histology_is_dark_and_blue_where_nuclei_are():
    sample = synthetic_histology()
    assert sample.image.dtype == np.uint8
    grey = rgb2gray(sample.image)
    assert np.median(grey[sample.labels > 0]) < 0.65 * np.median(grey[sample.labels == 0])
    nuclei, ground = (sample.image[mask].mean(axis=0) for mask in (sample.labels > 0, sample.labels == 0))
    assert nuclei[2] > nuclei[0] > nuclei[1]  # haematoxylin: blue-violet
    assert ground[0] > ground[2] > ground[1]  # eosin: pink
    assert set(sample.classes) == set(range(1, sample.labels.max() + 1))
    assert set(sample.classes.values()) == {"epithelial", "lymphocyte", "fibroblast"}


@pytest.mark.parametrize("diameter_px", [10, 24, 60])
def test_diameter_is_what_was_asked_for(diameter_px):
    sample = synthetic_fluorescence(diameter_px=diameter_px, seed=1)
    areas = [r.area for r in regionprops(sample.labels) if 0 < r.bbox[0] and r.bbox[2] < 512]
    assert np.median(2 * np.sqrt(np.array(areas) / np.pi)) == pytest.approx(diameter_px, rel=0.15)
    assert sample.metadata["pixel_size_um"] == pytest.approx(12 / diameter_px)


def test_some_nuclei_touch():
    labels = synthetic_fluorescence().labels
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    touching = (down & (labels[1:] > 0) & (labels[:-1] > 0)).sum()
    touching += (right & (labels[:, 1:] > 0) & (labels[:, :-1] > 0)).sum()
    assert touching > 200


@both
@pytest.mark.parametrize("shape", [(1, 1), (33, 70), (300, 40)])
def test_any_size(make, shape):
    sample = make(shape=shape, seed=2)
    assert sample.labels.shape == sample.image.shape[:2] == shape
