"""The dock widget, driven by clicks in a real window, with the bundled network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt

from napari_nucseg._napari.camera import camera_of
from napari_nucseg._napari.correct_files import collect
from napari_nucseg._napari.correct_subject import Subject
from napari_nucseg._napari.layer_state import read_state
from napari_nucseg._napari.segment_form import EMPTY_STATE
from napari_nucseg.network.installed import automatic_models, list_models
from napari_nucseg.network.model_card import Thresholds
from napari_nucseg.network.model_file import load_model, save_model

if TYPE_CHECKING:
    from qtpy.QtWidgets import QMessageBox


def test_empty_viewer_says_what_to_do(user, widget):
    assert widget.form.empty.isVisible()
    assert widget.form.empty.text() == EMPTY_STATE
    assert not widget.form.run.isEnabled()
    widget.segment()  # as its key does
    assert notification_manager.records[-1].message == EMPTY_STATE.replace("\n", " ")


def test_opened_before_the_image(viewer, user, widget, nuclei):
    viewer.add_image(nuclei, name="plate")
    assert widget.form.image.currentText() == "plate"
    layer = user.segment()
    assert layer.name == "plate nuclei"
    assert layer.data.max() > 5
    assert "nuclei · median" in user.said()
    assert "s on CPU" in user.said() or "cuda" in user.said().lower()


def test_opened_after_the_images(viewer, qtbot, nuclei):
    first = viewer.add_image(nuclei, name="first")
    viewer.add_image(nuclei, name="second")
    viewer.layers.selection.active = first
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Segment nuclei")
    assert widget.form.image.layer is first


@pytest.mark.parametrize("opened", ["before", "after"])
def test_of_channels_opened_as_layers_that_of_nuclei_is_chosen(viewer, qtbot, nuclei, tmp_path, opened):
    """Until somebody clicks on another one: napari makes the last one active."""

    def open_widget():
        return viewer.window.add_plugin_dock_widget("napari-nucseg", "Segment nuclei")[1]

    path = tmp_path / "dyes.tif"
    tifffile.imwrite(path, np.stack([nuclei] * 3), photometric="minisblack")
    widget = open_widget() if opened == "before" else None
    _, dapi, rfp = viewer.open(path, channel_axis=0, name=["GFP", "DAPI", "RFP"])
    widget = widget or open_widget()
    assert viewer.layers.selection.active == rfp
    assert widget.form.image.layer == dapi
    viewer.layers.selection.active = viewer.layers["GFP"]
    assert widget.form.image.layer == viewer.layers["GFP"]
    viewer.layers.selection.active = rfp
    assert widget.form.image.layer == rfp


def test_a_channel_that_was_clicked_on_stays_chosen_when_the_dock_opens(viewer, nuclei, tmp_path):
    path = tmp_path / "dyes.tif"
    tifffile.imwrite(path, np.stack([nuclei] * 3), photometric="minisblack")
    gfp, _, _ = viewer.open(path, channel_axis=0, name=["GFP", "DAPI", "RFP"])
    viewer.layers.selection.active = gfp
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Segment nuclei")
    assert widget.form.image.layer == gfp


def test_images_of_other_files_are_not_mistaken_for_the_one_that_was_opened(viewer, widget, nuclei, tmp_path):
    for name in ("DAPI", "GFP"):
        tifffile.imwrite(tmp_path / f"{name}.tif", nuclei)
        viewer.open(tmp_path / f"{name}.tif")
    assert widget.form.image.layer == viewer.layers["GFP"]


def test_follows_renaming_removal_and_selection(viewer, user, widget, nuclei):
    first = viewer.add_image(nuclei, name="first")
    second = viewer.add_image(nuclei, name="second")
    assert widget.form.image.layer is second
    second.name = "renamed"
    assert widget.form.image.currentText() == "renamed"
    viewer.layers.selection.active = first
    assert widget.form.image.layer is first
    viewer.layers.remove(first)
    assert widget.form.image.layer is second
    viewer.layers.remove(second)
    assert widget.form.image.layer is None
    assert widget.form.empty.isVisible()


def test_result_lies_exactly_on_its_image(viewer, user, nuclei):
    image = viewer.add_image(
        nuclei,
        scale=(0.5, 0.5),
        translate=(10, -20),
        rotate=30,
        shear=[0.1],
        affine=[[0, 1, 5], [1, 0, 7], [0, 0, 1]],
        units=("um", "um"),
        axis_labels=("row", "column"),
    )
    layer = user.segment()
    for corner in ((0, 0), (191, 0), (3, 170)):
        np.testing.assert_allclose(layer.data_to_world(corner), image.data_to_world(corner))
    assert layer.units == image.units
    assert layer.axis_labels == image.axis_labels
    np.testing.assert_allclose(layer.scale, image.scale)
    assert "µm²" in user.said()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda n: np.zeros((64, 64), np.uint16), "No nuclei found", id="constant"),
        pytest.param(lambda n: np.full((64, 64), np.nan, np.float32), None, id="all-nan"),
    ],
)
def test_hopeless_images_end_in_words(viewer, user, widget, nuclei, make, words):
    viewer.add_image(make(nuclei), contrast_limits=(0, 1))
    with user.qtbot.waitSignal(widget.form.run.clicked):
        user.click(widget.form.run)
    user.wait_until_idle()
    assert user.said(), "the widget says nothing"
    if words:
        assert words in user.said()
    assert "Diameter" not in user.said()
    assert not widget.form.running.isVisible()


def test_a_diameter_that_was_set_is_said_where_nothing_is_found(viewer, user, widget, nuclei):
    viewer.add_image(nuclei)
    widget.form.diameter.set_diameter_px(500)
    user.segment()
    assert "No nuclei found" in user.said()
    assert "Diameter set: 500 px. If the nuclei here are much smaller or larger" in user.said()


def test_nan_pixels_do_not_matter(viewer, user, nuclei):
    holed = nuclei.astype(np.float32)
    holed[:4, :4] = np.nan
    viewer.add_image(holed, contrast_limits=(0, 255))
    assert user.segment().data.max() > 5


def test_damaged_model_is_an_error_in_words(viewer, user, widget, nuclei, tmp_path):
    viewer.add_image(nuclei)
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"no model")
    widget.form.model.addItem("damaged", str(damaged))
    widget.form.model.setCurrentIndex(widget.form.model.count() - 1)
    with user.qtbot.waitSignal(widget.controller.failed, timeout=60_000):
        user.click(widget.form.run)
    user.wait_until_idle()
    assert "damaged.safetensors" in user.said()
    assert not any(isinstance(layer, Labels) for layer in viewer.layers)


def test_cancel_stops_within_a_tile_and_changes_nothing(viewer, user, widget, nuclei):
    viewer.add_image(np.tile(nuclei, (5, 5)))
    widget.form.advanced_form.editors["tile_px"].widget.setValue(64)
    with user.qtbot.waitSignal(widget.controller.progressed, timeout=60_000):
        user.click(widget.form.run)
    with user.qtbot.waitSignal(widget.controller.cancelled, timeout=15_000):
        user.click(widget.form.cancel)
    user.wait_until_idle()
    assert "Cancelled" in user.said()
    assert not widget.form.running.isVisible()
    assert not any(isinstance(layer, Labels) for layer in viewer.layers)


def test_cancelling_a_stack_keeps_the_slices_that_are_done(viewer, user, widget, nuclei):
    viewer.add_image(np.stack([nuclei] * 12))
    widget.form.axes.slices.setCurrentIndex(1)
    slices = []
    widget.controller.progressed.connect(lambda progress: slices.append(progress.message))
    user.click(widget.form.run)
    user.qtbot.waitUntil(lambda: bool(slices) and slices[-1].startswith("Slice 2"), timeout=60_000)
    with user.qtbot.waitSignal(widget.controller.done, timeout=60_000) as done:
        user.click(widget.form.cancel)
    user.wait_until_idle()
    layer, result = done.args
    kept = len(result.planes)
    assert 0 < kept < 12
    assert f"Cancelled: {kept} of 12 slices are done and kept." in user.said()
    filled = [bool(plane.any()) for plane in layer.data]
    assert filled == [True] * kept + [False] * (12 - kept)


@pytest.mark.parametrize("lost", [0, 2])
def test_a_slice_that_cannot_be_read_is_named_and_those_before_are_kept(
    viewer, user, widget, nuclei, chunked, lost
):
    viewer.add_image(chunked(np.stack([nuclei] * 3), lost), contrast_limits=(0, 255))
    widget.form.axes.slices.setCurrentIndex(1)
    with user.qtbot.waitSignal(widget.controller.ended, timeout=60_000):
        user.click(widget.form.run)
    user.wait_until_idle()
    assert f"Slice {lost}: the image could not be read: tile 7 lost." in user.said()
    assert "Cancelled" not in user.said()
    found = [layer.data.any(axis=(1, 2)).tolist() for layer in viewer.layers if isinstance(layer, Labels)]
    assert found == ([[True, True, False]] if lost else [])
    assert ("2 of 3 slices are done and kept." in user.said()) == bool(lost)


def test_quality_is_chosen_and_the_automatic_model_says_what_it_is(viewer, user, widget, nuclei, clipboard):
    viewer.add_image(nuclei)
    quality = widget.form.quality_form.editors["quality"].widget
    assert quality.isVisible()
    assert quality.currentText() == "standard"
    assert widget.form.model.currentData() == "auto"
    for chosen in ("fast", "accurate"):
        quality.setCurrentText(chosen)
        assert widget.form.model.currentText() == "Automatic: by the image"
    general, special = automatic_models(list_models())
    tip = widget.form.model.itemData(0, Qt.ItemDataRole.ToolTipRole)
    assert f"Fluorescence: {special.card.title}. All other images: {general.card.title}." in tip
    state = read_state(user.segment())
    assert state.settings.quality == "accurate"
    assert state.model_name == special.name
    user.click(widget.form.result.python)
    assert "quality='accurate'" in clipboard.text()
    user.click(widget.form.result.methods)
    n_views = len(state.settings.views_for(3))
    assert f"The quality setting was accurate. The network's maps were averaged over {n_views} views" in (
        clipboard.text()
    )


def test_a_models_thresholds_are_the_sliders_defaults(viewer, user, widget, nuclei, tmp_path, clipboard):
    bundled = load_model()
    card = bundled.card.model_copy(update={"thresholds": Thresholds(foreground_threshold=0.62)})
    save_model(tmp_path / "own.safetensors", card, bundled.network)
    viewer.add_image(nuclei)
    widget.form.model.addItem("own", str(tmp_path / "own.safetensors"))
    widget.form.model.setCurrentIndex(widget.form.model.count() - 1)
    widget.form.diameter.set_diameter_px(24)
    layer = user.segment()
    slider = widget.form.result.form.editors["foreground_threshold"].widget
    assert slider.value() == pytest.approx(0.62)
    slider.setValue(0.5)
    user.wait_until_idle()
    user.click(widget.form.result.python)
    assert "foreground_threshold=0.5" in clipboard.text()
    user.click(widget.form.result.defaults)
    user.wait_until_idle()
    assert read_state(layer).settings.decoding.foreground_threshold == pytest.approx(0.62)


def test_second_click_restarts(viewer, user, widget, nuclei):
    viewer.add_image(np.tile(nuclei, (2, 2)))
    results = []
    widget.controller.done.connect(lambda layer, result: results.append(layer))
    with user.qtbot.waitSignal(widget.controller.started, timeout=60_000):
        user.click(widget.form.run)
    user.segment()
    user.qtbot.wait(300)
    assert len(results) == 1, "the run that was given up delivered too"
    assert sum(isinstance(layer, Labels) for layer in viewer.layers) == 1


def test_running_again_replaces_an_untouched_result(viewer, user, nuclei):
    viewer.add_image(nuclei)
    layer = user.segment()
    before = layer.data.copy()
    assert user.segment() == layer
    np.testing.assert_array_equal(layer.data, before)


@pytest.mark.parametrize("choice", ["Keep edits", "Replace", "New layer", "Cancel"])
def test_painted_edits_are_never_overwritten_unasked(
    viewer, user, widget, nuclei, answer, press, largest, choice
):
    viewer.add_image(nuclei)
    layer = user.segment()
    predicted = layer.data.copy()
    victim = largest(predicted)
    layer.data_setitem(np.nonzero(predicted == victim), 0)  # erased, as the eraser does
    layer.selected_label = 5000
    layer.paint((96, 96), 5000)  # a nucleus of the user's own
    edited = layer.data.copy()
    texts = []

    def choose(box: QMessageBox) -> None:
        texts.append(box.text())
        press(choice)(box)

    answer(choose)
    if choice == "Cancel":
        user.click(widget.form.run)
        user.wait_until_idle()
    else:
        result = user.segment()
    assert layer.name in texts[0]
    if choice == "Keep edits":
        assert result == layer
        assert not (layer.data[predicted == victim] == victim).any()
        np.testing.assert_array_equal(layer.data == 5000, edited == 5000)
    elif choice == "Replace":
        np.testing.assert_array_equal(layer.data > 0, predicted > 0)
    else:
        np.testing.assert_array_equal(layer.data, edited)
    assert sum(isinstance(one, Labels) for one in viewer.layers) == (2 if choice == "New layer" else 1)


def test_numbers_that_no_nucleus_can_have_are_refused_in_words(viewer, user, widget, nuclei, answer, press):
    viewer.add_image(nuclei)
    layer = user.segment()
    layer.paint((96, 96), -1)
    before = layer.data.copy()
    answer(press("Keep edits"))
    with user.qtbot.waitSignal(widget.controller.ended, timeout=60_000):
        user.click(widget.form.run)
    assert user.said().startswith("⚠ “nuclei nuclei” has numbers")
    np.testing.assert_array_equal(layer.data, before)


def test_undo_after_a_new_result_does_no_damage(viewer, user, nuclei, largest):
    viewer.add_image(nuclei)
    layer = user.segment()
    layer.data_setitem(np.nonzero(layer.data == largest(layer.data)), 0)
    layer.undo()
    user.segment()
    settled = layer.data.copy()
    layer.undo()
    np.testing.assert_array_equal(layer.data, settled)


def test_colour_image(viewer, user):
    from napari_nucseg.data.synthetic import synthetic_histology

    viewer.add_image(synthetic_histology((160, 160), seed=1).image)
    layer = user.segment()
    assert layer.data.shape == (160, 160)


def test_dyes_in_one_colour_image(viewer, user, widget, nuclei):
    """Blue is looked at by itself and said so; another colour is looked at where it is chosen."""
    viewer.add_image(nuclei, name="grey")
    assert not widget.form.axes.channel.isVisible()
    expected = user.segment().data.copy()
    colours = np.zeros((*nuclei.shape, 3), np.uint8)
    colours[..., 1] = nuclei * np.float64(255 / nuclei.max())
    colours[..., 2] = colours[::-1, :, 1]
    viewer.add_image(colours, name="dyes")
    assert widget.form.axes.channel.isVisible()
    assert widget.form.axes.channel.currentText() == "Automatic"
    assert (user.segment().data[::-1] > 0).mean() == pytest.approx((expected > 0).mean(), rel=0.1)
    assert "blue" in widget.form.status.text()
    widget.form.axes.channel.setCurrentText("green")
    layer = user.segment()
    assert ((layer.data > 0) == (expected > 0)).mean() > 0.98
    assert read_state(layer).settings.channel == 1
    assert "blue" not in widget.form.status.text()


def test_channel_of_a_multichannel_image(viewer, user, widget, nuclei):
    noise = np.random.default_rng(0).integers(0, 20, (3, *nuclei.shape)).astype(nuclei.dtype)
    noise[1] = nuclei
    viewer.add_image(noise, axis_labels=("c", "y", "x"))
    assert widget.form.axes.channel.isVisible(), "the axis called c holds channels"
    widget.form.axes.channel.setCurrentIndex(1)
    layer = user.segment()
    assert layer.data.shape == nuclei.shape
    assert layer.data.max() > 5
    state = read_state(layer)
    assert (state.settings.axes, state.settings.channel) == ("CYX", 1)


def test_channels_that_the_file_tells_are_no_slices(viewer, user, widget, nuclei, tmp_path):
    """The channel that its name says shows nuclei is segmented, and said, whichever one napari shows."""
    others = [np.zeros_like(nuclei)] * 2
    path = tmp_path / "dyes.ome.tif"
    named = {"axes": "CYX", "Channel": {"Name": ["GFP", "RFP", "DAPI"]}}
    tifffile.imwrite(path, np.stack([*others, nuclei]), photometric="minisblack", metadata=named)
    viewer.open(path)
    assert widget.form.axes.channel.currentText() == "2 (DAPI)"
    words = "Nuclei in channel 2 (DAPI) of 3. Choose another one under Channel."
    assert user.said() == words
    layer = user.segment()
    assert layer.data.shape == nuclei.shape
    assert layer.data.max() > 5
    assert words in user.said()
    assert viewer.dims.current_step[0] == 2, "its nuclei are shown on it"
    viewer.dims.set_current_step(0, 0)
    user.segment()
    assert viewer.dims.current_step[0] == 0, "whoever looks at another one may"


def test_axes_that_the_file_tells_are_those_of_a_hyperstack(viewer, user, widget, nuclei, tmp_path):
    path = tmp_path / "hyperstack.tif"
    tifffile.imwrite(path, np.stack([nuclei] * 6).reshape(3, 2, *nuclei.shape), imagej=True)
    viewer.open(path)
    axes = widget.form.axes
    assert [axes.channel_axis.itemText(i) for i in range(3)] == ["none", "z (3)", "c (2)"]
    assert (axes.chosen_channel_axis(), axes.chosen_channel()) == (1, 0)
    axes.channel_axis.setCurrentIndex(0)
    assert not user.said(), "the user knows better"


def test_a_short_axis_of_which_nothing_is_known_is_said_to_be_slices(viewer, user, widget, nuclei):
    viewer.add_image(np.stack([nuclei] * 3))
    words = "Taken for slices: axis 0 (3). If one holds channels, choose it under C axis."
    assert user.said() == words
    widget.form.axes.slices.setCurrentIndex(1)
    assert not user.said(), "they are, since all are wanted"
    widget.form.axes.slices.setCurrentIndex(0)
    user.segment()
    assert words in user.said()
    viewer.add_image(np.stack([nuclei] * 6))
    assert not user.said()


def test_an_image_with_channels_last_is_not_segmented_as_slices_of_two_columns(viewer, user, widget, nuclei):
    viewer.add_image(np.stack([nuclei, nuclei], axis=-1), name="last")
    assert "its channels seem to come last" in user.said()
    user.click(widget.form.run)
    assert "viewer.layers['last'].data[..., 0]" in user.said()
    assert not any(isinstance(layer, Labels) for layer in viewer.layers)


def test_colours_that_napari_was_not_told_of_are_not_to_be_thrown_away(viewer, user, widget):
    from napari_nucseg.data.synthetic import synthetic_histology

    viewer.add_image(synthetic_histology((160, 160), seed=1).image, name="slide", rgb=False)
    remedy = "viewer.add_image(viewer.layers['slide'].data, rgb=True)"
    assert remedy in user.said()
    viewer.add_image(viewer.layers["slide"].data, rgb=True)
    assert "⚠" not in user.said()
    user.segment()


@pytest.mark.parametrize("n_channels", [2, 3])
def test_hyperstack_as_imagej_orders_it(viewer, user, widget, nuclei, n_channels):
    """Z, C, Y, X: labels lie on their slice, whichever channel is on show."""
    image = np.zeros((4, n_channels, *nuclei.shape), nuclei.dtype)
    image[1, 0], image[3, 0] = nuclei, nuclei[::-1]
    layer_of_image = viewer.add_image(image, axis_labels=("z", "c", "y", "x"), scale=(3, 1, 0.5, 0.5))
    widget.form.axes.channel.setCurrentIndex(0)
    widget.form.axes.slices.setCurrentIndex(1)
    layer = user.segment()
    assert layer.data.shape == (4, 1, *nuclei.shape)
    np.testing.assert_allclose(layer.extent.world[:, [0, 2, 3]], layer_of_image.extent.world[:, [0, 2, 3]])
    for z in range(4):
        for channel in range(n_channels):
            viewer.dims.set_current_step((0, 1), (z, channel))
            shown = layer._data_view
            np.testing.assert_array_equal(shown, layer.data[z, 0])
            where = layer.world_to_data(viewer.dims.point)
            assert tuple(np.round(where[:2]).astype(int)) == (z, 0), "where a brush paints"
    assert [bool(plane.any()) for plane in layer.data[:, 0]] == [False, True, False, True]
    widget.form.axes.slices.setCurrentIndex(0)
    assert user.segment() == layer, "again, on the slice on show"


def test_slices_of_a_stack(viewer, user, widget, nuclei):
    viewer.add_image(np.stack([nuclei, np.zeros_like(nuclei), nuclei[::-1]]), scale=(3, 1, 1))
    assert widget.form.axes.slices.isVisible()
    viewer.dims.set_current_step(0, 2)
    layer = user.segment()
    assert layer.data[2].any() and not layer.data[0].any(), "the current slice alone"
    first = layer.data[2].copy()
    widget.form.axes.slices.setCurrentIndex(1)
    assert user.segment() == layer
    numbers = [set(np.unique(plane)) - {0} for plane in layer.data]
    assert not numbers[0] & numbers[2], "numbers are unique in the stack"
    assert not numbers[1]
    np.testing.assert_array_equal(layer.data[2] > 0, first > 0)
    np.testing.assert_allclose(layer.scale, (3, 1, 1))


def test_current_view_leaves_the_rest_alone(viewer, user, widget, nuclei):
    image = viewer.add_image(nuclei)
    layer = user.segment()
    whole = layer.data.copy()
    camera_of(viewer).zoom *= 3
    camera_of(viewer).center = (0, 48, 48)
    user.qtbot.waitUntil(lambda: image.corner_pixels[1][1] < 150, timeout=5000)
    (top, left), (bottom, right) = image.corner_pixels
    widget.form.where.where.setCurrentText("Current view")
    threshold = widget.form.result.form.editors["foreground_threshold"].widget
    standard = threshold.value()
    threshold.setValue(0.9)
    user.wait_until_idle()
    shrunk = layer.data.copy()
    assert (shrunk > 0).sum() < (whole > 0).sum()
    threshold.setValue(standard)
    user.wait_until_idle()
    assert user.segment() == layer
    far = np.ones(whole.shape, bool)
    far[max(top - 40, 0) : bottom + 40, max(left - 40, 0) : right + 40] = False
    np.testing.assert_array_equal((layer.data > 0)[far], (whole > 0)[far])


@pytest.mark.parametrize("n_planes", [1, 6])
def test_what_is_in_view_is_not_known_in_3d(viewer, user, widget, nuclei, n_planes):
    viewer.add_image(np.stack([nuclei] * n_planes) if n_planes > 1 else nuclei)
    widget.form.where.where.setCurrentText("Current view")
    viewer.dims.ndisplay = 3
    user.click(widget.form.run)
    assert "must show Y and X in 2D" in user.said()


def test_a_region_is_asked_for_only_as_long_as_one_is_to_be_drawn(viewer, user, widget, nuclei):
    viewer.add_image(nuclei)
    widget.form.where.where.setCurrentText("Drawn region")
    user.click(widget.form.where.draw)
    assert user.said().startswith("Drag a rectangle")
    widget.form.where.where.setCurrentText("Whole image")
    assert not user.said()


def test_drawn_rectangle(viewer, user, widget, nuclei):
    image = viewer.add_image(nuclei, scale=(0.5, 0.5))
    widget.form.where.where.setCurrentText("Drawn region")
    user.click(widget.form.run)
    assert "⚠ No region is drawn" in user.said()
    user.click(widget.form.where.draw)
    shapes = viewer.layers.selection.active
    assert shapes.mode == "add_rectangle"
    shapes.add_rectangles([[20, 20], [20, 120], [100, 120], [100, 20]])
    assert widget.form.image.layer is image
    layer = user.segment()
    assert layer.data[20:100, 20:120].any()
    assert not layer.data[150:].any()


def test_axes_are_kept_for_each_image(viewer, user, widget, nuclei):
    image = viewer.add_image(np.stack([np.zeros_like(nuclei), nuclei, nuclei]), name="stack")
    other = viewer.add_image(np.stack([nuclei, nuclei]), name="other")
    axes = widget.form.axes
    viewer.layers.selection.active = image
    axes.channel_axis.setCurrentIndex(1)
    axes.channel.setCurrentIndex(1)
    viewer.layers.selection.active = other
    assert axes.chosen_channel_axis() is None
    axes.slices.setCurrentIndex(1)
    viewer.layers.selection.active = image
    assert (axes.chosen_channel_axis(), axes.chosen_channel(), axes.all_slices()) == (0, 1, False)
    viewer.layers.selection.active = other
    assert (axes.chosen_channel_axis(), axes.all_slices()) == (None, True)
    viewer.layers.selection.active = image
    user.segment()
    viewer.window.remove_dock_widget(widget)
    _, again = viewer.window.add_plugin_dock_widget("napari-nucseg", "Segment nuclei")
    assert again is not widget
    assert (again.form.axes.chosen_channel_axis(), again.form.axes.chosen_channel()) == (0, 1), (
        "as the result says"
    )


def test_words_and_sliders_belong_to_the_image_on_show(viewer, user, widget, nuclei):
    first = viewer.add_image(nuclei, name="first")
    layer = user.segment()
    words = user.said()
    assert words
    other = viewer.add_image(nuclei[::-1], name="other")
    assert not user.said()
    assert not widget.form.result.isVisible()
    viewer.layers.selection.active = layer
    assert widget.form.image.layer == first, "nuclei that are clicked show their image"
    assert user.said() == words
    viewer.layers.remove(layer)
    assert not user.said()
    viewer.layers.selection.active = other
    assert widget.form.image.layer == other


def test_a_result_is_never_shown_as_another_image_s(viewer, user, widget, nuclei):
    image = viewer.add_image(nuclei, name="image")
    other = viewer.add_image(nuclei[:96], name="other")
    for _ in ("made", "filled anew"):
        viewer.layers.selection.active = image
        with user.qtbot.waitSignal(widget.controller.done, timeout=60_000):
            user.click(widget.form.run)
            viewer.layers.selection.active = other
        user.wait_until_idle()
        assert widget.form.image.layer == other, "the next run is for the image that was chosen meanwhile"
        assert not widget.form.result.isVisible()
        assert "nuclei" not in user.said()


def test_an_image_that_is_removed_meanwhile_is_said_to_be(viewer, user, widget, nuclei):
    image = viewer.add_image(nuclei, name="gone")
    with user.qtbot.waitSignal(widget.controller.done, timeout=60_000) as done:
        user.click(widget.form.run)
        viewer.layers.remove(image)
    user.wait_until_idle()
    assert done.args[0].data.any()
    assert user.said() == (
        "“gone nuclei” is segmented; its image “gone” was removed meanwhile. Open it again to correct the nuclei."
    )


def test_measuring_leaves_what_is_said_of_the_result(viewer, user, widget, nuclei):
    viewer.add_image(nuclei)
    user.segment()
    said = user.said()
    user.click(widget.form.diameter.measure)
    assert user.said() == "Draw a line across a typical nucleus."
    user.click(widget.form.diameter.measure)
    assert user.said() == said


def test_a_pixel_size_may_be_said_later(viewer, user, widget, nuclei):
    image = viewer.add_image(nuclei)
    unit = widget.form.diameter.unit
    image.scale, image.units = (0.5, 0.5), ("um", "um")
    unit.setCurrentText("µm")
    assert widget.form.diameter.choices()["pixel_size_um"] == 0.5
    image.scale = (0.25, 0.25)
    assert widget.form.diameter.choices()["pixel_size_um"] == 0.25
    user.segment()
    assert "µm²" in user.said()
    image.units = ("pixel", "pixel")
    assert unit.currentText() == "Automatic", "micrometres mean nothing here"
    viewer.add_image(nuclei, name="next")
    image.units = ("um", "um")
    assert widget.form.diameter.choices()["pixel_size_um"] is None


@pytest.fixture
def opened_half_um(viewer, nuclei, tmp_path):
    """Image that napari's own reader opened: it has no scale, its file states 0.5 µm."""
    tifffile.imwrite(tmp_path / "half.tif", nuclei, imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    return viewer.open(tmp_path / "half.tif")[0]


def test_a_pixel_size_that_the_file_states_counts_where_nobody_scaled_the_layer(
    viewer, user, widget, opened_half_um, tmp_path, answer, choose, clipboard
):
    result = widget.form.result
    assert widget.form.diameter.choices()["pixel_size_um"] == 0.5
    widget.form.diameter.unit.setCurrentText("µm")
    widget.form.diameter.number.setValue(12)
    layer = user.segment()
    assert read_state(layer).settings.given_diameter_px == 24
    assert "µm²" in user.said()
    user.click(result.python)
    assert "pixel_size_um=0.5" in clipboard.text()
    user.click(result.methods)
    assert "0.5 µm per pixel" in clipboard.text()
    assert (opened_half_um.scale == layer.scale).all() and (layer.scale == 1).all(), (
        "the layers stay as they are"
    )
    assert collect(Subject(viewer, layer)).pixel_size_um == 0.5
    answer(choose(tmp_path / "table.csv"))
    user.click(result.table)
    user.qtbot.waitUntil((tmp_path / "table.csv").exists, timeout=10_000)
    assert "area_um2" in (tmp_path / "table.csv").read_text()


@pytest.mark.parametrize(
    ("change", "size_um"),
    [
        pytest.param({"scale": (0.25, 0.25), "units": ("um", "um")}, 0.25, id="the layer's"),
        pytest.param({"scale": (0.25, 0.25)}, None, id="scaled, in no unit of length"),
        pytest.param({"units": ("um", "um")}, 1.0, id="1 µm"),
        pytest.param({"data": np.ones((96, 96), np.uint8)}, None, id="other data"),
    ],
)
def test_what_is_set_of_a_layer_wins_over_its_file(widget, opened_half_um, change, size_um):
    for name, value in change.items():
        setattr(opened_half_um, name, value)
    assert widget.form.diameter.choices()["pixel_size_um"] == size_um


def test_a_line_is_measured_in_the_image_it_was_begun_on(viewer, user, widget, nuclei):
    viewer.add_image(nuclei)
    user.click(widget.form.diameter.measure)
    line = viewer.layers.selection.active
    image = viewer.add_image(nuclei, scale=(0.5, 0.5), name="next")
    assert not widget.form.diameter.measure.isChecked()
    assert not line.visible
    assert widget.form.image.layer == viewer.layers.selection.active == image


def test_diameter_is_measured_by_a_line(viewer, user, widget, nuclei):
    image = viewer.add_image(nuclei, scale=(0.5, 0.5), units=("um", "um"))
    user.click(widget.form.diameter.measure)
    line = viewer.layers.selection.active
    assert line.mode == "add_line"
    line.add_lines([[10, 10], [10, 34]])
    user.qtbot.waitUntil(lambda: not line.visible, timeout=5000)
    assert widget.form.diameter.choices() == {"diameter_px": None, "diameter_um": 12.0, "pixel_size_um": 0.5}
    assert not widget.form.diameter.measure.isChecked()
    user.click(widget.form.diameter.measure)
    assert viewer.layers.selection.active == line and line.visible and not line.data, (
        "the layer is used again"
    )
    user.click(widget.form.diameter.measure)
    assert viewer.layers.selection.active == image
    state = read_state(user.segment())
    assert state.maps.get(()).diameter_px == pytest.approx(24)


def test_closed_widget_lets_go_of_the_viewer(viewer, user, widget, nuclei):
    viewer.add_image(nuclei, name="plate")
    viewer.window.remove_dock_widget(widget)
    viewer.add_image(nuclei, name="later")
    viewer.layers.clear()
    _, again = viewer.window.add_plugin_dock_widget("napari-nucseg", "Segment nuclei")
    viewer.add_image(nuclei, name="last")
    assert again is not widget
    assert (again.form.image.currentText(), widget.form.image.currentText()) == ("last", "plate")


@pytest.mark.parametrize(("style", "least"), [("", 72), ("* { font-size: 20pt; }", 100)])
def test_fields_stand_in_one_column_in_any_font(viewer, user, widget, nuclei, style, least):
    viewer.add_image(np.stack([nuclei] * 2))
    widget.form.setStyleSheet(style)
    form = widget.form
    fields = [form.model, form.axes.slices, form.quality_form.editors["quality"].widget]

    def left_edges():
        return [field.mapTo(form, field.rect().topLeft()).x() for field in fields]

    user.qtbot.waitUntil(lambda: left_edges()[0] > least, timeout=5000)
    assert np.ptp(left_edges()) <= 1, left_edges()
    if not style:
        assert left_edges()[0] < 92, "labels take no more room than they need"
