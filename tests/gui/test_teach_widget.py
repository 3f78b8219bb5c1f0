"""*Fine-tune* in a real window: examples, a child that learns, cancel, before and after, taking up, finishing later.

Most tests drive a scripted child (a real process that speaks the real protocol, without a network); one goes the whole
loop with the real one.
"""

from __future__ import annotations

import json
import shutil
import threading
import time

import dask.array
import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication
from tifffile import imwrite

from napari_nucseg._napari import teach_drafts
from napari_nucseg._napari.camera import camera_of
from napari_nucseg._napari.correct_subject import corrections_of
from napari_nucseg._napari.correct_tools import EDIT_TOOLS
from napari_nucseg._napari.dock_column import DockColumn
from napari_nucseg._napari.layer_state import PREVIEW_OF, read_state
from napari_nucseg._napari.teach_estimate import estimate_presets
from napari_nucseg._napari.teach_examples import Source
from napari_nucseg._napari.teach_folder import discard_run, held, refuse_name, unfinished_run
from napari_nucseg._napari.teach_text import (
    NO_NUCLEUS,
    NOTHING_CORRECTED,
    NOTHING_MARKED_ELSEWHERE,
    NOTHING_REVIEWED,
    ONLY_CHECKED,
    PRESET_SECONDS,
    pinned_words,
    refusal,
    seconds_with,
)
from napari_nucseg.data.correction_set import CorrectionSet, open_correction_set, save_correction_set
from napari_nucseg.data.same_pixels import sha256_of_pixels
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import TrainingError
from napari_nucseg.network.installed import find_model, list_models
from napari_nucseg.network.installing import install_model, remove_model, rename_model
from napari_nucseg.network.lineage import sha256_of
from napari_nucseg.network.model_card import read_card
from napari_nucseg.nuclei.trust import Trust
from napari_nucseg.steps import drain
from napari_nucseg.teaching.progress import ExampleUse
from napari_nucseg.teaching.runs import DONE, runs_dir

TIMEOUT_MS = 120_000
REAL_TIMEOUT_MS = 500_000
TOOLS = {tool.name: tool for tool in EDIT_TOOLS}
HELD_OUT = {
    "name": "your corrections, held out",
    "kind": "held-out",
    "n_images": 1,
    "n_nuclei": 30,
    "old": 0.6,
    "new": 0.8,
    "low": 0.1,
    "high": 0.3,
    "verdict": "better",
}
BETTER = {
    "verdict": "better",
    "words": "It finds 24 of 30 nuclei, the old one 18.",
    "comparisons": [HELD_OUT],
}
UNSURE = {"verdict": "not enough evidence", "words": "Only 3 nuclei are kept aside.", "comparisons": []}
WORSE = {"verdict": "worse", "words": "It loses 9 nuclei on synthetic histology.", "comparisons": []}
NONSENSE = {**BETTER, "warnings": ["The masks of cells.tif lie 6 px beside their nuclei."]}


@pytest.fixture(scope="session")
def taught_model(tmp_path_factory):
    """Return a model file whose card says it is called my-nuclei."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUCSEG_MODELS", str(tmp_path_factory.mktemp("taught")))
        return install_model(find_model("nuclei-unet"), "my-nuclei").path


@pytest.fixture
def scripted(script_child, taught_model):
    """Return a function that says what the child will do; without a call, it learns quickly and is better."""

    def script(result=BETTER, **what):
        script_child(taught_model, result, **what)

    script()
    return script


@pytest.fixture
def made():
    return synthetic_fluorescence((160, 200), seed=4, diameter_px=24)


@pytest.fixture
def layer(viewer, made):
    """Labels of a made image, all of them reviewed."""
    viewer.add_image(made.image, name="cells")
    layer = viewer.add_labels(made.labels.copy(), name="cells nuclei")
    corrections_of(layer).trust[:] = Trust.REVIEWED
    return layer


@pytest.fixture
def open_teacher(viewer, qtbot):
    opened = []

    def open_widget():
        _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Fine-tune")
        opened.append(widget)
        qtbot.waitUntil(lambda: bool(widget._models), timeout=TIMEOUT_MS)
        return widget

    yield open_widget
    for widget in opened:
        widget.shut()


@pytest.fixture
def teacher(open_teacher, scripted):
    return open_teacher()


def _ready(qtbot, widget):
    widget.controller.refresh()
    qtbot.waitUntil(widget.form.run.isEnabled, timeout=TIMEOUT_MS)


def _run(qtbot, widget, click, timeout=TIMEOUT_MS):
    _ready(qtbot, widget)
    click(widget.form.run)
    qtbot.waitUntil(lambda: not widget.controller.running, timeout=timeout)
    qtbot.wait(100)


def _learning(qtbot, widget, steps=6):
    _ready(qtbot, widget)
    widget.form.run.click()
    qtbot.waitUntil(lambda: widget.form.progress.value() >= steps, timeout=TIMEOUT_MS)


def _default():
    from napari_nucseg.network.preferred import preferred_model

    return preferred_model()


class TestExamples:
    def test_a_corrected_layer_is_listed_with_what_it_offers(self, qtbot, teacher, layer):
        _ready(qtbot, teacher)
        (row,) = teacher.form.examples.rows
        assert row.source.name == "cells nuclei"
        assert "19 nuclei · 100% of the image" in row.detail.text()
        assert "cut in two" in row.detail.text()
        row.use.setCurrentText("Learn")
        qtbot.waitUntil(lambda: "learned from" in row.detail.text(), timeout=TIMEOUT_MS)

    def test_folders_are_added_and_taken_out(
        self, qtbot, viewer, teacher, layer, tmp_path, click, answer, choose
    ):
        from napari_nucseg._napari.correct_files import collect
        from napari_nucseg._napari.correct_subject import Subject

        for name in ("one", "two"):
            save_correction_set(tmp_path / "sets" / name, collect(Subject(viewer, layer)))
        answer(choose(tmp_path / "sets"))
        click(teacher.form.add_folder)
        qtbot.waitUntil(lambda: len(teacher.form.examples.rows) == 2, timeout=TIMEOUT_MS)
        row = teacher.form.examples.rows[1]
        qtbot.waitUntil(lambda: "2 images" in row.detail.text(), timeout=TIMEOUT_MS)
        click(row.remove)
        qtbot.waitUntil(lambda: len(teacher.form.examples.rows) == 1, timeout=TIMEOUT_MS)
        assert (tmp_path / "sets" / "one").exists()

    def test_a_layer_saved_in_a_listed_folder_is_not_taught_twice(
        self, qtbot, viewer, teacher, layer, tmp_path
    ):
        from napari_nucseg._napari.correct_files import collect, mark_saved
        from napari_nucseg._napari.correct_subject import Subject

        folder = save_correction_set(tmp_path / "sets" / "one", collect(Subject(viewer, layer)))
        mark_saved(layer, folder)
        teacher.controller.examples.add(tmp_path / "sets")
        assert [source.name for source in teacher.controller.examples.sources] == ["sets"]

    @pytest.mark.parametrize("listed", ["sets", "sets/one"])
    def test_what_was_changed_since_it_was_saved_in_a_listed_folder_is_said(
        self, qtbot, teacher, corrector, layer, tmp_path, listed
    ):
        def save():
            corrector.form.say("")
            corrector.controller.save(tmp_path / "sets" / "one")
            qtbot.waitUntil(lambda: "Saved in" in corrector.form.status.text(), timeout=TIMEOUT_MS)

        def says(words):
            return lambda: any(words in row.detail.text() for row in teacher.form.examples.rows)

        corrector.controller.choose(layer)
        save()
        teacher.controller.examples.add(tmp_path / listed)
        teacher.controller.refresh()
        qtbot.waitUntil(says("1 image"), timeout=TIMEOUT_MS)
        assert not says("not taught")()
        layer.data_setitem((np.array([1]), np.array([1])), 99)
        qtbot.waitUntil(
            says("“cells nuclei”: changes since the last save are not taught"), timeout=TIMEOUT_MS
        )
        save()
        qtbot.waitUntil(lambda: not says("not taught")(), timeout=TIMEOUT_MS)
        corrector.controller.mark_all(Trust.IGNORE)
        qtbot.waitUntil(says("not taught"), timeout=TIMEOUT_MS)
        save()
        qtbot.waitUntil(lambda: not says("not taught")(), timeout=TIMEOUT_MS)
        shutil.rmtree(tmp_path / "sets" / "one")
        teacher.controller.refresh()
        qtbot.waitUntil(says("not taught"), timeout=TIMEOUT_MS)

    def test_of_an_image_that_is_on_show_and_untouched_nothing_is_missing_in_its_folder(
        self, qtbot, viewer, teacher, tmp_path
    ):
        (tmp_path / "slides").mkdir()
        for seed, name in enumerate(("a", "b")):
            made = synthetic_fluorescence((160, 200), seed=seed, diameter_px=24)
            imwrite(tmp_path / "slides" / f"{name}.tif", made.image)
        _, worker = viewer.window.add_plugin_dock_widget("napari-nucseg", "Work through a folder")
        corrections = tmp_path / "slides corrections"
        worker.controller.open(tmp_path / "slides", corrections)
        qtbot.waitUntil(lambda: not worker.controller.busy, timeout=TIMEOUT_MS)
        (layer,) = (layer for layer in viewer.layers if isinstance(layer, Labels))
        layer.data_setitem((np.array([5, 5]), np.array([5, 6])), 1)
        corrections_of(layer).trust[:] = Trust.REVIEWED
        worker.controller.mark_done()
        qtbot.waitUntil(lambda: not worker.controller.busy, timeout=TIMEOUT_MS)
        assert worker.controller.worklist.current == "b"
        teacher.controller.examples.add(corrections)
        teacher.controller.refresh()
        (row,) = teacher.form.examples.rows
        qtbot.waitUntil(lambda: "1 image" in row.detail.text(), timeout=TIMEOUT_MS)
        assert "not taught" not in row.detail.text()
        layer.data_setitem((np.array([5]), np.array([5])), 1)
        qtbot.waitUntil(lambda: "not taught" in row.detail.text(), timeout=TIMEOUT_MS)
        worker.shut()

    def test_what_the_model_to_teach_learned_before_is_not_kept_aside(
        self, qtbot, teacher, layer, made, tmp_path
    ):
        other = synthetic_fluorescence((160, 200), seed=5, diameter_px=24)
        parts = (other.image, "YX", other.labels, np.ones(other.labels.shape, np.uint8))
        teacher.controller.examples.add(save_correction_set(tmp_path / "other", CorrectionSet(*parts)))
        _ready(qtbot, teacher)
        said = [row.detail.text() for row in teacher.form.examples.rows]
        assert sum("cut in two" in words for words in said) == 1
        number = next(i for i, words in enumerate(said) if "cut in two" in words)
        known = sha256_of_pixels((other if number else made).image[None].astype(np.float32))
        card = teacher.form.model.chosen.card.model_copy(update={"learned_images": (known,)})
        teacher.controller.teach_from(card)
        rows = teacher.form.examples.rows
        qtbot.waitUntil(lambda: "cut in two" in rows[1 - number].detail.text(), timeout=TIMEOUT_MS)
        assert "learned from" in rows[number].detail.text()

    def test_an_image_that_is_not_in_memory_is_read_beside_the_window(
        self, qtbot, viewer, teacher, made, monkeypatch
    ):
        monkeypatch.setitem(dask.config.config, "scheduler", "synchronous")  # dask has threads of its own
        readers = []

        def read():
            readers.append(threading.current_thread())
            return made.image

        lazy = dask.array.from_delayed(dask.delayed(read, pure=False)(), made.image.shape, made.image.dtype)
        viewer.add_image(lazy, name="slide", contrast_limits=(0, 255), cache=False)
        layer = viewer.add_labels(made.labels.copy(), name="slide nuclei")
        _trust(layer, Trust.REVIEWED)
        _ready(qtbot, teacher)
        readers.clear()
        with qtbot.waitSignal(teacher.controller.described, timeout=TIMEOUT_MS):
            layer.data_setitem((np.array([1]), np.array([1])), 99)
        assert readers
        assert threading.main_thread() not in readers
        (draft,) = teacher.controller._drafted.ages
        np.testing.assert_array_equal(open_correction_set(draft).image, made.image)

    @pytest.mark.parametrize(
        ("unfit", "words"),
        [
            pytest.param("numbers", "numbers below 0", id="-1 for background"),
            pytest.param("image", "tile 7 lost", id="image that cannot be read"),
        ],
    )
    def test_a_layer_that_cannot_be_taught_is_left_out_and_says_why(
        self, qtbot, viewer, teacher, layer, made, unfit, words
    ):
        def read():
            raise OSError("tile 7 lost")

        lost = dask.array.from_delayed(dask.delayed(read)(), made.image.shape, made.image.dtype)
        labels = made.labels.astype(np.int32)
        viewer.add_image(made.image, name="other")
        other = viewer.add_labels(labels - 1 if unfit == "numbers" else labels, name="other nuclei")
        if unfit == "image":
            # napari itself would ask for the pixels: it is lost only once it is on show
            viewer.layers["other"]._data = lost
        _trust(other, Trust.REVIEWED)
        _ready(qtbot, teacher)
        rows = {row.source.name: row.detail.text() for row in teacher.form.examples.rows}
        assert words in rows["other nuclei"]
        assert "19 nuclei" in rows["cells nuclei"]

    def test_a_pinned_layer_is_checked_on_and_not_learned(self, qtbot, viewer, teacher, layer, made, click):
        viewer.add_image(np.roll(made.image, 40, axis=0), name="other")
        other = viewer.add_labels(np.roll(made.labels, 40, axis=0), name="other nuclei")
        corrections_of(other).trust[:] = Trust.REVIEWED
        source = teacher.controller.examples.sources[0]
        teacher._choosing._pin(source)
        assert [row.source for row in teacher.form.pinned.rows] == [source]
        _run(qtbot, teacher, click)
        job = json.loads((runs_dir() / "my-nuclei" / "job.json").read_text())
        assert len(job["examples"]) == len(job["pinned"]) == 1
        assert open_correction_set(job["pinned"][0]).labels.shape == made.labels.shape

    def test_layers_and_folders_are_pinned_from_a_menu(
        self, qtbot, viewer, teacher, layer, tmp_path, click, answer, choose
    ):
        from napari_nucseg._napari.correct_files import collect
        from napari_nucseg._napari.correct_subject import Subject

        save_correction_set(tmp_path / "good", collect(Subject(viewer, layer)))
        for place in (-1, 0):
            click(teacher.form.pin)
            menu = QApplication.activePopupWidget()
            assert [action.text() for action in menu.actions()] == ["cells nuclei", "Folder…"]
            if place == -1:
                answer(choose(tmp_path / "good"))
            menu.actions()[place].trigger()
            menu.close()
        assert [row.source.name for row in teacher.form.pinned.rows] == ["good", "cells nuclei"]
        row = teacher.form.pinned.rows[0]
        qtbot.waitUntil(lambda: "nuclei" in row.detail.text(), timeout=TIMEOUT_MS)

    def test_a_copy_of_what_is_pinned_is_not_learned_and_says_so(
        self, qtbot, viewer, teacher, layer, made, tmp_path, click
    ):
        _ready(qtbot, teacher)
        reviewed = np.ones(made.labels.shape, np.uint8)
        save_correction_set(tmp_path / "set", CorrectionSet(made.image, "YX", made.labels, reviewed))
        teacher._choosing._pin(Source("set", folder=tmp_path / "set"))
        why_not, (row,) = teacher.form.why_not, teacher.form.examples.rows
        qtbot.waitUntil(lambda: "“cells nuclei” shows a pinned image" in why_not.text(), timeout=TIMEOUT_MS)
        assert "Unpin it, or add other images" in why_not.text()
        assert row.detail.text().startswith("⚠ “cells nuclei” shows a pinned image")
        assert not teacher.form.run.isEnabled()
        click(teacher.form.pinned.rows[0].remove)
        _ready(qtbot, teacher)

    def test_the_same_image_twice_is_said_with_the_names_of_layers(self, qtbot, viewer, teacher, layer):
        other = viewer.add_labels(layer.data.copy(), name="mine too")
        _trust(other, Trust.REVIEWED)
        _ready(qtbot, teacher)
        (words,) = [each.detail.text() for each in teacher.form.examples.rows if "same" in each.detail.text()]
        assert "“cells nuclei” shows the same image as “mine too”" in words

    def test_planes_of_a_stack_are_one_image(self):
        use = ExampleUse(name="z", n_nuclei=9, taught_px=2_000_000, use="learned", n_images=1, n_planes=2)
        assert pinned_words(use, None) == "9 nuclei · 1 image (2 planes) · 2 Mpx"


class TestWhyNot:
    def test_a_mask_without_numbers(self, qtbot, viewer, teacher, layer):
        layer.data = (layer.data > 0).astype(np.uint8)
        teacher.controller.refresh()
        (row,) = teacher.form.examples.rows
        qtbot.waitUntil(lambda: "as in a mask" in row.detail.text(), timeout=TIMEOUT_MS)
        assert "skimage.measure.label" in teacher.form.why_not.text()
        assert not teacher.form.run.isEnabled()

    def test_a_pinned_layer_in_which_nothing_is_reviewed(self, qtbot, viewer, teacher, layer, made, click):
        viewer.add_image(np.roll(made.image, 40, axis=0), name="other")
        other = viewer.add_labels(np.roll(made.labels, 40, axis=0), name="other nuclei")
        corrections_of(other)
        source = next(s for s in teacher.controller.examples.sources if s.name == "other nuclei")
        teacher._choosing._pin(source)
        why_not = teacher.form.why_not
        qtbot.waitUntil(lambda: "kept good on “other nuclei”" in why_not.text(), timeout=TIMEOUT_MS)
        assert not teacher.form.run.isEnabled()
        (row,) = teacher.form.pinned.rows
        assert row.detail.text() == "⚠ No nucleus in it is reviewed or labelled."
        _trust(other, Trust.REVIEWED)
        _ready(qtbot, teacher)
        assert "nuclei · 100% of the image" in row.detail.text()

    def test_a_pinned_layer_that_can_no_longer_be_used(self, qtbot, viewer, teacher, layer, made, click):
        viewer.add_image(np.roll(made.image, 40, axis=0), name="other")
        _trust(viewer.add_labels(np.roll(made.labels, 40, axis=0), name="other nuclei"), Trust.REVIEWED)
        source = next(s for s in teacher.controller.examples.sources if s.name == "cells nuclei")
        teacher._choosing._pin(source)
        _ready(qtbot, teacher)
        layer.data[0, 0] = -1  # of which napari tells nobody
        click(teacher.form.run)
        qtbot.waitUntil(lambda: "numbers below 0" in teacher.form.status.text(), timeout=TIMEOUT_MS)
        (row,) = teacher.form.pinned.rows
        qtbot.waitUntil(lambda: "numbers below 0" in row.detail.text(), timeout=TIMEOUT_MS)
        assert not teacher.form.run.isEnabled()
        assert not (runs_dir() / "my-nuclei").exists()

    def test_too_little_memory_to_look_at_the_examples(self, qtbot, teacher, layer, monkeypatch):
        def fail(*args):
            raise MemoryError

        _ready(qtbot, teacher)
        monkeypatch.setattr(teach_drafts, "describe_examples", fail)
        layer.data_setitem((np.array([1]), np.array([1])), 99)
        qtbot.waitUntil(lambda: "memory" in teacher.form.why_not.text(), timeout=TIMEOUT_MS)
        assert not teacher.form.run.isEnabled()

    def test_an_example_with_nothing_to_learn_does_not_count_beside_those_to_check(self):
        pinned = ExampleUse(name="a", n_nuclei=0, taught_px=0, use="left out", n_images=0)
        checked = ExampleUse(name="b", n_nuclei=9, taught_px=900, use="held out", n_images=1)
        assert refusal([pinned, checked], ["auto", "check"]) == ONLY_CHECKED
        assert not refusal([checked, checked], ["auto", "check"])

    def test_changed_nuclei_of_labels_from_elsewhere_need_a_review(self, qtbot, teacher, layer, largest):
        _trust(layer, 0)
        layer.data_setitem(np.nonzero(layer.data == largest(layer.data)), 0)
        teacher.controller.refresh()
        qtbot.waitUntil(
            lambda: "elsewhere" in teacher.form.examples.rows[0].detail.text(), timeout=TIMEOUT_MS
        )
        assert NOTHING_MARKED_ELSEWHERE in teacher.form.examples.rows[0].detail.text()

    def test_nothing_corrected(self, qtbot, teacher):
        qtbot.waitUntil(lambda: bool(teacher.form.why_not.text()), timeout=TIMEOUT_MS)
        assert not teacher.form.run.isEnabled()
        assert teacher.form.why_not.text() == NOTHING_CORRECTED

    @pytest.mark.parametrize(
        ("prepare", "words"),
        [
            pytest.param(lambda layer, widget: _trust(layer, 0), NOTHING_REVIEWED, id="nothing-reviewed"),
            pytest.param(lambda layer, widget: _empty(layer), NO_NUCLEUS, id="no-nucleus"),
            pytest.param(lambda layer, widget: _only_check(widget), ONLY_CHECKED, id="only-checked"),
            pytest.param(
                lambda layer, widget: widget.form.name.setText("a b"), "'a b' cannot be", id="no-name"
            ),
            pytest.param(
                lambda layer, widget: widget.form.name.setText("my.safetensors"),
                "'my.safetensors' cannot be",
                id="a file's name",
            ),
            pytest.param(
                lambda layer, widget: widget.form.name.setText("nuclei-unet"),
                "There is a model",
                id="taken-name",
            ),
        ],
    )
    def test_the_reason_is_said(self, qtbot, teacher, layer, prepare, words):
        _ready(qtbot, teacher)
        prepare(layer, teacher)
        teacher.controller.refresh()
        qtbot.waitUntil(lambda: teacher.form.why_not.text().startswith(words), timeout=TIMEOUT_MS)
        assert not teacher.form.run.isEnabled()
        assert teacher.form.why_not.isVisible()

    def test_a_folder_that_is_gone(self, qtbot, teacher, layer, tmp_path):
        teacher.controller.examples.add(tmp_path / "moved")
        corrections_of(layer).trust[:] = Trust.UNKNOWN
        teacher.controller.refresh()
        where = str(tmp_path / "moved")
        qtbot.waitUntil(lambda: where in teacher.form.why_not.text(), timeout=TIMEOUT_MS)
        assert not teacher.form.run.isEnabled()

    def test_labels_without_an_image(self, qtbot, viewer, teacher, made):
        corrections_of(viewer.add_labels(made.labels)).trust[:] = Trust.REVIEWED
        teacher.controller.refresh()
        qtbot.waitUntil(lambda: "There is no image" in teacher.form.why_not.text(), timeout=TIMEOUT_MS)


def test_presets_say_how_long_the_steps_that_are_set_take(teacher):
    quick, thorough = teacher.form.presets["quick"], teacher.form.presets["thorough"]
    teacher.form.show_seconds({"quick": 20, "thorough": 240})
    assert (quick.text(), thorough.text()) == ("Quick\nabout 20 s", "Thorough\nabout 4 min")
    teacher.form.steps.setValue(80)
    assert (quick.text(), thorough.text()) == ("Quick\nabout 32 s", "Thorough\nabout 47 s")
    teacher.form.steps.setValue(0)
    assert (quick.text(), thorough.text()) == ("Quick\nabout 20 s", "Thorough\nabout 4 min")


@pytest.mark.parametrize("model", ["nuclei-unet", "deleted meanwhile"])
def test_presets_are_timed_by_a_real_child_and_nothing_is_said_where_it_fails(model):
    seconds = drain(estimate_presets(model, "cpu"))
    if model == "nuclei-unet":
        assert 0 < seconds["quick"] < seconds["standard"] < seconds["thorough"]
    else:
        assert not seconds


def test_no_preset_is_said_to_be_slower_than_a_more_thorough_one_of_as_many_steps():
    for steps in (150, 480, 1000):
        quick, standard, thorough = (seconds_with(p, s, steps) for p, s in PRESET_SECONDS.items())
        assert max(quick, standard) < thorough


class TestLearning:
    def test_curves_preview_and_outcome(self, qtbot, viewer, teacher, layer, click, made):
        viewer.layers.selection.active = layer
        _run(qtbot, teacher, click)
        form = teacher.form
        steps, found = form.plot._found.getData()
        assert list(steps) == [0, 5, 10, 15, 20]
        np.testing.assert_allclose(found[[0, -1]], [0.6, 0.8])
        assert form.plot._old.isVisible()
        assert len(form.plot._learned.getData()[0]) == 20
        assert form.outcome.isVisible()
        assert "Better" in form.outcome.headline.text()
        assert "of what was learned" not in form.outcome.words.text()
        assert any("0.80" in text for text in form.outcome.table.cells())
        (preview,) = [x for x in viewer.layers if PREVIEW_OF in x.metadata]
        assert preview.name == "preview of my-nuclei"
        assert not preview.visible
        assert viewer.layers.selection.active == layer
        np.testing.assert_array_equal(layer.data, made.labels)

    def test_the_preview_lies_on_what_was_in_view(self, qtbot, viewer, teacher, layer, click):
        for each in viewer.layers:
            each.scale, each.translate = (0.5, 0.5), (3, 4)
        viewer.reset_view()
        camera_of(viewer).zoom *= 3
        qtbot.wait(200)
        (y, x) = layer.corner_pixels[0]
        _run(qtbot, teacher, click)
        (preview,) = [each for each in viewer.layers if PREVIEW_OF in each.metadata]
        assert preview.data.shape < layer.data.shape
        np.testing.assert_allclose(preview.data_to_world((0, 0)), layer.data_to_world((y, x)))

    def test_a_better_model_is_taken_up_and_offered_at_once(
        self, qtbot, viewer, widget, teacher, layer, click
    ):
        by_image = "Automatic: by the image"
        assert widget.form.model.itemText(0) == by_image
        assert teacher.form.model.itemText(0) == "Automatic: U-Net for nuclei"
        _run(qtbot, teacher, click)
        qtbot.waitUntil(lambda: widget.form.model.findData("my-nuclei") >= 0, timeout=TIMEOUT_MS)
        assert _default() is None, "nothing is taken up unasked"
        click(teacher.form.outcome.use)
        qtbot.waitUntil(lambda: _default() == "my-nuclei", timeout=TIMEOUT_MS)
        qtbot.waitUntil(lambda: teacher.form.outcome.use.text() == "✓ In use", timeout=TIMEOUT_MS)
        qtbot.waitUntil(lambda: widget.form.model.itemText(0) != by_image, timeout=TIMEOUT_MS)
        click(teacher.form.outcome.again)
        assert teacher.form.name.text() == "my-nuclei-2"

    def test_what_a_made_picture_lost_is_said_beside_the_gain(self, qtbot, teacher, scripted, layer, click):
        figures = {"old": 0.86, "new": 0.67, "low": -0.31, "high": -0.08, "verdict": "not enough evidence"}
        lost = {**HELD_OUT, "name": "synthetic histology", "kind": "made", **figures}
        scripted({**BETTER, "comparisons": [HELD_OUT, lost], "blend": 0.25})
        _run(qtbot, teacher, click)
        outcome = teacher.form.outcome
        assert "takes up 25% of what was learned; the curve shows all" in outcome.words.text()
        assert "lower on some others" in outcome.headline.text()
        assert any(text.startswith("↓ lower") for text in outcome.table.cells())
        assert outcome.use.isVisible()

    def test_no_score_is_shown_where_no_nucleus_was_kept_aside(self, qtbot, teacher, scripted, layer, click):
        none = {**HELD_OUT, "n_nuclei": 0, "old": 1, "new": 1, "low": 0, "high": 0}
        scripted({**UNSURE, "comparisons": [{**none, "verdict": "not enough evidence"}]})
        _run(qtbot, teacher, click)
        assert teacher.form.outcome.table.cells()[-4:] == [
            "Your corrections, kept aside\n0 nuclei",
            "–",
            "–",
            "? not enough evidence\n–",
        ]

    def test_the_axis_of_scores_ends_where_they_can_be(self, teacher):
        teacher.form.plot.show_curves((), {"ap50": ((0, 0.0), (5, 0.0))})
        low, high = teacher.form.plot.scores.viewRange()[1]
        assert -0.05 < low < 0 < high <= 1.02

    @pytest.mark.parametrize(
        ("result", "headline", "advice"),
        [
            pytest.param(UNSURE, "Not enough evidence", "of another image", id="unsure"),
            pytest.param(WORSE, "Worse", "“Keep old skills” to the right", id="worse"),
            pytest.param(NONSENSE, "something is odd", "6 px beside", id="nonsense"),
        ],
    )
    def test_any_other_model_is_refused_with_reasons(
        self, qtbot, teacher, scripted, layer, click, result, headline, advice
    ):
        scripted(result)
        _run(qtbot, teacher, click)
        outcome = teacher.form.outcome
        assert headline in outcome.headline.text()
        assert advice in outcome.words.text()
        assert result["words"] in outcome.words.text()
        assert not outcome.use.isVisible()
        click(outcome.use_anyway)
        assert _default() is None
        click(teacher.form.question.buttons["Leave it"])
        assert _default() is None
        click(outcome.use_anyway)
        click(teacher.form.question.buttons["Use it"])
        qtbot.waitUntil(lambda: _default() == "my-nuclei", timeout=TIMEOUT_MS)
        qtbot.waitUntil(lambda: outcome.use.text() == "✓ In use", timeout=TIMEOUT_MS)
        assert "stays as it is" not in outcome.words.text()
        assert result["words"] in outcome.words.text()

    @pytest.mark.parametrize(
        ("script", "words"),
        [
            pytest.param(
                {"error": "there is nothing to learn."}, "⚠ There is nothing to learn.", id="refused"
            ),
            pytest.param({"dies": True}, "out of luck", id="died"),
        ],
    )
    def test_errors_are_said_and_leave_nothing_behind(
        self, qtbot, teacher, scripted, layer, click, script, words
    ):
        scripted(**script)
        _run(qtbot, teacher, click)
        assert words in teacher.form.status.text()
        assert teacher.form.choices.isVisible()
        qtbot.waitUntil(lambda: not (runs_dir() / "my-nuclei").exists(), timeout=TIMEOUT_MS)

    def test_what_names_another_folder_is_said_where_no_run_can_be_kept(
        self, qtbot, teacher, layer, click, tmp_path, monkeypatch
    ):
        (tmp_path / "a file").touch()
        monkeypatch.setenv("NUCSEG_RUNS", str(tmp_path / "a file" / "runs"))
        _run(qtbot, teacher, click)
        said = teacher.form.status.text().replace("\N{NO-BREAK SPACE}", " ")
        assert "a file, not a folder. The environment variable NUCSEG_RUNS names another folder." in said

    def test_a_model_that_was_deleted_since_cannot_be_used(self, qtbot, teacher, scripted, layer, click):
        scripted(WORSE)
        _run(qtbot, teacher, click)
        outcome = teacher.form.outcome
        click(outcome.use_anyway)
        assert teacher.form.question.isVisible()
        remove_model("my-nuclei")
        qtbot.waitUntil(outcome.gone.isVisible, timeout=TIMEOUT_MS)
        assert not outcome.use_anyway.isEnabled()
        assert not outcome.resegment.isEnabled()
        assert not teacher.form.question.isVisible()


class TestNames:
    def test_a_model_that_came_to_the_name_meanwhile_stays(
        self, qtbot, teacher, scripted, layer, click, taught_model
    ):
        colleagues = install_model(find_model("nuclei-unetpp"), "colleague")
        scripted(seconds=0.1, steps=300)
        _learning(qtbot, teacher)
        theirs = sha256_of(rename_model(colleagues.name, "my-nuclei").path)
        click(teacher.form.cancel)
        qtbot.waitUntil(lambda: "Keep the best" in teacher.form.question.buttons, timeout=TIMEOUT_MS)
        click(teacher.form.question.buttons["Keep the best"])
        qtbot.waitUntil(teacher.form.outcome.isVisible, timeout=TIMEOUT_MS)
        assert sha256_of(find_model("my-nuclei")) == theirs
        assert read_card(find_model("my-nuclei-2")).parent_sha256 == read_card(taught_model).parent_sha256
        assert "“my-nuclei-2”" in teacher.form.status.text()
        assert teacher.form.title.text().startswith("my-nuclei-2, ")
        assert (runs_dir() / "my-nuclei-2" / DONE).exists()
        assert not (runs_dir() / "my-nuclei").exists()
        click(teacher.form.outcome.use)
        qtbot.waitUntil(lambda: _default() == "my-nuclei-2", timeout=TIMEOUT_MS)

    def test_a_model_that_was_installed_when_its_run_was_killed_is_found(
        self, qtbot, viewer, teacher, open_teacher, layer, click
    ):
        _run(qtbot, teacher, click)
        viewer.window.remove_dock_widget(teacher)
        (runs_dir() / "my-nuclei" / DONE).unlink()
        again = open_teacher()
        qtbot.waitUntil(again.form.unfinished.isVisible, timeout=TIMEOUT_MS)
        click(again.form.unfinished.buttons["Finish it"])
        qtbot.waitUntil(again.form.outcome.isVisible, timeout=TIMEOUT_MS)
        assert [model.name for model in list_models() if not model.bundled] == ["my-nuclei"]


class TestStopping:
    def test_the_question_is_in_sight_where_there_is_little_room(self, qtbot, teacher, scripted, layer):
        teacher.setMaximumHeight(140)  # what another dock may leave it
        scripted(seconds=0.1, steps=300)
        _learning(qtbot, teacher)
        teacher.form.cancel.click()
        qtbot.waitUntil(lambda: "Go on" in teacher.form.question.buttons, timeout=TIMEOUT_MS)
        button = teacher.form.question.buttons["Keep the best"]
        qtbot.waitUntil(
            lambda: button.visibleRegion().boundingRect().height() == button.height(), timeout=TIMEOUT_MS
        )

    def test_what_was_learned_in_the_first_step_is_kept(self, qtbot, teacher, scripted, layer, click):
        scripted(seconds=1.0, steps=300)
        _learning(qtbot, teacher, steps=1)
        click(teacher.form.cancel)
        qtbot.waitUntil(lambda: "Keep the best" in teacher.form.question.buttons, timeout=TIMEOUT_MS)
        assert "Stopped at step" in teacher.form.question.text.text()
        scripted()
        click(teacher.form.question.buttons["Keep the best"])
        qtbot.waitUntil(teacher.form.outcome.isVisible, timeout=TIMEOUT_MS)

    def test_a_run_that_was_to_go_on_and_is_cancelled_at_once_is_still_there(
        self, qtbot, teacher, scripted, layer, click
    ):
        scripted(seconds=0.1, steps=300)
        _learning(qtbot, teacher)
        click(teacher.form.cancel)
        qtbot.waitUntil(lambda: "Go on" in teacher.form.question.buttons, timeout=TIMEOUT_MS)
        click(teacher.form.question.buttons["Go on"])
        teacher.form.cancel.click()  # before its child has said anything
        qtbot.waitUntil(lambda: "Keep the best" in teacher.form.question.buttons, timeout=TIMEOUT_MS)

    def test_curves_go_on_where_they_were(self, qtbot, teacher, scripted, layer, click):
        scripted(seconds=0.1, steps=300)
        _learning(qtbot, teacher, steps=12)
        click(teacher.form.cancel)
        qtbot.waitUntil(lambda: "Go on" in teacher.form.question.buttons, timeout=TIMEOUT_MS)
        scripted(steps=20)
        click(teacher.form.question.buttons["Go on"])
        qtbot.waitUntil(teacher.form.outcome.isVisible, timeout=TIMEOUT_MS)
        plot = teacher.form.plot
        assert list(plot._learned.getData()[0]) == list(range(1, 21))
        assert list(plot._found.getData()[0]) == [0, 5, 10, 15, 20]
        assert plot._old.isVisible(), "the old model's line"
        assert plot._old.value() == pytest.approx(0.6)

    def test_a_run_that_goes_on_leaves_one_preview_and_one_thrown_away_none(
        self, qtbot, viewer, teacher, scripted, layer, click
    ):
        def previews():
            return [each for each in viewer.layers if PREVIEW_OF in each.metadata]

        scripted(seconds=0.1, steps=300)
        _learning(qtbot, teacher)
        click(teacher.form.cancel)
        qtbot.waitUntil(lambda: "Go on" in teacher.form.question.buttons, timeout=TIMEOUT_MS)
        click(teacher.form.question.buttons["Go on"])
        qtbot.waitUntil(lambda: any(each.visible for each in previews()), timeout=TIMEOUT_MS)
        qtbot.waitUntil(lambda: teacher.form.progress.value() >= 20, timeout=TIMEOUT_MS)
        click(teacher.form.cancel)
        qtbot.waitUntil(lambda: "Go on" in teacher.form.question.buttons, timeout=TIMEOUT_MS)
        assert [each.visible for each in previews()] == [False]
        click(teacher.form.question.buttons["Throw away"])
        qtbot.waitUntil(lambda: not (runs_dir() / "my-nuclei").exists(), timeout=TIMEOUT_MS)
        assert not previews()
        assert teacher.form.choices.isVisible()

    def test_a_run_whose_model_is_gone_gives_way_to_another(self, qtbot, teacher, layer, click):
        _run(qtbot, teacher, click)
        (runs_dir() / "my-nuclei" / "left").touch()
        rename_model("my-nuclei", "kidney")
        qtbot.waitUntil(lambda: "kidney" in [m.name for m in teacher._models], timeout=TIMEOUT_MS)
        click(teacher.form.outcome.again)
        assert teacher.form.name.text() == "my-nuclei"
        _run(qtbot, teacher, click)
        assert teacher.form.outcome.isVisible()
        assert (runs_dir() / "my-nuclei" / DONE).exists()
        assert not (runs_dir() / "my-nuclei" / "left").exists()

    @pytest.mark.parametrize(
        ("files", "blocks"),
        [
            pytest.param(("job.json",), False, id="killed before it learned"),
            pytest.param(("job.json", "checkpoint.safetensors"), True, id="can be finished"),
            pytest.param(("job.json", "checkpoint.safetensors", DONE), False, id="at its end"),
            pytest.param(("notes.txt",), True, id="no run"),
        ],
    )
    def test_what_keeps_a_name_from_being_used_again(self, files, blocks):
        for name in files:
            (runs_dir() / "mine").mkdir(parents=True, exist_ok=True)
            (runs_dir() / "mine" / name).touch()
        assert bool(refuse_name("mine", ())) == blocks

    def test_what_another_window_works_on_is_left_to_it(self):
        with held(runs_dir() / "mine"):
            assert "There is a run" in refuse_name("mine", ())
            with pytest.raises(TrainingError, match="wait for it"), held(runs_dir() / "mine"):
                pass
        assert not refuse_name("mine", ())

    def test_what_another_window_works_on_is_not_thrown_away(self, qtbot, teacher, scripted, layer, click):
        scripted(seconds=0.1, steps=300)
        _learning(qtbot, teacher)
        click(teacher.form.cancel)
        qtbot.waitUntil(lambda: "Throw away" in teacher.form.question.buttons, timeout=TIMEOUT_MS)
        folder = runs_dir() / "my-nuclei"
        with held(folder):  # another window finishes it
            click(teacher.form.question.buttons["Throw away"])
            qtbot.waitUntil(lambda: "going on" in teacher.form.status.text(), timeout=TIMEOUT_MS)
            assert (folder / "checkpoint.safetensors").exists()
        discard_run(folder)
        assert not folder.exists()

    def test_cancel_before_there_is_anything(self, qtbot, teacher, scripted, layer, click):
        scripted(seconds=60, steps=300)
        _ready(qtbot, teacher)
        click(teacher.form.run)
        qtbot.wait(300)
        click(teacher.form.cancel)
        qtbot.waitUntil(lambda: not teacher.controller.running, timeout=TIMEOUT_MS)
        assert "there is nothing to keep" in teacher.form.status.text()
        qtbot.waitUntil(lambda: not (runs_dir() / "my-nuclei").exists(), timeout=TIMEOUT_MS)

    def test_a_closed_window_offers_to_finish_when_opened_again(
        self, qtbot, viewer, teacher, open_teacher, scripted, layer, click
    ):
        scripted(seconds=0.1, steps=300)
        _learning(qtbot, teacher)
        previews = [each for each in viewer.layers if PREVIEW_OF in each.metadata]
        assert [each.visible for each in previews] == [True]
        viewer.window.remove_dock_widget(teacher)  # what its × does
        assert [each.visible for each in previews] == [False], "as after a cancel"
        qtbot.waitUntil(lambda: unfinished_run() is not None, timeout=TIMEOUT_MS)
        scripted()
        again = open_teacher()
        qtbot.waitUntil(again.form.unfinished.isVisible, timeout=TIMEOUT_MS)
        assert "my-nuclei" in again.form.unfinished.text.text()
        click(again.form.unfinished.buttons["Finish it"])
        qtbot.waitUntil(again.form.outcome.isVisible, timeout=TIMEOUT_MS)
        assert not again.form.unfinished.isVisible()

    def test_a_run_that_cannot_go_on_is_offered_again(self, qtbot, teacher, scripted, layer, click):
        scripted(seconds=0.1, steps=300)
        _learning(qtbot, teacher)
        click(teacher.form.cancel)
        qtbot.waitUntil(lambda: "Go on" in teacher.form.question.buttons, timeout=TIMEOUT_MS)
        scripted(error="what this run learns from is gone: setA.")
        click(teacher.form.question.buttons["Go on"])
        qtbot.waitUntil(teacher.form.unfinished.isVisible, timeout=TIMEOUT_MS)
        assert "setA" in teacher.form.status.text()
        scripted()
        click(teacher.form.unfinished.buttons["Finish it"])
        qtbot.waitUntil(teacher.form.outcome.isVisible, timeout=TIMEOUT_MS)

    def test_a_run_under_way_is_not_offered_elsewhere(self, qtbot, teacher, open_teacher, scripted, layer):
        scripted(seconds=0.1, steps=300)
        _learning(qtbot, teacher)
        assert unfinished_run() is None


def _replace_image(layers, labels):
    layers["cells"].data = layers["cells"].data[::-1].copy()


class TestAgain:
    def test_segmenting_again_leaves_reviewed_and_edited_nuclei(
        self, qtbot, user, viewer, teacher, nuclei, largest, click
    ):
        viewer.add_image(nuclei, name="cells")
        layer = user.segment()
        number = largest(layer.data)
        layer.data_setitem(np.nonzero(layer.data == number), 0)
        kept = np.unique(layer.data[60:120, 60:120])
        kept = kept[kept > 0]
        corrections_of(layer).trust[60:120, 60:120] = Trust.REVIEWED
        before = layer.data.copy()
        _run(qtbot, teacher, click)
        click(teacher.form.outcome.resegment)
        qtbot.waitUntil(lambda: "segmented again" in teacher.form.status.text(), timeout=TIMEOUT_MS)
        assert read_state(layer).model_name == "my-nuclei"
        np.testing.assert_array_equal(np.isin(layer.data, kept), np.isin(before, kept))
        assert not (layer.data[before == number] == number).any(), "a nucleus that was deleted stays so"
        n_nuclei = np.unique(layer.data).size - 1
        qtbot.waitUntil(lambda: "segmented again" in user.said(), timeout=TIMEOUT_MS)
        assert user.said().startswith(f"{n_nuclei} nuclei")
        assert read_state(layer).model_title in user.said()

    def test_what_comes_of_it_is_in_sight_in_a_low_window(self, qtbot, teacher, layer, click):
        teacher.setMaximumHeight(260)
        _run(qtbot, teacher, click)
        status, column = teacher.form.status, teacher.form.findChild(DockColumn).viewport()
        qtbot.wait(100)
        assert status.visibleRegion().isEmpty(), "the test needs a low window"
        teacher.form.outcome.resegment.click()
        qtbot.waitUntil(lambda: "segmented again" in status.text(), timeout=TIMEOUT_MS)
        qtbot.waitUntil(
            lambda: column.rect().contains(status.mapTo(column, status.rect().bottomLeft())),
            timeout=TIMEOUT_MS,
        )

    def test_an_image_whose_corrections_a_listed_folder_stands_for(
        self, qtbot, viewer, teacher, layer, made, click, tmp_path
    ):
        from napari_nucseg._napari.correct_files import collect, mark_saved
        from napari_nucseg._napari.correct_subject import Subject

        folder = save_correction_set(tmp_path / "cells", collect(Subject(viewer, layer)))
        mark_saved(layer, folder)
        teacher.controller.examples.add(folder)
        _run(qtbot, teacher, click)
        astray = viewer.add_labels(made.labels[:50, :50].copy(), name="of no image")
        corrections_of(astray).trust[:] = Trust.REVIEWED
        viewer.layers.selection.active = viewer.layers["cells"]
        click(teacher.form.outcome.resegment)
        qtbot.waitUntil(
            lambda: "“cells nuclei” was segmented again" in teacher.form.status.text(), timeout=TIMEOUT_MS
        )

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            pytest.param(lambda layers, labels: layers.remove(labels), "the layer is gone", id="no labels"),
            pytest.param(_replace_image, "was replaced meanwhile", id="another image"),
        ],
    )
    def test_what_changes_while_an_image_is_segmented_gets_no_result(
        self, qtbot, viewer, teacher, layer, made, change, words
    ):
        said = []
        teacher.uptake.failed.connect(said.append)
        teacher.uptake.resegment([layer], "nuclei-unet")
        change(viewer.layers, layer)
        qtbot.waitUntil(lambda: bool(said), timeout=TIMEOUT_MS)
        assert words in said[0]
        np.testing.assert_array_equal(layer.data, made.labels)

    def test_without_corrected_nuclei_or_their_image_it_says_what_to_do(self, viewer, teacher, made):
        said = []
        teacher.uptake.failed.connect(said.append)
        teacher.uptake.resegment([], "nuclei-unet")
        teacher.uptake.resegment([viewer.add_labels(made.labels)], "nuclei-unet")
        assert "Use Segment nuclei for other images" in said[0]
        assert "no image" in said[1]


class TestKeys:
    @pytest.fixture
    def press(self, qtbot, viewer):
        """Press a key where the focus is; in the window, since others on the screen may get in front of it."""

        def press(key):
            QApplication.setActiveWindow(viewer.window._qt_window)
            qtbot.keyClick(viewer.window._qt_window.focusWidget(), key)
            qtbot.wait(50)

        return press

    def test_a_run_from_its_start_to_the_outcome(self, qtbot, viewer, teacher, scripted, layer, press):
        form, focused = teacher.form, viewer.window._qt_window.focusWidget
        scripted(seconds=0.1, steps=300)
        _ready(qtbot, teacher)
        form.run.setFocus()
        press(Qt.Key.Key_Space)
        assert focused() is form.cancel
        qtbot.waitUntil(lambda: form.progress.value() >= 2, timeout=TIMEOUT_MS)
        press(Qt.Key.Key_Space)
        qtbot.waitUntil(lambda: form.question.asks, timeout=TIMEOUT_MS)
        qtbot.waitUntil(lambda: focused() is form.question.buttons["Keep the best"])
        scripted(UNSURE)
        press(Qt.Key.Key_Return)
        assert focused() is form.cancel
        qtbot.waitUntil(form.outcome.isVisible, timeout=TIMEOUT_MS)
        qtbot.waitUntil(lambda: focused() is form.outcome.use_anyway)

    def test_escape_leaves_what_was_learned_for_later(self, qtbot, teacher, scripted, layer, press):
        scripted(seconds=0.1, steps=300)
        _learning(qtbot, teacher)
        teacher.form.cancel.setFocus()
        press(Qt.Key.Key_Space)
        question = teacher.form.question
        qtbot.waitUntil(lambda: question.asks and question.buttons["Keep the best"].hasFocus())
        press(Qt.Key.Key_Escape)
        assert not question.asks
        assert teacher.form.choices.isVisible()
        assert "Finish it" in teacher.form.unfinished.buttons

    def test_focus_elsewhere_is_left_there(self, qtbot, viewer, teacher, layer):
        _ready(qtbot, teacher)
        canvas = viewer.window._qt_viewer.canvas.native
        canvas.setFocus()
        teacher.form.run.click()
        qtbot.waitUntil(teacher.form.outcome.isVisible, timeout=TIMEOUT_MS)
        qtbot.wait(50)
        assert viewer.window._qt_window.focusWidget() is canvas

    def test_enter_in_the_name_starts_where_the_button_does(self, qtbot, teacher, layer, press):
        _ready(qtbot, teacher)
        teacher.form.name.setText("a/b")
        teacher.form.name.setFocus()
        press(Qt.Key.Key_Return)
        assert not teacher.controller.running
        teacher.form.name.setText("my-nuclei")
        press(Qt.Key.Key_Return)
        assert teacher.controller.running

    def test_examples_come_first(self, qtbot, viewer, teacher, layer, press, tmp_path, made):
        for name in "ab":
            content = CorrectionSet(
                made.image, "YX", made.labels, np.ones(made.labels.shape, np.uint8), name=name
            )
            save_correction_set(tmp_path / name, content)
            teacher.controller.examples.add(tmp_path / name)
        _ready(qtbot, teacher)
        rows = teacher.form.examples.rows
        assert len(rows) == 3
        rows[0].use.setFocus()
        seen, focused = [], viewer.window._qt_window.focusWidget
        while focused() is not teacher.form.add_folder:
            seen.append(focused())
            press(Qt.Key.Key_Tab)
        assert seen == [control for row in rows for control in (row.use, row.remove) if control.isVisible()]


def test_the_window_lives_while_a_child_trains(qtbot, teacher, scripted, layer):
    late, last = [], None
    scripted(seconds=0.05, steps=400)
    _learning(qtbot, teacher)

    def beat():
        nonlocal last
        now = time.perf_counter()
        if last is not None:
            late.append(now - last - 0.02)
        last = now

    timer = QTimer(interval=20, timerType=Qt.TimerType.PreciseTimer)
    timer.timeout.connect(beat)
    timer.start()
    qtbot.wait(2000)
    timer.stop()
    assert teacher.controller.running
    assert np.median(late) < 0.1
    teacher.controller.cancel()


def test_the_whole_loop(qtbot, user, viewer, open_teacher, nuclei, largest, click, hand):
    """Open, segment, correct, mark as reviewed, teach with the real child, look at the judgement, segment again."""
    viewer.add_image(nuclei, name="cells")
    layer = user.segment()
    _, corrector = viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")
    _split_and_merge(corrector, hand, layer, largest)
    layer.data_setitem(tuple(np.mgrid[100:112, 20:32].reshape(2, -1)), int(layer.data.max()) + 1)
    click(corrector.form.whole)
    corrected = layer.data.copy()
    teacher = open_teacher()
    teacher.form.steps.setValue(2)
    teacher.form.presets["quick"].click()
    teacher.form.threads.setValue(1)
    _run(qtbot, teacher, click, REAL_TIMEOUT_MS)
    result = teacher.form.outcome.result
    assert result is not None, teacher.form.status.text()
    assert {c.kind for c in result.comparisons} >= {"held-out"}
    assert result.words in teacher.form.outcome.words.text()
    button = teacher.form.outcome.use if result.acceptable else teacher.form.outcome.use_anyway
    click(button)
    if not result.acceptable:
        click(teacher.form.question.buttons["Use it"])
    qtbot.waitUntil(lambda: _default() == "my-nuclei", timeout=TIMEOUT_MS)
    click(teacher.form.outcome.resegment)
    qtbot.waitUntil(lambda: "segmented again" in teacher.form.status.text(), timeout=TIMEOUT_MS)
    np.testing.assert_array_equal(layer.data, corrected)
    corrector.shut()


def _split_and_merge(corrector, hand, layer, largest):
    """Cut the largest nucleus along its middle row, then the next largest, whose halves are joined again."""
    cut = []
    corrector.controller.take(TOOLS["split"])
    for _ in range(2):
        n_nuclei = np.unique(layer.data).size
        rows, columns = np.nonzero(layer.data == largest(layer.data))
        row, left, right = rows.mean(), columns.min(), columns.max()
        hand.draw((row, left - 3), (row, (left + right) / 2), (row, right + 3))
        assert np.unique(layer.data).size == n_nuclei + 1, corrector.form.status.text()
        cut.append([(np.quantile(rows, q), (left + right) / 2) for q in (0.2, 0.8)])
    corrector.controller.take(TOOLS["merge"])
    hand.draw(*cut[-1])
    assert np.unique(layer.data).size == n_nuclei


def _trust(layer, value):
    corrections_of(layer).trust[:] = value


def _empty(layer):
    layer.data[:] = 0
    corrections_of(layer).trust[:] = Trust.REVIEWED


def _only_check(widget):
    for source in widget.controller.examples.sources:
        widget.controller.examples.set_use(source, "check")
