"""*My models* in a real window: descent, the default and the way back, rename, copies, deleting, comparing."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel
from tifffile import imwrite

from napari_nucseg._napari.correct_subject import corrections_of
from napari_nucseg._napari.models_form import NAME
from napari_nucseg._napari.models_watch import SETTLE_MS, ModelsWatch
from napari_nucseg.data.same_pixels import sha256_of_pixels
from napari_nucseg.data.sample_data import SAMPLES
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.network.installed import find_model, list_models
from napari_nucseg.network.installing import export_model, install_model, remove_model, rename_model
from napari_nucseg.network.lineage import sha256_of
from napari_nucseg.network.model_card import TaughtComparison, TaughtExample, TeachingRecord
from napari_nucseg.network.model_file import load_model, save_model
from napari_nucseg.network.places import models_dir
from napari_nucseg.network.preferred import prefer_model, preferred_model
from napari_nucseg.nuclei.trust import Trust
from napari_nucseg.teaching.runs import DONE, runs_dir

TIMEOUT_MS = 120_000
RECORD = TeachingRecord(
    date="2026-11-20T10:00:00",
    parent="tiny",
    examples=(TaughtExample(name="cells", sha256="0" * 64, n_learned=20, n_held_out=8),),
    words="It finds 7 of 8 nuclei.",
    comparisons=(
        TaughtComparison(
            name="your corrections, held out",
            n_nuclei=8,
            old=0.5,
            new=0.75,
            low=0.1,
            high=0.4,
            verdict="better",
        ),
    ),
)


@pytest.fixture
def own_models(tiny_models, tmp_path):
    """Install tiny, and tiny-2 that was taught from it; the folder is the test's own."""
    tiny = install_model(tiny_models / "tiny.safetensors")
    model = load_model(tiny.path)
    card = model.card.model_copy(
        update={"name": "tiny-2", "parent_sha256": sha256_of(tiny.path), "teaching": RECORD}
    )
    save_model(tmp_path / "models" / "tiny-2.safetensors", card, model.network)


@pytest.fixture
def panel(viewer, qtbot, own_models):
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "My models")
    qtbot.waitUntil(lambda: widget.form.tree.topLevelItemCount() > 0, timeout=TIMEOUT_MS)
    yield widget
    widget.shut()


def _items(panel):
    everywhere = Qt.MatchFlag.MatchContains | Qt.MatchFlag.MatchRecursive
    return {item.data(0, NAME): item for item in panel.form.tree.findItems("", everywhere, 0)}


def _item(panel, name):
    return _items(panel)[name]


def _until_listed(qtbot, panel, name):
    qtbot.waitUntil(lambda: name in _items(panel), timeout=TIMEOUT_MS)


def _choose(panel, *names):
    panel.form.tree.clearSelection()
    panel.form.choose(list(names))


def _overwrite_weights(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1000] + b"\xff" * 1000)  # 0xffff is a NaN in float16


def test_children_stand_below_their_parent_with_score_and_date(panel):
    child = _item(panel, "tiny-2")
    assert child.parent().data(0, NAME) == "tiny"
    assert [child.text(column) for column in (1, 2)] == ["0.75", "2026-11-20"]
    _choose(panel, "tiny-2")
    assert "From tiny" in panel.form.details.text()
    assert "20 nuclei" in panel.form.details.text()
    assert any("better" in text for text in panel.form.table.cells())


def test_titles_have_all_the_room_where_no_model_or_not_theirs_was_taught(qtbot, panel):
    assert [_item(panel, name).isFirstColumnSpanned() for name in ("nuclei-unetpp", "tiny-2")] == [
        True,
        False,
    ]
    columns = [panel.form.tree.isColumnHidden(column) for column in (1, 2)]
    find_model("tiny-2").unlink()
    qtbot.waitUntil(lambda: panel.form.tree.isColumnHidden(1), timeout=TIMEOUT_MS)
    assert panel.form.tree.isColumnHidden(2) and not any(columns)


def test_a_model_that_was_checked_on_no_nucleus_has_no_score(qtbot, panel):
    model = load_model(find_model("tiny-2"))
    (checked,) = RECORD.comparisons
    unchecked = RECORD.model_copy(
        update={"comparisons": (checked.model_copy(update={"n_nuclei": 0, "old": 1.0, "new": 1.0}),)}
    )
    card = model.card.model_copy(update={"name": "tiny-3", "teaching": unchecked})
    save_model(models_dir() / "tiny-3.safetensors", card, model.network)
    _until_listed(qtbot, panel, "tiny-3")
    assert _item(panel, "tiny-3").text(1) == ""


def test_what_a_card_says_is_shown_as_it_stands_there_and_makes_the_dock_no_wider(qtbot, panel):
    model, width_px = load_model(find_model("tiny-2")), panel.sizeHint().width()
    (checked,) = RECORD.comparisons
    odd = checked.model_copy(update={"name": f"<b>cells</b> {'x' * 80}", "verdict": "of a later version"})
    card = model.card.model_copy(
        update={"name": "odd", "teaching": RECORD.model_copy(update={"comparisons": (odd,)})}
    )
    save_model(models_dir() / "odd.safetensors", card, model.network)
    _until_listed(qtbot, panel, "odd")
    _choose(panel, "odd")
    name, _, _, change = panel.form.table.cells()[4:]
    assert name.startswith("<b>cells</b> xxx") and change.startswith("? of a later version")
    assert all(
        label.textFormat() == Qt.TextFormat.PlainText for label in panel.form.table.findChildren(QLabel)
    )
    assert panel.form.table.minimumSizeHint().width() <= width_px


def _has_focus_to_go_on(panel):
    """Whether the keyboard is at a control: at the tree, or at a button that is usable again by then."""
    focused = panel.window().focusWidget()
    return focused is not None and panel.form.isAncestorOf(focused) and focused.isEnabled()


def test_use_and_go_back(qtbot, panel, click):
    _choose(panel, "tiny-2")
    click(panel.form.use)
    qtbot.waitUntil(lambda: preferred_model() == "tiny-2", timeout=TIMEOUT_MS)
    qtbot.waitUntil(lambda: _item(panel, "tiny-2").text(0).startswith("★"), timeout=TIMEOUT_MS)
    click(panel.form.back)
    qtbot.waitUntil(lambda: _has_focus_to_go_on(panel), timeout=TIMEOUT_MS)
    qtbot.waitUntil(lambda: preferred_model() is None, timeout=TIMEOUT_MS)
    qtbot.waitUntil(lambda: not _item(panel, "tiny-2").text(0).startswith("★"), timeout=TIMEOUT_MS)
    assert not panel.form.back.isEnabled()


def test_a_second_click_waits_until_what_the_first_asked_for_is_done(qtbot, panel, click):
    for name in ("tiny", "tiny-2"):
        _choose(panel, name)
        qtbot.mouseClick(panel.form.use, Qt.MouseButton.LeftButton)
    assert not panel.form.use.isEnabled() and not panel.form.install.isEnabled()
    qtbot.waitUntil(lambda: _item(panel, "tiny").text(0).startswith("★"), timeout=TIMEOUT_MS)
    assert "“tiny” is used" in panel.form.status.text()
    click(panel.form.use)
    qtbot.waitUntil(lambda: preferred_model() == "tiny-2", timeout=TIMEOUT_MS)
    click(panel.form.back)
    qtbot.waitUntil(lambda: preferred_model() == "tiny", timeout=TIMEOUT_MS)


def test_of_many_files_left_out_two_are_told_and_how_many_more(qtbot, panel):
    """Else their reasons push the buttons below the fold."""
    for number in range(16):
        (models_dir() / f"broken-{number:02}.safetensors").write_bytes(b"cut short")
    problems = panel.form.problems
    qtbot.waitUntil(lambda: "14 more" in problems.text(), timeout=TIMEOUT_MS)
    assert problems.text().count("⚠") == 3
    assert "broken-01" in problems.text() and "broken-02" not in problems.text()
    assert "broken-15" in problems.toolTip()
    for path in models_dir().glob("broken-*"):
        path.unlink()
    qtbot.waitUntil(lambda: not problems.isVisible(), timeout=TIMEOUT_MS)
    assert not problems.toolTip()


def test_both_models_that_automatic_may_stand_for_have_a_star_and_can_be_taken_for_all(qtbot, panel, click):
    both = ["nuclei-unet", "nuclei-unetpp"]
    assert all(_item(panel, name).text(0).startswith("★") for name in both)
    for name in both:
        _choose(panel, name)
        assert panel.form.use.isEnabled()
    click(panel.form.use)
    qtbot.waitUntil(lambda: preferred_model() == "nuclei-unetpp", timeout=TIMEOUT_MS)
    qtbot.waitUntil(lambda: not _item(panel, "nuclei-unet").text(0).startswith("★"), timeout=TIMEOUT_MS)
    _choose(panel, "nuclei-unetpp")
    assert not panel.form.use.isEnabled()


def test_a_model_chosen_elsewhere_is_shown_at_once(qtbot, panel):
    prefer_model("tiny")
    qtbot.waitUntil(lambda: _item(panel, "tiny").text(0).startswith("★"), timeout=TIMEOUT_MS)


def test_rename_keeps_descent(qtbot, panel, click):
    _choose(panel, "tiny")
    click(panel.form.rename)
    panel.form.new_name.setText("small")
    qtbot.keyClick(panel.form.new_name, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "small" in [m.name for m in list_models()], timeout=TIMEOUT_MS)
    qtbot.waitUntil(lambda: _item(panel, "tiny-2").parent().data(0, NAME) == "small", timeout=TIMEOUT_MS)
    assert panel.form.chosen == ["small"], "the choice goes with it"
    assert panel.form.details.text().startswith("small")


def test_a_name_that_is_refused_can_be_changed(qtbot, panel, click):
    _choose(panel, "tiny")
    click(panel.form.rename)
    for typed, words in (
        ("tiny-2", "There is a model “tiny-2” already"),
        ("a/b", "be a model's name"),
        (" ", "Give it"),
    ):
        panel.form.new_name.setText(typed)
        qtbot.keyClick(panel.form.new_name, Qt.Key.Key_Return)
        assert words in panel.form.status.text()
        assert panel.form.renaming.isVisible() and panel.form.new_name.text() == typed
    panel.form.new_name.setText("small")
    qtbot.keyClick(panel.form.new_name, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: panel.form.chosen == ["small"], timeout=TIMEOUT_MS)
    assert not panel.form.renaming.isVisible()
    assert "is called “small” now" in panel.form.status.text()


def test_other_docks_go_on_with_a_model_that_is_renamed_and_say_when_it_is_gone(
    qtbot, viewer, own_models, widget, tiny_models, user, nuclei
):
    _, teach = viewer.window.add_plugin_dock_widget("napari-nucseg", "Fine-tune")
    choices = (widget.form.model, teach.form.model)

    def until_listed(*names):
        listed = {"auto", "nuclei-unet", "nuclei-unetpp", *names}
        for choice in choices:
            qtbot.waitUntil(
                lambda c=choice: {c.itemData(i) for i in range(c.count())} == listed, timeout=TIMEOUT_MS
            )

    until_listed("tiny", "tiny-2")
    for choice in choices:
        choice.setCurrentIndex(choice.findData("tiny"))
    rename_model("tiny", "liver")
    until_listed("liver", "tiny-2")
    assert [choice.currentText() for choice in choices] == ["liver", "liver"]
    install_model(tiny_models / "tiny.safetensors")
    until_listed("liver", "tiny", "tiny-2")
    assert [choice.currentText() for choice in choices] == ["liver", "liver"]
    shown = [choices[0].itemText(choices[0].findData(name)) for name in ("tiny", "tiny-2", "nuclei-unet")]
    assert shown == ["tiny", "tiny-2", "U-Net for nuclei"], "own models bear the name they were given"
    viewer.add_image(nuclei)
    user.segment()
    assert "· liver ·" in user.said()
    remove_model("liver")
    until_listed("tiny", "tiny-2")
    assert [choice.currentData() for choice in choices] == ["auto", "auto"]
    said = [str(record.message) for record in notification_manager.records]
    assert sum("“liver”" in words and "gone" in words for words in said) == 2, "each dock says so"


def test_what_teaching_left_goes_with_its_model(qtbot, panel, click):
    for folder in (runs_dir() / "tiny", runs_dir() / "tiny-2"):
        folder.mkdir(parents=True)
    (runs_dir() / "tiny" / DONE).touch()
    _choose(panel, "tiny")
    click(panel.form.rename)
    panel.form.new_name.setText("small")
    qtbot.keyClick(panel.form.new_name, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: panel.form.chosen == ["small"], timeout=TIMEOUT_MS)
    assert sorted(os.listdir(runs_dir())) == ["small", "tiny-2"]
    for name in ("small", "tiny-2"):
        _choose(panel, name)
        click(panel.form.delete)
        click(panel.form.question.buttons["Delete"])
        qtbot.waitUntil(
            lambda name=name: f"“{name}” was deleted" in panel.form.status.text(), timeout=TIMEOUT_MS
        )
    assert os.listdir(runs_dir()) == ["tiny-2"], "a run that is at no end is not its model's"


def test_deleting_asks_and_says_what_hangs_on_it(qtbot, panel, click):
    prefer_model("tiny")
    qtbot.waitUntil(lambda: _item(panel, "tiny").text(0).startswith("★"), timeout=TIMEOUT_MS)
    _choose(panel, "tiny")
    click(panel.form.delete)
    asked = panel.form.question.text.text()
    assert "in use" in asked
    assert "tiny-2 came from it" in asked
    click(panel.form.question.buttons["Keep it"])
    assert find_model("tiny").exists()
    click(panel.form.delete)
    click(panel.form.question.buttons["Delete"])
    qtbot.waitUntil(lambda: "tiny" not in [m.name for m in list_models()], timeout=TIMEOUT_MS)


def test_bundled_models_stay(panel):
    _choose(panel, "nuclei-unet")
    assert not panel.form.delete.isEnabled()
    assert not panel.form.rename.isEnabled()
    assert panel.form.export.isEnabled()


def test_export_and_import(qtbot, panel, click, answer, choose, tmp_path):
    _choose(panel, "tiny-2")
    answer(choose(tmp_path / "taken.safetensors"))
    click(panel.form.export)
    qtbot.waitUntil((tmp_path / "taken.safetensors").exists, timeout=TIMEOUT_MS)
    click(panel.form.delete)
    click(panel.form.question.buttons["Delete"])
    qtbot.waitUntil(lambda: "tiny-2" not in [m.name for m in list_models()], timeout=TIMEOUT_MS)
    answer(choose(tmp_path / "taken.safetensors"))
    click(panel.form.install)
    qtbot.waitUntil(lambda: "tiny-2" in [m.name for m in list_models()], timeout=TIMEOUT_MS)


def test_an_export_gets_the_suffix_that_model_files_have(qtbot, panel, click, answer, choose, tmp_path):
    _choose(panel, "tiny-2")
    answer(choose(tmp_path / "backup-1.2"))
    click(panel.form.export)
    qtbot.waitUntil(lambda: "was saved as" in panel.form.status.text(), timeout=TIMEOUT_MS)
    (tmp_path / "backup-1.2.safetensors").write_bytes(b"another file")
    answer(choose(tmp_path / "backup-1.2"))
    click(panel.form.export)
    assert "backup-1.2.safetensors is there already" in panel.form.question.text.text()
    assert not panel.form.status.text(), "what was said of the export before is no part of the question"
    click(panel.form.question.buttons["Replace"])
    whole = find_model("tiny-2").read_bytes()
    qtbot.waitUntil(lambda: (tmp_path / "backup-1.2.safetensors").read_bytes() == whole, timeout=TIMEOUT_MS)


def test_an_import_of_a_name_that_is_taken_asks(qtbot, panel, click, answer, choose, tmp_path):
    path = export_model("tiny-2", tmp_path)
    model = load_model(path)
    save_model(path, model.card.model_copy(update={"description": "Another."}), model.network)
    answer(choose(path))
    click(panel.form.install)
    qtbot.waitUntil(lambda: panel.form.question.asks, timeout=TIMEOUT_MS)
    assert "a model “tiny-2” already" in panel.form.question.text.text()
    click(panel.form.question.buttons["Keep both"])
    qtbot.waitUntil(lambda: panel.form.chosen == ["tiny-2-2"], timeout=TIMEOUT_MS)
    assert load_model("tiny-2").card.description == ""
    answer(choose(path))
    click(panel.form.install)
    qtbot.waitUntil(lambda: panel.form.question.asks, timeout=TIMEOUT_MS)
    click(panel.form.question.buttons["Replace"])
    qtbot.waitUntil(lambda: load_model("tiny-2").card.description == "Another.", timeout=TIMEOUT_MS)


def test_an_import_is_not_to_be_kept_under_the_name_of_a_file_that_is_left_out(
    qtbot, panel, click, answer, choose, tmp_path
):
    (models_dir() / "liver.safetensors").write_bytes(find_model("tiny-2").read_bytes())
    path = export_model("tiny", tmp_path)
    model = load_model(path)
    save_model(path, model.card.model_copy(update={"name": "liver"}), model.network)
    qtbot.waitUntil(panel.form.problems.isVisible, timeout=TIMEOUT_MS)
    answer(choose(path))
    click(panel.form.install)
    qtbot.waitUntil(lambda: panel.form.question.asks, timeout=TIMEOUT_MS)
    click(panel.form.question.buttons["Keep both"])
    qtbot.waitUntil(lambda: panel.form.chosen == ["liver-2"], timeout=TIMEOUT_MS)


def test_an_import_with_a_bundled_models_name_is_kept_under_another(
    qtbot, panel, click, answer, choose, tmp_path
):
    answer(choose(export_model("nuclei-unet", tmp_path)))
    click(panel.form.install)
    qtbot.waitUntil(lambda: panel.form.question.asks, timeout=TIMEOUT_MS)
    assert list(panel.form.question.buttons) == ["Cancel", "Keep both"]
    click(panel.form.question.buttons["Keep both"])
    qtbot.waitUntil(lambda: panel.form.chosen == ["nuclei-unet-2"], timeout=TIMEOUT_MS)


def test_an_import_takes_no_place_of_a_model_that_the_question_does_not_name(
    qtbot, panel, click, answer, choose, tmp_path
):
    path = export_model("tiny-2", tmp_path)
    held = find_model("tiny").rename(models_dir() / "tiny-3.safetensors")
    model = load_model(path)
    save_model(path, model.card.model_copy(update={"name": "tiny-3"}), model.network)
    answer(choose(path))
    click(panel.form.install)
    qtbot.waitUntil(lambda: panel.form.question.asks, timeout=TIMEOUT_MS)
    assert "A file tiny-3.safetensors" in panel.form.question.text.text()
    assert "holds the model “tiny”" in panel.form.question.text.text()
    assert list(panel.form.question.buttons) == ["Cancel", "Keep both"]
    click(panel.form.question.buttons["Keep both"])
    qtbot.waitUntil(lambda: panel.form.chosen == ["tiny-3-2"], timeout=TIMEOUT_MS)
    assert find_model("tiny") == held


def test_an_import_asks_before_it_takes_the_place_of_a_file_of_another_kind(
    qtbot, panel, click, answer, choose, tmp_path
):
    path = export_model("tiny-2", tmp_path)
    find_model("tiny-2").write_text("a letter")
    answer(choose(path))
    click(panel.form.install)
    qtbot.waitUntil(lambda: panel.form.question.asks, timeout=TIMEOUT_MS)
    assert "A file tiny-2.safetensors" in panel.form.question.text.text()
    assert list(panel.form.question.buttons) == ["Cancel", "Keep both", "Replace"]
    click(panel.form.question.buttons["Replace"])
    qtbot.waitUntil(lambda: "tiny-2" in [m.name for m in list_models()], timeout=TIMEOUT_MS)


def test_an_import_that_is_no_model_is_said(qtbot, panel, click, answer, choose, tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"no model")
    answer(choose(tmp_path / "broken.safetensors"))
    click(panel.form.install)
    qtbot.waitUntil(lambda: panel.form.status.text().startswith("⚠"), timeout=TIMEOUT_MS)


def test_a_default_that_is_damaged_meanwhile_is_said(qtbot, panel, click):
    _choose(panel, "tiny-2")
    click(panel.form.use)
    qtbot.waitUntil(lambda: _item(panel, "tiny-2").text(0).startswith("★"), timeout=TIMEOUT_MS)
    assert "used from now on" in panel.form.status.text()
    assert not panel.form.problems.isVisible()
    path = find_model("tiny-2")
    path.unlink()
    path.write_bytes(b"cut short")
    qtbot.waitUntil(panel.form.problems.isVisible, timeout=TIMEOUT_MS)
    said = panel.form.problems.text()
    assert f"{path} is no readable safetensors file" in said
    assert "default model tiny-2 is gone or damaged" in said
    assert not panel.form.status.text(), "it is not used from now on"


def test_a_model_that_is_damaged_in_place_is_listed_no_longer(qtbot, panel):
    path = find_model("tiny-2")
    with path.open("r+b") as file:
        file.truncate(1000)
    qtbot.waitUntil(panel.form.problems.isVisible, timeout=TIMEOUT_MS)
    assert f"{path} is no readable safetensors file" in panel.form.problems.text()
    assert "tiny-2" not in [descent.model.name for descent in panel._family.descents]


def test_a_model_that_cannot_be_taken_up_is_said_with_the_reason_and_listed_no_longer(qtbot, panel, click):
    panel.controller._watch.stop()  # as in a shared folder that tells nothing
    path = find_model("tiny-2")
    _choose(panel, "tiny-2")
    path.write_bytes(b"cut short")
    click(panel.form.use)
    qtbot.waitUntil(panel.form.problems.isVisible, timeout=TIMEOUT_MS)
    assert f"{path} is no readable safetensors file" in panel.form.status.text()
    assert "tiny-2" not in [descent.model.name for descent in panel._family.descents]


def test_a_name_half_typed_and_a_question_outlive_what_happens_in_the_folder(qtbot, panel, click):
    _choose(panel, "tiny-2")
    click(panel.form.rename)
    panel.form.new_name.setText("kid")
    click(panel.form.delete)
    with qtbot.waitSignal(panel.controller.listed, timeout=TIMEOUT_MS):
        (models_dir() / "notes.txt").touch()
    assert panel.form.renaming.isVisible() and panel.form.new_name.text() == "kid"
    assert panel.form.question.asks
    prefer_model("tiny")
    qtbot.waitUntil(lambda: _item(panel, "tiny").text(0).startswith("★"), timeout=TIMEOUT_MS)
    assert panel.form.chosen == ["tiny-2"] and panel.form.renaming.isVisible()
    assert not panel.form.question.asks, "what it says of the model in use may hold no longer"
    _choose(panel, "tiny")
    assert not panel.form.renaming.isVisible()


def test_only_the_folder_of_models_is_told_of_not_what_lies_around_it(qtbot, tmp_path):
    watch = ModelsWatch(tmp_path / "data" / "models")
    with qtbot.assertNotEmitted(watch.changed, wait=3 * SETTLE_MS):
        (tmp_path / "unrelated").touch()
        (tmp_path / "data").mkdir()
    with qtbot.waitSignal(watch.changed, timeout=TIMEOUT_MS):
        (tmp_path / "data" / "models").mkdir()
    with qtbot.waitSignal(watch.changed, timeout=TIMEOUT_MS):
        (tmp_path / "data" / "models" / "a.safetensors").touch()
    with qtbot.waitSignal(watch.changed, timeout=TIMEOUT_MS):
        shutil.rmtree(tmp_path / "data" / "models")
    watch.stop()


class TestComparing:
    def test_layers_are_compared_on_by_their_names(self, qtbot, viewer, panel, click):
        """The bundled model against one that learned nothing; what nobody looked at is left out, and said."""
        made = synthetic_fluorescence((192, 192), seed=3, diameter_px=24)
        viewer.add_image(made.image, name="cells")
        corrections_of(viewer.add_labels(made.labels, name="cells nuclei")).trust[:] = Trust.REVIEWED
        corrections_of(viewer.add_labels(made.labels, name="unseen"))
        _compare(panel, click, "nuclei-unet", "tiny")
        _until_compared(qtbot, panel)
        name, old, new, change = panel.form.table.cells()[4:]
        assert name.startswith("Cells nuclei\n")
        assert float(old) > 0.5 > float(new)
        assert change.startswith("✗ worse")
        said = panel.form.details.text()
        assert "nuclei-unet (old) and tiny (new)" in said
        assert "unseen" in said.splitlines()[1]
        qtbot.waitUntil(lambda: not panel.form.running.isVisible(), timeout=TIMEOUT_MS)

    def test_layers_that_one_of_them_was_taught_on_are_said(self, qtbot, viewer, panel, click):
        made = synthetic_fluorescence((96, 96), seed=3, diameter_px=24)
        viewer.add_image(made.image, name="cells")
        corrections_of(viewer.add_labels(made.labels, name="cells nuclei")).trust[:] = Trust.REVIEWED
        model = load_model("tiny-2")
        learned = (sha256_of_pixels(made.image[None].astype(np.float32)),)
        with qtbot.waitSignal(panel.controller.listed, timeout=TIMEOUT_MS):  # a new card drops what is shown
            save_model(model.path, model.card.model_copy(update={"learned_images": learned}), model.network)
        _compare(panel, click, "tiny", "tiny-2")
        _until_compared(qtbot, panel)
        assert "tiny-2 learned from cells nuclei" in panel.form.details.text()

    def test_a_folder_is_asked_for_where_there_are_no_layers(
        self, qtbot, panel, click, answer, choose, real_images
    ):
        answer(choose(real_images))
        _compare(panel, click, "tiny", "tiny-2")
        _until_compared(qtbot, panel)
        name, old, new, change = panel.form.table.cells()[4:]
        assert name.startswith("Stage1_train\n")
        assert old == new, "their weights are the same"
        assert "not enough evidence" in change
        qtbot.waitUntil(lambda: not panel.form.running.isVisible(), timeout=TIMEOUT_MS)
        prefer_model("tiny-2")
        qtbot.waitUntil(lambda: _item(panel, "tiny-2").text(0).startswith("★"), timeout=TIMEOUT_MS)
        assert panel.form.table.cells()[5] == old, "figures stay as long as the same models are chosen"
        assert "(old)" in panel.form.details.text()

    def test_images_of_a_folder_that_were_left_out_are_said(
        self, qtbot, panel, click, answer, choose, tmp_path
    ):
        made = synthetic_fluorescence((96, 96), seed=8, diameter_px=24)
        for part, pixels in (("images", made.image), ("labels", made.labels)):
            (tmp_path / "own" / part).mkdir(parents=True)
            imwrite(tmp_path / "own" / part / "a.tif", pixels)
        imwrite(tmp_path / "own" / "images" / "b.tif", made.image)
        answer(choose(tmp_path / "own"))
        _compare(panel, click, "tiny", "tiny-2")
        _until_compared(qtbot, panel)
        assert "Left out b: it has no labels." in panel.form.details.text()

    def test_cancelled_half_way(self, qtbot, panel, click, answer, choose, real_images):
        answer(choose(real_images))
        _compare(panel, click, "tiny", "tiny-2")
        assert not panel.form.compare.isEnabled()
        qtbot.waitUntil(lambda: "(2 of 3)" in panel.form.status.text(), timeout=TIMEOUT_MS)
        click(panel.form.cancel)
        qtbot.waitUntil(lambda: not panel.controller.comparing, timeout=TIMEOUT_MS)
        assert panel.form.status.text().startswith("Cancelled")
        assert panel.form.compare.isEnabled()
        assert not panel.form.running.isVisible()
        assert not panel.form.table.isVisible()

    @pytest.mark.parametrize(
        "spoil",
        [
            pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-1000]), id="cut short"),
            pytest.param(lambda path: path.write_bytes(b"no model"), id="no model"),
            pytest.param(_overwrite_weights, id="weights that are no numbers"),
        ],
    )
    def test_a_damaged_model_is_named(self, qtbot, panel, click, answer, choose, real_images, spoil):
        spoil(find_model("tiny-2"))
        answer(choose(real_images))
        _compare(panel, click, "tiny", "tiny-2")
        qtbot.waitUntil(lambda: panel.form.status.text().startswith("⚠"), timeout=TIMEOUT_MS)
        assert "tiny-2" in panel.form.status.text()
        qtbot.waitUntil(lambda: not panel.form.running.isVisible(), timeout=TIMEOUT_MS)
        assert not panel.form.table.isVisible()

    def test_images_without_nuclei_are_said(self, qtbot, viewer, panel, click):
        made = synthetic_fluorescence((96, 96), seed=3)
        viewer.add_image(made.image)
        corrections_of(viewer.add_labels(made.labels, name="unseen"))
        _compare(panel, click, "tiny", "tiny-2")
        qtbot.waitUntil(lambda: panel.form.status.text().startswith("⚠"), timeout=TIMEOUT_MS)
        assert "compared on unseen: " in panel.form.status.text()


@pytest.fixture
def real_images(test_data, tmp_path):
    """Return a dataset of three real images."""
    names = next(sample.image_ids for sample in SAMPLES if len(sample.image_ids) > 2)[:3]
    for name in names:
        shutil.copytree(
            test_data / "dsb2018" / "stage1_train" / name, tmp_path / "real" / "stage1_train" / name
        )
    return tmp_path / "real" / "stage1_train"


def _compare(panel, click, old, new):
    _choose(panel, old, new)
    click(panel.form.compare)


def _until_compared(qtbot, panel):
    qtbot.waitUntil(lambda: len(panel.form.table.cells()) > 4, timeout=TIMEOUT_MS)
