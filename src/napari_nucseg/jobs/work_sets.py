"""Correction sets of a work list: what one begins with, how it is kept, and how it is moved out of the way.

No torch: a window need not wait.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.correction_image import reference
from napari_nucseg.data.correction_record import COPIED_IMAGE, RECORD, read_record
from napari_nucseg.data.correction_set import (
    CorrectionSet,
    open_correction_set,
    save_correction_set,
    stamp_of,
)
from napari_nucseg.data.set_place import place_of, real_folder, set_aside
from napari_nucseg.errors import CorrectionSetError, DatasetError, NucSegError, OutputError
from napari_nucseg.files import in_words, unused_name, written_whole
from napari_nucseg.jobs.work_item import Status
from napari_nucseg.jobs.worklist import check_there

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from numpy.typing import NDArray

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.jobs.worklist import WorkList
    from napari_nucseg.network.model_file import Model

SET_ASIDE = "set aside"  # with a space, as no image's own folder


def new_corrections(
    sample: Sample,
    labels: NDArray[np.int32] | None,
    *,
    is_prediction: bool,
    model: Model | None = None,
    settings: Mapping[str, Any] | None = None,
) -> CorrectionSet:
    """Make a correction set of a sample with nothing reviewed yet.

    To be saved, the image is referred to where the sample is a plain file that reads to the same pixels, else copied.

    Raises
    ------
    DatasetError
        If the sample is no single 2D image.
    """
    axes = str(sample.metadata.get("axes") or ("YX" if sample.image.ndim == 2 else "YXC"))
    if not set(axes) <= set("YXC"):
        raise DatasetError(f"“{sample.name}” is a stack (axes {axes}). Work through folders of 2D images.")
    shape = tuple(n for n, axis in zip(sample.image.shape, axes, strict=True) if axis != "C")
    channel = sample.metadata.get("nuclei_channel")
    if labels is None:
        labels = np.zeros(shape, np.int32)
    return CorrectionSet(
        image=sample.image,
        axes=axes,
        labels=labels,
        trust=np.zeros(shape, np.uint8),
        prediction=labels if is_prediction else None,
        name=sample.name,
        pixel_size_um=sample.metadata.get("pixel_size_um"),
        model_name="" if model is None else model.card.name,
        model_sha256="" if model is None else model.sha256,
        settings=settings or ({} if channel is None else {"channel": channel}),
        image_path=_plain_file(sample),
    )


def keep(folder: Path, corrections: CorrectionSet, known: Container[bytes | None]) -> Path | None:
    """Write an image's set; one that another window made otherwise is moved into the folder beside it first.

    Parameters
    ----------
    known
        Stamps (:func:`.correction_set.stamp_of`) of what may be replaced: it was shown, or written from here.

    Returns
    -------
    :
        Where the other window's set is now; None where there was none.

    Raises
    ------
    CorrectionSetError, OutputError
        If it cannot be written, or the list beside it is gone; what was there is there again.
    """
    check_there(folder.parent)
    stamp = stamp_of(folder)
    if stamp is None or stamp in known or _holds_the_same(folder, corrections):
        save_correction_set(folder, corrections)
        return None
    aside = _move_aside(folder)
    try:
        save_correction_set(folder, corrections)
    except NucSegError:
        with suppress(OSError):
            _move(aside, folder)
        raise
    return aside


def _holds_the_same(folder: Path, corrections: CorrectionSet) -> bool:
    """Whether a set holds these nuclei already: *Correct nuclei* may have saved them a moment ago."""
    try:
        there = open_correction_set(folder, corrections.image_path)
    except CorrectionSetError:
        return False
    return all(
        np.array_equal(getattr(there, part), getattr(corrections, part))
        for part in ("labels", "trust", "prediction")
    )


def begin_anew(worklist: WorkList, name: str) -> WorkList:
    """Move what there is of an image's corrections into a folder beside them; return the list with it untouched.

    Raises
    ------
    OutputError
        If they cannot be moved.
    """
    folder = worklist.folder_of(name)
    if os.path.exists(place_of(folder)):
        _move_aside(folder)
    return worklist.with_status(name, Status.UNTOUCHED)


def _move_aside(folder: Path) -> Path:
    """Move a set, and what a killed process left of it, into the folder beside it; return its new place."""
    kept = folder.parent / SET_ASIDE
    moved = []
    try:
        kept.mkdir(exist_ok=True)
        taken = {path.name.casefold() for path in kept.iterdir()}
        for place in filter(Path.exists, (folder, set_aside(folder))):
            moved.append(kept / unused_name(folder.name, taken))
            _move(place, moved[-1])
    except OSError as error:
        raise OutputError(in_words(error, kept / folder.name)) from error
    return moved[0] if moved else kept


def _move(folder: Path, to: Path) -> None:
    """Move a set; the image it refers to is found from its new place, too. Where that cannot be noted, it stays."""
    before = real_folder(folder)
    folder.rename(to)
    with suppress(CorrectionSetError):  # damaged: it stays as it is
        record = read_record(to)
        if record.image.path != COPIED_IMAGE:
            path = reference(before / record.image.path, real_folder(to))
            record = record.model_copy(update={"image": record.image.model_copy(update={"path": path})})
            try:
                with written_whole(to / RECORD) as part:
                    part.write_text(record.model_dump_json(indent=2), encoding="utf-8")
            except OutputError:  # the disk is full
                to.rename(folder)
                raise


def _plain_file(sample: Sample) -> Path | None:
    """File of a sample, where it is no entry of an archive."""
    path = Path(str(sample.metadata.get("image_path") or ""))
    return path if path.is_file() else None
