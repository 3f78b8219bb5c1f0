from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_nucseg.data.correction_set import LABELS, CorrectionSet, save_correction_set
from napari_nucseg.data.set_comparison import holds_labels, holds_other_image

RGBA = np.random.default_rng(0).integers(0, 255, (12, 16, 4), np.uint8)


def _corrections(image, axes):
    labels = np.zeros((12, 16), np.int32)
    return CorrectionSet(image=image, axes=axes, labels=labels, trust=labels.astype(np.uint8))


@pytest.mark.parametrize(
    ("image", "axes", "same"),
    [
        pytest.param(RGBA, "YXC", True, id="as it was saved"),
        pytest.param(RGBA[..., :3], "YXC", True, id="without opacity"),
        pytest.param(np.moveaxis(RGBA[..., :3], -1, 0), "CYX", True, id="channels first"),
        pytest.param(RGBA[::-1], "YXC", False, id="upside down"),
        pytest.param(RGBA[..., 0], "YX", False, id="one colour of it"),
    ],
)
def test_the_same_pixels_are_the_same_image(tmp_path, image, axes, same):
    folder = save_correction_set(tmp_path / "set", _corrections(RGBA, "YXC"))
    assert holds_other_image(folder, _corrections(image, axes)) is not same


def test_a_copy_is_the_image_of_the_file_it_was_read_from(tmp_path):
    pixels = np.full((12, 16), np.nan, np.float32)
    tifffile.imwrite(tmp_path / "cells.tif", pixels)
    copied = _corrections(pixels, "YX")
    folder = save_correction_set(tmp_path / "set", replace(copied, image_path=tmp_path / "cells.tif"))
    assert not holds_other_image(folder, copied)


def test_what_cannot_be_read_may_be_another_s_and_no_set_is_nobody_s(tmp_path):
    corrections = _corrections(RGBA, "YXC")
    folder = save_correction_set(tmp_path / "set", corrections)
    (folder / LABELS).write_bytes(b"")
    assert holds_other_image(folder, corrections)
    assert not holds_other_image(tmp_path / "new", corrections)


def test_labels_and_marks_are_those_of_the_set_until_one_pixel_differs(tmp_path):
    corrections = _corrections(RGBA, "YXC")
    folder = save_correction_set(tmp_path / "set", corrections)
    labels, trust = corrections.labels, corrections.trust
    assert holds_labels(folder, labels, trust)
    assert holds_labels(folder, labels.astype(np.uint8)[None], trust[None])
    for part in (labels, trust):
        part[3, 4] = 1
        assert not holds_labels(folder, labels, trust)
        part[3, 4] = 0
    assert not holds_labels(tmp_path / "new", labels, trust)
