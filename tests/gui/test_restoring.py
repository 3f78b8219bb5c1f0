"""What a restored layer still knows: its image, channel, model and settings, and the folder it was saved in."""

from __future__ import annotations

import errno
import os

import dask.array as da
import numpy as np
from tifffile import imwrite

from napari_nucseg._napari.correct_files import collect, show_set
from napari_nucseg._napari.correct_subject import Subject
from napari_nucseg._napari.image_fingerprint import PIECE_PX, image_fingerprint
from napari_nucseg._napari.layer_state import read_corrections, write_corrections
from napari_nucseg.data.correction_set import (
    CorrectionSet,
    open_correction_set,
    save_correction_set,
    stamp_of,
)
from napari_nucseg.data.journal import Journal, JournalHeader, Part, fingerprint, journal_dir, replay

TIMEOUT_MS = 60_000
SHAPE = (64, 80)


def _crash(viewer, corrector):
    """Leave a journal behind as a killed process does: closed by the system, known to no layer."""
    session = corrector.controller.session
    session.keeper._journal.close()
    layer = session.subject.layer
    write_corrections(layer, read_corrections(layer).model_copy(update={"journal": None}))
    viewer.layers.clear()


def _restore(qtbot, corrector, click):
    qtbot.waitUntil(corrector.form.banner.isVisible, timeout=TIMEOUT_MS)
    click(corrector.form.restore)
    return corrector.controller.session.subject


def _paint(layer):
    layer.data_setitem((np.array([1]), np.array([5])), 7)


def test_restored_edits_go_into_the_folder_of_their_last_save(qtbot, viewer, corrector, click, tmp_path):
    labels = np.eye(*SHAPE, dtype=np.int32)
    image = np.random.default_rng(0).integers(0, 255, (2, *SHAPE), np.uint8)
    settings = {"channel": 1, "diameter_px": 12.0}
    corrections = CorrectionSet(
        image, "CYX", labels, labels.astype(np.uint8), settings=settings, name="cells"
    )
    folder = save_correction_set(tmp_path / "mine", corrections)
    viewer.layers.selection.active = show_set(viewer, open_correction_set(folder), folder, stamp_of(folder))
    _paint(corrector.controller.session.subject.layer)
    _crash(viewer, corrector)
    viewer.add_image(image, name="cells", axis_labels=("c", "y", "x"))
    viewer.dims.set_point(0, 0)
    subject = _restore(qtbot, corrector, click)
    assert collect(subject).settings == settings
    assert str(folder) in corrector.form.save.toolTip()
    click(corrector.form.save)
    qtbot.waitUntil(lambda: "Saved in" in corrector.form.status.text(), timeout=TIMEOUT_MS)
    saved = open_correction_set(folder)
    assert (saved.labels[1, 5], saved.settings) == (7, settings)


def test_restored_nuclei_know_how_they_were_found(qtbot, viewer, corrector, user, nuclei, click):
    image = np.stack([nuclei, np.zeros_like(nuclei)])
    viewer.add_image(image, name="cells", axis_labels=("c", "y", "x"))
    viewer.dims.set_point(0, 1)
    user.widget.form.axes.channel.setCurrentIndex(0)
    layer = user.segment()
    known = collect(Subject(viewer, layer))
    assert known.settings["channel"] == 0
    viewer.layers.selection.active = layer
    _paint(layer)
    _crash(viewer, corrector)
    viewer.add_image(image, name="cells", axis_labels=("c", "y", "x"))
    viewer.dims.set_point(0, 1)
    restored = collect(_restore(qtbot, corrector, click))
    assert restored.settings == known.settings
    assert restored.model_name == known.model_name


def test_a_restored_layer_goes_with_its_image_alone(qtbot, viewer, corrector, click):
    image = viewer.add_image(np.ones(SHAPE, np.uint8), name="cells")
    layer = viewer.add_labels(np.eye(*SHAPE, dtype=np.int32), name="masks")
    _paint(layer)
    pixels = image.data
    _crash(viewer, corrector)
    viewer.add_image(pixels, name="opened again")
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="masks 2")
    subject = _restore(qtbot, corrector, click)
    assert subject.image.name == "opened again"
    viewer.layers.remove("opened again")
    assert subject.image is None
    assert "“opened again”" in subject.image_wanted


def test_a_journal_of_an_earlier_version_is_restored(qtbot, viewer, corrector, click):
    labels, pixels = np.eye(*SHAPE, dtype=np.int32), np.ones(SHAPE, np.uint8)
    notes = {"model_name": "nuclei-unet", "model_sha256": "", "is_prediction": True}
    header = JournalHeader(
        shape=SHAPE, dtype="int32", base="", image=fingerprint(pixels), image_name="cells", notes=notes
    )
    arrays = {Part.LABELS: labels, Part.PREDICTION: labels}
    Journal.create(journal_dir() / "earlier.nucsegjournal", header, arrays).close()
    viewer.add_image(pixels, name="cells")
    subject = _restore(qtbot, corrector, click)
    state = read_corrections(subject.layer)
    assert (state.settings, state.folder, state.model_name) == ({}, None, "nuclei-unet")
    assert collect(subject).name == "cells"
    _paint(subject.layer)


def test_edits_on_a_stack_that_is_not_in_memory_are_restored(qtbot, viewer, corrector, click, tmp_path):
    planes = [tmp_path / f"plane_{z}.tif" for z in range(3)]
    for z, path in enumerate(planes):
        imwrite(path, np.full(SHAPE, z, np.uint16))
    (image,) = viewer.open(planes, stack=True, plugin="napari")
    assert isinstance(image.data, da.Array)
    layer = viewer.add_labels(np.zeros((3, *SHAPE), np.int32), name="masks")
    layer.data_setitem((np.array([2]), np.array([1]), np.array([5])), 7)
    corrector.controller.session.look()
    _crash(viewer, corrector)
    (image,) = viewer.open(planes, stack=True, plugin="napari")
    subject = _restore(qtbot, corrector, click)
    assert (subject.layer.data[2, 1, 5], subject.image) == (7, image)


def test_a_journal_that_goes_away_while_it_is_restored_is_said_and_begun_anew(
    qtbot, viewer, corrector, click, monkeypatch
):
    labels, pixels = np.eye(*SHAPE, dtype=np.int32), np.ones(SHAPE, np.uint8)
    header = JournalHeader(shape=SHAPE, dtype="int32", base="", image=fingerprint(pixels), notes={"old": 1})
    earlier = journal_dir() / "earlier.nucsegjournal"
    Journal.create(earlier, header, {Part.LABELS: labels}).close()
    viewer.add_image(pixels, name="cells")

    def lose(source, target):
        earlier.unlink()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", lose)
        layer = _restore(qtbot, corrector, click).layer
    assert "Edits are lost if napari ends unexpectedly" in corrector.form.status.text()
    _paint(layer)
    np.testing.assert_array_equal(replay(corrector.controller.session.keeper.path).labels, layer.data)


class Unread:
    """Pixels somewhere else, read when they are asked for."""

    def __init__(self, shape, *, there=True):
        self.shape, self.dtype, self.ndim = shape, np.dtype(np.uint8), len(shape)
        self.there, self.most_px = there, 0

    def __getitem__(self, key):
        if not self.there:
            raise OSError("the network is down")
        part = np.broadcast_to(np.uint8(7), self.shape)[key]
        self.most_px = max(self.most_px, part.size)
        return np.array(part)


def test_of_an_image_that_is_not_in_memory_a_piece_is_read_to_know_it_again(viewer):
    shape = (3, 2_000, 3_000)
    far = Unread(shape)
    layer = viewer.add_image(far, contrast_limits=(0, 255))
    far.most_px = 0
    known = image_fingerprint(layer)
    assert far.most_px == PIECE_PX**2
    far.there = False
    assert image_fingerprint(layer) == known, "it is read once"
    layer.data = Unread((3, 2_000, 2_000))
    assert image_fingerprint(layer) not in (known, "")
    layer.data = Unread((3, 1_000, 2_000))
    layer.data.there = False
    assert image_fingerprint(layer) == ""
    layer.data.there = True
    assert image_fingerprint(layer) != "", "the network is up again"
    colour = viewer.add_image(da.zeros((600, 700, 3), np.uint8), rgb=True)
    in_memory = viewer.add_image(np.zeros((600, 700, 3), np.uint8), rgb=True)
    assert image_fingerprint(colour) not in ("", image_fingerprint(in_memory))
