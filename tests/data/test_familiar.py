"""Fluorescence in colours is shown to networks in grey, the nuclear channel alone; everything else is left as it is."""

import numpy as np
import pytest
from skimage import data

from napari_nucseg import segment
from napari_nucseg.data.dark_field import is_fluorescence, nuclear_channel
from napari_nucseg.data.familiar import appearances
from napari_nucseg.data.images import to_planes
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.learning.patches import normalised as learned
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import load_model
from napari_nucseg.teaching.pixels import shown_pixels

PERCENTILES = (0.5, 99.95)
MADE = synthetic_fluorescence((192, 256), seed=6)
GREY = to_planes(MADE.image)[0]


def coloured(*shares):
    """Paint grey nuclei in the colour that has these shares of red, green and blue."""
    return np.stack([np.float32(share) * GREY for share in shares])


def with_cell_bodies():
    """Blue nuclei in green cell bodies that are twice as bright."""
    bodies = np.where(MADE.labels > 0, 0, 2 * GREY.max()).astype(np.float32)
    return np.stack(
        [np.zeros_like(GREY), np.roll(bodies, 9, axis=1) * (np.roll(GREY, 9, axis=1) > GREY.mean()), GREY]
    )


def framed(planes):
    """A slide scanner's image of a small piece: most of it is black."""
    return np.pad(planes, [(0, 0), (150, 150), (150, 150)])


@pytest.mark.parametrize(
    ("planes", "channel"),
    [
        pytest.param(coloured(0, 0, 1), 2, id="blue"),
        pytest.param(coloured(0, 0.8, 1), 2, id="cyan"),
        pytest.param(coloured(1, 0, 1), 2, id="magenta"),
        pytest.param(coloured(0, 1, 0), 1, id="green"),
        pytest.param(coloured(1, 0.6, 0), 0, id="orange"),
        pytest.param(coloured(0.02, 1, 0.05), 1, id="green with traces"),
        pytest.param(with_cell_bodies(), 2, id="nuclei in cells"),
    ],
)
@pytest.mark.parametrize("factor", [pytest.param(1, id="as it is"), pytest.param(1e-3, id="0 to 1")])
def test_the_nuclear_channel_is_looked_at_alone(planes, channel, factor):
    assert nuclear_channel(planes * np.float32(factor)) == channel
    (look,) = appearances(planes)
    np.testing.assert_array_equal(look.planes, planes[channel : channel + 1])
    assert f"channel {channel}" in look.note


STAINED = to_planes(synthetic_histology((192, 256), seed=6).image)


@pytest.mark.parametrize(
    ("planes", "expected"),
    [
        pytest.param(GREY[None], True, id="grey"),
        pytest.param(np.repeat(GREY[None], 3, axis=0), True, id="grey in three planes"),
        pytest.param(GREY[None] + 20_000, True, id="on an offset"),
        pytest.param(np.where(GREY == GREY.max(), np.nan, GREY)[None], True, id="damaged pixels"),
        pytest.param(np.where(GREY == GREY.max(), 1e6, GREY)[None], True, id="a hot pixel"),
        pytest.param(GREY.max() - GREY[None], False, id="inverted"),
        pytest.param(STAINED, False, id="stained tissue"),
        pytest.param(STAINED.mean(axis=0, keepdims=True), False, id="stained tissue in grey"),
        pytest.param(np.zeros((1, 8, 8), np.float32), False, id="all alike"),
    ],
)
def test_fluorescence_is_told_by_its_dark_ground(planes, expected):
    assert is_fluorescence(planes.astype(np.float32)) is expected


def test_damaged_pixels_do_not_hide_the_colours():
    planes = coloured(0, 0, 1)
    planes[:, 3, 5], planes[1, 7, 7] = np.nan, np.inf
    assert nuclear_channel(planes) == 2


HISTOLOGY = to_planes(synthetic_histology((256, 256), 3).image)


@pytest.mark.parametrize(
    "planes",
    [
        pytest.param(GREY[np.newaxis], id="grey"),
        pytest.param(coloured(1, 1, 1), id="grey as RGB"),
        pytest.param(HISTOLOGY, id="H&E"),
        pytest.param(framed(HISTOLOGY), id="H&E in a black frame"),
        pytest.param(np.zeros((3, 20, 30), np.float32), id="black"),
        pytest.param(np.ones((3, 20, 30), np.float32), id="white"),
        pytest.param(np.full((3, 20, 30), np.nan, np.float32), id="NaN"),
        pytest.param(np.float32([1, 2, 3]).reshape(3, 1, 1), id="one pixel"),
    ],
)
def test_other_images_are_left_as_they_are(planes):
    (look,) = appearances(planes)
    assert look.planes is planes
    assert look.note == ""


def test_brown_stain_is_taken_out_unless_nuclei_are_brown():
    without, as_blue = appearances(to_planes(data.immunohistochemistry(), "YXC"))
    assert without.planes.shape == as_blue.planes.shape == (3, 512, 512)
    assert "taken out" in without.note
    assert "as haematoxylin" in as_blue.note
    assert as_blue.helps > without.helps == 0


def test_colour_changes_no_nucleus():
    colours = np.zeros((*MADE.image.shape, 3), MADE.image.dtype)
    colours[..., 2] = MADE.image
    found, expected = segment(colours, diameter_px=24), segment(MADE.image, diameter_px=24)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert any("blue" in note for note in found.notes)
    chosen = segment(colours, channel=2, diameter_px=24)
    np.testing.assert_array_equal(chosen.labels, expected.labels)
    assert not chosen.notes


def test_training_and_teaching_see_what_is_segmented():
    planes = coloured(0, 0, 1)
    base, device = load_model("nuclei-unet"), choose_device("cpu")
    expected = shown_pixels(GREY[np.newaxis], 24, base, device).values
    np.testing.assert_array_equal(shown_pixels(planes, 24, base, device).values, expected)
    sample = MADE.__class__(**{**vars(MADE), "image": np.moveaxis(planes, 0, -1)})
    np.testing.assert_array_equal(
        learned(sample, PERCENTILES, clahe=False), learned(MADE, PERCENTILES, clahe=False)
    )
