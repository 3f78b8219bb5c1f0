"""Numbers of nuclei stay unique in a stack, whichever parts of it are segmented in which order."""

from __future__ import annotations

import numpy as np


def test_numbers_stay_unique_where_parts_of_slices_are_segmented(viewer, user, widget, nuclei):
    viewer.add_image(np.stack([nuclei, nuclei[::-1], nuclei[:, ::-1]]))
    viewer.dims.set_current_step(0, 0)
    layer = user.segment()
    viewer.dims.set_current_step(0, 1)
    widget.form.where.where.setCurrentText("Current view")
    user.segment()
    _assert_unique(layer, user, planes=2)
    widget.form.where.where.setCurrentText("Drawn region")
    user.click(widget.form.where.draw)
    viewer.layers.selection.active.add_rectangles([[20, 20], [20, 120], [100, 120], [100, 20]])
    widget.form.axes.slices.setCurrentIndex(1)
    user.segment()
    _assert_unique(layer, user, planes=3)


def test_numbers_stay_unique_where_edits_are_kept(viewer, user, widget, nuclei, answer, press):
    viewer.add_image(np.stack([nuclei, nuclei[::-1], nuclei[:, ::-1]]))
    for z in range(3):
        viewer.dims.set_current_step(0, z)
        layer = user.segment()
    for number in np.unique(layer.data[2])[1:6]:
        z, y, x = np.argwhere(layer.data == number)[0]
        layer.paint((z, y - 1, x), number)
    widget.form.diameter.set_diameter_px(40)
    answer(press("Keep edits"))
    user.segment()
    _assert_unique(layer, user, planes=3)


def _assert_unique(layer, user, planes):
    numbers = [set(np.unique(plane)) - {0} for plane in layer.data]
    assert all(numbers[:planes])
    assert sum(map(len, numbers)) == len(set().union(*numbers))
    assert user.said().startswith(f"{sum(map(len, numbers))} nuclei")
