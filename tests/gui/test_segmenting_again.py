"""*Re-segment this image* around what was reviewed: in labels of other programs, and of images opened again."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_nucseg._napari.correct_subject import corrections_of
from napari_nucseg._napari.correct_widget import CorrectWidget
from napari_nucseg._napari.layer_state import read_corrections, read_state
from napari_nucseg._napari.results import result_layer
from napari_nucseg._napari.teach_examples import collect_source, source_of
from napari_nucseg._napari.teach_uptake import Uptake
from napari_nucseg.data.correction_set import open_correction_set
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.nuclei.corrections import diff
from napari_nucseg.nuclei.trust import Trust

TIMEOUT_MS = 60_000


@pytest.fixture
def again(qtbot, viewer):
    """Return a function that segments the image of a layer again."""
    uptake = Uptake(viewer)

    def segment(layer):
        with qtbot.waitSignal(uptake.resegmented, timeout=TIMEOUT_MS):
            uptake.resegment([layer], "nuclei-unet")

    yield segment
    uptake.stop()


def test_labels_of_eight_bits_are_widened_for_more_than_255_nuclei(viewer, again):
    made = [synthetic_fluorescence((96, 128), seed=seed, diameter_px=20) for seed in range(2)]
    viewer.add_image(np.stack([m.image for m in made]), name="cells")
    mine = (np.stack([m.labels for m in made]) == 1).astype(np.uint8) * 250
    layer = viewer.add_labels(mine.copy(), name="my masks")
    corrections_of(layer).trust[mine > 0] = Trust.REVIEWED
    again(layer)
    assert layer.data.dtype == np.int32
    np.testing.assert_array_equal(layer.data == 250, mine > 0)
    predicted = read_state(layer).snapshot
    assert predicted.max() > 255, "the test needs numbers that eight bits do not hold"
    for before, now in zip(predicted, layer.data, strict=True):
        changed = {number for change in diff(before, now) for number in (*change.before, *change.after)}
        assert 250 in changed
        assert len(changed) <= 3, "only what was reviewed counts as a person's"
    assert (read_corrections(layer).trust == Trust.REVIEWED).sum() == (mine > 0).sum()


def test_a_slice_that_cannot_be_read_is_told_and_those_before_are_segmented(qtbot, viewer, nuclei, chunked):
    viewer.add_image(chunked(np.stack([nuclei] * 3), lost=2), contrast_limits=(0, 255))
    layer = viewer.add_labels(np.zeros((3, *nuclei.shape), np.int32))
    uptake = Uptake(viewer)
    with qtbot.waitSignal(uptake.failed, timeout=TIMEOUT_MS) as failed:
        uptake.resegment([layer], "nuclei-unet")
    assert failed.args[0].startswith("Slice 2: the image could not be read: tile 7 lost.")
    assert failed.args[0].endswith("2 of 3 slices are done and kept.")
    assert layer.data.any(axis=(1, 2)).tolist() == [True, True, False]


def test_who_hears_that_a_layer_was_segmented_again_finds_its_nuclei_there(viewer, user, again, nuclei):
    """Another dock counts them at once."""
    viewer.add_image(nuclei)
    layer = user.segment()
    before, shown = layer.data.copy(), []
    layer.events.metadata.connect(lambda: shown.append(layer.data.copy()))
    again(layer)
    assert shown and not any(np.array_equal(data, before) for data in shown)


@pytest.mark.parametrize(
    ("array", "meanwhile"),
    [
        pytest.param(lambda labels: labels[:50, :60].copy(), True, id="cropped while they were segmented"),
        pytest.param(lambda labels: np.broadcast_to(labels, labels.shape), False, id="read-only"),
        pytest.param(da.from_array, False, id="not in memory"),
    ],
)
def test_labels_that_take_no_nuclei_stay_and_a_new_layer_has_them(viewer, user, nuclei, array, meanwhile):
    viewer.add_image(nuclei, name="cells")
    layer = user.segment()
    labels, controller = layer.data.copy(), user.widget.controller

    def put():
        layer.data = array(labels)

    controller.started.connect(put) if meanwhile else put()
    found = user.segment()
    assert found is not layer
    np.testing.assert_array_equal(found.data, labels)
    np.testing.assert_array_equal(layer.data, array(labels))


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(lambda labels: np.broadcast_to(labels, labels.shape), id="read-only"),
        pytest.param(da.from_array, id="not in memory"),
    ],
)
def test_sliders_and_segmenting_again_leave_labels_that_take_no_nuclei_alone(
    qtbot, viewer, user, widget, nuclei, array
):
    viewer.add_image(nuclei, name="cells")
    layer = user.segment()
    labels, decoding = layer.data.copy(), read_state(layer).settings.decoding
    layer.data = array(labels)
    widget.form.result.form.editors["foreground_threshold"].widget.setValue(0.9)
    user.wait_until_idle()
    assert "“cells nuclei” is read-only, not in memory" in user.said()
    assert read_state(layer).settings.decoding == decoding
    uptake = Uptake(viewer)
    with qtbot.waitSignal(uptake.failed, timeout=TIMEOUT_MS) as failed:
        uptake.resegment([layer], "nuclei-unet")
    assert "Segment nuclei puts new ones into a new layer" in failed.args[0]
    np.testing.assert_array_equal(np.asarray(layer.data), labels)


@pytest.fixture
def reopened(viewer, user, nuclei):
    """Return a segmented layer with an edit, whose image was closed and opened again beside another."""
    first = viewer.add_image(nuclei, name="cells")
    layer = user.segment()
    layer.data_setitem((np.array([1]), np.array([1])), 999)
    viewer.layers.remove(first)
    viewer.add_image(nuclei.copy(), name="cells")
    viewer.add_image(nuclei[::-1], name="another")
    return layer


def test_an_image_opened_again_is_the_one_its_labels_were_made_from(viewer, user, again, reopened, nuclei):
    collected = collect_source(viewer, source_of(reopened))
    assert not collected.problem
    np.testing.assert_array_equal(collected.corrections.image, nuclei)
    assert result_layer(viewer, viewer.layers["cells"]) is reopened
    again(reopened)
    assert reopened.data[1, 1] == 999


def test_corrections_are_saved_with_the_image_that_was_opened_again(
    qtbot, viewer, reopened, nuclei, tmp_path
):
    corrector = CorrectWidget(viewer)
    corrector.controller.choose(reopened)
    corrector.controller.save(tmp_path / "set")
    qtbot.waitUntil(lambda: "Saved" in corrector.form.status.text(), timeout=TIMEOUT_MS)
    np.testing.assert_array_equal(open_correction_set(tmp_path / "set").image, nuclei)
    corrector.shut()


def test_another_image_is_never_taken_for_one_that_is_gone(viewer, reopened):
    viewer.layers.remove("cells")
    problem = collect_source(viewer, source_of(reopened)).problem
    assert "no image “cells”" in problem
    viewer.layers["another"].name = "cells"
    assert not collect_source(viewer, source_of(reopened)).problem
