"""Which image labels are saved and taught with: the one they were worked on with, and none that lies elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nucseg._napari.correct_files import collect, show_set
from napari_nucseg._napari.correct_subject import Subject
from napari_nucseg._napari.teach_examples import Examples
from napari_nucseg.data.correction_set import CorrectionSet
from napari_nucseg.errors import CorrectionSetError
from napari_nucseg.nuclei.trust import Trust

SHAPE = (64, 80)


@pytest.fixture
def open_image(viewer):
    """Return a function that opens an image of one value."""
    return lambda name, value, **more: viewer.add_image(np.full(SHAPE, value, np.uint8), name=name, **more)


@pytest.fixture
def layer(viewer, corrector, open_image):
    """Labels that are corrected; two images are as large as they are."""
    open_image("cells", 1)
    layer = viewer.add_labels(np.eye(*SHAPE, dtype=np.int32), name="cells nuclei")
    open_image("day2", 2)
    viewer.layers.selection.active = layer
    return layer


def _paint(corrector, layer):
    layer.data_setitem((np.array([1]), np.array([5])), 7)
    corrector.controller.session.look()


def _mark(corrector, layer):
    corrector.controller.mark_all(Trust.REVIEWED)
    corrector.controller.session.look()


@pytest.mark.parametrize("work", [_paint, _mark])
def test_labels_worked_on_never_go_with_another_image(viewer, corrector, layer, open_image, work, tmp_path):
    work(corrector, layer)
    viewer.layers["cells"].name, layer.name = "renamed", "mine"
    viewer.layers.move(viewer.layers.index(layer), len(viewer.layers))
    assert collect(Subject(viewer, layer)).name == "renamed"
    assert "“renamed”" in corrector.form.image.text()
    viewer.layers.remove("renamed")
    with pytest.raises(CorrectionSetError, match=r"there is no image “cells”.*or give its layer this name"):
        collect(Subject(viewer, layer))
    corrector.controller.save(tmp_path / "mine")
    assert "no image “cells”" in corrector.form.status.text()
    assert not (tmp_path / "mine").exists()
    again = open_image("cells", 1)
    collected = collect(Subject(viewer, layer))
    assert collected.image.max() == 1
    again.name = "cells of today"
    assert Subject(viewer, layer).image == again, "it is known again"


def test_before_the_first_edit_the_likeliest_image_is_taken(viewer, corrector, layer):
    viewer.layers.remove("cells")
    assert Subject(viewer, layer).image.name == "day2"
    _paint(corrector, layer)
    viewer.layers.remove("day2")
    with pytest.raises(CorrectionSetError, match="there is no image “day2”"):
        collect(Subject(viewer, layer))


def test_corrections_that_were_opened_go_with_their_image_alone(viewer, corrector, layer, tmp_path):
    labels = np.eye(*SHAPE, dtype=np.int32)
    trust = labels.astype(np.uint8)
    corrections = CorrectionSet(np.full(SHAPE, 3, np.uint8), "YX", labels, trust, name="third")
    opened = show_set(viewer, corrections, tmp_path, None)
    assert collect(Subject(viewer, opened)).image.max() == 3
    viewer.layers.remove("third")
    with pytest.raises(CorrectionSetError, match="there is no image “third”"):
        collect(Subject(viewer, opened))


def test_an_image_elsewhere_in_the_world_is_not_theirs(viewer, corrector, layer):
    assert "“cells”" in corrector.form.image.text()
    viewer.layers["day2"].translate = (0, 80)
    assert not corrector.form.image.isVisible(), "it is no question any more"
    viewer.layers.remove("cells")
    with pytest.raises(CorrectionSetError, match="“day2” has the size of “cells nuclei”, but lies elsewhere"):
        collect(Subject(viewer, layer))
    viewer.layers["day2"].translate = (0, 0)
    assert Subject(viewer, layer).image.name == "day2"


@pytest.mark.parametrize(
    ("moved", "words"),
    [
        pytest.param((0, 6), "12 px beside the image “cells”", id="by 12 px"),
        pytest.param((3, -4), "10 px beside the image “cells”", id="by both axes"),
        pytest.param((0.2, 0.2), "", id="corner for centre"),
        pytest.param((0, 0), "", id="on it"),
    ],
)
def test_labels_that_are_shown_beside_their_image_are_said_to_be(viewer, corrector, layer, moved, words):
    """They may lie on the nuclei in the window, and are saved and taught pixel by pixel."""
    viewer.layers.remove("day2")
    for each in viewer.layers:
        each.scale = (0.5, 0.5)
    layer.translate = moved
    corrector.controller.mark_all(Trust.REVIEWED)
    said = corrector.form.image.text().replace("\N{NO-BREAK SPACE}", " ")
    (collected,) = Examples(viewer).collect()
    for place in (said, collected.taken_from):
        assert words in place
        assert bool(place) == bool(words)
    layer.scale = (1, 1)
    assert not corrector.form.image.text(), "labels of other programs often have no scale"


def test_labels_of_another_program_without_a_scale_still_go_with_their_image(viewer, layer):
    viewer.layers["cells"].scale = (0.25, 0.25)
    viewer.layers["day2"].translate = (0, 80)
    layer.name = "masks"
    assert Subject(viewer, layer).image.name == "cells"


def test_of_images_without_a_name_in_common_one_at_the_same_place_is_likelier(viewer, layer, open_image):
    layer.name = "masks"
    viewer.layers["cells"].scale = (0.25, 0.25)
    assert Subject(viewer, layer).image.name == "day2"


def test_of_channels_that_were_split_the_one_named_for_a_dye_of_nuclei_is_likelier(viewer, corrector):
    channels = np.stack([np.full(SHAPE, value, np.uint8) for value in (1, 2)])
    viewer.add_image(channels, channel_axis=0, name=["DAPI", "GFP"])
    layer = viewer.add_labels(np.eye(*SHAPE, dtype=np.int32), name="masks")
    assert Subject(viewer, layer).image.name == "DAPI"
    layer.name = "GFP masks"
    assert Subject(viewer, layer).image.name == "GFP"
    viewer.layers.selection.active = layer
    _mark(corrector, layer)
    layer.name = "masks"
    assert collect(Subject(viewer, layer)).name == "GFP", "what it was worked on with"
