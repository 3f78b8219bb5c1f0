"""Whatever is passed as an image is brought into memory, or it is said what to pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_nucseg.data.arrays import in_memory
from napari_nucseg.data.correction_set import CorrectionSet, save_correction_set
from napari_nucseg.data.images import to_planes
from napari_nucseg.errors import ImageError

PIXELS = np.arange(35, dtype=np.uint16).reshape(5, 7)


class Lazy:
    """An array that is read when it is asked for, as dask's and zarr's are."""

    def __init__(self, error: Exception | None = None) -> None:
        self.shape, self.dtype, self.ndim = PIXELS.shape, PIXELS.dtype, 2
        self.error = error

    def __array__(self, dtype=None, copy=None):
        if self.error is not None:
            raise self.error
        return PIXELS


class Group:
    """Arrays by their names, as zarr's and h5py's groups are."""

    def keys(self):
        return ["1", "0", "labels"]


def test_arrays_that_are_read_late():
    np.testing.assert_array_equal(in_memory(Lazy()), PIXELS)
    np.testing.assert_array_equal(to_planes(PIXELS.tolist())[0], PIXELS)


@pytest.mark.parametrize(
    ("got", "says"),
    [
        pytest.param("cells.tif", r"path, 'cells.tif'.*open_dataset\(path\)\[0\]", id="text"),
        pytest.param(Path("cells.tif"), "path, 'cells.tif'", id="path"),
        pytest.param(Group(), r"group of arrays \(0, 1, labels\): .*group\['0'\]", id="group"),
        pytest.param([PIXELS, PIXELS[::2, ::2]], r"2 arrays.*\(5, 7\), \(3, 4\).*image\[0\]", id="pyramid"),
        pytest.param([[1, 2], [3]], "equal length", id="rows of several lengths"),
        pytest.param(PIXELS.astype(complex), "abs", id="complex"),
        pytest.param(PIXELS.astype(str), r"image.astype\(float\)$", id="text in an array"),
        pytest.param(Lazy(OSError("tile 7 lost")), "could not be read: tile 7 lost", id="lost"),
        pytest.param(Lazy(ValueError("bad chunk")), "could not be read: bad chunk", id="broken"),
        pytest.param(Lazy(KeyError()), "could not be read: KeyError", id="without words"),
    ],
)
def test_what_cannot_be_used_is_told(got, says):
    with pytest.raises(ImageError, match=says):
        to_planes(got)


def test_of_a_tensor_that_numpy_cannot_read_torch_says_what_to_do():
    import torch  # only here: all other tests of data do without

    with pytest.raises(ImageError, match=r"got a tensor that NumPy.*tensor\.detach\(\)\.numpy\(\)"):
        to_planes(torch.zeros(5, 7, requires_grad=True))
    np.testing.assert_array_equal(in_memory(torch.arange(35)), np.arange(35))


def test_too_little_memory_is_no_broken_image():
    with pytest.raises(MemoryError):
        in_memory(Lazy(MemoryError()))


def test_saving_corrections_of_an_image_that_cannot_be_read_blames_no_folder(tmp_path):
    labels = np.zeros(PIXELS.shape, np.int32)
    lost = CorrectionSet(Lazy(OSError("tile 7 lost")), "YX", labels, labels.astype(np.uint8))
    with pytest.raises(ImageError, match="could not be read: tile 7 lost"):
        save_correction_set(tmp_path / "set", lost)
    assert list(tmp_path.iterdir()) == []
