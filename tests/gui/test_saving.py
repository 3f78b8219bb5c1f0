"""Labels of a layer in files: which axis of a stack is which, and that they may be read late."""

import json

import numpy as np
import pytest
import tifffile

from napari_nucseg._napari.correct_files import collect, new_labels, show_set
from napari_nucseg._napari.correct_subject import Subject
from napari_nucseg._napari.planes import PlaneLayout
from napari_nucseg._napari.saving import layer_outline_steps, with_times_first
from napari_nucseg._napari.table import table_steps
from napari_nucseg.errors import ImageError
from napari_nucseg.steps import drain


class Late:
    """Labels (Z, 1, Y, X) that are read when they are asked for, as zarr's are."""

    def __array__(self, dtype=None, copy=None):
        return np.kron(np.array([[4, 0], [0, 5]]).reshape(2, 1, 1, 2), np.ones((1, 1, 6, 3), int))


def test_labels_that_are_read_late_are_outlined(tmp_path):
    layout = PlaneLayout((2, 3, 6, 6), channel_axis=1, channel_kept=True)
    assert drain(layer_outline_steps(tmp_path / "a.geojson", Late(), layout, ["Z"])) == 2
    features = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert [(f["properties"]["name"], f["geometry"]["plane"]["z"]) for f in features] == [("4", 0), ("5", 1)]


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


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        pytest.param(["axis -3"], "z,label,area_px", id="unnamed"),
        pytest.param(["time"], "t,label,area_px", id="times"),
        pytest.param(["axis -4", "axis -3"], "t,z,label,area_px", id="two unnamed"),
        pytest.param(["Z", "T"], "z,t,label,area_px", id="slices first"),
        pytest.param(["T", "R", "Z"], "axis_0,axis_1,axis_2,label,area_px", id="three"),
    ],
)
def test_the_table_of_a_stack_names_its_axes_as_the_command_line_does(tmp_path, names, columns):
    labels = np.zeros((2, 3, 2, 6, 6)[3 - len(names) :], int)
    labels[(1,) * len(names)] = 1
    steps = table_steps(tmp_path / "a.csv", labels, labels, PlaneLayout(labels.shape), names, None)
    assert drain(steps) == 1
    header, row = (tmp_path / "a.csv").read_text().splitlines()
    assert header.startswith(f"{columns},")
    assert row.startswith(f"{'1,' * len(names)}1,36")


def test_more_axes_than_the_file_can_tell_are_refused():
    with pytest.raises(ImageError, match="this stack has 3 axes beside Y and X"):
        with_times_first(np.zeros((1, 1, 1, 5, 6), np.int32), ["a", "b", "c"])


@pytest.mark.parametrize(
    ("stated", "labelled", "axes"),
    [
        pytest.param("TYX", (), "TYX", id="times"),
        pytest.param("ZYX", ("time", "y", "x"), "TYX", id="labelled"),
        pytest.param("QYX", (), "ZYX", id="untold"),
        pytest.param("TZYX", ("z", "t", "y", "x"), "ZTYX", id="slices first"),
    ],
)
def test_a_correction_set_names_its_axes_as_the_layer_or_its_file_does(
    viewer, tmp_path, stated, labelled, axes
):
    pixels, path = np.zeros((2, 3, 5, 6)[4 - len(axes) :], np.uint8), tmp_path / "stack.tif"
    tifffile.imwrite(path, pixels, metadata={"axes": stated}, photometric="minisblack")
    (image,) = viewer.open(path)
    image.axis_labels = labelled or image.axis_labels
    layer = viewer.add_layer(new_labels(image, np.ones(pixels.shape, np.int32), "nuclei"))
    corrections = collect(Subject(viewer, layer))
    assert corrections.axes == axes
    opened = show_set(viewer, corrections, tmp_path, None)
    assert "".join(opened.axis_labels) == axes.lower()
    path.unlink()
    assert collect(Subject(viewer, layer)).axes == axes, "the file was looked into once"
