"""Python, methods text and standard settings of a result, without a viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_nucseg._napari.layer_state import read_state
from napari_nucseg._napari.planes import PlaneIndex, layout_of
from napari_nucseg._napari.result_box import ResultBox
from napari_nucseg._napari.results import adopt_result, new_result_layer
from napari_nucseg._napari.segment_job import JobResult, SegmentJob, run_job
from napari_nucseg._napari.text import methods_text, python_text
from napari_nucseg.network.model_file import load_model, save_model
from napari_nucseg.segmentation.segment import make_settings
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def stack(nuclei) -> Image:
    return Image(np.stack([nuclei[:128, :128]] * 2), name="stack")


@pytest.fixture
def of_tnbc(tmp_path) -> Path:
    """Another model, whose standard is to split more readily."""
    bundled = load_model("nuclei-unet")
    standard = bundled.card.thresholds.core_threshold
    thresholds = bundled.card.thresholds.model_copy(update={"core_threshold": standard + 0.05})
    changes = {"name": "of-tnbc", "thresholds": thresholds, "training_data": ("TNBC",)}
    path = tmp_path / "of-tnbc.safetensors"
    save_model(path, bundled.card.model_copy(update=changes), bundled.network)
    return path


def _segmented(image: Image, plane: PlaneIndex, **choices: object) -> JobResult:
    layout = layout_of(image.data, rgb=image.rgb)
    settings = make_settings(quality="fast", axes=layout.plane_axes, **choices)
    return drain(run_job(SegmentJob(image.data, layout, (plane,), settings)))


def _both_planes(image: Image, first: dict[str, object], second: dict[str, object]) -> Labels:
    layer = new_result_layer(image, _segmented(image, (0,), **first))
    adopt_result(layer, image, _segmented(image, (1,), **second), keep=False)
    return layer


def test_the_methods_text_holds_what_was_done_to_the_image_once_a_kind(nuclei):
    planes = np.stack([nuclei[:128, :128].astype(np.float32)] * 2)
    planes[0, :1, 0] = planes[1, :2, 0] = np.nan
    layer = _both_planes(Image(planes), {"diameter_px": 24}, {"diameter_px": 24})
    methods = methods_text(read_state(layer), edited=False)
    assert methods.count("pixels that are NaN or infinite were taken for background") == 1
    assert methods.index("What the program noted") < methods.index("Please cite")


def test_planes_segmented_alike_need_no_words(stack):
    named = {"model": "nuclei-unetpp"}  # what is chosen for fluorescence
    state = read_state(_both_planes(stack, {"diameter_px": 24}, {**named, "diameter_px": 24}))
    assert state.model_name == "nuclei-unetpp"
    assert "Some planes" not in methods_text(state, edited=False) + python_text(state, edited=False)


def test_texts_are_of_the_last_model_and_tell_of_planes_by_another(stack, of_tnbc):
    standard = load_model("nuclei-unet").card.thresholds.core_threshold
    first = {"model": "nuclei-unet", "diameter_px": 20}
    state = read_state(_both_planes(stack, first, {"model": str(of_tnbc), "core_threshold": standard}))
    said = "Some planes were segmented with other models (nuclei-unet) and other settings."
    code, methods = python_text(state, edited=False), methods_text(state, edited=False)
    assert f"# {said}\n" in code
    assert f"core_threshold={standard}" in code, "the standard of the model that is named is another"
    assert said in methods
    assert f"estimated from the image ({state.maps.get((1,)).diameter_px:.1f} px)" in methods
    assert "TNBC" in methods
    assert "Data Science Bowl" not in methods


def test_defaults_are_those_of_the_last_model_whatever_plane_was_decoded_last(qtbot, stack, of_tnbc):
    first = {"model": "nuclei-unet", "diameter_px": 20}
    state = read_state(_both_planes(stack, first, {"model": str(of_tnbc), "diameter_px": 20}))
    state.maps.put((0,), state.maps.get((0,)))
    box = ResultBox()
    qtbot.addWidget(box)
    box.show_state(state)
    with qtbot.waitSignal(box.decoding_changed) as told:
        box.defaults.click()
    assert told.args[0].core_threshold == load_model(of_tnbc).card.thresholds.core_threshold
