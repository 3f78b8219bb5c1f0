"""*Work through a folder* in a real window: open, correct, go on, come back tomorrow, segment the rest."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
from napari.layers import Image
from napari.layers._layer_actions import _duplicate_layer
from napari.utils.notifications import notification_manager
from PIL import Image as Picture
from qtpy.QtCore import Qt, QThreadPool
from tifffile import imwrite

from napari_nucseg._napari import work_keeping, work_saving
from napari_nucseg._napari.camera import corners_in_view
from napari_nucseg._napari.image_layout import known_channel
from napari_nucseg._napari.layer_state import CorrectionState, read_corrections
from napari_nucseg._napari.segment_widget import SegmentWidget
from napari_nucseg._napari.work_layers import LABELS_NAME
from napari_nucseg._napari.work_saving import with_counts
from napari_nucseg._napari.work_widget import WorkWidget
from napari_nucseg.data.correction_set import open_correction_set
from napari_nucseg.data.journal import Journal, JournalHeader, Part, fingerprint, journal_dir, replay
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.jobs.work_item import Status
from napari_nucseg.jobs.work_sets import keep
from napari_nucseg.jobs.worklist import open_worklist
from napari_nucseg.nuclei.trust import Trust
from napari_nucseg.teaching.job import Example
from napari_nucseg.teaching.pages import read_pages

TIMEOUT_MS = 180_000


@pytest.fixture
def folder(tmp_path):
    """Two grey images of different sizes and one in colour."""
    images = tmp_path / "slides"
    images.mkdir()
    for seed, (name, shape) in enumerate({"a": (96, 128), "b": (128, 96)}.items()):
        Picture.fromarray(synthetic_fluorescence(shape, seed=seed).image.astype(np.uint8)).save(
            images / f"{name}.png"
        )
    Picture.fromarray(synthetic_histology((96, 96), seed=5).image).save(images / "c.png")
    return images


@pytest.fixture
def worker(viewer, qtbot):
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Work through a folder")
    yield widget
    widget.shut()


@pytest.fixture
def click(qtbot, worker):
    """Click a button and wait until what it began has ended."""

    def press(button):
        qtbot.waitUntil(lambda: button.isVisible() and button.isEnabled(), timeout=TIMEOUT_MS)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: not worker.controller.busy, timeout=TIMEOUT_MS)
        qtbot.wait(50)

    return press


@pytest.fixture
def opened(worker, folder, qtbot, click, answer, choose):
    answer(choose(folder))
    click(worker.form.choose)
    return worker


def _labels(viewer):
    (layer,) = [
        x for x in viewer.layers if isinstance(x.metadata.get("napari-nucseg-corrections"), CorrectionState)
    ]
    return layer


def test_the_channel_on_show_is_kept_with_what_was_reviewed(viewer, worker, tmp_path, click, answer, choose):
    """So that a model can be taught from the folder: nothing else tells which channel shows nuclei."""
    made = synthetic_fluorescence((96, 128), seed=0)
    (tmp_path / "slides").mkdir()
    channels = np.stack([np.zeros_like(made.image), made.image])
    imwrite(tmp_path / "slides" / "a.tif", channels, imagej=True, metadata={"axes": "CYX"})
    answer(choose(tmp_path / "slides"))
    click(worker.form.choose)
    layer = _labels(viewer)
    layer.data[:] = made.labels
    layer.refresh()
    read_corrections(layer).trust[:] = Trust.REVIEWED
    viewer.dims.set_current_step(0, 1)
    click(worker.form.done)
    (page,), problems = read_pages([Example(path=tmp_path / "slides corrections")])
    assert problems == [[]]
    np.testing.assert_array_equal(page.planes[0], made.image)


def test_the_list_is_walked_through_by_keys_and_enter_opens(opened, qtbot):
    form, controller = opened.form, opened.controller
    form.items.setFocus()
    qtbot.keyClick(form.items, Qt.Key.Key_Down)
    assert not controller.busy, "opening takes long: walking does not open"
    assert controller.worklist.current == "a"
    controller.changed.emit()
    assert form.items.currentItem().text() == "○ b", "the list was filled anew, and goes on where it was"
    qtbot.keyClick(form.items, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: controller.worklist.current == "b", timeout=TIMEOUT_MS)


def test_the_channel_that_a_file_names_for_nuclei_is_shown_and_offered(
    viewer, worker, tmp_path, click, answer, choose
):
    made = synthetic_fluorescence((96, 128), seed=0).image
    (tmp_path / "slides").mkdir()
    channels = np.stack([np.zeros_like(made), np.zeros_like(made), made])
    metadata = {"axes": "CYX", "Channel": {"Name": ["GFP", "RFP", "DAPI"]}}
    imwrite(tmp_path / "slides" / "a.ome.tif", channels, photometric="minisblack", metadata=metadata)
    answer(choose(tmp_path / "slides"))
    segmenting = SegmentWidget(viewer)
    viewer.window.add_dock_widget(segmenting)
    click(worker.form.choose)
    assert viewer.dims.current_step[0] == 2
    assert segmenting.form.axes.channel.currentData() == 2
    assert known_channel(_labels(viewer)) == 2


def test_image_after_image_everything_is_kept(viewer, opened, folder, click):
    output = folder.with_name("slides corrections")
    assert opened.form.summary.text() == "0 of 3 done"
    layer = _labels(viewer)
    assert layer.data.shape == (96, 128)
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    click(opened.form.next)
    assert layer.data.shape == (128, 96)
    assert not layer.data.any()
    assert open_correction_set(output / "a").labels[5, 6] == 3
    assert not layer._undo_history, "undo never reaches into another image"
    click(opened.form.done)
    assert opened.form.summary.text() == "1 of 3 done"
    assert layer.data.shape == (96, 96)
    assert [x.name for x in viewer.layers if x.visible] == ["c", layer.name], (
        "labels above, the grey image is hidden"
    )
    click(opened.form.previous)
    click(opened.form.previous)
    assert layer.data[5, 6] == 3
    assert layer.data.sum() == 3
    statuses = [item.status for item in open_worklist(folder, output).items]
    assert statuses == [Status.IN_WORK, Status.DONE, Status.UNTOUCHED]


def test_an_image_that_is_gone_is_listed_last_and_cannot_be_chosen(opened, folder, qtbot):
    (folder / "b.png").unlink()
    opened.controller.open(folder, folder.with_name("slides corrections"))
    qtbot.waitUntil(lambda: not opened.controller.busy, timeout=TIMEOUT_MS)
    row = opened.form.items.item(2)
    assert row.text() == "– b (no longer there)"
    assert not row.flags() & Qt.ItemFlag.ItemIsEnabled
    assert opened.form.summary.text() == "0 of 2 done"


def test_only_looking_writes_no_corrections(opened, folder, click):
    click(opened.form.next)
    click(opened.form.previous)
    assert [path.name for path in folder.with_name("slides corrections").iterdir()] == ["worklist.json"]


def test_autosave_and_the_trust_map(viewer, opened, folder, qtbot):
    layer = _labels(viewer)
    read_corrections(layer).trust[:20] = 1
    opened.controller._save_soon()
    qtbot.waitUntil(lambda: not opened.controller.busy, timeout=TIMEOUT_MS)
    corrections = open_correction_set(folder.with_name("slides corrections") / "a")
    assert corrections.trust.sum() == 20 * 128
    assert corrections.counts["reviewed_px"] == 20 * 128
    assert corrections.image_path == folder / "a.png", "the image is referred to, not copied"


def test_closing_keeps_what_was_done_and_tomorrow_goes_on(viewer, opened, folder, click, qtbot):
    click(opened.form.next)
    layer = _labels(viewer)
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    opened.close()
    again = WorkWidget(viewer)
    viewer.window.add_dock_widget(again)
    again.controller.open(folder, folder.with_name("slides corrections"))
    qtbot.waitUntil(lambda: again.form.items.currentItem() is not None, timeout=TIMEOUT_MS)
    assert again.form.items.currentItem().text() == "◑ b"
    again.shut()


@pytest.mark.parametrize("is_chosen_again", [False, True])
def test_a_dock_that_is_opened_again_goes_on_with_the_layers_of_the_one_before(
    viewer, opened, folder, is_chosen_again, qtbot
):
    """What is painted between belongs to the list, too: the layers are on show all the time."""
    layer, output = _labels(viewer), folder.with_name("slides corrections")
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    viewer.window.dock_widgets["Work through a folder (napari-nucseg)"].parent().destroyOnClose()
    layer.data_setitem((np.array([7]), np.array([8])), 4)
    _, again = viewer.window.add_plugin_dock_widget("napari-nucseg", "Work through a folder")
    assert again.form.items.currentItem().text() == "◑ a"
    if is_chosen_again:
        again.controller.open(folder, output)
        qtbot.waitUntil(lambda: not again.controller.busy, timeout=TIMEOUT_MS)
    assert [x.name for x in viewer.layers if x.visible] == ["a", LABELS_NAME]
    layer.data_setitem((np.array([9]), np.array([10])), 5)
    again.controller.go(1)
    qtbot.waitUntil(lambda: again.controller.worklist.current == "b", timeout=TIMEOUT_MS)
    kept = open_correction_set(output / "a").labels
    assert (kept[5, 6], kept[7, 8], kept[9, 10]) == (3, 4, 5)
    assert [x.name for x in viewer.layers if x.visible] == ["b", LABELS_NAME]
    again.shut()


def test_a_folder_renamed_together_with_its_corrections_goes_on(viewer, opened, folder, qtbot):
    _labels(viewer).data_setitem((np.array([5]), np.array([6])), 3)
    opened.controller.go(1)
    qtbot.waitUntil(lambda: not opened.controller.busy, timeout=TIMEOUT_MS)
    opened.controller.worklist.output.rename(folder.with_name("plate 7 corrections"))
    moved = folder.rename(folder.with_name("plate 7"))
    opened.controller.open(moved, folder.with_name("plate 7 corrections"))
    opened.controller.show("a")
    qtbot.waitUntil(lambda: not opened.controller.busy, timeout=TIMEOUT_MS)
    assert not opened.form.status.text()
    assert _labels(viewer).data[5, 6] == 3


def pressing(choice, asked):
    """Answer to a question: note its text, press one of its buttons."""

    def press(box):
        asked.append(box.informativeText())
        next(b for b in box.buttons() if b.text().replace("&", "") == choice).click()

    return press


@pytest.mark.parametrize("choice", ["Begin anew", "Cancel"])
def test_an_image_that_was_replaced_can_be_begun_anew(viewer, opened, folder, click, answer, choice):
    output = folder.with_name("slides corrections")
    _labels(viewer).data_setitem((np.array([5]), np.array([6])), 3)
    click(opened.form.next)
    Picture.fromarray(np.zeros((80, 90), np.uint8)).save(folder / "a.png")
    asked = []
    answer(pressing(choice, asked))
    click(opened.form.previous)
    assert str(output / "set aside") in asked[0]
    worklist = opened.controller.worklist
    if choice == "Cancel":
        assert opened.form.items.item(0).text() == "⚠ a"
        assert worklist.current == "b"
        assert (output / "a").is_dir()
        return
    assert (worklist.current, worklist.item("a").status) == ("a", Status.UNTOUCHED)
    assert _labels(viewer).data.shape == (80, 90)
    assert not (output / "a").exists()
    assert open_correction_set(output / "set aside" / "a", _as_it_was(folder)).labels[5, 6] == 3
    problems = read_pages([Example(path=output)])[1]
    assert "set aside" not in str(problems)


def test_an_image_that_cannot_be_begun_anew_stays_as_it_is(viewer, opened, folder, click, answer):
    output = folder.with_name("slides corrections")
    _labels(viewer).data_setitem((np.array([5]), np.array([6])), 3)
    click(opened.form.next)
    Picture.fromarray(np.zeros((80, 90), np.uint8)).save(folder / "a.png")
    (output / "set aside").write_text("a file where the folder should be")
    answer(pressing("Begin anew", []))
    click(opened.form.previous)
    assert "is a file, not a folder" in opened.form.status.text()
    worklist = opened.controller.worklist
    assert (worklist.current, worklist.item("a").status) == ("b", Status.IN_WORK)
    assert open_correction_set(output / "a", _as_it_was(folder)).labels[5, 6] == 3


def _as_it_was(folder):
    pixels = synthetic_fluorescence((96, 128), seed=0).image.astype(np.uint8)
    Picture.fromarray(pixels).save(folder / "before.png")
    return folder / "before.png"


def test_two_windows_on_one_folder(viewer, opened, folder, click, qtbot):
    output = folder.with_name("slides corrections")
    other = WorkWidget(viewer)
    other.controller.open(folder, output)
    qtbot.waitUntil(lambda: not other.controller.busy, timeout=TIMEOUT_MS)
    click(opened.form.done)
    other.controller.go(1)
    qtbot.waitUntil(lambda: not other.controller.busy, timeout=TIMEOUT_MS)
    other.shut()
    assert [item.status for item in open_worklist(folder, output).items] == [
        Status.DONE,
        Status.UNTOUCHED,
        Status.UNTOUCHED,
    ]
    assert other.form.summary.text() == "1 of 3 done"


@pytest.fixture
def other(viewer, opened, folder, qtbot):
    """Another window with the same list."""
    widget = WorkWidget(viewer)
    widget.controller.open(folder, folder.with_name("slides corrections"))
    qtbot.waitUntil(lambda: not widget.controller.busy, timeout=TIMEOUT_MS)
    yield widget
    widget.shut()


def _paint(widget, number):
    widget.controller._layers._labels.data_setitem((np.array([5]), np.array([6])), number)


def test_an_image_left_as_it_was_is_done_without_touching_what_another_window_saved(
    opened, other, folder, click
):
    _paint(other, 33)
    assert other.controller.save(status=Status.IN_WORK)
    click(opened.form.done)
    output = folder.with_name("slides corrections")
    assert open_correction_set(output / "a").labels[5, 6] == 33
    assert open_worklist(folder, output).item("a").status is Status.DONE
    assert not (output / "set aside").exists()


@pytest.mark.parametrize("by_itself", [True, False])
def test_what_two_windows_made_of_one_image_is_both_kept_and_said(
    opened, other, folder, click, qtbot, by_itself
):
    output = folder.with_name("slides corrections")
    _paint(other, 33)
    other.controller.mark_done()
    _paint(opened, 44)
    if by_itself:
        opened.controller._save_soon()
        qtbot.waitUntil(lambda: not opened.controller.busy, timeout=TIMEOUT_MS)
        assert str(output / "set aside" / "a") in opened.form.status.text()
    click(opened.form.done)
    assert opened.controller.worklist.current == "b"
    assert str(output / "set aside" / "a") in opened.form.status.text(), "with the next image on show, too"
    assert open_correction_set(output / "a").labels[5, 6] == 44
    aside = open_correction_set(output / "set aside" / "a")
    assert (aside.labels[5, 6], aside.image_path) == (33, folder / "a.png")
    _paint(opened, 55)
    click(opened.form.previous)
    assert not opened.form.status.text()
    _paint(opened, 66)
    opened.controller.save()
    assert len(list((output / "set aside").iterdir())) == 1, "what was written here is no other window's"


def test_what_correct_nuclei_saved_of_the_same_layer_is_no_other_window_s(
    viewer, opened, folder, click, qtbot
):
    _, corrector = viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")
    output = folder.with_name("slides corrections")
    for number in (33, 44):
        _paint(opened, number)
        corrector.controller.save(output / "a")
        qtbot.waitUntil(lambda: not corrector.controller._saving.running, timeout=TIMEOUT_MS)
        qtbot.wait(50)
        assert open_correction_set(output / "a").labels[5, 6] == number
    _paint(opened, 55)
    click(opened.form.next)
    assert open_correction_set(output / "a").labels[5, 6] == 55
    assert not (output / "set aside").exists()
    corrector.shut()


@pytest.fixture
def held(monkeypatch):
    """Return a function that waits until a set is being written, and one that lets it be written."""
    begun, go = threading.Event(), threading.Event()

    def keep_then(*args):
        begun.set()
        assert go.wait(TIMEOUT_MS / 1000)
        return keep(*args)

    monkeypatch.setattr(work_keeping, "keep", keep_then)
    yield lambda: begun.wait(TIMEOUT_MS / 1000), go.set
    go.set()


@pytest.mark.parametrize("first", ["autosave", "save"])
def test_a_save_and_an_autosave_at_once_are_of_one_window(opened, corrector, folder, qtbot, held, first):
    until_begun, let_go = held
    correct, output = corrector(), folder.with_name("slides corrections")
    saves = [opened.controller._save_soon, lambda: correct.controller.save(output / "a")]
    for number, save in zip((33, 44), saves if first == "autosave" else saves[::-1], strict=True):
        _paint(opened, number)
        save()
        assert until_begun()
    qtbot.wait(300)  # who writes beside the other would have written by now
    let_go()
    qtbot.waitUntil(
        lambda: not (opened.controller.busy or correct.controller._saving.running), timeout=TIMEOUT_MS
    )
    qtbot.wait(50)
    assert not correct.form.question.asks
    assert not (output / "set aside").exists()
    assert open_correction_set(output / "a").labels[5, 6] == 44


def test_a_save_is_not_written_over_what_was_kept_after_it(opened, corrector, folder, qtbot, held):
    until_begun, let_go = held
    correct, output = corrector(), folder.with_name("slides corrections")
    _paint(opened, 33)
    opened.controller._save_soon()
    assert until_begun()
    correct.controller.save(output / "a")
    _paint(opened, 44)
    let_go()
    assert opened.controller.save()
    qtbot.waitUntil(lambda: not correct.controller._saving.running, timeout=TIMEOUT_MS)
    qtbot.wait(50)
    assert open_correction_set(output / "a").labels[5, 6] == 44
    assert not (output / "set aside").exists()


def test_what_another_window_saved_is_moved_aside_by_a_save_too(
    viewer, opened, other, corrector, folder, qtbot
):
    correct, output = corrector(), folder.with_name("slides corrections")
    _paint(other, 33)
    assert other.controller.save()
    viewer.layers.selection.active = opened.controller._layers._labels
    _paint(opened, 44)
    correct.controller.save(output / "a")
    qtbot.waitUntil(lambda: "set aside" in correct.form.status.text(), timeout=TIMEOUT_MS)
    assert open_correction_set(output / "a").labels[5, 6] == 44
    assert open_correction_set(output / "set aside" / "a").labels[5, 6] == 33


def _leave_journal(viewer, folder, number):
    """Leave what a killed napari does that had painted a nucleus on the image on show, and marked the whole."""
    labels = np.zeros_like(_labels(viewer).data)
    header = JournalHeader(
        shape=labels.shape,
        dtype="int32",
        base=fingerprint(labels),
        image=fingerprint(next(x.data for x in viewer.layers if isinstance(x, Image) and x.visible)),
        layer_name=LABELS_NAME,
        notes={"folder": str(folder), "is_prediction": True, "model_name": "mine"},
    )
    found = labels.copy()
    found[20:30, 20:30] = 1
    trust = np.ones(labels.shape, np.uint8)
    arrays = {Part.LABELS: found, Part.TRUST: trust, Part.PREDICTION: found}
    journal = Journal.create(journal_dir() / "killed.nucsegjournal", header, arrays)
    journal.record(Part.LABELS, (5, 6), np.full((1, 1), number, np.int32))
    journal.close()
    return journal.path


@pytest.fixture
def corrector(viewer):
    widgets = []

    def open_it():
        widgets.append(viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")[1])
        return widgets[0]

    yield open_it
    widgets[0].shut()


def test_edits_that_a_crash_left_come_back_into_the_list_and_are_kept_with_it(
    viewer, opened, folder, click, corrector
):
    output = folder.with_name("slides corrections")
    _leave_journal(viewer, output / "a", 33)
    widget, layers = corrector(), len(viewer.layers)
    click(widget.form.restore)
    layer = widget.controller.session.subject.layer
    assert (layer, layer.name, len(viewer.layers)) == (_labels(viewer), LABELS_NAME, layers + 1), (
        "marks alone"
    )
    layer.data_setitem((np.array([7]), np.array([8])), 44)
    click(opened.form.done)
    kept = open_correction_set(output / "a")
    assert (kept.labels[5, 6], kept.labels[7, 8], kept.labels[20, 20]) == (33, 44, 1)
    assert (kept.prediction[5, 6], kept.prediction[20, 20], kept.model_name) == (0, 1, "mine")
    assert (kept.trust == Trust.REVIEWED).all()
    assert not list(journal_dir().iterdir()), "it is all saved"
    assert [x.name for x in viewer.layers if x.visible] == ["b", f"{LABELS_NAME} reviewed", LABELS_NAME]


def _restored_beside_something_newer(viewer, opened, folder, click, corrector):
    journal = _leave_journal(viewer, folder.with_name("slides corrections") / "a", 33)
    os.utime(journal, (0, journal.stat().st_mtime - 60))
    _paint(opened, 44)
    click(opened.form.next)
    click(opened.form.previous)
    widget = corrector()
    click(widget.form.restore)
    return widget, opened.controller._layers._labels


def test_edits_that_a_crash_left_replace_nothing_newer_in_the_list(viewer, opened, folder, click, corrector):
    widget, work = _restored_beside_something_newer(viewer, opened, folder, click, corrector)
    assert "newer" in widget.form.status.text()
    restored = widget.controller.session.subject.layer
    assert (restored.data[5, 6], work.data[5, 6]) == (33, 44)
    assert restored != work


def test_edits_that_a_crash_left_replace_nothing_newer_after_a_second_crash(
    viewer, opened, folder, click, corrector
):
    widget, work = _restored_beside_something_newer(viewer, opened, folder, click, corrector)
    session = widget.controller.session
    restored = session.subject.layer
    restored.data_setitem((np.array([9]), np.array([9])), 55)
    session.look()
    session.keeper._journal.close()
    session.keeper._journal = None
    viewer.layers.remove(restored)
    widget.controller.restore()
    again = widget.controller.session.subject.layer
    assert (again.data[5, 6], again.data[9, 9], work.data[5, 6]) == (33, 55, 44)


def test_edits_that_a_crash_left_replace_nothing_that_no_journal_holds(
    viewer, opened, folder, click, corrector
):
    _leave_journal(viewer, folder.with_name("slides corrections") / "a", 33)
    work = _labels(viewer)
    work.data_setitem((np.array([50]), np.array([51])), 77)
    widget = corrector()
    click(widget.form.restore)
    assert "newer" in widget.form.status.text()
    assert work.data[50, 51] == 77


def test_edits_of_another_folder_get_a_layer_of_their_own(viewer, opened, folder, click, corrector):
    _leave_journal(viewer, folder / "elsewhere", 33)
    widget = corrector()
    click(widget.form.restore)
    assert widget.form.status.text() == "Restored what was not saved."
    restored = widget.controller.session.subject.layer
    assert restored != opened.controller._layers._labels
    assert read_corrections(restored).folder == folder / "elsewhere"


def test_a_journal_that_went_meanwhile_is_said_to_be_gone(viewer, opened, folder, click, corrector):
    journal = _leave_journal(viewer, folder.with_name("slides corrections") / "a", 33)
    _paint(opened, 44)
    click(opened.form.next)
    click(opened.form.previous)
    widget = corrector()
    journal.unlink()
    click(widget.form.restore)
    assert journal.name in widget.form.status.text()


def test_edits_that_a_crash_left_are_offered_while_their_image_is_on_show(
    viewer, opened, folder, click, corrector, qtbot
):
    _leave_journal(viewer, folder.with_name("slides corrections") / "a", 33)
    banner = corrector().form.banner
    click(opened.form.next)
    qtbot.waitUntil(banner.isHidden, timeout=TIMEOUT_MS)
    layer = _labels(viewer)
    _paint(opened, 44)
    qtbot.wait(100)
    layer.undo()
    click(opened.form.previous)
    qtbot.waitUntil(banner.isVisible, timeout=TIMEOUT_MS)
    click(opened.form.next)
    qtbot.wait(200)
    assert banner.isHidden(), "what was taken back is no edit that was lost"


def test_edits_that_a_crash_left_are_not_offered_while_an_image_of_another_kind_is_on_show(
    viewer, opened, folder, click, corrector, qtbot
):
    _leave_journal(viewer, folder.with_name("slides corrections") / "a", 33)
    banner = corrector().form.banner
    opened.controller.show("c")
    qtbot.waitUntil(lambda: opened.controller.worklist.current == "c", timeout=TIMEOUT_MS)
    qtbot.waitUntil(banner.isHidden, timeout=TIMEOUT_MS)
    opened.controller.show("a")
    qtbot.waitUntil(banner.isVisible, timeout=TIMEOUT_MS)


def test_a_broken_image_is_said_and_the_others_go_on(viewer, opened, folder, click):
    (folder / "b.png").write_bytes(b"no image")
    click(opened.form.next)
    assert opened.form.status.text().startswith("⚠")
    assert _labels(viewer).data.shape == (96, 128), "the image before is still there"


def test_a_broken_image_is_marked_and_next_goes_on_from_it(viewer, opened, folder, click):
    whole = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(b"no image")
    click(opened.form.next)
    assert opened.form.items.item(1).text() == "⚠ b"
    click(opened.form.next)
    assert opened.controller.worklist.current == "c"
    click(opened.form.previous)
    assert opened.form.status.text().startswith("⚠")
    click(opened.form.previous)
    assert opened.controller.worklist.current == "a"
    assert opened.controller.worklist.item("b").unreadable
    again = open_worklist(folder, folder.with_name("slides corrections"))
    assert not again.item("b").unreadable, "tomorrow it may be whole again"
    (folder / "b.png").write_bytes(whole)
    click(opened.form.next)
    assert opened.form.items.item(1).text() == "○ b", "it could be opened after all"
    assert opened.controller.worklist.current == "b"


def test_done_leaves_out_what_cannot_be_opened_and_says_so_at_the_end(opened, folder, click):
    (folder / "b.png").write_bytes(b"no image")
    click(opened.form.done)
    assert opened.form.items.item(1).text() == "⚠ b"
    click(opened.form.done)
    assert opened.controller.worklist.current == "c"
    click(opened.form.done)
    assert opened.form.status.text() == "All images are done but 1 that cannot be opened (⚠): b."
    assert opened.form.summary.text() == "2 of 3 done"


def test_a_list_whose_first_images_are_broken_opens_with_the_first_that_is_whole(
    worker, folder, click, answer, choose
):
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"no image")
    answer(choose(folder))
    click(worker.form.choose)
    assert worker.controller.worklist.current == "c"
    assert "b.png" in worker.form.status.text(), "what was left out is said"
    assert [worker.form.items.item(i).text()[0] for i in range(3)] == ["⚠", "⚠", "○"]


def test_a_list_of_broken_images_alone_says_so(worker, folder, click, answer, choose):
    for path in folder.iterdir():
        path.write_bytes(b"no image")
    answer(choose(folder))
    click(worker.form.choose)
    assert worker.form.status.text().startswith("⚠")
    assert not worker.controller.worklist.current


def test_segment_all_remaining_in_the_background(viewer, opened, folder, click, qtbot):
    (folder / "c.png").write_bytes(b"no image")
    with qtbot.waitSignal(opened.controller.segmented, timeout=TIMEOUT_MS):
        click(opened.form.segment)
    assert [item.status for item in opened.controller.worklist.items] == [
        Status.UNTOUCHED,  # on show: left to the user
        Status.SEGMENTED,
        Status.UNTOUCHED,
    ]
    assert opened.form.items.item(2).text().startswith("⚠")
    assert opened.form.status.text() == "1 segmented, 1 could not be (point at ⚠ for the reason): c."
    click(opened.form.next)
    layer = _labels(viewer)
    np.testing.assert_array_equal(layer.data, read_corrections(layer).snapshot)
    assert read_corrections(layer).is_prediction


def test_another_list_hears_nothing_of_what_was_segmented_for_the_one_before(opened, folder, tmp_path, qtbot):
    controller = opened.controller
    qtbot.mouseClick(opened.form.segment, Qt.MouseButton.LeftButton)
    assert opened.form.running.isVisible()
    controller.open(folder, tmp_path / "other")
    assert not opened.form.running.isVisible()
    qtbot.waitUntil(lambda: not controller.busy, timeout=TIMEOUT_MS)
    assert QThreadPool.globalInstance().waitForDone(TIMEOUT_MS)
    qtbot.wait(50)
    assert [item.status for item in controller.worklist.items] == [Status.UNTOUCHED] * 3
    assert not opened.form.status.text()
    assert not [path for path in (tmp_path / "other").iterdir() if path.is_dir()]


def test_beyond_the_ends_it_says_so(opened, click):
    for button, words in ((opened.form.previous, "first"), (opened.form.next, "last")):
        for _ in range(3):
            click(button)
        assert opened.form.status.text() == f"This is the {words} image."


def test_an_old_error_does_not_stand_under_the_moving_bar(opened, folder, click, qtbot):
    (folder / "b.png").write_bytes(b"no image")
    click(opened.form.next)
    assert opened.form.status.text().startswith("⚠")
    with qtbot.waitSignal(opened.controller.segmented, timeout=TIMEOUT_MS):
        qtbot.mouseClick(opened.form.segment, Qt.MouseButton.LeftButton)
        assert opened.form.status.text() == "Loading the network …"
        opened.form.cancel.click()
    assert opened.form.status.text().endswith(" left.")  # one may have been found before the click


def test_results_that_cannot_be_written_are_the_last_thing_said(opened, folder, click, qtbot):
    output = folder.with_name("slides corrections")
    output.rename(folder.with_name("elsewhere"))
    output.write_bytes(b"in the way")
    with qtbot.waitSignal(opened.controller.segmented, timeout=TIMEOUT_MS):
        click(opened.form.segment)
    assert opened.form.status.text().startswith("⚠")


def test_an_image_that_is_being_segmented_is_left_to_the_user_who_goes_there(
    viewer, opened, folder, click, qtbot
):
    controller, layer = opened.controller, _labels(viewer)

    def go_there(progress):
        if progress.name == "b" and controller.worklist.current == "a":
            controller.show("b")

    def paint(name):
        layer.data_setitem((np.array([5]), np.array([6])), 77)
        controller._save_soon()

    controller.progressed.connect(go_there)
    controller.shown.connect(paint)
    with qtbot.waitSignal(controller.segmented, timeout=TIMEOUT_MS):
        click(opened.form.segment)
    assert open_correction_set(folder.with_name("slides corrections") / "b").labels[5, 6] == 77
    assert [item.status for item in controller.worklist.items] == [
        Status.UNTOUCHED,
        Status.IN_WORK,
        Status.SEGMENTED,
    ]


def test_what_is_painted_while_the_next_image_opens_is_kept(viewer, opened, folder, qtbot, click):
    layer = _labels(viewer)
    qtbot.mouseClick(opened.form.next, Qt.MouseButton.LeftButton)
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    qtbot.waitUntil(lambda: not opened.controller.busy, timeout=TIMEOUT_MS)
    assert not layer.data.any()
    assert open_correction_set(folder.with_name("slides corrections") / "a").labels[5, 6] == 3
    click(opened.form.previous)
    assert layer.data[5, 6] == 3


def test_the_image_on_show_is_not_read_again_over_what_is_painted(viewer, opened, qtbot):
    layer = _labels(viewer)
    opened.controller.show("a")
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    qtbot.waitUntil(lambda: not opened.controller.busy, timeout=TIMEOUT_MS)
    assert layer.data[5, 6] == 3


@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize("removed", ["image", "nuclei"])
def test_edits_are_kept_whichever_layer_is_removed(viewer, opened, folder, click, removed, corrected):
    if corrected:
        viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")
    output, layer = folder.with_name("slides corrections"), _labels(viewer)
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    viewer.layers.remove("a" if removed == "image" else layer)
    opened.controller._save_soon()
    click(opened.form.next)
    assert open_correction_set(output / "a").labels[5, 6] == 3
    assert open_correction_set(output / "a").image.shape == (96, 128)
    assert opened.controller.worklist.item("a").status is Status.IN_WORK
    click(opened.form.previous)
    assert {x.name for x in viewer.layers if x.visible} >= {"a", "Nuclei in work"}
    assert _labels(viewer).data[5, 6] == 3


def test_an_image_is_done_without_its_picture_and_not_without_its_nuclei(
    viewer, opened, folder, click, qtbot
):
    layer, controller = _labels(viewer), opened.controller
    viewer.layers.remove("a")
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    click(opened.form.done)
    assert open_correction_set(folder.with_name("slides corrections") / "a").labels[5, 6] == 3
    assert (controller.worklist.item("a").status, controller.worklist.current) == (Status.DONE, "b")
    viewer.layers.remove(layer)
    click(opened.form.done)
    assert opened.form.status.text().startswith("⚠ No nuclei are on show")
    assert (controller.worklist.item("b").status, controller.worklist.current) == (Status.UNTOUCHED, "b")
    controller.show("b")
    qtbot.waitUntil(lambda: not controller.busy, timeout=TIMEOUT_MS)
    click(opened.form.done)
    assert controller.worklist.item("b").status is Status.DONE


def _turn_back(opened, folder):
    opened.controller.show("b")
    opened.controller.show("a")


def _find_it_broken(opened, folder):
    (folder / "b.png").write_bytes(b"no image")
    opened.controller.show("b")


def _be_refused(opened, folder):
    (folder.with_name("slides corrections") / "a").write_bytes(b"in the way")
    opened.controller.show("b")
    opened.controller._layers._labels.data_setitem((np.array([5]), np.array([6])), 3)


@pytest.mark.parametrize("leave", [_turn_back, _find_it_broken, _be_refused])
def test_an_image_that_was_not_shown_after_all_is_free_to_be_segmented(opened, folder, qtbot, leave):
    leave(opened, folder)
    qtbot.waitUntil(lambda: not opened.controller.busy, timeout=TIMEOUT_MS)
    assert opened.controller.worklist.current == "a"
    with opened.controller._free("b") as is_free:
        assert is_free


@pytest.fixture
def nowhere_to_write(folder):
    """A file lies where the folder of the first image's corrections should be."""
    blocked = folder.with_name("slides corrections") / "a"
    blocked.write_bytes(b"in the way")
    yield blocked


def test_what_cannot_be_saved_stays_on_show(viewer, opened, folder, nowhere_to_write, qtbot, click):
    layer, controller = _labels(viewer), opened.controller
    qtbot.mouseClick(opened.form.next, Qt.MouseButton.LeftButton)
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    qtbot.waitUntil(lambda: not controller.busy, timeout=TIMEOUT_MS)
    assert opened.form.status.text().startswith("⚠")
    assert (controller.worklist.current, layer.data[5, 6]) == ("a", 3)
    click(opened.form.done)
    assert opened.form.status.text().startswith("⚠")
    assert (controller.worklist.current, controller.worklist.item("a").status) == ("a", Status.UNTOUCHED)
    nowhere_to_write.unlink()
    click(opened.form.next)
    assert open_correction_set(nowhere_to_write).labels[5, 6] == 3


@pytest.fixture
def away(opened, folder):
    """Return functions that take the list with its corrections away, as a drive does, and bring it back."""
    output = folder.with_name("slides corrections")
    return lambda: output.rename(folder.with_name("drive")), lambda: folder.with_name("drive").rename(output)


def test_strokes_outlive_a_drive_that_went_and_came_back(
    viewer, opened, folder, corrector, away, click, qtbot
):
    """What is written at its mount point would be out of sight once the drive is back."""
    go, come_back = away
    layer, controller, form = _labels(viewer), opened.controller, opened.form
    session = corrector().controller.session
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    assert controller.save()
    go()
    layer.data_setitem((np.array([7]), np.array([8])), 4)
    controller._save_soon()
    qtbot.waitUntil(lambda: "no longer there" in form.status.text(), timeout=TIMEOUT_MS)
    click(form.next)
    assert "slides corrections is no longer there" in form.status.text()
    assert controller.worklist.current == "a"
    assert not controller.worklist.output.exists()
    session.look()
    assert replay(read_corrections(layer).journal).labels[7, 8] == 4
    come_back()
    controller._save_soon()
    qtbot.waitUntil(lambda: not controller.busy, timeout=TIMEOUT_MS)
    assert "⚠" not in form.status.text(), "what was alarming is no longer so"
    click(form.next)
    click(form.previous)
    assert controller.worklist.current == "a"
    assert (layer.data[5, 6], layer.data[7, 8]) == (3, 4)


def test_an_image_opens_and_says_that_its_list_is_gone(opened, away, click):
    away[0]()
    click(opened.form.next)
    assert opened.controller.worklist.current == "b"
    assert "no longer there" in opened.form.status.text()


@pytest.mark.parametrize("choice", ["Begin anew", "Cancel"])
def test_an_image_whose_corrections_are_gone_never_opens_empty_unasked(
    viewer, opened, folder, click, qtbot, answer, choice
):
    layer, work = _labels(viewer), folder.with_name("slides corrections")
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    click(opened.form.next)
    (work / "a").rename(work.with_name("backup"))
    asked = []
    answer(pressing(choice, asked))
    click(opened.form.previous)
    assert "no longer in" in asked[0]
    assert "kept in" not in asked[0], "nothing is there to be kept"
    item = opened.controller.worklist.item("a")
    if choice == "Cancel":
        assert opened.controller.worklist.current == "b"
        assert item.status is Status.IN_WORK
        work.with_name("backup").rename(work / "a")
        opened.controller.show("a")
        qtbot.waitUntil(lambda: not opened.controller.busy, timeout=TIMEOUT_MS)
        assert layer.data[5, 6] == 3
    else:
        assert (opened.controller.worklist.current, item.status) == ("a", Status.UNTOUCHED)
        assert not layer.data.any()
        assert not (work / "set aside").exists()


def test_corrections_that_cannot_be_saved_never_get_into_the_list_of_another_dataset(
    viewer, opened, folder, nowhere_to_write, tmp_path, qtbot
):
    (tmp_path / "others").mkdir()
    Picture.fromarray(np.zeros((96, 128), np.uint8)).save(tmp_path / "others" / "a.png")
    layer, controller = _labels(viewer), opened.controller
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    controller.open(tmp_path / "others", tmp_path / "other")
    qtbot.waitUntil(lambda: not controller.busy, timeout=TIMEOUT_MS)
    assert opened.form.status.text().startswith("⚠")
    assert (controller.worklist.dataset.root, layer.data[5, 6]) == (folder, 3)
    assert not (tmp_path / "other").exists()


def test_what_cannot_be_saved_is_kept_in_another_folder_that_is_chosen(
    viewer, opened, folder, nowhere_to_write, tmp_path, click, answer, choose
):
    output = tmp_path / "other"
    open_worklist(folder, output).at("c").save()
    layer, controller = _labels(viewer), opened.controller
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    answer(choose(output))
    click(opened.form.output)
    assert not opened.form.status.text()
    assert (controller.worklist.output, controller.worklist.current) == (output, "a")
    assert layer.visible
    assert layer.data[5, 6] == 3
    assert open_correction_set(output / "a").labels[5, 6] == 3
    assert open_worklist(folder, output).item("a").status is Status.IN_WORK
    layer.data_setitem((np.array([7]), np.array([8])), 4)
    click(opened.form.next)
    assert controller.worklist.current == "b"
    assert open_correction_set(output / "a").labels[7, 8] == 4


def test_what_cannot_be_saved_replaces_no_corrections_in_another_folder(
    viewer, opened, folder, tmp_path, click
):
    layer, controller = _labels(viewer), opened.controller
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    controller.save()
    kept = folder.with_name("slides corrections")
    kept.rename(tmp_path / "other")
    kept.write_bytes(b"in the way")
    layer.data_setitem((np.array([5]), np.array([6])), 4)
    controller.open(folder, tmp_path / "other")
    assert opened.form.status.text().startswith("⚠")
    assert (controller.worklist.output, layer.data[5, 6]) == (kept, 4)
    assert open_correction_set(tmp_path / "other" / "a").labels[5, 6] == 3
    controller.open(folder, tmp_path / "free")
    assert open_correction_set(tmp_path / "free" / "a").labels[5, 6] == 4


def test_another_list_never_takes_what_is_painted_before_its_image_is_there(
    viewer, opened, folder, tmp_path, qtbot
):
    open_worklist(folder, tmp_path / "other").at("c").save()
    layer, controller = _labels(viewer), opened.controller
    controller.open(folder, tmp_path / "other")
    assert not layer.visible, "nothing can be painted where nothing would keep it"
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    qtbot.waitUntil(lambda: not controller.busy, timeout=TIMEOUT_MS)
    assert layer.visible
    assert not layer.data.any()
    assert not (tmp_path / "other" / "c").exists()


def test_an_autosave_that_waits_is_written_into_no_other_list(
    viewer, opened, folder, tmp_path, qtbot, monkeypatch
):
    """What it would keep was taken back, so there is nothing to keep in the list before either."""
    layer, controller = _labels(viewer), opened.controller
    begun, may_end = threading.Event(), threading.Event()

    def wait(corrections):
        begun.set()
        may_end.wait(TIMEOUT_MS / 1000)
        return with_counts(corrections)

    monkeypatch.setattr(work_saving, "with_counts", wait)
    layer.data_setitem((np.array([5]), np.array([6])), 3)
    controller._save_soon()
    assert begun.wait(TIMEOUT_MS / 1000)
    layer.data_setitem((np.array([5]), np.array([6])), 0)
    controller.open(folder, tmp_path / "other")
    may_end.set()
    assert QThreadPool.globalInstance().waitForDone(TIMEOUT_MS)
    assert not (tmp_path / "other" / "a").exists()
    assert not (folder.with_name("slides corrections") / "a").exists()


@pytest.fixture
def half_done(viewer, opened):
    """Image with a nucleus of the user's own, kept already, and its lower part reviewed: nothing is there."""
    layer = _labels(viewer)
    layer.data_setitem(np.nonzero(np.pad(np.ones((20, 20), bool), ((10, 66), (10, 98)))), 5)
    read_corrections(layer).trust[60:] = Trust.REVIEWED
    assert opened.controller.save()
    return layer


class TestSegmentNuclei:
    """*Segment nuclei* on the image on show: what it finds goes into the layer that is kept."""

    @pytest.fixture
    def folder(self, tmp_path):
        """Two images of one size with nuclei a network finds."""
        images = tmp_path / "slides"
        images.mkdir()
        for seed, name in enumerate("ab"):
            pixels = synthetic_fluorescence((96, 128), seed=seed, diameter_px=20).image
            Picture.fromarray((255.0 * pixels / pixels.max()).astype(np.uint8)).save(images / f"{name}.png")
        return images

    @pytest.mark.parametrize("choice", ["Keep edits", "Replace", "Cancel"])
    def test_what_was_done_is_never_overwritten_unasked(
        self, viewer, opened, half_done, folder, user, click, answer, choice
    ):
        layer, before = half_done, half_done.data.copy()
        buttons = []

        def press(box):
            buttons.extend(b.text().replace("&", "") for b in box.buttons())
            user.click(next(b for b in box.buttons() if b.text().replace("&", "") == choice))

        answer(press)
        if choice == "Cancel":
            user.click(user.widget.form.run)
            user.wait_until_idle()
            np.testing.assert_array_equal(layer.data, before)
            return
        assert user.segment() == layer
        assert "New layer" not in buttons, "only one layer is kept"
        assert len(np.unique(layer.data)) > 2
        layer.data_setitem((np.array([1]), np.array([1])), 600)
        click(opened.form.next)
        kept = open_correction_set(folder.with_name("slides corrections") / "a")
        assert kept.labels[1, 1] == 600
        assert kept.prediction.any()
        assert kept.model_name
        if choice == "Keep edits":
            np.testing.assert_array_equal(kept.labels == 5, before == 5)
            assert not kept.labels[60:].any()
            assert (kept.trust[60:] == Trust.REVIEWED).all()
        else:
            assert not np.array_equal(kept.labels == 5, before == 5)
            assert not kept.trust.any(), "nobody looked at the new nuclei"

    def test_labels_that_no_model_made_are_asked_about(self, opened, half_done, user, click, answer):
        """Those of yesterday, which the layer begins with today, are a person's work as well."""
        click(opened.form.next)
        click(opened.form.previous)
        read_corrections(half_done).trust[:] = Trust.UNKNOWN
        asked = []
        answer(lambda box: (asked.append(box.text()), box.close()))
        user.click(user.widget.form.run)
        user.wait_until_idle()
        assert asked
        assert (half_done.data == 5).sum() == 400

    def test_a_copy_is_not_the_layer_that_is_kept(self, viewer, opened, user):
        layer = _labels(viewer)
        viewer.layers.selection.active = layer
        _duplicate_layer(viewer.layers)
        copy = viewer.layers[f"{layer.name} copy"]
        viewer.layers.move(viewer.layers.index(copy), 0)
        assert user.segment() == layer
        assert not copy.data.any()

    def test_a_result_never_gets_into_the_next_image(self, viewer, opened, user, click, qtbot):
        with qtbot.waitSignal(user.widget.controller.failed, timeout=TIMEOUT_MS):
            user.click(user.widget.form.run)
            click(opened.form.next)
            assert opened.controller.worklist.current == "b"
        user.wait_until_idle()
        assert not _labels(viewer).data.any()
        assert "another image" in user.said()


def test_a_folder_without_images_says_so(worker, tmp_path):
    worker.controller.open(tmp_path, tmp_path / "work")
    assert worker.form.status.text().startswith("⚠")
    assert worker.form.empty.isVisible()


def test_segment_nuclei_works_on_the_image_on_show(viewer, opened, folder, click, widget, user):
    """Through images of all kinds, forth and back: grey, colour and channels have layers and forms of their own."""
    made = synthetic_fluorescence((96, 128), seed=0).image
    for name, n_channels in {"d": 2, "e": 5}.items():
        imwrite(folder / f"{name}.tif", np.stack([made] * n_channels), imagej=True, metadata={"axes": "CYX"})
    opened.controller.open(folder, folder.with_name("slides corrections"))
    n_channels = {"a": 0, "b": 0, "c": 4, "d": 2, "e": 5}
    for step in [*[opened.form.next] * 4, *[opened.form.previous] * 3]:
        click(step)
        image, name = widget.form.image.layer, opened.controller.worklist.current
        assert image.name == name
        assert image.visible
        assert widget.form.axes.channel.count() == n_channels[name], name
    assert opened.controller.worklist.current == "b"
    before = list(viewer.layers)
    assert user.segment() == _labels(viewer)
    assert list(viewer.layers) == before
    assert widget.form.result.isVisible()
    click(opened.form.previous)
    assert opened.controller.worklist.current == "a"
    assert not widget.form.result.isVisible(), "the sliders were those of the image before"
    assert not widget.form.status.isVisible()


def test_images_with_and_without_a_pixel_size_do_not_alarm_napari(viewer, opened, folder, click, corrector):
    """It compares the units of all layers, hidden ones included, and warns where they differ."""
    made = synthetic_histology((96, 96), seed=6).image
    imwrite(folder / "d.tif", made, resolution=(4e4, 4e4), resolutionunit="CENTIMETER")
    warned = []
    notification_manager.notification_ready.connect(warned.append)
    corrector().form.whole.click()
    opened.controller.open(folder, folder.with_name("slides corrections"))
    for step in [*[opened.form.next] * 3, *[opened.form.previous] * 3]:
        click(step)
        assert viewer.layers.extent.units is not None, opened.controller.worklist.current
    click(opened.form.next)
    assert str(viewer.layers["b"].units[-1]) == "pixel"
    notification_manager.notification_ready.disconnect(warned.append)
    assert not [notification.message for notification in warned]


def test_an_image_fills_the_view_whatever_the_size_of_hidden_ones(viewer, opened, folder, click):
    if not hasattr(viewer, "scene"):
        pytest.skip("napari before 0.9")
    made = synthetic_histology((96, 96), seed=6).image
    imwrite(folder / "d.tif", made, resolution=(1e5, 1e5), resolutionunit="CENTIMETER")
    opened.controller.open(folder, folder.with_name("slides corrections"))
    viewer.add_image(np.zeros((2, 300, 300), np.uint8), visible=False)  # another one with more axes
    for _ in range(3):
        click(opened.form.next)
    first, last = corners_in_view(viewer, viewer.layers["d"])
    assert 96 < (last - first).min() < 120


def test_tomorrow_the_list_is_where_it_was_saved(viewer, opened, folder, tmp_path, click, answer, choose):
    """Choosing the images opens it, wherever it is; the one beside them, with nothing in it, is no more."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    answer(choose(elsewhere))
    click(opened.form.output)
    assert not folder.with_name("slides corrections").exists()
    _labels(viewer).data_setitem((np.array([5]), np.array([6])), 3)
    click(opened.form.next)
    for chosen in (folder, elsewhere):
        answer(choose(chosen))
        click(opened.form.choose)
        assert (opened.controller.worklist.output, opened.controller.worklist.current) == (elsewhere, "b")
        assert opened.controller.worklist.dataset.root == folder
    answer(choose(elsewhere / "a"))
    click(opened.form.choose)
    assert "corrections of one image" in opened.form.status.text()
    assert opened.controller.worklist.output == elsewhere


def test_where_nothing_can_be_written_beside_the_images_another_folder_can_be_chosen(
    worker, folder, tmp_path, click, answer, choose
):
    folder.with_name("slides corrections").write_bytes(b"in the way")
    assert not worker.form.output.isEnabled()
    answer(choose(folder))
    click(worker.form.choose)
    assert worker.form.status.text().startswith("⚠")
    assert "Save in…" in worker.form.status.text()
    (tmp_path / "elsewhere").mkdir()
    answer(choose(tmp_path / "elsewhere"))
    click(worker.form.output)
    assert worker.controller.worklist.output == tmp_path / "elsewhere"
    assert worker.controller.worklist.current == "a"
    assert not worker.form.status.text()


def test_save_in_stays_with_the_list_on_show_where_what_was_chosen_holds_no_images(
    opened, folder, tmp_path, click, answer, choose
):
    for name in ("nothing", "elsewhere"):
        (tmp_path / name).mkdir()
    answer(choose(tmp_path / "nothing"))
    click(opened.form.choose)
    assert opened.form.status.text().startswith("⚠")
    answer(choose(tmp_path / "elsewhere"))
    click(opened.form.output)
    assert opened.controller.worklist.dataset.root == folder
    assert opened.controller.worklist.output == tmp_path / "elsewhere"
