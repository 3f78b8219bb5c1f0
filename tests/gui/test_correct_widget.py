"""*Correct nuclei* in a real window: every tool and its undo, the trust map, changes, review, journal, files."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels, Points, Shapes
from napari.layers._layer_actions import _convert_to_image, _duplicate_layer
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_nucseg._napari import correct_changes, correct_watch, image_fingerprint
from napari_nucseg._napari.camera import camera_of
from napari_nucseg._napari.correct_files import collect
from napari_nucseg._napari.correct_pointer import PREVIEW_LAYER
from napari_nucseg._napari.correct_subject import Subject
from napari_nucseg._napari.correct_tools import (
    CHECKED_KEY,
    EDIT_TOOLS,
    NEXT_KEY,
    PREVIOUS_KEY,
    TRUST_TOOLS,
    VIEW_KEY,
)
from napari_nucseg._napari.correct_widget import CorrectWidget
from napari_nucseg._napari.layer_state import (
    TRUST_OF,
    CorrectionState,
    read_corrections,
    read_state,
    snapshot_of,
    write_corrections,
)
from napari_nucseg._napari.maps_cache import MapsCache
from napari_nucseg.data.correction_set import CorrectionSet, open_correction_set, save_correction_set
from napari_nucseg.data.journal import (
    Journal,
    JournalHeader,
    Part,
    abandoned_journals,
    fingerprint,
    journal_dir,
    replay,
)
from napari_nucseg.errors import CorrectionSetError
from napari_nucseg.nuclei.corrections import Comparison, Kind
from napari_nucseg.nuclei.decoding import DecodingSettings
from napari_nucseg.nuclei.trust import Trust

TIMEOUT_MS = 60_000
TOOLS = {tool.name: tool for tool in (*EDIT_TOOLS, *TRUST_TOOLS)}


@pytest.fixture(autouse=True)
def _own_journals(tmp_path, monkeypatch):
    monkeypatch.setenv("NUCSEG_JOURNAL", str(tmp_path / "journals"))


@pytest.fixture
def drawn():
    """Two touching nuclei (1, 2), one apart (3), one with a hole (4)."""
    labels = np.zeros((100, 140), np.int32)
    labels[20:40, 10:30] = 1
    labels[20:40, 30:50] = 2
    labels[20:40, 60:80] = 3
    labels[60:80, 60:80] = 4
    labels[66:70, 66:70] = 0
    return labels


@pytest.fixture
def corrector(viewer, qtbot):
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")
    yield widget
    widget.shut()


@pytest.fixture
def layer(viewer, corrector, drawn):
    viewer.add_image(np.random.default_rng(0).integers(0, 255, drawn.shape, np.uint8), name="cells")
    return viewer.add_labels(drawn.copy(), name="masks")


def _settle(qtbot, widget):
    qtbot.wait(80)
    session = widget.controller.session
    qtbot.waitUntil(lambda: not session.changes.busy and not session.review.ranking, timeout=TIMEOUT_MS)


def _take(widget, name):
    widget.controller.take(TOOLS[name])


@pytest.fixture
def clear(corrector, click, answer):
    """Click Clear and answer its question."""

    def press(choice="Clear"):
        asked = []

        def act(box):
            asked.append(box.text())
            next(b for b in box.buttons() if b.text().replace("&", "") == choice).click()

        answer(act)
        click(corrector.form.unmark)
        assert asked, "undo would not bring the marks back"

    return press


STROKES = {
    "split": [(15, 20), (30, 20), (45, 20)],
    "merge": [(30, 20), (30, 30), (30, 40)],
    "delete": [(30, 20)],
    "outline": [(70, 100), (70, 120), (90, 120), (90, 100)],
    "fill": [(61, 61)],
}
KINDS = {
    "split": Kind.SPLIT,
    "merge": Kind.MERGED,
    "delete": Kind.DELETED,
    "outline": Kind.ADDED,
    "fill": Kind.RESHAPED,
}


def test_each_tool_is_one_step_of_undo_and_is_listed(viewer, qtbot, corrector, layer, hand, drawn):
    for name, stroke in STROKES.items():
        _take(corrector, name)
        assert corrector.form.tools[TOOLS[name]].isChecked()
        hand.draw(*stroke)
        edited = layer.data.copy()
        assert not np.array_equal(edited, drawn)
        _settle(qtbot, corrector)
        assert [change.kind for change in corrector.controller.session.changes.changes] == [KINDS[name]]
        assert str(KINDS[name]) in corrector.form.changes.item(0).text()
        layer.undo()
        np.testing.assert_array_equal(layer.data, drawn)
        _settle(qtbot, corrector)
        assert corrector.form.changes_title.text() == "Nothing was changed."
        layer.redo()
        np.testing.assert_array_equal(layer.data, edited)
        layer.undo()
        layer.undo()
        np.testing.assert_array_equal(layer.data, drawn)


def test_delete_and_restore_by_box_and_restore_by_click(corrector, layer, hand, drawn):
    _take(corrector, "delete")
    hand.draw((10, 5), (30, 30), (50, 55))
    assert set(np.unique(layer.data)) == {0, 3, 4}
    _take(corrector, "restore")
    hand.draw((30, 40))
    assert set(np.unique(layer.data)) == {0, 2, 3, 4}
    hand.draw((10, 5), (50, 55))
    np.testing.assert_array_equal(layer.data, drawn)
    for wanted in ({0, 2, 3, 4}, {0, 3, 4}):
        layer.undo()
        assert set(np.unique(layer.data)) == wanted


def test_add_by_click_grows_from_the_maps(viewer, qtbot, user, corrector, nuclei, hand, largest):
    viewer.add_image(nuclei)
    layer = user.segment()
    number = largest(layer.data)
    before = layer.data.copy()
    centre = tuple(np.argwhere(before == number).mean(axis=0))
    viewer.layers.selection.active = layer
    _take(corrector, "delete")
    hand.draw(centre)
    assert number not in layer.data
    _take(corrector, "grow")
    hand.draw(centre)
    grown = layer.data == layer.data.max()
    wanted = before == number
    assert (grown & wanted).sum() / (grown | wanted).sum() > 0.7
    layer.undo()
    assert number not in layer.data
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)


REFUSED = {
    "split": [(5, 5), (5, 9)],
    "merge": [(30, 20), (30, 22)],
    "delete": [(5, 5)],
    "outline": [(25, 15), (25, 25), (35, 25)],
    "grow": [(5, 5)],
    "fill": [(5, 5)],
    "restore": [(5, 5)],
}


def test_what_a_tool_cannot_do_is_said_whole_and_changes_nothing(corrector, layer, hand, drawn):
    for name, points in REFUSED.items():
        noted = []
        notification_manager.notification_ready.connect(noted.append)
        _take(corrector, name)
        hand.draw(*points)
        notification_manager.notification_ready.disconnect(noted.append)
        (note,) = (note.message for note in noted)
        first, rest = note.split("\n")
        assert corrector.form.status.text() == f"⚠ {first} {rest}", name
        assert first[0].isupper()
        assert rest[0].isupper()
        assert len(first) <= 40, "napari cuts longer ones off"
        np.testing.assert_array_equal(layer.data, drawn)
        assert not layer._undo_history


def test_a_click_is_no_outline_and_says_what_is(corrector, layer, hand, drawn):
    _take(corrector, "outline")
    hand.draw((70, 100))
    assert "That encloses nothing. Draw around a nucleus that was missed." in corrector.form.status.text()
    np.testing.assert_array_equal(layer.data, drawn)


def test_new_outlines_leave_neighbours_alone_unless_asked(corrector, layer, hand, drawn):
    outline = [(15, 45), (15, 70), (45, 70), (45, 45)]
    _take(corrector, "outline")
    hand.draw(*outline)
    np.testing.assert_array_equal(layer.data[drawn > 0], drawn[drawn > 0])
    layer.undo()
    corrector.form.overwrite.setChecked(True)
    hand.draw(*outline)
    assert (layer.data[21:39, 47:50] == 5).all()


def test_foreign_labels_of_eight_bits_take_numbers_beyond_255(viewer, corrector, hand):
    labels = np.zeros((60, 60), np.uint8)
    labels[10:30, 10:30] = 255
    layer = viewer.add_labels(labels)
    _take(corrector, "split")
    hand.draw((5, 20), (35, 20))
    assert set(np.unique(layer.data)) == {0, 255, 256}


def test_numbers_beyond_eight_bits_cost_no_step_of_undo(qtbot, corrector, viewer, hand, drawn):
    """Neither of the tools nor of napari's own brush; the list of changes follows."""
    before = np.where(drawn == 4, 255, drawn).astype(np.uint8)
    layer = viewer.add_labels(before.copy())
    layer.paint((50, 100), 7)
    _take(corrector, "merge")
    hand.draw((30, 20), (30, 40))
    _take(corrector, "split")
    hand.draw((15, 70), (45, 70))
    assert layer.data.max() == 256
    _settle(qtbot, corrector)
    kinds = {change.kind for change in corrector.controller.session.changes.changes}
    assert kinds == {Kind.ADDED, Kind.MERGED, Kind.SPLIT}
    for _ in range(3):
        layer.undo()
    np.testing.assert_array_equal(layer.data, before)
    _settle(qtbot, corrector)
    assert corrector.controller.session.changes.changes == ()


def test_of_nuclei_that_go_through_slices_the_change_is_said_to_be_in_this_one(
    viewer, corrector, drawn, hand
):
    above, below = (np.where(np.isin(drawn, numbers), drawn, 0) for numbers in ([1, 2], [3]))
    layer = viewer.add_labels(np.stack([above, drawn, below])[:, None])
    viewer.dims.set_point(0, 1)
    for name, stroke, said in (
        ("delete", [(30, 20)], "Deleted nucleus 1 in this slice. Ctrl+Z"),
        ("delete", [(30, 70)], "Deleted nucleus 3 in this slice. Ctrl+Z"),
        ("delete", [(70, 62)], "Deleted nucleus 4. Ctrl+Z"),
        ("merge", STROKES["merge"], "Merged 2 nuclei in this slice. Ctrl+Z"),
        ("outline", STROKES["outline"], "Added nucleus 5. Ctrl+Z"),
    ):
        if corrector.controller.tool is not TOOLS[name]:
            _take(corrector, name)
        hand.draw(*stroke)
        assert corrector.form.status.text().startswith(said)
        np.testing.assert_array_equal(layer.data[[0, 2], 0], [above, below])
        layer.undo()
        np.testing.assert_array_equal(layer.data[1, 0], drawn)


def test_stacks_are_corrected_plane_by_plane(viewer, qtbot, corrector, drawn, hand):
    layer = viewer.add_labels(np.stack([drawn, drawn * 0, drawn + (drawn > 0) * 10]), name="stack")
    viewer.dims.set_current_step(0, 2)
    _take(corrector, "delete")
    hand.draw((30, 20))
    assert 11 not in layer.data
    assert 1 in layer.data[0]
    _settle(qtbot, corrector)
    assert [change.before for change in corrector.controller.session.changes.changes] == [(11,)]
    viewer.dims.set_current_step(0, 0)
    _settle(qtbot, corrector)
    assert corrector.controller.session.changes.changes == ()


def mouse_press(layer, position):
    """Press the mouse; return a function that moves it and lets it go elsewhere."""
    event = SimpleNamespace(type="mouse_press", button=1, is_dragging=True, modifiers=(), position=position)
    mouse_press_callbacks(layer, event)

    def let_go(at):
        event.type, event.position = "mouse_move", at
        mouse_move_callbacks(layer, event)
        event.type = "mouse_release"
        mouse_release_callbacks(layer, event)

    return let_go


def _look_in_3d(viewer, layer):
    viewer.dims.ndisplay = 3


def _roll(viewer, layer):
    viewer.dims.order = (1, 0, 2)


def _turn_to_the_image(viewer, layer):
    viewer.layers.selection.active = viewer.layers["cells"]


class TestMouse:
    def test_the_preview_is_shown_while_drawing_and_hidden_after(self, viewer, corrector, layer):
        _take(corrector, "split")
        preview = viewer.layers[PREVIEW_LAYER]
        assert not preview.visible
        event = SimpleNamespace(
            type="mouse_press", button=1, is_dragging=True, modifiers=(), position=(15.0, 20.0)
        )
        mouse_press_callbacks(layer, event)
        event.type, event.position = "mouse_move", (45.0, 20.0)
        mouse_move_callbacks(layer, event)
        assert preview.visible
        assert len(preview.data) == 1
        event.type = "mouse_release"
        mouse_release_callbacks(layer, event)
        assert not preview.visible
        assert preview in viewer.layers, "hidden, never removed"
        assert viewer.layers.selection.active == layer

    def test_what_was_begun_with_one_tool_is_not_for_the_next_one(self, corrector, layer, drawn):
        _take(corrector, "delete")
        let_go = mouse_press(layer, (15.0, 5.0))
        _take(corrector, "merge")  # its key, pressed with the mouse held down
        let_go((30.0, 70.0))
        np.testing.assert_array_equal(layer.data, drawn)
        assert corrector.controller.tool is TOOLS["merge"]
        mouse_press(layer, (30.0, 20.0))((30.0, 40.0))
        assert (layer.data[20:40, 10:50] == 1).all()

    def test_panning_rests_while_a_tool_is_in_hand_and_comes_back(self, corrector, layer):
        assert layer.mouse_pan
        _take(corrector, "merge")
        assert not layer.mouse_pan
        _take(corrector, "merge")
        assert layer.mouse_pan
        assert not any(button.isChecked() for button in corrector.form.tools.values())

    def test_painting_puts_the_tool_down(self, corrector, layer, hand, drawn):
        _take(corrector, "delete")
        layer.mode = "paint"
        assert corrector.controller.tool is None
        layer.mode = "pan_zoom"
        hand.draw((30, 20))
        np.testing.assert_array_equal(layer.data, drawn)

    @pytest.mark.parametrize("turn", [_look_in_3d, _roll, _turn_to_the_image])
    def test_a_tool_that_cannot_be_used_any_more_is_put_down(
        self, qtbot, viewer, corrector, drawn, hand, turn
    ):
        viewer.add_image(np.zeros((3, *drawn.shape), np.uint8), name="cells")
        layer = viewer.add_labels(np.stack([drawn] * 3), name="masks")
        before = layer.data.copy()
        _take(corrector, "delete")
        dragging = mouse_press(layer, (0, 30, 20))
        turn(viewer, layer)
        qtbot.waitUntil(lambda: corrector.controller.tool is None, timeout=TIMEOUT_MS)
        assert not any(button.isChecked() for button in corrector.form.tools.values())
        assert layer.mouse_pan
        dragging((0, 50, 55))
        viewer.layers.selection.active = layer
        hand.draw((30, 20))
        np.testing.assert_array_equal(layer.data, before)

    def test_a_look_underneath_leaves_the_tool_in_hand(self, corrector, layer, hand):
        _take(corrector, "delete")
        before, layer.visible = layer.data.copy(), False
        layer.visible = True
        assert corrector.controller.tool is TOOLS["delete"]
        layer.visible = False
        hand.draw((30, 20))
        np.testing.assert_array_equal(layer.data, before)
        assert "hidden" in corrector.form.status.text()

    def test_hidden_layers_are_refused(self, corrector, layer):
        layer.visible = False
        _take(corrector, "split")
        assert "hidden" in corrector.form.status.text()
        assert corrector.controller.tool is None
        corrector.controller.mark_view()
        assert not read_corrections(layer).trust.any()
        assert "hidden" in corrector.form.status.text()
        layer.visible = True
        assert "hidden" not in corrector.form.status.text()

    def test_a_layer_that_is_locked_meanwhile_is_left_alone(self, corrector, layer, hand, drawn):
        _take(corrector, "delete")
        layer.editable = False
        hand.draw((30, 20))
        np.testing.assert_array_equal(layer.data, drawn)
        assert "locked" in corrector.form.status.text()
        assert corrector.controller.tool is None

    def test_marking_leaves_the_tool_in_hand(self, qtbot, corrector, layer, hand):
        _take(corrector, "review_box")
        hand.draw((10, 10), (30, 30), (49, 59))
        qtbot.wait(50)
        assert corrector.controller.tool is TOOLS["review_box"]

    def test_what_was_said_of_an_edit_goes_with_it(self, qtbot, corrector, layer, hand):
        _take(corrector, "delete")
        hand.draw((30, 20))
        _settle(qtbot, corrector)
        assert corrector.form.status.text().endswith("Ctrl+Z takes it back.")
        layer.undo()
        _settle(qtbot, corrector)
        assert corrector.form.status.text() == TOOLS["delete"].hint

    def test_other_buttons_and_modifiers_are_napari_s(self, corrector, layer, drawn):
        _take(corrector, "delete")
        for button, modifiers in ((2, ()), (1, ("Shift",))):
            event = SimpleNamespace(
                type="mouse_press",
                button=button,
                is_dragging=True,
                modifiers=modifiers,
                position=(30.0, 20.0),
            )
            mouse_press_callbacks(layer, event)
            event.type = "mouse_release"
            mouse_release_callbacks(layer, event)
        np.testing.assert_array_equal(layer.data, drawn)


def test_no_key_is_anybody_else_s(viewer):
    taken = set(viewer.keymap) | set(type(viewer).class_keymap)
    for kind in (Image, Labels, Shapes, Points):
        taken |= set(kind.class_keymap)
    from napari.settings import get_settings

    for bindings in get_settings().shortcuts.shortcuts.values():
        taken |= {coerce_keybinding(binding) for binding in bindings}
    keys = [*(tool.key for tool in TOOLS.values()), VIEW_KEY, NEXT_KEY, PREVIOUS_KEY, CHECKED_KEY]
    ours = {coerce_keybinding(key) for key in keys}
    assert len(ours) == len(keys)
    assert not {str(key) for key in ours} & {str(key) for key in taken}


def test_keys_stand_in_the_tooltips_and_work(viewer, corrector, layer, hand):
    for tool, button in corrector.form.tools.items():
        assert tool.key_text in button.toolTip()
        layer.keymap[coerce_keybinding(tool.key)](layer)
        assert corrector.controller.tool is tool
    layer.keymap[coerce_keybinding("W")](layer)
    assert (read_corrections(layer).trust == Trust.REVIEWED).any()


@pytest.mark.parametrize("place", ["canvas", "dock", "floating dock"])
def test_escape_puts_the_tool_down(qtbot, viewer, corrector, layer, place):
    corrector.parentWidget().setFloating(place == "floating dock")
    _take(corrector, "split")
    focused = viewer.window._qt_viewer.canvas.native if place == "canvas" else corrector.form.save
    qtbot.keyClick(focused, Qt.Key.Key_Escape)
    assert corrector.controller.tool is None
    assert layer.mouse_pan


def test_escape_is_napari_s_while_no_tool_is_in_hand(viewer, corrector, layer):
    escape = coerce_keybinding("Escape")
    _take(corrector, "split")
    assert escape in layer.keymap
    layer.mode = "polygon"
    assert escape not in layer.keymap
    assert escape not in viewer.keymap


def test_escape_is_given_back_to_whom_it_was_taken_from(viewer, corrector, layer):
    escape, pressed = coerce_keybinding("Escape"), []
    viewer.bind_key("Escape", pressed.append)
    _take(corrector, "split")
    viewer.keymap[escape](viewer)
    assert (corrector.controller.tool, pressed) == (None, [])
    viewer.keymap[escape](viewer)
    assert pressed == [viewer]


def test_a_layer_that_comes_while_a_tool_is_in_hand_keeps_no_key(viewer, corrector, layer, drawn):
    """It is chosen, which puts the tool down, before all have heard of it."""
    _take(corrector, "split")
    added = viewer.add_labels(drawn.copy(), name="another")
    assert corrector.controller.tool is None
    assert coerce_keybinding("Escape") not in {**layer.keymap, **added.keymap}


def test_a_layer_that_goes_while_a_tool_is_in_hand_takes_no_key_along(viewer, corrector, layer):
    _take(corrector, "split")
    viewer.layers.remove(layer)
    assert not layer.keymap


class TestTrust:
    def test_marks_are_kept_with_the_layer_and_shown(self, viewer, corrector, layer, hand):
        _take(corrector, "review_box")
        hand.draw((10, 10), (30, 30), (49, 59))
        trust = read_corrections(layer).trust
        assert (trust[10:50, 10:60] == Trust.REVIEWED).all()
        assert (trust == Trust.REVIEWED).sum() == 2000
        (overlay,) = [x for x in viewer.layers if x.metadata.get(TRUST_OF) == layer.unique_id]
        assert overlay.data is trust
        assert viewer.layers.selection.active == layer
        assert corrector.form.layer.layer == layer, "the overlay is no layer to correct"
        _take(corrector, "ignore_outline")
        hand.draw((60, 60), (60, 90), (90, 90), (90, 60))
        assert (trust[65:85, 65:85] == Trust.IGNORE).all()
        assert "14% of the image reviewed, 6% ignored" in corrector.form.reviewed.text()

    def test_view_all_and_clear(self, qtbot, viewer, corrector, layer, click, clear):
        click(corrector.form.whole)
        assert (read_corrections(layer).trust == Trust.REVIEWED).all()
        clear("Keep")
        assert (read_corrections(layer).trust == Trust.REVIEWED).all()
        clear()
        assert not read_corrections(layer).trust.any()
        click(corrector.form.unmark)  # nothing is left to ask about
        camera_of(viewer).zoom *= 4
        qtbot.wait(100)
        click(corrector.form.view)
        assert 0 < read_corrections(layer).trust.mean() < 0.5

    def test_what_is_to_be_ignored_is_reviewed_only_where_that_is_drawn(
        self, viewer, corrector, layer, hand, click, clear
    ):
        def ignored():
            return (read_corrections(layer).trust == Trust.IGNORE).sum()

        _take(corrector, "ignore_outline")
        hand.draw((60, 60), (60, 90), (90, 90), (90, 60))
        before = ignored()
        assert before
        click(corrector.form.view)
        click(corrector.form.whole)
        assert ignored() == before
        assert (read_corrections(layer).trust != Trust.UNKNOWN).all()
        _take(corrector, "review_box")
        hand.draw((50, 50), (60, 70), (75, 95))
        assert 0 < ignored() < before
        clear()
        assert not ignored()

    def test_the_overlay_is_coloured_by_what_napari_needs_not_compile(self, viewer, corrector, layer, click):
        click(corrector.form.whole)
        (overlay,) = [x for x in viewer.layers if x.metadata.get(TRUST_OF) == layer.unique_id]
        assert not isinstance(overlay.colormap, DirectLabelColormap)
        colours = overlay.colormap.map(np.arange(256, dtype=np.uint8))
        assert colours[Trust.REVIEWED, :3].argmax() == 1, "green"
        assert colours[Trust.IGNORE, :3].argmax() == 0, "brown"
        assert np.flatnonzero(colours[:, 3]).tolist() == [Trust.REVIEWED, Trust.IGNORE]

    def test_the_overlay_lies_on_its_layer_wherever_that_is_put(self, viewer, corrector, layer, click):
        click(corrector.form.whole)
        (overlay,) = [x for x in viewer.layers if x.metadata.get(TRUST_OF) == layer.unique_id]
        layer.scale, layer.translate, layer.rotate = (0.5, 0.5), (10, 20), 30
        layer.units = ("µm", "µm")
        np.testing.assert_allclose(overlay.extent.world, layer.extent.world)
        assert overlay.units == layer.units
        corrector.close()
        layer.affine = [[1, 0, 5], [0, 2, 7], [0, 0, 1]]
        again = CorrectWidget(viewer)
        viewer.window.add_dock_widget(again)
        np.testing.assert_allclose(overlay.extent.world, layer.extent.world)
        again.shut()

    def test_marks_are_made_and_shown_after_the_overlay_was_made_into_an_image(
        self, viewer, corrector, layer, click
    ):
        click(corrector.form.whole)
        viewer.layers.selection = {viewer.layers["masks reviewed"]}
        _convert_to_image(viewer.layers)
        viewer.layers.selection.active = layer
        read_corrections(layer).trust[:] = Trust.UNKNOWN
        click(corrector.form.view)
        assert (read_corrections(layer).trust == Trust.REVIEWED).any()
        shown = [x for x in viewer.layers if x.metadata.get(TRUST_OF) == layer.unique_id]
        assert {type(x) for x in shown} == {Image, Labels}

    def test_a_click_with_a_tool_that_marks_marks_nothing(self, corrector, layer, hand):
        _take(corrector, "review_box")
        hand.draw((30, 20))
        assert corrector.form.status.text() == TOOLS["review_box"].hint
        assert not read_corrections(layer).trust.any()

    def test_the_overlay_follows_a_layer_that_gets_other_labels(self, qtbot, viewer, corrector, layer, click):
        click(corrector.form.whole)
        layer.data = np.ones((50, 60), np.int32)
        overlay = viewer.layers["masks reviewed"]
        qtbot.waitUntil(lambda: overlay.data.shape == (50, 60), timeout=TIMEOUT_MS)
        assert overlay.data is read_corrections(layer).trust
        assert not overlay.data.any()

    def test_a_stroke_on_the_overlay_that_marks_nothing_is_taken_back(
        self, qtbot, viewer, corrector, layer, click
    ):
        """It would not be seen, and nothing could be saved any more."""
        click(corrector.form.view)
        before = read_corrections(layer).trust.copy()
        overlay = viewer.layers["masks reviewed"]
        overlay.paint((30, 30), 2)
        with qtbot.waitSignal(corrector.controller.failed, timeout=TIMEOUT_MS):
            for place in (50, 52):
                overlay.paint((place, place), 9)
        trust = read_corrections(layer).trust
        assert corrector.form.status.text().startswith("⚠ This layer shows what is reviewed")
        assert (trust[30, 30], trust[50, 50]) == (Trust.IGNORE, before[50, 50])
        np.testing.assert_array_equal(replay(corrector.controller.session.keeper.path).trust, trust)
        overlay.undo()
        assert trust[30, 30] == Trust.IGNORE, "nothing but that stroke"

    def test_the_overlay_goes_with_its_layer(self, qtbot, viewer, corrector, layer, click):
        click(corrector.form.whole)
        viewer.layers.remove(layer)
        qtbot.waitUntil(lambda: [x.name for x in viewer.layers] == ["cells"], timeout=TIMEOUT_MS)


class TestReview:
    def test_walk_mark_and_count(self, qtbot, corrector, layer, click):
        click(corrector.form.next)
        _settle(qtbot, corrector)
        review = corrector.controller.session.review
        first = review.current.number
        assert corrector.form.review.text().startswith(f"0 of 4 checked · nucleus {first}")
        assert layer.selected_label == first
        click(corrector.form.checked)
        assert corrector.form.review.text().startswith("1 of 4 checked")
        trust = read_corrections(layer).trust
        assert (trust[layer.data == first] == Trust.REVIEWED).all(), "a checked nucleus is vouched for"
        layer.data_setitem(np.nonzero(layer.data == review.current.number), 0)
        for _ in range(3):
            if corrector.form.checked.isEnabled():
                click(corrector.form.checked)
        assert review.current is None
        assert read_corrections(layer).queues[()].done

    def test_what_was_segmented_in_a_region_is_ranked_and_grown_by_its_maps(
        self, qtbot, viewer, corrector, user, nuclei, click, hand
    ):
        viewer.add_image(nuclei)
        where = user.widget.form.where
        where.where.setCurrentText("Drawn region")
        user.click(where.draw)
        viewer.layers.selection.active.add_rectangles([[20, 20], [20, 120], [100, 120], [100, 20]])
        layer = user.segment()
        viewer.layers.selection.active = layer
        click(corrector.form.next)
        _settle(qtbot, corrector)
        doubt = corrector.controller.session.review.current
        assert f"nucleus {doubt.number}" in corrector.form.review.text()
        place = tuple(np.argwhere(layer.data == doubt.number)[0] + 1)
        wanted = layer.data == doubt.number
        _take(corrector, "delete")
        hand.draw(place)
        _take(corrector, "grow")
        hand.draw(place)
        assert (layer.data[wanted] > 0).mean() > 0.7

    def test_what_was_segmented_again_is_ranked_again(self, qtbot, viewer, corrector, user, nuclei, click):
        viewer.add_image(np.stack([nuclei] * 2))
        for plane in (1, 0):
            viewer.dims.set_current_step(0, plane)
            layer = viewer.layers.selection.active = user.segment()
            click(corrector.form.next)
            _settle(qtbot, corrector)
        assert set(read_corrections(layer).queues) == {(0,), (1,)}
        user.segment()
        viewer.layers.selection.active = layer
        assert set(read_corrections(layer).queues) == {(1,)}
        assert corrector.form.review.text() == "The most doubtful come first."
        click(corrector.form.next)
        _settle(qtbot, corrector)
        assert corrector.form.review.text().startswith("0 of ")

    def test_a_ranking_stays_where_maps_had_to_leave(
        self, qtbot, viewer, corrector, user, nuclei, click, monkeypatch
    ):
        monkeypatch.setattr(MapsCache.__init__, "__defaults__", (1,))  # bytes: there is room for one plane
        viewer.add_image(np.stack([nuclei] * 2))
        layer = viewer.layers.selection.active = user.segment()
        click(corrector.form.next)
        _settle(qtbot, corrector)
        click(corrector.form.checked)
        before = dict(read_corrections(layer).queues)
        assert before[(0,)].done
        viewer.dims.set_current_step(0, 1)
        user.segment()
        assert list(read_state(layer).maps) == [(1,)]
        assert read_corrections(layer).queues == before

    def test_a_nucleus_is_checked_in_its_own_plane_alone(self, qtbot, viewer, corrector, drawn, click):
        layer = viewer.add_labels(np.stack([drawn] * 2), name="stack")
        form, review = corrector.form, corrector.controller.session.review
        for plane in (0, 1):
            viewer.dims.set_current_step(0, plane)
            click(form.next)
            _settle(qtbot, corrector)
        click(form.next)
        assert review.current is not None
        viewer.dims.set_current_step(0, 0)
        assert review.current is None
        assert not form.checked.isEnabled()
        layer.keymap[coerce_keybinding("K")](layer)  # goes to the first of this plane
        assert not read_corrections(layer).trust.any()
        assert not read_corrections(layer).queues[(0,)].done
        assert review.current.number == review.queue.after(None).number

    def test_nuclei_that_were_replaced_are_not_in_hand(self, qtbot, corrector, layer, drawn, click):
        click(corrector.form.next)
        _settle(qtbot, corrector)
        corrector.controller.session.review.rank()
        layer.data = drawn.copy()
        corrector.controller.session.look()
        review = corrector.controller.session.review
        assert review.current is None
        assert not review.ranking

    @pytest.mark.parametrize(
        ("keys", "row"),
        [
            pytest.param([Qt.Key.Key_Down], 0, id="down"),
            pytest.param([Qt.Key.Key_Down, Qt.Key.Key_Down], 1, id="down twice"),
            pytest.param([Qt.Key.Key_Return], 0, id="enter"),
        ],
    )
    def test_changes_are_looked_at_by_keys(self, qtbot, viewer, corrector, layer, hand, keys, row):
        _take(corrector, "delete")
        for point in ((70, 62), (30, 70)):
            hand.draw(point)
        _settle(qtbot, corrector)
        before = camera_of(viewer).center
        changes = corrector.form.changes
        QApplication.setActiveWindow(viewer.window._qt_window)
        changes.setFocus()
        assert camera_of(viewer).center == before, "Tab alone moves nothing"
        for key in keys:
            qtbot.keyClick(changes, key)
        box = corrector.controller.session.changes.changes[row].box
        middle = [(side.start + side.stop - 1) / 2 for side in box]
        np.testing.assert_allclose(camera_of(viewer).center[-2:], middle)
        corrector.controller.updated.emit()
        assert keys[0] == Qt.Key.Key_Return or changes.currentRow() == row, (
            "the list was filled anew, and goes on where it was"
        )

    def test_of_very_many_changes_the_first_are_listed(self, qtbot, viewer, corrector):
        layer = viewer.add_labels(np.zeros((60, 60), np.int32))
        rows, columns = np.divmod(np.arange(225), 15)
        layer.data_setitem((rows * 4, columns * 4), np.arange(1, 226))
        _settle(qtbot, corrector)
        changes = corrector.form.changes
        assert changes.count() == 201
        assert changes.item(200).text() == "… and 25 more"
        before = camera_of(viewer).center
        changes.itemClicked.emit(changes.item(200))
        assert camera_of(viewer).center == before

    def test_changes_are_looked_at_by_a_click(self, qtbot, viewer, corrector, layer, hand):
        _take(corrector, "delete")
        hand.draw((70, 62))
        _settle(qtbot, corrector)
        corrector.form.changes.itemClicked.emit(corrector.form.changes.item(0))
        np.testing.assert_allclose(camera_of(viewer).center[-2:], (69.5, 69.5))


def _crash(corrector, layer):
    """Leave a journal behind as a killed process does: closed by the system, known to no layer."""
    corrector.controller.session.keeper._journal.close()
    write_corrections(layer, read_corrections(layer).model_copy(update={"journal": None}))


@pytest.mark.parametrize(
    ("shape", "turn"),
    [
        pytest.param((60, 60), _look_in_3d, id="flat in 3D"),
        pytest.param((4, 60, 60), _look_in_3d, id="stack in 3D"),
        pytest.param((4, 60, 60), _roll, id="stack from the side"),
    ],
)
def test_marks_are_made_and_taken_back_in_2d_alone(viewer, corrector, click, shape, turn):
    layer = viewer.add_labels(np.ones(shape, np.int32))
    read_corrections(layer).trust[..., :9, :] = Trust.IGNORE
    before = read_corrections(layer).trust.copy()
    turn(viewer, layer)
    for button in (corrector.form.view, corrector.form.whole, corrector.form.unmark, corrector.form.next):
        corrector.form.say("")
        click(button)  # Clear does not even ask
        assert "2D view" in corrector.form.status.text()
        np.testing.assert_array_equal(read_corrections(layer).trust, before)
    corrector.form.say("")
    corrector._mark_checked()  # its key works without a nucleus, too
    assert "2D view" in corrector.form.status.text()


@pytest.mark.parametrize("turn", [_look_in_3d, _roll])
def test_once_the_view_is_switched_nobody_is_asked_to(viewer, corrector, layer, click, turn):
    stack = viewer.add_labels(np.ones((4, 60, 60), np.int32))
    order = viewer.dims.order
    turn(viewer, layer)
    click(corrector.form.whole)
    assert "2D view" in corrector.form.status.text()
    viewer.layers.selection.active = layer
    assert "2D view" not in corrector.form.status.text()
    viewer.layers.selection.active = stack
    click(corrector.form.whole)
    assert "2D view" in corrector.form.status.text()
    viewer.dims.ndisplay, viewer.dims.order = 2, order
    assert "2D view" not in corrector.form.status.text()


def test_of_a_stack_the_marks_are_said_to_be_of_a_slice(viewer, corrector, layer, click):
    form = corrector.form
    click(form.whole)
    assert (form.reviewed.text(), "the image" in form.whole.toolTip()) == ("100% of the image reviewed", True)
    stack = viewer.add_labels(np.ones((4, 60, 60), np.int32))
    click(form.whole)
    assert read_corrections(stack).trust.any(axis=(1, 2)).sum() == 1
    assert form.reviewed.text() == "100% of this slice reviewed"
    assert "this slice" in form.whole.toolTip()
    assert "this slice" in form.unmark.toolTip()


def test_changes_are_those_of_the_array_that_is_there_now(qtbot, corrector, layer, drawn, monkeypatch):
    _settle(qtbot, corrector)
    begun, go_on = Event(), Event()

    class Waiting(Comparison):
        def __init__(self, *arrays):
            super().__init__(*arrays)
            begun.set()
            go_on.wait()

    monkeypatch.setattr(correct_changes, "Comparison", Waiting)
    layer.data_setitem((np.array([1]), np.array([1])), 9)
    corrector.controller.session.changes.rebuild()
    qtbot.waitUntil(begun.is_set, timeout=TIMEOUT_MS)
    layer.data = drawn.copy()
    write_corrections(layer, CorrectionState(trust=np.zeros(drawn.shape, np.uint8), snapshot=drawn.copy()))
    corrector.controller.session.look()
    go_on.set()
    _settle(qtbot, corrector)
    assert corrector.form.changes_title.text() == "Nothing was changed."


class TestDuplicates:
    def test_a_copy_has_marks_prediction_and_journal_of_its_own(self, viewer, corrector, user, nuclei, clear):
        viewer.add_image(nuclei)
        layer = user.segment()
        viewer.layers.selection.active = layer
        layer.paint((1, 1), 99)
        corrector.controller.mark_view()
        trust, snapshot = read_corrections(layer).trust.copy(), snapshot_of(layer).copy()
        viewer.layers.selection.active = layer
        _duplicate_layer(viewer.layers)
        copy = viewer.layers[f"{layer.name} copy"]
        viewer.layers.selection.active = copy
        np.testing.assert_array_equal(read_corrections(copy).trust, trust)
        clear()
        copy.paint((5, 5), 98)
        np.testing.assert_array_equal(read_corrections(layer).trust, trust)
        assert not read_corrections(copy).trust.any()
        journals = [read_corrections(x).journal for x in (layer, copy)]
        assert journals[0] != journals[1]
        assert [replay(journal).labels[5, 5] for journal in journals] == [layer.data[5, 5], 98]
        user.widget.live.request(layer, DecodingSettings(min_area_px=2000), ())
        user.wait_until_idle()
        assert not np.array_equal(snapshot_of(layer), snapshot)
        np.testing.assert_array_equal(snapshot_of(copy), snapshot)

    def test_a_copy_is_never_saved_in_the_folder_of_its_original(
        self, viewer, corrector, layer, click, answer, qtbot, tmp_path
    ):
        corrector.controller.save(tmp_path / "mine")
        qtbot.waitUntil(lambda: read_corrections(layer).folder is not None, timeout=TIMEOUT_MS)
        _duplicate_layer(viewer.layers)
        viewer.layers.selection.active = viewer.layers["masks copy"]
        asked = []
        answer(lambda dialog: (asked.append(dialog.windowTitle()), dialog.close()))
        click(corrector.form.save)
        assert asked == ["Save corrections as a folder"]
        assert read_corrections(layer).folder == tmp_path / "mine"

    def test_a_copy_of_the_marks_is_only_a_copy(self, viewer, corrector, layer, click, clear):
        click(corrector.form.whole)
        (overlay,) = [x for x in viewer.layers if x.metadata.get(TRUST_OF) == layer.unique_id]
        viewer.layers.selection.active = overlay
        _duplicate_layer(viewer.layers)
        viewer.layers.move(viewer.layers.index(f"{overlay.name} copy"), 0)
        viewer.layers.selection.active = layer
        clear()
        assert not overlay.data.any()
        assert overlay.data is read_corrections(layer).trust
        assert viewer.layers[f"{overlay.name} copy"].data.all()


class TestJournal:
    def test_closed_and_opened_again_the_widget_goes_on_with_the_journal(
        self, viewer, corrector, layer, hand
    ):
        _take(corrector, "delete")
        hand.draw((30, 20))
        path = corrector.controller.session.keeper.path
        corrector.close()
        layer.data_setitem((np.array([1]), np.array([1])), 9)
        again = CorrectWidget(viewer)
        viewer.window.add_dock_widget(again)
        assert not again.form.banner.isVisible()
        assert again.controller.session.keeper.path == path
        np.testing.assert_array_equal(replay(path).labels, layer.data)
        again.shut()

    def test_a_journal_that_another_window_holds_is_said(self, viewer, corrector, layer, hand):
        _take(corrector, "delete")
        hand.draw((30, 20))
        path = corrector.controller.session.keeper.path
        corrector.close()
        held, _ = Journal.resume(path)
        again = CorrectWidget(viewer)
        assert "in use by another window" in again.form.status.text()
        again.shut()
        held.close()

    def test_edits_of_brush_tools_undo_and_trust_come_back_after_a_crash(
        self, qtbot, viewer, corrector, layer, hand, click, drawn
    ):
        keeper = corrector.controller.session.keeper
        assert keeper.path is None, "nothing is written before the first edit"
        layer.selected_label = 7
        layer.paint((50, 100), 7)
        assert keeper.path is not None
        _take(corrector, "delete")
        hand.draw((30, 20))
        _take(corrector, "split")
        hand.draw((15, 70), (45, 70))
        layer.undo()
        click(corrector.form.whole)
        _settle(qtbot, corrector)
        found = replay(keeper.path)
        np.testing.assert_array_equal(found.labels, layer.data)
        assert (found.trust == Trust.REVIEWED).all()
        np.testing.assert_array_equal(found.prediction, drawn)
        assert abandoned_journals() == [], "a journal in use is offered to nobody"

    def test_a_crash_is_offered_and_restored_once(self, qtbot, viewer, corrector, layer, hand, click):
        _take(corrector, "delete")
        hand.draw((30, 20))
        edited = layer.data.copy()
        _crash(corrector, layer)
        assert not corrector.form.banner.isVisible()
        viewer.add_labels(np.zeros((5, 5), np.int32))
        qtbot.waitUntil(corrector.form.banner.isVisible, timeout=TIMEOUT_MS)
        assert "masks" in corrector.form.banner_text.text()
        click(corrector.form.restore)
        restored = viewer.layers.selection.active
        assert restored.name == "masks restored"
        np.testing.assert_array_equal(restored.data, edited)
        assert not corrector.form.banner.isVisible()
        _settle(qtbot, corrector)
        assert [c.kind for c in corrector.controller.session.changes.changes] == [Kind.DELETED]
        restored.data_setitem((np.array([1]), np.array([1])), 9)
        assert replay(corrector.controller.session.keeper.path).labels[1, 1] == 9

    def test_edits_without_an_image_are_offered_to_their_labels(self, viewer, corrector, drawn):
        layer = viewer.add_labels(drawn.copy(), name="masks")
        layer.paint((5, 5), 7)
        _crash(corrector, layer)
        corrector.controller.look_for_journals()
        assert not corrector.form.banner.isVisible()
        viewer.add_labels(drawn, name="opened again")
        assert corrector.form.banner.isVisible()

    def test_an_edit_that_needs_more_than_eight_bits_is_offered_to_their_labels(
        self, viewer, corrector, hand, click, drawn
    ):
        opened = np.where(drawn == 4, 255, drawn).astype(np.uint8)
        layer = viewer.add_labels(opened.copy(), name="masks")
        _take(corrector, "split")
        hand.draw((15, 70), (45, 70))
        edited = layer.data.copy()
        assert edited.max() == 256
        _crash(corrector, layer)
        viewer.add_labels(opened, name="opened again")
        click(corrector.form.restore)
        np.testing.assert_array_equal(viewer.layers["masks restored"].data, edited)

    def test_each_layer_is_compared_with_many_journals_at_once(self, viewer, corrector, drawn, monkeypatch):
        for number in range(3):
            header = JournalHeader(shape=drawn.shape, dtype="int32", base="", image=f"{number:064d}")
            arrays = {Part.LABELS: drawn}
            Journal.create(journal_dir() / f"{number}.nucsegjournal", header, arrays).close()
        assert len(abandoned_journals()) == 3
        viewer.add_image(np.zeros(drawn.shape, np.uint8))
        seen = []
        monkeypatch.setattr(
            image_fingerprint, "fingerprint", lambda array: seen.append(array) or fingerprint(array)
        )
        corrector.controller.look_for_journals()
        assert len(seen) == 1
        assert not corrector.form.banner.isVisible()

    def test_a_stroke_through_several_planes_is_noted_in_all(self, qtbot, viewer, corrector):
        layer = viewer.add_labels(np.zeros((4, 60, 60), np.int32))
        layer.n_edit_dimensions, layer.brush_size = 3, 9
        viewer.dims.set_current_step(0, 1)
        layer.paint((1, 30, 30), 7)
        _settle(qtbot, corrector)
        assert layer.data[:3].any(axis=(1, 2)).all()
        np.testing.assert_array_equal(replay(corrector.controller.session.keeper.path).labels, layer.data)

    def test_a_plane_that_is_predicted_later_comes_back_with_its_prediction(
        self, qtbot, viewer, corrector, user, nuclei
    ):
        viewer.add_image(np.stack([nuclei] * 6))
        layer = user.segment()
        viewer.layers.selection.active = layer
        layer.data_setitem(tuple(np.array([i]) for i in (0, 1, 1)), 999)
        _settle(qtbot, corrector)
        viewer.dims.set_current_step(0, 1)
        assert user.segment() == layer
        _settle(qtbot, corrector)
        found = replay(corrector.controller.session.keeper.path)
        np.testing.assert_array_equal(found.labels, layer.data)
        np.testing.assert_array_equal(found.prediction, snapshot_of(layer))

    def test_a_journal_that_cannot_be_written_is_said_once(
        self, viewer, corrector, layer, tmp_path, monkeypatch
    ):
        (tmp_path / "a file").touch()
        monkeypatch.setenv("NUCSEG_JOURNAL", str(tmp_path / "a file" / "journals"))
        said = []
        corrector.controller.failed.connect(said.append)
        for x in range(50, 60):
            layer.paint((50, x), 7)
        assert len(said) == 1
        first, last = said[0].split(" The reason: ")
        assert first == "edits are lost if napari ends unexpectedly: save your corrections now and then."
        assert last.endswith("not a folder. The environment variable NUCSEG_JOURNAL names another folder.")
        monkeypatch.setenv("NUCSEG_JOURNAL", str(tmp_path / "journals"))
        layer.paint((50, 80), 7)
        assert len(said) == 1
        np.testing.assert_array_equal(replay(corrector.controller.session.keeper.path).labels, layer.data)

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
    def test_strokes_that_a_full_disk_did_not_take_are_written_once_there_is_space(self, corrector, layer):
        said = []
        corrector.controller.failed.connect(said.append)
        layer.paint((5, 5), 7)
        journal = corrector.controller.session.keeper._journal
        kept, journal._file = journal._file, open("/dev/full", "r+b", buffering=0)
        for x in (20, 40):
            layer.paint((5, x), 7)
        journal._file.close()
        journal._file = kept
        assert len(said) == 1
        assert "Free some space" in said[0]
        np.testing.assert_array_equal(replay(journal.path).labels[5, [5, 20, 40]], [7, 0, 0])
        layer.paint((5, 60), 7)
        np.testing.assert_array_equal(replay(journal.path).labels, layer.data)

    @pytest.mark.parametrize("is_large", [True, False], ids=["whole image", "stroke"])
    def test_a_journal_whose_drive_goes_away_begins_anew_once_it_is_back(
        self, qtbot, corrector, layer, tmp_path, is_large
    ):
        said = []
        corrector.controller.failed.connect(said.append)
        layer.paint((5, 5), 7)
        keeper, drive = corrector.controller.session.keeper, tmp_path / "journals"
        drive.rename(tmp_path / "away")
        drive.touch()
        size = layer.data.size if is_large else 1
        layer.data_setitem(np.unravel_index(np.arange(size), layer.data.shape), 8)
        layer.paint((5, 20), 7)
        _settle(qtbot, corrector)
        assert len(said) == is_large, "what is open takes strokes still"
        drive.unlink()
        (tmp_path / "away").rename(drive)
        layer.paint((5, 40), 7)
        np.testing.assert_array_equal(replay(keeper.path).labels, layer.data)

    def test_edits_after_a_save_know_where_it_was_saved(self, qtbot, corrector, layer, tmp_path):
        layer.paint((5, 5), 7)
        keeper = corrector.controller.session.keeper
        corrector.controller.save(tmp_path / "mine")
        layer.paint((5, 20), 7)
        qtbot.waitUntil(lambda: "Saved" in corrector.form.status.text(), timeout=TIMEOUT_MS)
        assert replay(keeper.path).header.notes["folder"] is None
        layer.paint((5, 40), 7)
        found = replay(keeper.path)
        assert found.header.notes["folder"] == str(tmp_path / "mine")
        np.testing.assert_array_equal(found.labels, layer.data)

    @pytest.mark.parametrize("is_writable", [True, False])
    def test_a_layer_that_gets_an_array_of_other_numbers_gets_a_journal_of_them(
        self, corrector, layer, tmp_path, is_writable
    ):
        """As ``layer.data = …`` of a script does: they replace what was edited."""
        said = []
        corrector.controller.failed.connect(said.append)
        layer.paint((5, 5), 7)
        keeper, old = corrector.controller.session.keeper, corrector.controller.session.keeper.path
        if not is_writable:
            old.parent.rename(tmp_path / "away")
            old.parent.touch()
        layer.data = np.roll(layer.data, 3, axis=0)
        corrector.controller.session.look()
        if is_writable:
            assert list(old.parent.iterdir()) == [keeper.path]
            np.testing.assert_array_equal(replay(keeper.path).labels, layer.data)
        else:
            assert "edits are lost if napari ends unexpectedly" in said[0]
            assert (tmp_path / "away" / old.name).exists()

    def test_a_layer_that_is_given_to_other_nuclei_leaves_the_journal_of_unsaved_edits(
        self, qtbot, corrector, layer, drawn
    ):
        layer.paint((5, 5), 7)
        keeper, edited = corrector.controller.session.keeper, layer.data.copy()
        path = keeper.path
        layer.data = np.zeros_like(drawn)
        state = CorrectionState(trust=np.zeros(drawn.shape, np.uint8), snapshot=np.zeros_like(drawn))
        write_corrections(layer, state)
        corrector.controller.session.look()
        np.testing.assert_array_equal(replay(path).labels, edited)
        assert keeper.path is None, "nothing of the other nuclei was edited"
        layer.paint((5, 5), 8)
        assert keeper.path != path
        layer.data = layer.data.astype(np.int64)
        corrector.controller.session.look()
        assert {keeper.path, path} == set(path.parent.iterdir()), "the same nuclei have one"

    def test_of_a_large_stack_it_knows_what_changed_outside_the_slice_on_show(
        self, viewer, qtbot, corrector, drawn, hand, monkeypatch
    ):
        monkeypatch.setattr(correct_watch, "WHOLE_STACK_PIXELS", 2 * drawn.size)
        layer = viewer.add_labels(np.stack([drawn] * 9), name="stack")
        viewer.dims.set_current_step(0, 2)
        _take(corrector, "delete")
        hand.draw((30, 20))
        corrector.controller.put_down()
        assert 1 not in layer.data[2]

        def settle():
            path = corrector.controller.session.keeper.path
            qtbot.waitUntil(lambda: np.array_equal(replay(path).labels, layer.data), timeout=TIMEOUT_MS)

        settle()
        viewer.dims.set_current_step(0, 6)
        layer.undo()
        assert 1 in layer.data[2]
        settle()
        layer.n_edit_dimensions, layer.brush_size = 3, 7
        layer.paint((6, 80, 100), 7)
        assert len({int(z) for z in np.nonzero(layer.data == 7)[0]}) > 3
        settle()

    def test_discarded_it_is_gone(self, qtbot, viewer, corrector, layer, hand, click):
        _take(corrector, "delete")
        hand.draw((30, 20))
        path = corrector.controller.session.keeper.path
        _crash(corrector, layer)
        corrector.controller.look_for_journals()
        click(corrector.form.discard)
        assert not corrector.form.banner.isVisible()
        assert not path.exists()

    def test_what_cannot_be_discarded_is_said(self, corrector, layer, click, monkeypatch):
        layer.paint((5, 5), 7)
        path = corrector.controller.session.keeper.path
        _crash(corrector, layer)
        corrector.controller.look_for_journals()

        def refuse(path, **_):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "unlink", refuse)
        click(corrector.form.discard)
        assert f"Cannot delete {path}: Permission denied" in corrector.form.status.text()
        assert corrector.form.banner.isVisible()

    def test_what_another_window_restored_meanwhile_is_not_deleted_under_it(self, corrector, layer, click):
        layer.paint((5, 5), 7)
        path = corrector.controller.session.keeper.path
        _crash(corrector, layer)
        corrector.controller.look_for_journals()
        held, _ = Journal.resume(path)
        click(corrector.form.discard)
        assert "in use by another window" in corrector.form.status.text()
        assert not corrector.form.banner.isVisible()
        held.record(Part.LABELS, (0, 0), np.full((2, 2), 9))
        held.close()
        assert replay(path).labels[0, 0] == 9


class TestFiles:
    def test_saved_and_opened(self, qtbot, viewer, corrector, layer, hand, click, tmp_path, answer, choose):
        _take(corrector, "delete")
        hand.draw((30, 20))
        click(corrector.form.whole)
        journal = corrector.controller.session.keeper.path
        answer(choose(tmp_path / "mine"))
        click(corrector.form.save)
        qtbot.waitUntil(lambda: "Saved" in corrector.form.status.text(), timeout=TIMEOUT_MS)
        corrections = open_correction_set(tmp_path / "mine")
        np.testing.assert_array_equal(corrections.labels, layer.data)
        np.testing.assert_array_equal(corrections.image, viewer.layers["cells"].data)
        assert corrections.prediction is None, "nobody knows which model made these masks"
        assert corrections.counts["deleted"] == 1
        assert not journal.exists(), "what is saved needs no journal"
        corrector.controller.open(tmp_path / "mine")
        opened = corrector.form.layer.layer
        assert opened != layer
        np.testing.assert_array_equal(opened.data, layer.data)
        assert (read_corrections(opened).trust == Trust.REVIEWED).all()
        qtbot.waitUntil(lambda: any(x.metadata.get(TRUST_OF) == opened.unique_id for x in viewer.layers))

    def test_of_a_segmented_image_the_prediction_is_saved_too(
        self, qtbot, viewer, user, corrector, nuclei, tmp_path
    ):
        viewer.add_image(nuclei, scale=(0.5, 0.5), units=("um", "um"))
        layer = user.segment()
        predicted = layer.data.copy()
        layer.data_setitem(np.nonzero(layer.data == layer.data.max()), 0)
        viewer.layers.selection.active = layer
        corrector.controller.save(tmp_path / "set")
        qtbot.waitUntil(lambda: "Saved" in corrector.form.status.text(), timeout=TIMEOUT_MS)
        corrections = open_correction_set(tmp_path / "set")
        np.testing.assert_array_equal(corrections.prediction, predicted)
        assert corrections.model_name.startswith("nuclei")
        assert corrections.pixel_size_um == pytest.approx(0.5)

    @pytest.mark.parametrize(
        ("shape", "axes"),
        [
            pytest.param((60, 80), "YX", id="grey"),
            pytest.param((60, 80, 3), "YXC", id="colour"),
            pytest.param((4, 60, 80, 2), "ZYXC", id="channels-last"),
        ],
    )
    def test_what_is_opened_lies_on_its_image_at_the_size_it_was_saved_with(
        self, viewer, corrector, tmp_path, answer, choose, click, shape, axes
    ):
        labels = np.zeros([n for n, axis in zip(shape, axes, strict=True) if axis != "C"], np.int32)
        labels[..., 5:20, 5:20] = 1
        trust = np.zeros(labels.shape, np.uint8)
        corrections = CorrectionSet(
            np.zeros(shape, np.uint8), axes, labels, trust, pixel_size_um=0.5, name="c"
        )
        save_correction_set(tmp_path / "set", corrections)
        answer(choose(tmp_path / "set"))
        click(corrector.form.open)
        opened = corrector.form.layer.layer
        np.testing.assert_array_equal(opened.data, labels)
        np.testing.assert_allclose(viewer.layers["c"].scale[-2:], 0.5)
        np.testing.assert_allclose(opened.scale[-2:], 0.5)
        assert collect(Subject(viewer, opened)).pixel_size_um == 0.5

    def test_a_folder_that_is_none_says_so(self, corrector, layer, tmp_path):
        corrector.controller.open(tmp_path)
        assert "holds no corrections" in corrector.form.status.text()
        assert corrector.form.layer.layer == layer


def test_numbers_beyond_int32_are_said_and_never_merge_nuclei(
    viewer, corrector, layer, hand, drawn, tmp_path
):
    big = drawn.astype(np.int64)
    big[big == 1] = 2**32 + 2  # as 32 bits, this is 2
    ids = viewer.add_labels(big.copy(), name="ids")
    assert "“ids” has a nucleus with number 4,294,967,298" in corrector.form.status.text()
    assert not corrector.form.save.isEnabled()
    _take(corrector, "delete")
    assert corrector.controller.tool is None
    with pytest.raises(CorrectionSetError, match="4,294,967,298"):
        collect(Subject(viewer, ids))
    ids.data = drawn.astype(np.int64)
    _take(corrector, "delete")
    hand.draw((30, 20))
    assert not (ids.data == 1).any()
    ids.data_setitem((np.array([1]), np.array([1])), 2**32 + 2)
    corrector.controller.save(tmp_path / "set")
    assert "Renumber" in corrector.form.status.text()
    assert not (tmp_path / "set").exists()


def test_numbers_below_0_are_said_and_taken_for_no_nucleus(viewer, corrector, drawn, layer):
    ids = viewer.add_labels(drawn.astype(np.int32) - 1, name="ids")
    assert "“ids” has numbers below 0, down to -1" in corrector.form.status.text()
    assert not corrector.form.save.isEnabled()
    with pytest.raises(CorrectionSetError, match="below 0"):
        collect(Subject(viewer, ids))
    ids.data = np.maximum(ids.data, 0)
    _take(corrector, "delete")
    assert corrector.controller.tool is not None


def test_a_mask_whose_nuclei_have_one_number_says_what_tools_do_to_it(viewer, corrector, layer):
    mask = np.zeros(layer.data.shape, np.uint8)
    mask[2:-2:6, 2:-2:6] = 1
    viewer.add_labels(mask, name="mask")
    assert "all have one number" in corrector.form.status.text()
    assert "skimage.measure.label" in corrector.form.status.text()
    viewer.layers.selection.active = layer
    assert "one number" not in corrector.form.status.text()
    one = np.zeros_like(mask)
    one[5:20, 5:20] = 7
    viewer.add_labels(one, name="a first nucleus")
    assert "one number" not in corrector.form.status.text()


def test_without_labels_and_with_labels_that_cannot_be_edited(viewer, corrector):
    assert corrector.form.empty.isVisible()
    corrector.controller.take(TOOLS["split"])
    pyramid = [np.zeros((64, 64), np.int32), np.zeros((32, 32), np.int32)]
    viewer.add_labels(pyramid, multiscale=True)
    assert "cannot be edited" in corrector.form.status.text()
    locked = np.zeros((20, 20), np.int32)
    locked.setflags(write=False)
    viewer.add_labels(locked)
    corrector.controller.take(TOOLS["split"])
    assert "read-only" in corrector.form.status.text()


def test_of_labels_that_are_not_in_memory_nothing_is_offered(qtbot, viewer, corrector, layer, hand, drawn):
    form = corrector.form
    _take(corrector, "delete")
    hand.draw((30, 20))
    corrector.controller.mark_view()
    _settle(qtbot, corrector)
    viewer.add_labels(da.from_array(drawn), name="lazy")
    assert "not in memory" in form.status.text()
    assert not form.changes.count()
    assert not (form.changes_title.text() or form.reviewed.text() or form.review.text())
    for button in (form.save, form.view, form.whole, form.next):
        assert not button.isEnabled()
    for act in (form.tools[TOOLS["split"]].click, corrector.controller.mark_view, corrector._mark_checked):
        form.say("")
        act()
        assert "not in memory" in form.status.text()
    viewer.layers.selection.active = layer
    _settle(qtbot, corrector)
    assert "not in memory" not in form.status.text()
    assert form.save.isEnabled()
    assert form.changes.count() == 1


def test_labels_that_are_put_out_of_memory_while_they_are_corrected_are_compared_and_kept(
    qtbot, corrector, layer, drawn
):
    layer.paint((5, 5), 7)
    layer.data = da.from_array(np.where(drawn == 3, 0, drawn))
    corrector.controller.session.look()
    _settle(qtbot, corrector)
    assert [c.kind for c in corrector.controller.session.changes.changes] == [Kind.DELETED]
    np.testing.assert_array_equal(replay(corrector.controller.session.keeper.path).labels, layer.data)


def test_closing_the_widget_leaves_napari_as_it_was(viewer, corrector, layer, drawn):
    _take(corrector, "delete")
    corrector.close()
    assert layer.mouse_pan
    assert not layer.keymap
    layer.data_setitem((np.array([1]), np.array([1])), 9)
    assert layer.data[1, 1] == 9


def test_labels_read_into_memory_can_be_edited(qtbot, viewer, corrector, hand, drawn):
    lazy = viewer.add_labels(da.from_array(drawn), name="lazy")
    lazy.data = drawn.copy()
    _take(corrector, "delete")
    hand.draw((30, 20))
    assert not np.array_equal(lazy.data, drawn)
    corrector.controller.mark_view()
    assert read_corrections(lazy).trust.any()
