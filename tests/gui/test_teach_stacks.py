"""*Fine-tune* on stacks, series, channels and colour: what is listed, given to the child, previewed, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nucseg._napari.correct_files import collect
from napari_nucseg._napari.correct_subject import Subject, corrections_of
from napari_nucseg._napari.layer_state import PREVIEW_OF
from napari_nucseg._napari.teach_preview import hide_preview, remove_preview, show_preview, view_of
from napari_nucseg._napari.teach_resegment import job_for
from napari_nucseg._napari.torch_import import make_torch_safe
from napari_nucseg.data.correction_set import open_correction_set
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.nuclei.trust import Trust
from napari_nucseg.teaching.examples import read_examples
from napari_nucseg.teaching.job import load_finetune_job
from napari_nucseg.teaching.runs import runs_dir

TIMEOUT_MS = 120_000
RESULT = {"verdict": "better", "words": "It finds more.", "comparisons": []}
N_PLANES = 5


@pytest.fixture
def teacher(viewer, qtbot, script_child, tiny_models):
    """Open *Fine-tune* with a scripted child: what it is given is looked at, not what it makes of it."""
    script_child(tiny_models / "tiny.safetensors", RESULT, steps=4)
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Fine-tune")
    qtbot.waitUntil(lambda: bool(widget._models), timeout=TIMEOUT_MS)
    yield widget
    widget.shut()


@pytest.fixture(scope="module")
def planes():
    """Images and labels (Z, Y, X) of another field in every plane."""
    made = [synthetic_fluorescence((128, 160), seed=k, diameter_px=24) for k in range(N_PLANES)]
    return np.stack([m.image for m in made]), np.stack([m.labels for m in made])


@pytest.fixture
def taught(qtbot, teacher, click):
    """Return a function that lets the child run and returns the lessons it would read, and the row's words."""

    def teach():
        teacher.controller.refresh()
        qtbot.waitUntil(teacher.form.run.isEnabled, timeout=TIMEOUT_MS)
        qtbot.waitUntil(lambda: "nucle" in teacher.form.examples.rows[0].detail.text(), timeout=TIMEOUT_MS)
        words = teacher.form.examples.rows[0].detail.text()
        click(teacher.form.run)
        qtbot.waitUntil(teacher.form.outcome.isVisible, timeout=TIMEOUT_MS)
        make_torch_safe()  # reading a model's card imports torch
        return read_examples(load_finetune_job(runs_dir() / "my-nuclei" / "job.json")).lessons, words

    return teach


def _reviewed(layer, *where):
    for index in where or ((),):
        corrections_of(layer).trust[index] = Trust.REVIEWED
    return layer


def _preview(viewer):
    (layer,) = (layer for layer in viewer.layers if PREVIEW_OF in layer.metadata)
    return layer


def _given_view():
    return np.load(runs_dir() / "my-nuclei" / "preview_image.npy")


def _same(seen, image):
    """Whether a lesson shows an image, however it was normalised."""
    return np.corrcoef(seen.ravel(), image.ravel())[0, 1] > 0.9


class TestStacks:
    def test_each_reviewed_plane_is_an_example(self, viewer, taught, planes):
        image, labels = planes
        viewer.add_image(image, name="stack", scale=(2, 0.5, 0.5))
        _reviewed(viewer.add_labels(labels.copy(), scale=(2, 0.5, 0.5)), 1, 3)
        viewer.dims.set_current_step(0, 3)
        lessons, words = taught()
        assert "2 of 5 planes" in words
        assert [lesson.name for lesson in lessons] == ["stack [1]", "stack [3]"]
        for lesson, index in zip(lessons, (1, 3), strict=True):
            np.testing.assert_array_equal(lesson.labels, labels[index])
            assert _same(lesson.image[0], image[index])
        view = _given_view()
        assert view.ndim == 2
        preview = _preview(viewer)
        assert preview.data.shape == (1, *view.shape), "on its own plane alone"
        z, y, x = viewer.layers["stack"].world_to_data(preview.data_to_world((0, 0, 0))).astype(int)
        np.testing.assert_array_equal(view, image[z, y : y + view.shape[0], x : x + view.shape[1]])

    def test_a_later_preview_of_the_same_name_lies_on_its_own_plane(self, viewer, planes):
        image, labels = planes
        viewer.add_image(image, name="stack", scale=(2, 0.5, 0.5))
        layer = viewer.add_labels(labels.copy(), scale=(2, 0.5, 0.5))
        for z in (1, 3):
            viewer.dims.set_current_step(0, z)
            view = view_of(viewer, [layer])
            remove_preview(viewer, "my-nuclei")  # as a run does that begins
            preview = show_preview(viewer, "my-nuclei", view, np.ones(view.shape, np.int32))
            assert preview.visible
            assert layer.world_to_data(preview.data_to_world((0, 0, 0)))[0] == z
            assert show_preview(viewer, "my-nuclei", view, np.zeros(view.shape, np.int32)) is preview
            hide_preview(viewer, "my-nuclei")
            assert not _preview(viewer).visible

    def test_a_changed_nucleus_teaches_its_plane_alone(self, viewer, user, taught, planes):
        viewer.add_image(planes[0][:2, :96, :96], name="stack")
        user.widget.form.axes.slices.setCurrentIndex(1)
        layer = user.segment()
        rows, columns = np.nonzero(layer.data[1] == layer.data[1].max())
        upper = rows < np.median(rows)
        layer.data_setitem((np.ones(upper.sum(), int), rows[upper], columns[upper]), 0)
        lessons, words = taught()
        assert "1 of 2 planes" in words
        assert [lesson.name for lesson in lessons] == ["stack [1]"]

    def test_series_of_stacks(self, viewer, taught, planes):
        image, labels = (np.stack([part[:3], part[2:]]) for part in planes)
        viewer.add_image(image, name="film")
        _reviewed(viewer.add_labels(labels), (0, 2), (1, 1))
        lessons, words = taught()
        assert "2 of 6 planes" in words
        assert [lesson.name for lesson in lessons] == ["film [0] [2]", "film [1] [1]"]
        np.testing.assert_array_equal(lessons[1].labels, planes[1][3])

    def test_a_stack_of_one_plane(self, viewer, taught, planes):
        image, labels = (part[:1] for part in planes)
        viewer.add_image(image, name="stack")
        _reviewed(viewer.add_labels(labels.copy()))
        lessons, _ = taught()
        assert [lesson.name for lesson in lessons] == ["stack [0]"]

    @pytest.mark.parametrize(
        ("n_colours", "as_type"),
        [pytest.param(3, np.uint8, id="rgb"), pytest.param(4, np.float32, id="rgba-float")],
    )
    def test_colour_stacks(self, viewer, taught, n_colours, as_type):
        made = [synthetic_histology((128, 160), seed=k) for k in range(2)]
        colour = np.stack([m.image for m in made])
        alpha = np.full((*colour.shape[:3], n_colours - 3), 255, np.uint8)
        shown = np.concatenate([colour, alpha], axis=-1)
        shown = shown if as_type is np.uint8 else (shown / 255).astype(as_type)
        viewer.add_image(shown, rgb=True, name="tissue")
        _reviewed(viewer.add_labels(np.stack([m.labels for m in made])), 1)
        viewer.dims.set_current_step(0, 1)
        lessons, words = taught()
        assert "1 of 2 planes" in words
        assert "channel" not in words
        (lesson,) = lessons
        assert all(_same(lesson.image[c], colour[1, ..., c]) for c in range(3))
        assert _given_view().shape[-1] == 3

    def test_the_colour_that_was_segmented_is_taught(self, viewer, user, widget, taught, planes):
        shown = np.zeros((128, 160, 3), np.uint8)
        shown[..., 1], shown[..., 2] = planes[0][0] >> 4, planes[0][1] >> 4
        viewer.add_image(shown, name="dyes")
        widget.form.axes.channel.setCurrentText("green")
        layer = _reviewed(user.segment())
        (lesson,), _ = taught()
        assert all(_same(shown_as, planes[0][0]) for shown_as in lesson.image)
        assert _given_view().ndim == 2
        assert job_for(viewer, layer, "tiny").settings.channel == 1


class TestChannels:
    @pytest.mark.parametrize("n_channels", [2, 3])
    def test_the_channel_on_show_is_taught_where_nobody_chose(
        self, qtbot, viewer, teacher, taught, planes, n_channels
    ):
        image, labels = planes
        viewer.add_image(image[:n_channels], name="cells")
        _reviewed(viewer.add_labels(labels[1].copy()))
        viewer.dims.set_current_step(0, 0)
        teacher.controller.refresh()
        qtbot.waitUntil(
            lambda: "channel 0" in teacher.form.examples.rows[0].detail.text(), timeout=TIMEOUT_MS
        )
        viewer.dims.set_current_step(0, 1)
        qtbot.waitUntil(
            lambda: "channel 1, the one on show" in teacher.form.examples.rows[0].detail.text(),
            timeout=TIMEOUT_MS,
        )
        (lesson,), _ = taught()
        assert _same(lesson.image[0], image[1])
        assert np.isin(_given_view(), image[1]).all()
        example = load_finetune_job(runs_dir() / "my-nuclei" / "job.json").examples[0]
        assert open_correction_set(example.path).settings["channel"] == 1

    def test_the_segmented_channel_is_taught_whatever_is_on_show(self, viewer, user, taught, planes):
        image = planes[0][:2, :96, :96]
        viewer.add_image(image, name="cells", axis_labels=("c", "y", "x"))
        user.widget.form.axes.channel.setCurrentIndex(1)
        layer = _reviewed(user.segment())
        viewer.dims.set_current_step(0, 0)
        (lesson,), words = taught()
        assert "on show" not in words
        assert _same(lesson.image[0], image[1])
        assert job_for(viewer, layer, "tiny").settings.channel == 1

    def test_stacks_with_channels(self, viewer, taught, planes):
        """Shapes tell the axis of channels, wherever it is."""
        image, labels = planes
        viewer.add_image(np.stack([np.zeros_like(image), image], axis=1), name="cells")
        _reviewed(viewer.add_labels(labels.copy()), 2)
        viewer.dims.set_current_step(1, 1)
        (lesson,), words = taught()
        assert "1 of 5 planes" in words
        assert "channel 1" in words
        assert lesson.name == "cells [2]"
        assert _same(lesson.image[0], image[2])

    def test_segmented_stacks_with_channels_are_saved_without_the_channel_and_teach(
        self, viewer, user, taught, planes, tmp_path
    ):
        image = planes[0][:2, :96, :96]
        viewer.add_image(np.stack([image, np.zeros_like(image)], axis=1), axis_labels=tuple("zcyx"))
        user.widget.form.axes.channel.setCurrentIndex(0)
        user.widget.form.axes.slices.setCurrentIndex(1)
        layer = _reviewed(user.segment(), 0)
        saved = collect(Subject(viewer, layer))
        assert (saved.axes, saved.labels.shape) == ("ZCYX", image.shape)
        assert saved.trust.shape == saved.prediction.shape == image.shape
        lessons, words = taught()
        assert "1 of 2 planes" in words
        assert _same(lessons[0].image[0], image[0])
        assert job_for(viewer, layer, "tiny").layout.labels_shape == layer.data.shape

    def test_of_channels_in_layers_the_one_that_is_shown(self, qtbot, viewer, teacher, taught, planes):
        """As napari splits channels: several images lie on the labels."""
        image, labels = planes
        viewer.add_image(image[:2], channel_axis=0, name=["DAPI", "actin"])
        _reviewed(viewer.add_labels(labels[0].copy()))
        viewer.layers["actin"].visible = False
        (lesson,), words = taught()
        assert "with the image “DAPI”" in words
        assert _same(lesson.image[0], image[0])


class TestWhyNot:
    @pytest.mark.parametrize(
        ("image_shape", "labels_shape"),
        [
            pytest.param((5, 64, 64), (4, 64, 64), id="other planes"),
            pytest.param((64, 64), (4, 64, 64), id="stack on a plane"),
            pytest.param((2, 3, 64, 64), (64, 64), id="plane on a stack of channels"),
        ],
    )
    def test_what_does_not_fit_is_said_with_both_shapes(
        self, qtbot, viewer, teacher, image_shape, labels_shape
    ):
        viewer.add_image(np.zeros(image_shape, np.uint8), name="cells")
        _reviewed(viewer.add_labels(np.ones(labels_shape, np.int32)))
        teacher.controller.refresh()
        qtbot.waitUntil(lambda: str(image_shape) in teacher.form.why_not.text(), timeout=TIMEOUT_MS)
        assert str(labels_shape) in teacher.form.why_not.text()
        assert not teacher.form.run.isEnabled()

    def test_one_that_does_not_fit_is_left_out_and_says_why(self, qtbot, viewer, teacher, taught, planes):
        image, labels = planes
        viewer.add_image(image, name="stack")
        _reviewed(viewer.add_labels(labels[:3].copy(), name="cut short"))
        _reviewed(viewer.add_labels(labels.copy(), name="all"), 0)
        lessons, _ = taught()
        assert [lesson.name for lesson in lessons] == ["stack [0]"]
        details = {row.source.name: row.detail.text() for row in teacher.form.examples.rows}
        assert "(3, 128, 160)" in details["cut short"]

    def test_the_image_that_fits_is_taken_not_the_topmost(self, viewer, taught, planes):
        image, labels = planes
        viewer.add_image(image, name="stack", visible=False)
        viewer.add_image(image.max(axis=0), name="projection")
        _reviewed(viewer.add_labels(labels.copy()), 1)
        lessons, _ = taught()
        assert [lesson.name for lesson in lessons] == ["stack [1]"]
