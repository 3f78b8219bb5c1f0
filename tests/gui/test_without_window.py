"""What the window's room does without Qt: merging edits, regions, planes, forms' words, keys, workers."""

from __future__ import annotations

import subprocess
import sys
import threading
from time import thread_time

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts
from skimage.draw import polygon2mask

from napari_nucseg._napari.drawing import LINE_LAYER, LineMeasure
from napari_nucseg._napari.merging import keep_edits, merge_plane, paste_region
from napari_nucseg._napari.planes import layout_of
from napari_nucseg._napari.regions import region_from_outline, region_in_view
from napari_nucseg._napari.segment_job import SegmentJob, run_job
from napari_nucseg._napari.shortcuts import SEGMENT_KEY
from napari_nucseg._napari.text import Counted, count_steps, summary_text
from napari_nucseg._napari.workers import Failed, Finished, Runs, drive
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import ImageError, InferenceError
from napari_nucseg.segmentation.settings import SegmentationSettings
from napari_nucseg.steps import Cancelled, drain


def _squares(**places: tuple[int, int]) -> np.ndarray:
    """Labels (40, 40) with a 6 x 6 square of each number, e.g. n5=(10, 12)."""
    labels = np.zeros((40, 40), np.int32)
    for number, (y, x) in places.items():
        labels[y : y + 6, x : x + 6] = int(number[1:])
    return labels


def test_without_edits_the_prediction_is_taken_as_it_is():
    old, new = _squares(n1=(2, 2)), _squares(n1=(2, 2), n2=(20, 20))
    merged = merge_plane(old, old, None, new)
    np.testing.assert_array_equal(merged.labels, new)
    assert not merged.edited.any()
    assert merged.labels is not merged.snapshot


def test_edited_nucleus_keeps_shape_and_number():
    predicted = _squares(n1=(2, 2), n2=(20, 20))
    painted = predicted.copy()
    painted[2:10, 2:10] = 1
    merged = keep_edits(painted, painted != predicted, _squares(n1=(20, 20), n2=(3, 3)))
    np.testing.assert_array_equal(merged.labels == 1, painted == 1)
    assert merged.labels[22, 22] not in (0, 1), "the predicted nucleus 1 gets another number"
    assert len(np.unique(merged.labels)) == 3


def test_erased_nucleus_stays_erased_through_several_predictions():
    predicted = _squares(n1=(2, 2), n2=(20, 20))
    erased = np.where(predicted == 1, 0, predicted)
    first = merge_plane(erased, predicted, None, _squares(n1=(20, 20)))
    second = merge_plane(first.labels, first.snapshot, first.edited, predicted)
    assert not second.labels[2:8, 2:8].any()
    assert second.labels[22, 22] > 0


def test_replace_in_a_region_keeps_edits_outside():
    predicted = _squares(n1=(2, 2), n2=(20, 20))
    edited = np.where(predicted > 0, 0, predicted)
    region = np.zeros((40, 40), bool)
    region[:15] = True
    merged = merge_plane(edited, predicted, None, predicted, region=region, keep=False)
    assert merged.labels[4, 4] > 0
    assert not merged.labels[20:26, 20:26].any()


def test_region_replaces_what_lies_mostly_inside():
    current = _squares(n1=(2, 2), n2=(12, 12), n3=(30, 30))
    region = np.zeros((40, 40), bool)
    region[:14, :30] = True
    pasted = paste_region(current, _squares(n1=(3, 20), n2=(30, 2)), region)
    assert not (pasted[2:8, 2:8]).any(), "inside, not predicted any more"
    np.testing.assert_array_equal(pasted == 2, current == 2)
    np.testing.assert_array_equal(pasted == 3, current == 3)
    assert pasted[5, 22] == 1, "the number that was set free"
    assert not pasted[32, 4], "predicted outside"


def test_new_numbers_lie_above_those_of_other_planes():
    region = np.zeros((40, 40), bool)
    region[:15] = True
    predicted = _squares(n1=(2, 2), n2=(20, 20))
    empty = np.zeros_like(predicted)
    assert set(np.unique(merge_plane(empty, empty, None, predicted, first=7).labels)) == {0, 8, 9}
    pasted = merge_plane(empty, empty, None, predicted, first=7, region=region)
    assert set(np.unique(pasted.labels)) == {0, 8}
    edited = _squares(n8=(2, 2), n9=(20, 20))
    edited[1, 2] = 8
    kept = merge_plane(edited, _squares(n8=(2, 2), n9=(20, 20)), None, _squares(n1=(30, 30)), first=7)
    assert set(np.unique(kept.labels)) == {0, 8, 9}
    assert kept.labels[32, 32] == 9, "8 is taken by the nucleus that was edited"


@pytest.mark.parametrize(
    ("shape", "rgb", "channel_axis", "axes", "labels_shape"),
    [
        pytest.param((30, 40), False, None, "YX", (30, 40), id="grey"),
        pytest.param((30, 40, 3), True, None, "YXC", (30, 40), id="colour"),
        pytest.param((4, 30, 40), False, 0, "CYX", (30, 40), id="channels"),
        pytest.param((5, 30, 40), False, None, "YX", (5, 30, 40), id="stack"),
        pytest.param((5, 30, 40, 3), True, None, "YXC", (5, 30, 40), id="colour-stack"),
        pytest.param((2, 5, 30, 40), False, 1, "CYX", (2, 1, 30, 40), id="stack-of-channels"),
        pytest.param((5, 2, 30, 40), False, 0, "CYX", (2, 30, 40), id="channels-of-stacks"),
        pytest.param(
            (2, 5, 3, 30, 40), False, 2, "CYX", (2, 5, 1, 30, 40), id="series-of-stacks-of-channels"
        ),
    ],
)
def test_planes_of_every_layout(shape, rgb, channel_axis, axes, labels_shape):
    data = np.arange(np.prod(shape)).reshape(shape)
    layout = layout_of(data, rgb=rgb, channel_axis=channel_axis)
    assert layout.plane_axes == axes
    assert layout.labels_shape == labels_shape
    assert layout.without_channel(np.zeros(labels_shape)).shape == tuple(
        n for axis, n in enumerate(shape[: len(shape) - rgb]) if axis != channel_axis
    )
    planes = [layout.read(data, index) for index in layout.planes()]
    assert sum(p.size for p in planes) == data.size
    assert all(p.ndim == len(axes) for p in planes)


def test_view_and_outline_become_regions():
    assert region_in_view([[-3, 5], [9.2, 300]], (40, 50)).box == (slice(0, 11), slice(5, 50))
    with pytest.raises(ImageError, match="in view"):
        region_in_view([[50, 0], [60, 10]], (40, 50))
    box = region_from_outline([[2, 3], [2, 9], [8, 9], [8, 3]], "rectangle", (40, 50))
    assert box.mask is None and box.box == (slice(2, 9), slice(3, 10))
    triangle = region_from_outline([[0, 0], [0, 20], [20, 0]], "polygon", (40, 50))
    assert 150 < triangle.whole_mask((40, 50)).sum() < 260
    circle = region_from_outline([[0, 0], [0, 20], [20, 20], [20, 0]], "ellipse", (40, 50))
    assert circle.whole_mask((40, 50)).sum() == pytest.approx(np.pi * 100, rel=0.1)


def test_a_region_is_what_the_outline_encloses_also_where_that_crosses_itself():
    for seed in range(20):
        outline = np.random.default_rng(seed).uniform(-5, 65, (3 + seed, 2))
        region = region_from_outline(outline, "polygon", (50, 60))
        np.testing.assert_array_equal(region.whole_mask((50, 60)), polygon2mask((50, 60), outline))


def test_a_freehand_region_of_a_large_image_does_not_stop_the_window():
    angle = np.linspace(0, 2 * np.pi, 300)
    outline = 4000 + 3900 * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    begun = thread_time()  # of the processor: other work beside does not count
    region = region_from_outline(outline, "polygon", (8000, 8000))
    assert thread_time() - begun < 5, "it took 30 s and more"
    assert region.mask.sum() == pytest.approx(np.pi * 3900**2, rel=0.001)


def test_summary_in_words():
    counted = drain(count_steps(_squares(n1=(0, 0), n7=(10, 10))))
    assert (
        summary_text(counted, None, "U-Net · 0.8 s on CPU")
        == "2 nuclei · median 36 px² · U-Net · 0.8 s on CPU"
    )
    assert summary_text(counted, 0.5, "U-Net") == "2 nuclei · median 9 µm² · U-Net"
    nothing = drain(count_steps(np.zeros((4, 4), int)))
    assert summary_text(nothing, None, "U-Net") == "No nuclei found · U-Net"


def test_a_nucleus_in_two_planes_of_a_stack_is_counted_once():
    plane = _squares(n1=(0, 0), n7=(10, 10))
    assert drain(count_steps(np.stack([plane, np.where(plane == 7, 7, 0), plane * 0]))) == Counted(2, 54)


def test_key_collides_with_none_of_naparis():
    from napari._app_model import get_app_model

    ours = coerce_keybinding(SEGMENT_KEY)
    taken = {binding for bindings in default_shortcuts.values() for binding in bindings}
    in_menus = {entry.keybinding for entry in get_app_model().keybindings}
    assert ours not in taken | in_menus


def test_worker_turns_errors_into_words_and_closes_what_it_cancels():
    closed = []

    def steps(error: Exception | None):
        try:
            yield "begun"
            if error is not None:
                raise error
            return "result"
        finally:
            closed.append(1)

    assert drain(drive(lambda: steps(None), threading.Event())) == Finished("result")
    assert drain(drive(lambda: steps(ImageError("too dark")), threading.Event())) == Failed("too dark")
    with pytest.raises(InferenceError, match="CUDA"):  # never a RuntimeError: napari would swallow it
        drain(drive(lambda: steps(RuntimeError("CUDA error")), threading.Event()))
    cancelled = threading.Event()
    driving = drive(lambda: steps(None), cancelled)
    next(driving)
    cancelled.set()
    assert drain(driving) is None
    assert len(closed) == 4


def test_a_bug_is_told_too_and_its_traceback_is_shown_once(qtbot):
    def steps():
        yield
        raise KeyError("nobody thought of it")

    runs = Runs()
    with (
        qtbot.capture_exceptions() as raised,  # napari shows them
        qtbot.waitSignals([runs.failed, runs.ended], order="strict") as told,
    ):
        runs.start(steps)
    assert "nobody thought of it" in told.all_signals_and_args[0].args[0]
    assert [kind for kind, *_ in raised] == [KeyError]


def test_cancelled_work_may_return_what_it_has():
    def steps():
        done = []
        try:
            for number in range(5):
                yield number
                done.append(number)
        except Cancelled:
            return done

    cancelled = threading.Event()
    driving = drive(steps, cancelled)
    next(driving)
    cancelled.set()
    assert drain(driving) == Finished([])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the clash of two LLVMs is Linux's")
def test_torch_loads_beside_opengl():
    code = (
        "import napari; viewer = napari.Viewer(show=True)\n"
        "from napari_nucseg._napari.torch_import import make_torch_safe; make_torch_safe()\n"
        "import torch, torchvision, torch._dynamo\n"
        "print('alive')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert "alive" in done.stdout, done.stderr[-2000:]


def test_an_empty_first_slice_does_not_choose_the_model_of_a_stack():
    lit = synthetic_fluorescence((64, 64), seed=0).image
    stack = np.stack([np.zeros_like(lit), lit])
    layout = layout_of(stack, rgb=False)
    settings = SegmentationSettings(axes=layout.plane_axes, device="cpu", diameter_px=20)
    result = drain(run_job(SegmentJob(stack, layout, ((0,), (1,)), settings)))
    assert result.model.card.name == "nuclei-unetpp"
    assert result.planes[1,].model.name == "nuclei-unetpp"


def test_measuring_ends_with_its_layer(qtbot, nuclei):
    """Without a canvas: where one is painted by Mesa, napari can crash after a Shapes layer has gone."""
    viewer = ViewerModel()
    image = viewer.add_image(nuclei)
    measure = LineMeasure(viewer)
    for _ in range(2):
        measure.start(image)
        with qtbot.waitSignal(measure.ended):
            viewer.layers.remove(LINE_LAYER)
        assert viewer.layers.selection.active == image
