"""Systematic nonsense in corrections, on made pictures with exact truth, and honest work on real ones."""

import re
from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import expand_labels

from napari_nucseg.data.images import to_planes
from napari_nucseg.data.rows import read_rows, select_rows
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.teaching.sanity import warnings_of


@dataclass(frozen=True, eq=False)
class Corrected:
    """What a lesson tells of itself."""

    pixels: np.ndarray
    labels: np.ndarray
    taught: np.ndarray
    changed: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    name: str = "cells"


MADE = {
    "fluorescence": synthetic_fluorescence((220, 220), seed=3, diameter_px=22),
    "histology": synthetic_histology((220, 220), seed=3, diameter_px=22),
}
kinds = pytest.mark.parametrize("kind", [pytest.param(kind, id=kind) for kind in MADE])


def corrected(kind, labels=None, **more):
    sample = MADE[kind]
    planes = to_planes(sample.image, sample.metadata["axes"])
    labels = sample.labels if labels is None else labels
    return Corrected(planes, labels, more.pop("taught", np.ones(labels.shape, bool)), **more)


def jittered(labels, rng):
    moved = np.zeros_like(labels)
    for number in np.unique(labels)[1:]:
        moved[np.roll(labels == number, tuple(rng.integers(-1, 2, 2)), (0, 1))] = number
    return moved


def without(labels, rng, share):
    numbers = np.unique(labels)[1:]
    return np.where(np.isin(labels, numbers[rng.random(numbers.size) < share]), 0, labels)


def halves(labels):
    halved = labels.copy()
    for number in np.unique(labels)[1:]:
        y, x = np.nonzero(labels == number)
        halved[y[x > x.mean()], x[x > x.mean()]] = 0
    return halved


def shrunk(labels, px):
    small = np.zeros_like(labels)
    for number in np.unique(labels)[1:]:
        small[ndimage.distance_transform_edt(labels == number) > px] = number
    return small


def painted(labels, rng):
    y, x = np.indices(labels.shape)
    out = np.zeros_like(labels)
    for number in np.unique(labels)[1:]:
        cy, cx = rng.integers(0, labels.shape)
        out[np.hypot(y - cy, x - cx) < 10] = number
    return out


@kinds
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda labels, rng: labels, id="as it is"),
        pytest.param(jittered, id="moved by a pixel"),
        pytest.param(lambda labels, rng: without(labels, rng, 0.1), id="1 in 10 left out"),
        pytest.param(lambda labels, rng: without(labels, rng, 0.5), id="half left out"),
        pytest.param(lambda labels, rng: expand_labels(labels, 1), id="a pixel larger"),
    ],
)
def test_honest_corrections_pass(kind, change):
    labels = change(MADE[kind].labels, np.random.default_rng(0))
    assert warnings_of([corrected(kind, labels)]) == ()


@kinds
@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda labels, rng: np.roll(labels, 11, 1), "px left|follow nothing", id="shifted"),
        pytest.param(lambda labels, rng: labels[::-1].copy(), "follow nothing", id="upside down"),
        pytest.param(lambda labels, rng: labels.T.copy(), "follow nothing", id="axes swapped"),
        pytest.param(painted, "follow nothing", id="painted at random"),
        pytest.param(lambda labels, rng: halves(labels), "go on beyond their outlines", id="halves deleted"),
        pytest.param(
            lambda labels, rng: shrunk(labels, 4), "px inside the edges|follow nothing", id="shrunk"
        ),
    ],
)
def test_nonsense_is_noticed_and_named(kind, change, words):
    labels = change(MADE[kind].labels, np.random.default_rng(0))
    (warning,) = warnings_of([corrected(kind, labels)])
    assert warning.startswith("cells: ")
    assert re.search(words, warning)


def test_only_what_is_vouched_for_is_looked_at():
    labels = MADE["fluorescence"].labels.copy()
    taught = np.zeros(labels.shape, bool)
    taught[:, :110] = True
    labels[:, 115:] = labels[::-1, 115:]
    assert warnings_of([corrected("fluorescence", labels, taught=taught)]) == ()


def test_paint_among_many_right_nuclei_is_found_by_what_changed():
    labels = MADE["fluorescence"].labels.copy()
    added = np.zeros_like(labels)
    for number, (y, x) in enumerate(np.random.default_rng(1).integers(10, 210, (8, 2)), start=500):
        added[y - 7 : y + 7, x - 7 : x + 7] = number
    labels = np.where(added > 0, added, labels)
    changed = np.unique(labels[labels >= 500])
    (warning,) = warnings_of([corrected("fluorescence", labels, changed=changed)])
    assert "follow nothing" in warning


def test_a_few_nuclei_prove_nothing_but_those_of_several_images_do():
    labels = painted(MADE["fluorescence"].labels, np.random.default_rng(0))
    few = [corrected("fluorescence", np.where(np.isin(labels, (n, n + 1)), labels, 0)) for n in (1, 3, 5, 7)]
    assert warnings_of(few[:1]) == ()
    assert len(warnings_of(few)) == 1


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(np.zeros((220, 220), np.int32), id="no nucleus"),
        pytest.param(np.ones((220, 220), np.int32), id="one that fills the image"),
        pytest.param(np.eye(220, dtype=np.int32), id="a line"),
        pytest.param(np.arange(220 * 220, dtype=np.int32).reshape(220, 220), id="pixels"),
    ],
)
def test_odd_labels_do_no_harm(labels):
    assert warnings_of([corrected("fluorescence", labels)]) == ()
    assert warnings_of([]) == ()


def test_an_image_that_shows_nothing_is_said():
    case = corrected("fluorescence")
    (warning,) = warnings_of([Corrected(np.zeros_like(case.pixels), case.labels, case.taught)])
    assert "follow nothing" in warning


@pytest.mark.parametrize("kind", ["fluorescence", "histology", "brightfield"])
def test_peoples_own_labels_pass_and_those_of_another_image_do_not(test_data, dsb2018, known_images, kind):
    rows = read_rows(test_data / "index.csv", dataset="dsb2018", split="train", kind=kind)
    rows = [row for row in rows if known_images["dsb2018", row.name]["n_nuclei"] > 12][:2]
    samples = list(select_rows(dsb2018, rows))
    planes = [to_planes(s.image, s.metadata["axes"])[:, :256, :256] for s in samples]
    labels = [s.labels[:256, :256] for s in samples]
    taught = np.ones((256, 256), bool)
    for pixels, own, other in zip(planes, labels, labels[::-1], strict=True):
        assert warnings_of([Corrected(pixels, own, taught)]) == ()
        swapped = warnings_of([Corrected(pixels, other, taught)])
        assert len(swapped) == 1 or np.unique(other).size < 9  # a few nuclei may lie well by chance
