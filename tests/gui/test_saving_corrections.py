"""Where *Correct nuclei* saves: the first time as asked, then in the same folder, elsewhere on demand."""

from __future__ import annotations

import json
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialogButtonBox, QFileDialog, QLineEdit

from napari_nucseg._napari import correct_saving
from napari_nucseg._napari.correct_subject import Subject
from napari_nucseg._napari.layer_state import WORK_ON, read_corrections
from napari_nucseg._napari.work_controller import WorkController
from napari_nucseg.data.correction_set import CorrectionSet, open_correction_set, save_correction_set
from napari_nucseg.data.journal import journal_dir, replay

TIMEOUT_MS = 60_000


@pytest.fixture(autouse=True)
def _working_folder(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def add(viewer, corrector):
    """Return a function that opens an image called w1 and its labels, as those of another folder are."""

    def add(seed):
        viewer.layers.clear()
        viewer.add_image(np.random.default_rng(seed).integers(0, 255, (64, 80), np.uint8), name="w1")
        return viewer.add_labels(np.eye(64, 80, dtype=np.int32), name="w1 nuclei")

    return add


def _paint(layer, value):
    layer.data_setitem((np.array([1]), np.array([5])), value)


def _until_saved(qtbot, corrector):
    qtbot.waitUntil(
        lambda: "Saved in" in corrector.form.status.text() and not corrector.controller._saving.running,
        timeout=TIMEOUT_MS,
    )


def _take_suggested(dialog: QFileDialog) -> None:
    assert dialog.findChild(QLineEdit).text(), "there is a name to save under"
    dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Save).click()


def test_saved_again_it_goes_to_the_same_folder_without_a_dialog(
    qtbot, corrector, add, click, answer, tmp_path
):
    form, layer = corrector.form, add(1)
    assert form.save.text().endswith("…")
    assert not form.save_as.isVisible()
    answer(_take_suggested)
    click(form.save)
    _until_saved(qtbot, corrector)
    folder = tmp_path / "here" / "w1 nuclei corrections"
    assert str(folder) in form.save.toolTip()
    _paint(layer, 7)
    form.say("")
    click(form.save)
    _until_saved(qtbot, corrector)
    assert open_correction_set(folder).labels[1, 5] == 7
    assert str(folder) in form.status.text()


def test_save_as_keeps_the_folder_before(qtbot, corrector, add, click, answer, tmp_path):
    form, layer = corrector.form, add(1)
    corrector.controller.save(tmp_path / "mine")
    _until_saved(qtbot, corrector)
    _paint(layer, 7)
    form.say("")
    answer(_take_suggested)
    click(form.save_as)
    _until_saved(qtbot, corrector)
    assert open_correction_set(tmp_path / "mine").labels[1, 5] == 0
    assert open_correction_set(tmp_path / "mine 2").labels[1, 5] == 7
    assert "mine 2" in form.save.toolTip()


def test_another_image_of_the_same_name_gets_another_folder(qtbot, corrector, add, click, answer, tmp_path):
    for seed in (1, 2):
        image = add(seed) and corrector._viewer.layers["w1"].data
        corrector.form.say("")
        answer(_take_suggested)
        click(corrector.form.save)
        _until_saved(qtbot, corrector)
        name = "w1 nuclei corrections" if seed == 1 else "w1 nuclei corrections 2"
        np.testing.assert_array_equal(open_correction_set(tmp_path / "here" / name).image, image)


def test_corrections_of_another_image_are_replaced_only_when_told_to(qtbot, corrector, add, click, tmp_path):
    form, folder = corrector.form, tmp_path / "mine"
    add(1)
    corrector.controller.save(folder)
    _until_saved(qtbot, corrector)
    before = open_correction_set(folder).image
    layer = add(2)
    corrector.controller.save(folder)
    qtbot.waitUntil(form.question.isVisible, timeout=TIMEOUT_MS)
    assert "another image" in form.question.text.text()
    click(form.question.buttons["Keep them"])
    np.testing.assert_array_equal(open_correction_set(folder).image, before)
    assert not form.save_as.isVisible(), "it is saved nowhere"
    corrector.controller.save(folder)
    qtbot.waitUntil(form.question.isVisible, timeout=TIMEOUT_MS)
    _paint(layer, 7)
    click(form.question.buttons["Replace them"])
    _until_saved(qtbot, corrector)
    assert open_correction_set(folder).labels[1, 5] == 7


def _save_in_another_window(folder):
    there = open_correction_set(folder)
    labels = there.labels.copy()
    labels[40, 60] = 99
    save_correction_set(folder, replace(there, labels=labels))


@pytest.mark.parametrize("begin", ["saved", "opened", "made anew"])
def test_what_another_window_saved_meanwhile_is_replaced_only_when_told_to(
    qtbot, corrector, add, click, tmp_path, begin
):
    form, folder = corrector.form, tmp_path / "mine"
    layer = add(1)
    corrector.controller.save(folder)
    _until_saved(qtbot, corrector)
    if begin == "opened":
        corrector._viewer.layers.clear()
        corrector.controller.open(folder)
        layer = corrector.controller.session.subject.layer
        _paint(layer, 5)
        form.say("")
        corrector.controller.save(folder)
        _until_saved(qtbot, corrector)
    _save_in_another_window(folder)
    if begin == "made anew":
        layer = add(1)
    _paint(layer, 7)
    corrector.controller.save(folder)
    qtbot.waitUntil(form.question.isVisible, timeout=TIMEOUT_MS)
    assert "other corrections of this image" in form.question.text.text()
    click(form.question.buttons["Keep them"])
    assert open_correction_set(folder).labels[40, 60] == 99
    form.say("")
    corrector.controller.save(folder)
    qtbot.waitUntil(form.question.isVisible, timeout=TIMEOUT_MS)
    click(form.question.buttons["Replace them"])
    _until_saved(qtbot, corrector)
    assert open_correction_set(folder).labels[1, 5] == 7
    _paint(layer, 8)
    form.say("")
    corrector.controller.save(folder)
    _until_saved(qtbot, corrector)
    assert open_correction_set(folder).labels[1, 5] == 8, "one's own is replaced without a question"


def test_a_question_goes_with_the_layer_it_was_about(qtbot, viewer, corrector, add, tmp_path):
    add(1)
    corrector.controller.save(tmp_path / "mine")
    _until_saved(qtbot, corrector)
    add(2)
    corrector.controller.save(tmp_path / "mine")
    qtbot.waitUntil(corrector.form.question.isVisible, timeout=TIMEOUT_MS)
    viewer.add_labels(np.eye(64, 80, dtype=np.int32), name="others")
    assert not corrector.form.question.asks


def _shut(viewer, corrector, layer):
    corrector.shut()


def _close_window(viewer, corrector, layer):
    window = viewer.window._qt_window
    window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)  # the fixture closes it again
    window.close()


def _remove(viewer, corrector, layer):
    viewer.layers.remove(layer)


@pytest.mark.parametrize("end", [_shut, _close_window, _remove])
def test_a_save_that_runs_at_the_end_is_finished_and_needs_no_journal(
    qtbot, viewer, corrector, add, tmp_path, end
):
    layer = add(1)
    _paint(layer, 7)
    assert list(journal_dir().iterdir())
    corrector.controller.save(tmp_path / "mine")
    end(viewer, corrector, layer)
    qtbot.waitUntil(lambda: not corrector.controller._saving.running, timeout=TIMEOUT_MS)
    assert open_correction_set(tmp_path / "mine").labels[1, 5] == 7
    assert not list(journal_dir().iterdir())
    assert not corrector.form.banner.isVisible()


def test_a_save_that_runs_at_the_end_and_fails_is_said_and_the_journal_stays(corrector, add, tmp_path):
    said, layer = [], add(1)
    corrector.controller.failed.connect(said.append)
    _paint(layer, 7)
    (tmp_path / "file").touch()
    corrector.controller.save(tmp_path / "file" / "mine")
    corrector.shut()
    assert "is a file, not a folder" in said[-1]
    (journal,) = journal_dir().iterdir()
    assert replay(journal).labels[1, 5] == 7


def test_saved_twice_at_once_it_is_saved_once_and_said(qtbot, corrector, add, tmp_path):
    said, layer = [], add(1)
    corrector.controller.failed.connect(said.append)
    corrector.controller.save(tmp_path / "mine")
    _paint(layer, 7)
    corrector.controller.save(tmp_path / "other")
    assert said == ["the last save has not ended yet. Save again in a moment."]
    _until_saved(qtbot, corrector)
    assert open_correction_set(tmp_path / "mine").labels[1, 5] == 0
    assert not (tmp_path / "other").exists()
    (journal,) = journal_dir().iterdir()
    assert replay(journal).labels[1, 5] == 7


def test_strokes_after_the_last_save_stay_in_the_journal(qtbot, viewer, corrector, add, tmp_path):
    layer = add(1)
    _paint(layer, 7)
    corrector.controller.save(tmp_path / "mine")
    _paint(layer, 8)
    viewer.layers.remove(layer)
    qtbot.waitUntil(corrector.form.banner.isVisible, timeout=TIMEOUT_MS)
    assert open_correction_set(tmp_path / "mine").labels[1, 5] == 7
    (journal,) = journal_dir().iterdir()
    assert replay(journal).labels[1, 5] == 8
    viewer.layers.remove("w1")
    assert not corrector.form.banner.isVisible(), "there is nothing they could be restored on"


class TestWorkList:
    """A work list puts one image after the other into the layer that is saved."""

    @pytest.fixture
    def works(self, qtbot, viewer, corrector, tmp_path):
        images = tmp_path / "slides"
        images.mkdir()
        for name in "ab":
            Image.fromarray(np.full((64, 80), ord(name), np.uint8)).save(images / f"{name}.png")
        controller = WorkController(viewer)
        controller.open(images, tmp_path / "kept")
        qtbot.waitUntil(lambda: not controller.busy, timeout=TIMEOUT_MS)
        yield controller
        controller.stop()

    @pytest.fixture
    def go_on(self, qtbot, works):
        """Show the next image."""

        def show():
            works.go(1)
            qtbot.waitUntil(lambda: not works.busy and works.worklist.current == "b", timeout=TIMEOUT_MS)

        return show

    def test_a_yes_for_one_image_never_saves_the_next(self, qtbot, corrector, works, go_on, click, tmp_path):
        controller, folder = corrector.controller, tmp_path / "mine"
        another = np.eye(64, 80, dtype=np.uint8)
        nothing = np.zeros((64, 80))
        save_correction_set(
            folder,
            CorrectionSet(
                image=another, axes="YX", labels=nothing.astype(np.int32), trust=nothing.astype(np.uint8)
            ),
        )
        controller.save(folder)
        qtbot.waitUntil(corrector.form.question.isVisible, timeout=TIMEOUT_MS)
        go_on()
        click(corrector.form.question.buttons["Replace them"])
        qtbot.waitUntil(lambda: not controller._saving.running, timeout=TIMEOUT_MS)
        assert "another image now" in corrector.form.status.text()
        np.testing.assert_array_equal(open_correction_set(folder).image, another)

    def test_the_next_image_never_takes_over_the_folder_of_one_that_is_being_saved(
        self, qtbot, corrector, works, go_on, monkeypatch, tmp_path
    ):
        gone_on = Event()

        def save_then(*args):
            assert gone_on.wait(TIMEOUT_MS / 1000)
            save_correction_set(*args)

        monkeypatch.setattr(correct_saving, "save_correction_set", save_then)
        layer = corrector.controller.session.subject.layer
        _paint(layer, 7)
        corrector.controller.save(tmp_path / "mine")
        go_on()
        gone_on.set()
        _until_saved(qtbot, corrector)
        assert open_correction_set(tmp_path / "mine").labels[1, 5] == 7
        assert read_corrections(layer).folder == works.worklist.folder_of("b")


def test_a_folder_that_was_saved_in_and_is_gone_is_not_made_anew(qtbot, corrector, add, click, tmp_path):
    """Its drive went away: what is written at the mount point is out of sight once it is back."""
    layer, drive = add(1), tmp_path / "drive"
    drive.mkdir()
    _paint(layer, 7)
    corrector.controller.save(drive / "mine")
    _until_saved(qtbot, corrector)
    drive.rename(tmp_path / "away")
    _paint(layer, 8)
    click(corrector.form.save)
    qtbot.waitUntil(lambda: "no longer holds" in corrector.form.status.text(), timeout=TIMEOUT_MS)
    assert not drive.exists()
    assert replay(read_corrections(layer).journal).labels[1, 5] == 8
    (tmp_path / "away").rename(drive)
    click(corrector.form.save)
    _until_saved(qtbot, corrector)
    assert open_correction_set(drive / "mine").labels[1, 5] == 8


class TestLabelsFromElsewhereGoWithTheirImage:
    @pytest.fixture
    def image_of(self, viewer):
        return lambda name: Subject(viewer, viewer.layers[name]).image.name

    @pytest.fixture
    def images(self, viewer):
        """Return a function that opens images of one size."""
        return lambda *names: [viewer.add_image(np.zeros((64, 80), np.uint8), name=name) for name in names]

    @pytest.fixture
    def masks(self, viewer):
        return lambda *names: [viewer.add_labels(np.eye(64, 80, dtype=int), name=name) for name in names]

    def test_samples_opened_one_after_the_other(self, viewer, qtbot, corrector, test_data, tmp_path):
        folders = sorted(p for p in (test_data / "dsb2018/stage1_train").iterdir() if p.is_dir())
        sizes = {p: Image.open(p / "images" / f"{p.name}.png").size for p in folders}
        one, other = next(
            (a, b) for a in folders for b in folders if a.name < b.name and sizes[a] == sizes[b]
        )
        image, truth = viewer.open(one / "images" / f"{one.name}.png", plugin="napari-nucseg")
        viewer.open(other / "images" / f"{other.name}.png", plugin="napari-nucseg")
        viewer.layers.move(viewer.layers.index(truth), len(viewer.layers))
        viewer.layers.selection.active = truth
        assert f"“{image.name}”" in corrector.form.image.text()
        corrector.controller.save(tmp_path / "mine")
        _until_saved(qtbot, corrector)
        np.testing.assert_array_equal(open_correction_set(tmp_path / "mine").image, image.data)

    def test_the_nearest_below_even_while_it_is_hidden(self, viewer, images, masks, image_of):
        for number in "ab":
            images(f"picture {number}")
            masks(f"masks {number}")
        viewer.layers["picture b"].visible = False
        assert [image_of("masks a"), image_of("masks b")] == ["picture a", "picture b"]

    def test_one_whose_name_they_have(self, images, masks, image_of):
        images("w1", "w12", "z")
        masks("w1 cells", "w12_masks", "w123")
        assert [image_of(name) for name in ("w1 cells", "w12_masks", "w123")] == ["w1", "w12", "z"]

    def test_those_of_a_work_list_with_the_image_it_shows(self, viewer, images, masks, image_of):
        shown, _ = images("shown", "nuclei in work too")
        (layer,) = masks("nuclei in work")
        layer.metadata = {WORK_ON: (shown.unique_id, layer.unique_id)}
        assert image_of("nuclei in work") == "shown"

    def test_a_line_names_it_where_several_fit(self, viewer, corrector, images, masks):
        images("lower")
        (layer,) = masks("masks")
        viewer.layers.selection.active = layer
        assert not corrector.form.image.isVisible()
        (upper,) = images("upper")
        assert "“lower”" in corrector.form.image.text()
        assert corrector.form.image.isVisible()
        viewer.layers.move(viewer.layers.index(layer), len(viewer.layers))
        assert "“upper”" in corrector.form.image.text()
        upper.visible = False
        assert "“lower”" in corrector.form.image.text()
        viewer.layers.remove(upper)
        assert not corrector.form.image.isVisible()


def test_a_set_that_is_opened_shows_the_channel_its_nuclei_were_found_in(viewer, corrector, tmp_path):
    labels = np.eye(64, 80, dtype=np.int32)
    image = np.zeros((64, 80, 2), np.uint8)
    corrections = CorrectionSet(image, "YXC", labels, labels.astype(np.uint8), settings={"channel": 1})
    viewer.add_image(np.zeros((3, 4, 64, 80), np.uint8))
    viewer.dims.set_point(1, 0)
    _, segmenter = viewer.window.add_plugin_dock_widget("napari-nucseg", "Segment nuclei")
    corrector.controller.open(save_correction_set(tmp_path / "set", corrections))
    assert viewer.dims.point[-3] == 1
    assert segmenter.form.axes.chosen_channel() == 1, "the one to segment again"


def test_nuclei_of_any_labels_become_a_table_and_outlines(
    qtbot, viewer, corrector, add, click, answer, choose, tmp_path
):
    form, layer = corrector.form, add(1)
    _paint(layer, 7)
    table, outlines = tmp_path / "w1.csv", tmp_path / "w1.geojson"
    for button, target in ((form.table, table), (form.outlines, outlines)):
        answer(choose(target))
        click(button)
        qtbot.waitUntil(target.exists, timeout=TIMEOUT_MS)
    rows = [row.split(",") for row in table.read_text().splitlines()]
    assert rows[0][:2] == ["label", "area_px"]
    assert "mean_intensity" in rows[0]
    assert [row[:2] for row in rows[1:]] == [["1", "64"], ["7", "1"]]
    assert [each["properties"]["name"] for each in json.loads(outlines.read_text())["features"]] == ["1", "7"]
    viewer.layers.remove("w1")
    click(form.table)
    qtbot.waitUntil(lambda: "w1" in form.status.text(), timeout=TIMEOUT_MS)
    viewer.layers.clear()
    assert not form.exports.isEnabled()
