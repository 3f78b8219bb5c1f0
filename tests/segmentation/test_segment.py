import inspect
from dataclasses import replace

import numpy as np
import pytest

from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.errors import ImageError, SettingsError
from napari_nucseg.nuclei.decoding import DecodingSettings
from napari_nucseg.segmentation.segment import make_settings, segment, segment_steps
from napari_nucseg.steps import drain, told_as


def run(image, model, **choices):
    return drain(segment_steps(image, make_settings(**{"diameter_px": 24, **choices}), model))


def test_stages_come_in_order_and_the_result_tells_all(small_model):
    image = synthetic_fluorescence((200, 300), seed=0).image
    stages = []
    steps = segment_steps(image, make_settings(diameter_px=24), small_model)
    result = drain(told_as(steps, lambda step: stages.append(step.stage)))
    assert list(dict.fromkeys(stages)) == ["normalise", "size", "network", "decode"]
    assert result.labels.shape == (200, 300)
    assert result.labels.dtype == np.int32
    assert result.maps.shape == (3, 200, 300)
    assert result.timings["total"] >= result.timings["network"] > 0
    assert result.diameter is None
    assert "small" in result.summary()
    assert repr(result) == f"<Segmentation: {result.summary()}>"
    many = replace(result, labels=np.arange(1, 1201, dtype=np.int32).reshape(30, 40))
    assert many.summary().startswith("1,200 nuclei · ")


GRAY = np.random.default_rng(0).integers(0, 200, (48, 61)).astype(np.uint8)


@pytest.mark.parametrize(
    ("image", "choices"),
    [
        pytest.param(GRAY, {}, id="uint8"),
        pytest.param(GRAY.astype(np.uint16) * 256, {}, id="uint16"),
        pytest.param(GRAY.astype(np.float64) / 7e5, {}, id="float64"),
        pytest.param(GRAY > 100, {}, id="bool"),
        pytest.param(np.stack([GRAY] * 3, -1), {}, id="rgb"),
        pytest.param(np.stack([GRAY] * 4, -1), {}, id="rgba"),
        pytest.param(np.stack([GRAY] * 5), {"axes": "CYX", "channel": 2}, id="five channels"),
        pytest.param(GRAY[None, None], {"axes": "TCYX"}, id="single T and C"),
        pytest.param(GRAY[:1, :1], {}, id="one pixel"),
        pytest.param(GRAY[:1], {}, id="one row"),
        pytest.param(GRAY[:19, :37], {}, id="19 x 37"),
    ],
)
def test_images_of_all_kinds_give_labels_of_their_shape(small_model, image, choices):
    result = run(image, small_model, **choices)
    expected = (48, 61) if choices or image.ndim == 3 else image.shape
    assert result.labels.shape == expected


def test_nan_and_infinity_are_taken_for_background_and_said(small_model):
    image = GRAY.astype(np.float32)
    image[3, 4], image[5, 6] = np.nan, np.inf
    result = run(image, small_model)
    assert any("2 pixels" in note for note in result.notes)
    assert np.isfinite(result.maps).all()


def test_of_colours_pixels_are_counted_that_are_not_finite(small_model):
    image = np.stack([GRAY] * 3, -1).astype(np.float32)
    image[3, 4] = np.nan
    result = run(image, small_model)
    assert any(note.startswith("1 pixel that is NaN or infinite was taken") for note in result.notes)


@pytest.mark.parametrize(
    "beyond",
    [
        pytest.param(lambda grey: grey.astype(np.uint32) + 4_000_000_000, id="uint32 with an offset"),
        pytest.param(lambda grey: grey.astype(np.int64) + 10**15, id="int64 with an offset"),
        pytest.param(lambda grey: grey.astype(np.int64) - 10**15, id="int64 far below 0"),
        pytest.param(lambda grey: grey * 1e300, id="huge float64"),
        pytest.param(lambda grey: grey * 1e-300, id="tiny float64"),
    ],
)
def test_contrast_beyond_float32_is_seen(small_model, beyond):
    image = synthetic_fluorescence((200, 200), seed=1).image
    expected = run(image, small_model)
    result = run(beyond(image), small_model)
    np.testing.assert_allclose(result.maps, expected.maps, atol=0.02)
    assert result.notes == expected.notes


@pytest.mark.parametrize("image", [np.full((64, 64), 7, np.uint8), np.full((1, 1), np.nan, np.float32)])
def test_a_constant_image_is_said_to_hold_nothing(small_model, image):
    result = run(image, small_model)
    assert any("same value" in note for note in result.notes)
    assert result.diameter is None, "there is no nucleus to measure"


@pytest.mark.parametrize(
    ("image", "choices", "words"),
    [
        pytest.param(np.zeros((0, 5)), {}, "empty", id="empty"),
        pytest.param(np.zeros((4, 5, 6, 7)), {}, "axes", id="four axes untold"),
        pytest.param(np.zeros((9, 30, 30)), {"axes": "ZYX"}, "Z", id="a stack"),
        pytest.param(np.zeros((5, 5), complex), {}, "complex", id="complex"),
    ],
)
def test_images_that_cannot_be_used_are_refused_in_words(small_model, image, choices, words):
    with pytest.raises(ImageError, match=words):
        run(image, small_model, **choices)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        pytest.param({"diamter_px": 3}, "diamter_px", id="misspelt"),
        pytest.param({"diameter_px": -3}, "more than 0", id="negative"),
        pytest.param({"diameter_px": np.inf}, "finite", id="no end"),
        pytest.param({"diameter_px": 1e300}, "100000 px are allowed", id="larger than any image"),
        pytest.param({"diameter_um": 8, "pixel_size_um": np.inf}, "finite", id="pixels without end"),
        pytest.param({"diameter_um": 8, "pixel_size_um": 1e-12}, "or more", id="no pixels"),
        pytest.param({"diameter_um": 8, "pixel_size_um": 1e-5}, "check the unit", id="another unit"),
        pytest.param({"diameter_px": 3, "diameter_um": 3}, "one of the two", id="two units"),
        pytest.param({"diameter_um": 3}, "pixel size", id="micrometres alone"),
        pytest.param({"foreground_threshold": 2}, "or less", id="threshold"),
        *(
            pytest.param(
                {name: switch}, f"{name}: got true, must be a number", id=f"{type(switch)} for {name}"
            )
            for name in (
                "diameter_px",
                "pixel_size_um",
                "channel",
                "batch_size",
                "tile_px",
                "min_area_px",
                "certainty",
            )
            for switch in (True, np.True_)
        ),
        pytest.param({"decoding": {"min_area": 9}}, r"perhaps min_area_px is meant\.$", id="misspelt"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_words(choices, words):
    with pytest.raises(SettingsError, match=words):
        make_settings(**choices)


def test_the_keywords_of_segment_are_the_settings():
    keywords = inspect.signature(segment).parameters
    assert {"axes", "channel", "diameter_px", "device", "foreground_threshold"} < set(keywords)


def test_micrometres_become_pixels():
    assert make_settings(diameter_um=8, pixel_size_um=0.5).given_diameter_px == 16


def test_other_decoding_of_the_same_maps_equals_a_new_run(small_model):
    image = synthetic_fluorescence((200, 200), seed=1).image
    loose = run(image, small_model)
    strict = DecodingSettings(foreground_threshold=0.7, min_area_px=3)
    again = run(image, small_model, foreground_threshold=0.7, min_area_px=3)
    np.testing.assert_array_equal(loose.redecode(strict).labels, again.labels)
    with pytest.raises(SettingsError, match=r"DecodingSettings\("):
        loose.redecode({"foreground_threshold": 0.7})


def test_a_size_that_the_model_does_not_take_is_said(small_model):
    notes = run(GRAY, small_model, diameter_px=2).notes
    assert any("takes nuclei of 6 to 800 px, not of 2 px" in note for note in notes)


def test_cancelling_is_to_stop_asking(small_model):
    steps = segment_steps(
        np.zeros((600, 600), np.uint8), make_settings(diameter_px=24, tile_px=128), small_model
    )
    seen = [next(steps) for _ in range(4)]
    steps.close()
    assert seen[-1].stage == "network"
    assert seen[-1].done < seen[-1].total
    with pytest.raises(StopIteration):
        next(steps)


def test_segment_takes_an_installed_model_by_name(small_model, monkeypatch):
    monkeypatch.setenv("NUCSEG_MODELS", str(small_model.path.parent))
    assert segment(GRAY, model="small", diameter_px=24).model.name == "small"


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_minimum_area_drops_the_smaller_nuclei_and_no_others(share, same_partition):
    result = segment(synthetic_histology((400, 400), seed=4).image, diameter_px=20)
    smallest_px = int(np.quantile(result.areas_px, share))
    decoding = result.settings.decoding.model_copy(update={"min_area_px": smallest_px})
    keep = np.concatenate([[False], result.areas_px >= smallest_px])
    assert same_partition(result.redecode(decoding).labels, np.where(keep[result.labels], result.labels, 0))


def test_decoding_is_given_whole_or_by_its_parts():
    with pytest.raises(SettingsError, match="certainty"):
        make_settings(decoding=DecodingSettings(exclude_border=True), certainty=0.3)
    assert make_settings(decoding=DecodingSettings(exclude_border=True)).decoding.exclude_border
