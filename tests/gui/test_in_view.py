"""Which part of a layer is in view, wherever it lies; and *Current view* of an image with several resolutions."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nucseg._napari.camera import camera_of, corners_in_view
from napari_nucseg._napari.layer_state import read_corrections, read_state

PLACES = [
    pytest.param({}, id="plain"),
    pytest.param({"scale": (2, 0.5, 0.5), "translate": (3, 40, -40)}, id="scaled"),
    pytest.param({"scale": (1, 2, 3), "rotate": 30}, id="rotated"),
    pytest.param({"scale": (1, -1, 1)}, id="mirrored"),
]


@pytest.fixture
def zoomed(qtbot, viewer):
    """Return a function that looks closely at a place of a layer, given as pixels of it."""

    def zoom(layer, y, x):
        viewer.reset_view()
        camera_of(viewer).zoom *= 4
        camera_of(viewer).center = (0, *layer.data_to_world((1, y, x))[-2:])
        qtbot.wait(200)

    return zoom


@pytest.mark.parametrize("place", PLACES)
def test_the_same_part_as_napari_says(viewer, zoomed, place):
    layer = viewer.add_image(np.zeros((3, 400, 500), np.uint8), **place)
    zoomed(layer, 200, 250)
    corners = corners_in_view(viewer, layer)
    assert np.abs(corners - layer.corner_pixels[:, -2:]).max() <= 1
    assert ((corners[1] - corners[0]) < (300, 400)).all(), "the test needs a part"


@pytest.mark.parametrize("place", PLACES)
def test_several_resolutions_make_no_difference(viewer, zoomed, place):
    image = np.zeros((3, 400, 500), np.uint8)
    plain = viewer.add_image(image, **place)
    levels = viewer.add_image([image, image[:, ::2, ::2], image[:, ::4, ::4]], multiscale=True, **place)
    zoomed(plain, 200, 250)
    np.testing.assert_array_equal(corners_in_view(viewer, levels), corners_in_view(viewer, plain))


def test_each_view_of_a_grid_is_smaller_than_the_canvas(qtbot, viewer, zoomed):
    if not hasattr(viewer, "canvas"):
        pytest.skip("napari before 0.9")
    layers = [viewer.add_image(np.zeros((3, 400, 500), np.uint8)) for _ in range(2)]
    zoomed(layers[0], 200, 250)
    viewer.canvas.grid.enabled = True
    qtbot.wait(200)
    corners = corners_in_view(viewer, layers[0])
    assert np.abs(corners - layers[0].corner_pixels[:, -2:]).max() <= 2


def test_current_view_of_several_resolutions_is_the_view(viewer, user, widget, zoomed, nuclei):
    image = np.tile(nuclei, (2, 4, 4))
    levels = [image, image[:, ::2, ::2], image[:, ::4, ::4]]
    layer = viewer.add_image(levels, multiscale=True, scale=(2, 0.5, 0.5))
    zoomed(layer, 384, 384)
    widget.form.where.where.setCurrentText("Current view")
    result = user.segment()
    (region,) = read_state(result).regions.values()
    shown = corners_in_view(viewer, layer)
    assert [(side.start, side.stop - 1) for side in region.box] == [tuple(side) for side in shown.T]
    assert result.data.any()
    assert not result.data[..., :100, :].any()


@pytest.mark.parametrize(
    "place", [{}, {"rotate": 45}, {"shear": [0, 0, 0.6]}], ids=["plain", "rotated", "sheared"]
)
def test_reviewed_is_what_was_in_view_and_nothing_beside_it(viewer, corrector, zoomed, place):
    if not hasattr(viewer, "canvas"):
        pytest.skip("napari before 0.9")
    layer = viewer.add_labels(np.zeros((3, 400, 500), np.int32), **place)
    zoomed(layer, 200, 250)
    corrector.controller.mark_view()
    height, width = viewer.canvas.viewbox_size(viewer.layers)
    in_view = height * width / camera_of(viewer).zoom ** 2
    assert np.count_nonzero(read_corrections(layer).trust) == pytest.approx(in_view, rel=0.03)
    camera_of(viewer).center = (0, 1e5, 1e5)
    corrector.controller.mark_view()
    assert "in view" in corrector.form.status.text()
