"""Which axis of a stack is which in files for other programs."""

import numpy as np
import pytest

from napari_nucseg._napari.saving import with_times_first
from napari_nucseg.errors import ImageError


@pytest.mark.parametrize(
    ("names", "axes", "shape"),
    [
        pytest.param([], "YX", (5, 6), id="one plane"),
        pytest.param(["axis -3"], "ZYX", (2, 5, 6), id="unnamed"),
        pytest.param(["time"], "TYX", (2, 5, 6), id="times"),
        pytest.param(["axis -4", "axis -3"], "TZYX", (2, 3, 5, 6), id="two unnamed"),
        pytest.param(["Z", "T"], "TZYX", (3, 2, 5, 6), id="slices first"),
    ],
)
def test_axes_are_told_by_their_names(names, axes, shape):
    labels = np.zeros((*(2, 3)[: len(names)], 5, 6), np.int32)
    turned, letters = with_times_first(labels, names)
    assert (turned.shape, letters) == (shape, axes)


def test_more_axes_than_the_file_can_tell_are_refused():
    with pytest.raises(ImageError, match="this stack has 3 axes beside Y and X"):
        with_times_first(np.zeros((1, 1, 1, 5, 6), np.int32), ["a", "b", "c"])
