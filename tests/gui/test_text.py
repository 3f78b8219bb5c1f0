"""Python, methods text and standard settings of a result, without a viewer."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_nucseg._napari.layer_state import read_state
from napari_nucseg._napari.maps_cache import MapsCache
from napari_nucseg._napari.planes import PlaneIndex, layout_of
from napari_nucseg._napari.regions import Region
from napari_nucseg._napari.result_box import ResultBox
from napari_nucseg._napari.results import adopt_result, new_result_layer
from napari_nucseg._napari.segment_job import JobResult, SegmentJob, run_job
from napari_nucseg._napari.text import diameter_text, methods_text, notes_text, python_text
from napari_nucseg.network.model_file import load_model, save_model
from napari_nucseg.segmentation.segment import make_settings
from napari_nucseg.segmentation.size import DiameterEstimate
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
    planes[0, :2, 0] = planes[1, :10] = np.nan
    layer = _both_planes(Image(planes), {"diameter_px": 24}, {"diameter_px": 24})
    methods = methods_text(read_state(layer), edited=False)
    assert methods.count("pixels that are NaN or infinite were taken for background") == 1
    assert methods.index("What the program noted") < methods.index("Please cite")


def test_the_diameters_told_are_those_that_slices_had(nuclei):
    """A slice that shows nothing has none."""
    near = np.kron(nuclei[:64, :64], np.ones((2, 2), nuclei.dtype))
    image = Image(np.stack([np.zeros_like(near), nuclei[:128, :128], near]))
    layout = layout_of(image.data, rgb=False)
    planes = ((0,), (1,), (2,))
    settings = make_settings(model="nuclei-unetpp", quality="fast", axes="YX")
    result = drain(run_job(SegmentJob(image.data, layout, planes, settings)))
    state = read_state(new_result_layer(image, result))
    small, large = (result.planes[i].diameter for i in planes[1:])
    assert small.diameter_px + 5 < large.diameter_px
    methods = methods_text(state, edited=False)
    assert f"estimated from the image ({small.diameter_px:.1f} to {large.diameter_px:.1f} px)" in methods
    said = diameter_text([small, large])
    assert said.startswith(
        f"Diameter estimated: {small.diameter_px:.0f} to {large.diameter_px:.0f} px (confidence"
    )
    tight = MapsCache(max_bytes=1)
    for index, run in result.planes.items():
        tight.put(index, run)
    assert len(tight) == 1
    assert methods_text(state.model_copy(update={"maps": tight}), edited=False) == methods
    assert notes_text(result.planes) == [f"Slice 0: {note}" for note in result.planes[0,].notes]
    assert notes_text({(0,): result.planes[0,]}) == list(result.planes[0,].notes)


def test_sizes_are_told_with_the_lowest_confidence():
    sure, unsure, lost = (
        DiameterEstimate(24, 0.9, 20),
        DiameterEstimate(30, 0.3, 20),
        DiameterEstimate(27, 0, 27),
    )
    assert (
        diameter_text([sure])
        == diameter_text([sure, sure, lost])
        == ("Diameter estimated: 24 px (confidence 90%).")
    )
    assert diameter_text([unsure, sure]) == (
        "Diameter estimated: 24 to 30 px (confidence at least 30%). Check it: measure a nucleus."
    )
    assert diameter_text([lost, lost]).startswith("Diameter not recognised, 27 px assumed.")


def test_notes_name_a_few_slices_and_count_many(nuclei):
    image = Image(np.stack([nuclei[:64, :64]] * 2))
    run = _segmented(image, (0,), diameter_px=24).planes[0,]
    noted = dataclasses.replace(run, notes=("Dark.",))
    assert notes_text({(0, 0): noted, (0, 1): run, (1, 0): noted}) == ["Slices (0, 0) and (1, 0): Dark."]
    assert notes_text({(i,): run if i == 4 else noted for i in range(6)}) == ["5 of 6 slices: Dark."]


def test_a_diameter_in_micrometres_is_told_as_it_was_given(stack):
    layer = new_result_layer(stack, _segmented(stack, (0,), diameter_um=8, pixel_size_um=0.325))
    methods = methods_text(read_state(layer), edited=False)
    assert "The nucleus diameter was set to 8 µm (24.6 px at 0.325 µm per pixel)." in methods


def test_methods_tell_channel_part_and_precision_where_they_are_not_the_plain_ones(nuclei):
    plane = nuclei[:128, :128]
    one, two = Image(plane), Image(np.stack([plane // 2, plane]))
    several = layout_of(two.data, rgb=False, channel_axis=0)
    choices = {"quality": "fast", "diameter_px": 24, "device": "cpu"}
    plain = make_settings(precision="float32", **choices)
    chosen = make_settings(precision="bfloat16", axes="CYX", channel=1, **choices)
    part = Region((slice(0, 64), slice(0, 64)))
    jobs = {
        one: SegmentJob(one.data, layout_of(one.data, rgb=False), ((),), plain),
        two: SegmentJob(two.data, several, ((),), chosen, part),
    }
    said_of_one, said_of_two = (
        methods_text(read_state(new_result_layer(image, drain(run_job(job)))), edited=False)
        for image, job in jobs.items()
    )
    assert (
        " on CPU, computed in bfloat16. Channel 1 of the image, counted from 0, was used. The last run segmented only "
        "a part of the image. The nucleus diameter was set to 24.0 px. "
    ) in said_of_two
    assert " on CPU. The nucleus diameter was set to 24.0 px. " in said_of_one


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
    assert f"not recognised in the image; {state.maps.get((1,)).diameter_px:.1f} px was assumed" in methods
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
