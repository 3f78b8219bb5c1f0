import numpy as np
import pytest

from napari_nucseg.nuclei.coarse_grid import CoarseGrid


@pytest.mark.parametrize("side_px", [1, 2, 3, 7])
@pytest.mark.parametrize("origin", [(0, 0), (5, 11), (6, 9)])
def test_squares_lie_on_the_same_pixels_in_a_window(side_px, origin):
    whole = CoarseGrid.over((40, 50), (0, 0), side_px)
    window = CoarseGrid.over((12, 20), origin, side_px)
    y, x = origin
    pixels = np.arange(40 * 50, dtype=np.int32).reshape(40, 50)
    of_pixel = whole.spread(pixels)
    of_window = window.spread(pixels[window.origin[0] :, window.origin[1] :])
    np.testing.assert_array_equal(of_window, of_pixel[y : y + 12, x : x + 20])


def test_one_pixel_stands_for_each_square_and_all_of_it_gets_the_label():
    grid = CoarseGrid.over((5, 7), (0, 0), 3)
    maps = np.arange(35, dtype=np.float32).reshape(1, 5, 7)
    np.testing.assert_array_equal(grid.thin(maps), [[[8, 11, 13], [29, 32, 34]]])
    labels = grid.spread(np.array([[1, 2, 3], [4, 5, 6]], np.int32))
    np.testing.assert_array_equal(
        labels[[0, 2, 3, 4]], np.repeat([[1, 2, 3], [4, 5, 6]], 2, 0).repeat([3, 3, 1], 1)
    )
