"""Sliders on the cached maps, in a real window."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from napari_nucseg._napari.layer_state import read_state
from napari_nucseg._napari.live_decoding import decode_again
from napari_nucseg._napari.maps_cache import MapsCache
from napari_nucseg._napari.parameter_form import SettingsForm
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.network.model_file import load_model, save_model
from napari_nucseg.nuclei.decoding import DecodingSettings
from napari_nucseg.segmentation.settings import SegmentationSettings


@pytest.fixture
def segmented(viewer, user, nuclei):
    viewer.add_image(nuclei)
    return user.segment()


def _slider(widget, name):
    return widget.form.result.form.editors[name].widget


def test_threshold_moves_outlines_without_the_network(user, widget, segmented):
    runs = []
    widget.controller.started.connect(lambda: runs.append(1))
    before = (segmented.data > 0).sum()
    _slider(widget, "foreground_threshold").setValue(0.9)
    user.wait_until_idle()
    smaller = (segmented.data > 0).sum()
    _slider(widget, "foreground_threshold").setValue(0.2)
    user.wait_until_idle()
    assert smaller < before < (segmented.data > 0).sum()
    assert not runs
    assert read_state(segmented).settings.decoding.foreground_threshold == 0.2


def test_sliders_of_one_image_do_not_decide_over_the_next(viewer, user, widget, segmented, nuclei):
    standard = _slider(widget, "foreground_threshold").value()
    _slider(widget, "foreground_threshold").setValue(0.9)
    user.wait_until_idle()
    image = widget.form.image.layer
    viewer.add_image(nuclei[::-1], name="next")
    assert read_state(user.segment()).settings.decoding.foreground_threshold == standard
    viewer.layers.selection.active = image
    assert _slider(widget, "foreground_threshold").value() == pytest.approx(0.9)


def test_sliders_left_alone_follow_the_next_model(user, widget, segmented):
    assert read_state(segmented).settings.decoding.core_threshold == 0.5, "the U-Net++'s own"
    _slider(widget, "certainty").setValue(0.3)
    user.wait_until_idle()
    widget.form.model.setCurrentIndex(widget.form.model.findData("nuclei-unet"))
    decoding = read_state(user.segment()).settings.decoding
    assert (decoding.core_threshold, decoding.certainty) == (0.45, 0.3)


def test_a_slider_left_alone_is_exactly_what_it_was_set_to(qtbot):
    form = SettingsForm(DecodingSettings, ("core_threshold",))
    qtbot.addWidget(form)
    form.set_values(DecodingSettings(core_threshold=0.333))
    said = []
    for value in (None, 0.4, 0.33):
        if value is not None:
            form.editors["core_threshold"].widget.setValue(value)
        said.append(form.values()["core_threshold"])
    assert said == [0.333, 0.4, 0.333]


def test_what_is_left_to_the_program_is_called_automatic(qtbot):
    form = SettingsForm(SegmentationSettings, ("precision", "batch_size", "quality"))
    qtbot.addWidget(form)
    precision, batch, quality = (editor.widget for editor in form.editors.values())
    assert (precision.currentText(), batch.text(), quality.currentText()) == (
        "Automatic",
        "Automatic",
        "standard",
    )
    assert form.values() == {"precision": "auto", "batch_size": None, "quality": "standard"}
    form.set_values(SegmentationSettings(precision="float16"))
    assert (precision.currentText(), form.values()["precision"]) == ("float16", "float16")


def test_minimum_area_and_border(user, widget, segmented):
    n_before = len(np.unique(segmented.data)) - 1
    smallest = np.bincount(segmented.data.ravel())[1:].min()
    _slider(widget, "min_area_px").setValue(int(smallest) + 1)
    user.wait_until_idle()
    assert len(np.unique(segmented.data)) - 1 < n_before
    user.click(_slider(widget, "exclude_border"))
    user.wait_until_idle()
    edge = np.concatenate(
        [segmented.data[0], segmented.data[-1], segmented.data[:, 0], segmented.data[:, -1]]
    )
    assert not edge.any()
    user.click(widget.form.result.defaults)
    user.wait_until_idle()
    assert len(np.unique(segmented.data)) - 1 == n_before


def test_edited_nuclei_stay_whatever_the_sliders_do(user, widget, segmented, largest):
    erased = segmented.data == largest(segmented.data)
    segmented.data_setitem(np.nonzero(erased), 0)
    own = np.zeros_like(erased)
    own[90:110, 90:110] = True
    segmented.data_setitem(np.nonzero(own), 7000)
    for value in (0.9, 0.2, 0.5):
        _slider(widget, "foreground_threshold").setValue(value)
        user.wait_until_idle()
        np.testing.assert_array_equal(segmented.data == 7000, own)
        assert not segmented.data[erased & ~own].any(), "what was erased stays erased"


def test_painting_mode_survives_a_slider(user, widget, segmented):
    segmented.mode = "paint"
    _slider(widget, "core_threshold").setValue(0.7)
    user.wait_until_idle()
    assert segmented.mode == "paint"


def test_a_million_pixels_follow_the_slider(viewer, user, widget):
    viewer.add_image(synthetic_fluorescence((1024, 1024), seed=2).image)
    widget.form.diameter.unit.setCurrentText("Pixels")
    user.segment()
    labels = viewer.layers[-1]
    covered = []
    for value in (0.3, 0.5, 0.8):
        _slider(widget, "foreground_threshold").setValue(value)
        user.wait_until_idle()
        covered.append(int((labels.data > 0).sum()))
    assert covered[0] > covered[1] > covered[2] > 0


def test_outlines_that_cannot_be_told_apart_are_refused_in_words(
    viewer, user, widget, nuclei, tmp_path, answer, choose
):
    viewer.add_image(np.broadcast_to(nuclei[:96, :96], (2, 2, 2, 96, 96)))
    user.segment()
    answer(choose(tmp_path / "nuclei.geojson"))
    user.click(widget.form.result.outlines)
    user.qtbot.waitUntil(lambda: "this stack has 3 axes beside Y and X" in user.said(), timeout=10_000)
    assert not (tmp_path / "nuclei.geojson").exists()


def test_saving_many_outlines_is_shown_and_can_be_cancelled(
    user, widget, segmented, tmp_path, answer, choose
):
    dots = segmented.data[::3, ::3]
    dots[:] = np.arange(dots.size).reshape(dots.shape)
    button, plain = widget.form.result.outlines, widget.form.result.outlines.text()
    answer(choose(tmp_path / "outlines" / "nuclei.geojson"))
    user.click(button)
    assert button.text() == "Cancel saving"
    user.qtbot.waitUntil((tmp_path / "outlines").exists, timeout=10_000)
    user.click(button)
    assert button.text() == plain
    user.qtbot.waitUntil(lambda: not list((tmp_path / "outlines").iterdir()), timeout=10_000)
    answer(choose(tmp_path / "nuclei.geojson"))
    user.click(button)
    user.qtbot.waitUntil(lambda: button.text() == plain, timeout=60_000)
    assert len(json.loads((tmp_path / "nuclei.geojson").read_text())["features"]) >= dots.size - 1


def test_table_outlines_python_and_methods(user, widget, segmented, tmp_path, answer, choose, clipboard):
    target = tmp_path / "nuclei.csv"
    answer(choose(target))
    user.click(widget.form.result.table)
    user.qtbot.waitUntil(target.exists, timeout=10_000)
    header, *rows = target.read_text(encoding="utf-8").splitlines()
    assert header.startswith("label,area_px,centroid_y_px,centroid_x_px")
    assert "mean_intensity" in header
    assert len(rows) == len(np.unique(segmented.data)) - 1

    target = tmp_path / "nuclei.geojson"
    answer(choose(target.with_suffix("")))
    user.click(widget.form.result.outlines)
    user.qtbot.waitUntil(target.exists, timeout=10_000)
    assert len(json.loads(target.read_text())["features"]) == len(rows)

    user.click(widget.form.result.python)
    code = clipboard.text()
    scope = {"image": widget.form.image.layer.data}
    exec(code, scope)
    np.testing.assert_array_equal(scope["labels"], segmented.data)

    user.click(widget.form.result.methods)
    methods = clipboard.text()
    state = read_state(segmented)
    for word in (state.model_name, state.model_sha256[:12], "napari", "PyTorch", "0.50", "cite"):
        assert word in methods
    assert "by hand" not in code + methods

    segmented.data_setitem(np.nonzero(segmented.data == segmented.data.max()), 0)
    user.click(widget.form.result.python)
    assert "# Corrections made by hand are not repeated.\n" in clipboard.text()
    user.click(widget.form.result.methods)
    assert "Nuclei were then corrected by hand." in clipboard.text()


@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "colour"])
def test_times_of_a_file_are_times_in_the_table_and_the_outlines(
    viewer, user, widget, nuclei, tmp_path, answer, choose, colours
):
    frames = np.stack([(nuclei * (255 / nuclei.max())).astype(np.uint8)] * 3).reshape(
        3, 192, 192, *[1 for _ in colours]
    )
    pixels = np.broadcast_to(frames, (3, 192, 192, *colours))
    tifffile.imwrite(tmp_path / "film.tif", pixels, imagej=True, metadata={"axes": "TYXS"[: pixels.ndim]})
    viewer.open(tmp_path / "film.tif", rgb=bool(colours))
    user.segment()
    table, outlines = tmp_path / "film.csv", tmp_path / "film.geojson"
    for button, target in ((widget.form.result.table, table), (widget.form.result.outlines, outlines)):
        answer(choose(target))
        user.click(button)
        user.qtbot.waitUntil(target.exists, timeout=10_000)
    assert table.read_text(encoding="utf-8").startswith("t,label,")
    planes = [feature["geometry"]["plane"] for feature in json.loads(outlines.read_text())["features"]]
    assert {(plane["t"], plane["z"]) for plane in planes} == {(1, 0)}


def test_asking_for_more_certainty_leaves_fewer_nuclei(viewer, user, widget, nuclei, clipboard):
    # Clean nuclei are all certain.
    noise = np.random.default_rng(0).normal(0, 0.15 * nuclei.max(), nuclei.shape)
    viewer.add_image(np.clip(nuclei + noise, 0, nuclei.max()))
    segmented = user.segment()
    slider = _slider(widget, "certainty")
    assert slider.isEnabled()
    counts = []
    for value in (0.1, 0.95):
        slider.setValue(value)
        user.wait_until_idle()
        counts.append(len(np.unique(segmented.data)) - 1)
    assert counts[0] > counts[1]
    user.click(widget.form.result.methods)
    assert "0.95 as judged by the model" in clipboard.text()


def test_certainty_is_greyed_out_for_a_model_without_a_judge(viewer, user, widget, nuclei, tmp_path):
    model = load_model("nuclei-unet")
    save_model(tmp_path / "unjudged.safetensors", model.card, model.network)
    viewer.add_image(nuclei)
    widget.form.model.addItem("unjudged", str(tmp_path / "unjudged.safetensors"))
    widget.form.model.setCurrentIndex(widget.form.model.count() - 1)
    widget.form.diameter.set_diameter_px(24)
    user.segment()
    assert not _slider(widget, "certainty").isEnabled()


def test_a_slider_moved_just_before_a_run_is_kept_when_the_run_is_not_wanted(
    user, widget, segmented, answer, press
):
    segmented.data_setitem((np.arange(5), np.arange(5)), 7)
    _slider(widget, "foreground_threshold").setValue(0.7)
    answer(press("Cancel"))
    user.click(widget.form.run)
    user.wait_until_idle()
    assert read_state(segmented).settings.decoding.foreground_threshold == 0.7


def test_a_slider_moved_just_before_a_run_that_is_cancelled_moves_outlines_after_it(user, widget, segmented):
    before = (segmented.data > 0).sum()
    _slider(widget, "foreground_threshold").setValue(0.9)
    with user.qtbot.waitSignal(widget.controller.cancelled, timeout=60_000):
        user.click(widget.form.run)
        assert not widget.form.result.adjust.isEnabled(), "what is moved during a run would be lost"
        user.click(widget.form.cancel)
    user.wait_until_idle()
    assert widget.form.result.adjust.isEnabled()
    assert read_state(segmented).settings.decoding.foreground_threshold == 0.9
    assert (segmented.data > 0).sum() < before


def test_a_stack_follows_plane_by_plane_the_visible_one_first(viewer, user, widget, nuclei):
    viewer.add_image(np.stack([nuclei, nuclei[::-1], nuclei[:, ::-1]]))
    widget.form.axes.slices.setCurrentIndex(1)
    layer = user.segment()
    before = [(plane > 0).sum() for plane in layer.data]
    steps = decode_again(read_state(layer), DecodingSettings(foreground_threshold=0.9), (1,))
    assert [list(done) for done in steps] == [[(1,)], [(1,), (0,)], [(1,), (0,), (2,)]]
    _slider(widget, "foreground_threshold").setValue(0.9)
    user.wait_until_idle()
    assert all((plane > 0).sum() < n for plane, n in zip(layer.data, before, strict=True))
    assert f"{np.unique(layer.data).size - 1} nuclei" in user.said()
    assert "adjusted\n" in user.said()


def test_slices_whose_maps_are_gone_are_said_not_to_follow(viewer, user, widget, nuclei, monkeypatch):
    planes = [nuclei[:96, :96], nuclei[96:192, :96], nuclei[:96, 96:192]]
    viewer.add_image(np.stack(planes))
    widget.form.axes.slices.setCurrentIndex(1)
    monkeypatch.setattr(MapsCache.__init__, "__defaults__", (2 * 96 * 96 * 16,))
    layer = user.segment()
    before = [(plane > 0).sum() for plane in layer.data]
    _slider(widget, "foreground_threshold").setValue(0.9)
    user.wait_until_idle()
    moved = [(plane > 0).sum() < n for plane, n in zip(layer.data, before, strict=True)]
    assert moved == [False, True, True]
    assert "adjusted in 2 of 3 slices" in user.said()
    assert "Segment the others again" in user.said()
    monkeypatch.undo()
    layer = user.segment()
    assert all((plane > 0).sum() < n for plane, n in zip(layer.data, before, strict=True))
