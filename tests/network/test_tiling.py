import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_nucseg.network.tiling import RAMP_PX, batches, pad_to_stride, padded_length, plan_axis, plan_tiles

STRIDE = 16


@given(
    length=st.integers(2, 200).map(lambda n: n * STRIDE),
    tile=st.integers(64, 1024),
    halo=st.integers(0, 8).map(lambda n: n * STRIDE),
)
def test_segments_cover_the_axis_on_the_stride_and_weights_add_up_to_one(length, tile, halo):
    total = np.zeros(length)
    segments = plan_axis(length, tile, halo, STRIDE)
    for segment in segments:
        assert segment.start % STRIDE == 0
        assert 0 <= segment.start < segment.stop <= length
        total[segment.start : segment.stop] += segment.weight
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert len({s.stop - s.start for s in segments}) == 1


@given(
    length=st.integers(30, 200).map(lambda n: n * STRIDE), halo=st.integers(1, 6).map(lambda n: n * STRIDE)
)
def test_nothing_is_taken_from_within_the_halo_of_an_inner_edge(length, halo):
    for segment in plan_axis(length, 256, halo, STRIDE):
        if segment.start > 0:
            assert not segment.weight[:halo].any()
        if segment.stop < length:
            assert not segment.weight[-halo:].any()


def test_tiles_are_no_longer_than_their_number_needs():
    first, second = plan_axis(1104, 1024, 112, STRIDE)
    assert first.stop - second.start == 2 * 112 + RAMP_PX
    assert second.stop == 1104


@pytest.mark.parametrize("tile", [64, 128, 256])
def test_small_tiles_do_not_multiply_the_work(tile):
    segments = plan_axis(2048, tile, 112, STRIDE)
    assert sum(s.stop - s.start for s in segments) < 2.5 * 2048


@pytest.mark.parametrize("shape", [(32, 48), (304, 592), (1024, 48)])
def test_stitching_the_tiles_of_an_image_gives_the_image(shape):
    image = np.random.default_rng(0).random(shape)
    stitched = np.zeros(shape)
    tiles = plan_tiles(shape, 128, 32, STRIDE)
    for batch in batches(tiles, 3):
        for tile in batch:
            stitched[tile.box] += tile.weight * image[tile.box]
    np.testing.assert_allclose(stitched, image, atol=1e-6)


@pytest.mark.parametrize(("length", "padded"), [(1, 32), (32, 32), (33, 48), (256, 256)])
def test_padded_length(length, padded):
    assert padded_length(length, STRIDE) == padded


def test_equal_planes_are_padded_once_and_nothing_is_copied_where_nothing_is_missing():
    grey = np.broadcast_to(np.random.default_rng(0).random((1, 40, 64), np.float32), (3, 40, 64))
    padded = pad_to_stride(grey, STRIDE)
    assert padded.strides[0] == 0
    np.testing.assert_array_equal(padded, pad_to_stride(grey.copy(), STRIDE))
    assert pad_to_stride(padded, STRIDE) is padded
