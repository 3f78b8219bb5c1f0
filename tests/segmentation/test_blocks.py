import tracemalloc

import numpy as np
import pytest
import torch

from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import SettingsError
from napari_nucseg.network import predict
from napari_nucseg.segmentation import blocks
from napari_nucseg.segmentation.blocks import Mosaic, in_blocks
from napari_nucseg.segmentation.segment import make_settings, segment_steps
from napari_nucseg.segmentation.window import Window
from napari_nucseg.steps import drain

IMAGE = synthetic_fluorescence((700, 900), seed=6).image


def run(model, region=None, *, keep_maps, **choices):
    settings = make_settings(**{"diameter_px": 24, "views": "plain", **choices})
    return drain(segment_steps(IMAGE, settings, model, region, keep_maps=keep_maps))


@pytest.mark.parametrize(
    ("region", "shape", "diameter_px", "scale"),
    [
        pytest.param(None, (10_000, 4_097), 20, 1.1, id="whole"),
        pytest.param((slice(70, 9_001), slice(3, 8_000)), (10_000, 9_000), 12, 1.8, id="region"),
        pytest.param(None, (9_000, 9_000), 300, 0.08, id="large nuclei"),
        pytest.param(None, (300, 200_000), 24, 1, id="strip"),
    ],
)
def test_blocks_cover_what_is_wanted_once(region, shape, diameter_px, scale):
    whole = Window.for_nuclei(region, shape, diameter_px)
    windows = in_blocks(whole, shape, diameter_px, scale, keep_maps=False)
    covered = np.zeros(shape, np.uint8)
    for window in windows:
        middle = tuple(
            slice(read.start + kept.start, read.start + kept.stop)
            for read, kept in zip(window.read, window.kept, strict=True)
        )
        covered[middle] += 1
        assert all(
            outer.start <= read.start and read.stop <= outer.stop
            for outer, read in zip(whole.read, window.read, strict=True)
        )
    wanted = np.zeros(shape, np.uint8)
    wanted[region or ...] = 1
    np.testing.assert_array_equal(covered, wanted)
    assert len(windows) > 1


def test_only_a_very_large_image_is_divided_where_maps_are_wanted():
    for shape, n in (((8192, 8192), 1), ((8192, 8200), 6)):
        whole = Window.for_nuclei(None, shape, 24)
        assert len(in_blocks(whole, shape, 24, 1.0, keep_maps=True)) == n
    assert len(in_blocks(Window.for_nuclei(None, (6000, 6000), 8), (6000, 6000), 8, 2.75, keep_maps=True)) > 1


def test_a_nucleus_across_blocks_is_brought_whole_and_once():
    whole = Window(read=(slice(0, 4), slice(0, 12)), kept=(slice(0, 4), slice(0, 12)))
    left = Window(read=(slice(0, 4), slice(0, 9)), kept=(slice(0, 4), slice(0, 6)))
    right = Window(read=(slice(0, 4), slice(3, 12)), kept=(slice(0, 4), slice(3, 9)))
    across, beyond = (slice(1, 3), slice(4, 8)), (slice(0, 1), slice(9, 12))
    image = np.zeros((4, 12), np.int32)
    image[across], image[beyond] = 2, 1
    seen_left = np.where(image == 2, 1, 0)[left.read].astype(np.int32)
    seen_right = image[right.read].copy()
    seen_right[3, 5] = 2  # one pixel more than from the left
    mosaic = Mosaic(whole, np.zeros((1, *whole.shape)), keep_maps=False)
    for labels, block in ((seen_left, left), (seen_right, right)):
        mosaic.add(labels, np.zeros((3, *labels.shape), np.float32), block)
    np.testing.assert_array_equal(mosaic.labels(), image)


def test_what_is_left_of_a_nucleus_beside_another_is_one_piece():
    whole = Window(read=(slice(0, 3), slice(0, 9)), kept=(slice(0, 3), slice(0, 9)))
    mosaic = Mosaic(whole, np.zeros((1, *whole.shape)), keep_maps=False)
    first, second = np.zeros((3, 9), np.int32), np.zeros((3, 9), np.int32)
    first[:, 4] = 1
    second[1, 2:9] = 1  # the first cuts it in two
    for labels in (first, second):
        mosaic.add(labels, np.zeros((3, 3, 9), np.float32), whole)
    expected = first.copy()
    expected[1, 5:9] = 2
    np.testing.assert_array_equal(mosaic.labels(), expected)


@pytest.mark.parametrize("region", [None, (slice(100, 650), slice(50, 800))])
def test_blocks_give_labels_and_maps_of_the_whole(small_model, monkeypatch, region):
    whole = run(small_model, region, keep_maps=True)
    monkeypatch.setattr(blocks, "BLOCK_PX", 400)
    monkeypatch.setattr(blocks, "LARGEST_WHOLE_PX", 0)
    parts = run(small_model, region, keep_maps=True)
    np.testing.assert_allclose(parts.wide_maps, whole.wide_maps, atol=1e-3)
    assert np.mean((parts.labels > 0) != (whole.labels > 0)) < 1e-3
    again = parts.redecode(parts.settings.decoding)
    for result in (parts, again):  # of random weights: some pieces have no end that a block could see
        assert result.n_nuclei == pytest.approx(whole.n_nuclei, rel=0.01)


def test_progress_of_blocks_goes_on(small_model, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_PX", 400)
    settings = make_settings(diameter_px=24, tile_px=256)
    steps, told = segment_steps(IMAGE, settings, small_model, keep_maps=False), []
    with pytest.raises(StopIteration) as end:
        while True:
            told.append(next(steps))
    shares = [step.done / step.total for step in told if step.stage == "network"]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 12
    assert end.value.value.timings["decode"] > 0


def test_what_went_with_less_memory_goes_on_in_the_next_block(small_model, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_PX", 400)
    expected = run(small_model, keep_maps=False, tile_px=256).labels
    real_run, tried = predict._run, []

    def run_one_at_once(network, tiles, device):
        tried.append(len(tiles))
        if len(tiles) > 1:
            raise torch.OutOfMemoryError("out of memory")
        return real_run(network, tiles, device)

    monkeypatch.setattr(predict, "_run", run_one_at_once)
    result = run(small_model, keep_maps=False, tile_px=256, batch_size=4)
    assert tried[:2] == [4, 2]
    assert set(tried[2:]) == {1}
    assert len(result.notes) == 2
    np.testing.assert_array_equal(result.labels, expected)


def test_without_maps_nothing_is_decoded_again(small_model):
    result = run(small_model, keep_maps=False)
    assert not result.has_maps
    assert result.maps.shape == (3, 0, 0)
    with pytest.raises(SettingsError, match="segment the image again"):
        result.redecode(result.settings.decoding)


def test_blocks_take_less_memory(small_model, monkeypatch):
    monkeypatch.setattr(blocks, "FEWEST_DIAMETERS", 4)
    peaks = {}
    for block_px in (4096, 200):
        monkeypatch.setattr(blocks, "BLOCK_PX", block_px)
        tracemalloc.start()
        run(small_model, keep_maps=False, diameter_px=16)
        peaks[block_px] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[200] < 0.7 * peaks[4096]
