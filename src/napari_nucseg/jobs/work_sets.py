"""The correction set an image of a work list begins with, and begins anew with. No torch: a window need not wait."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.correction_set import CorrectionSet
from napari_nucseg.data.set_place import set_aside
from napari_nucseg.errors import DatasetError, OutputError
from napari_nucseg.files import in_words, unused_name
from napari_nucseg.jobs.work_item import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        raise DatasetError(f"{sample.name} is a stack (axes {axes}); work through folders of 2D images.")
    shape = tuple(n for n, axis in zip(sample.image.shape, axes, strict=True) if axis != "C")
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
        settings=settings or {},
        image_path=_plain_file(sample),
    )


def begin_anew(worklist: WorkList, name: str) -> WorkList:
    """Move an image's corrections out of the way, into a folder beside them; return the list with it untouched.

    Raises
    ------
    OutputError
        If they cannot be moved.
    """
    folder = worklist.folder_of(name)
    kept = worklist.output / SET_ASIDE
    try:
        kept.mkdir(exist_ok=True)
        taken = {path.name.casefold() for path in kept.iterdir()}
        for place in filter(Path.exists, (folder, set_aside(folder))):
            place.rename(kept / unused_name(folder.name, taken))
    except OSError as error:
        raise OutputError(in_words(error, kept)) from error
    return worklist.with_status(name, Status.UNTOUCHED)


def _plain_file(sample: Sample) -> Path | None:
    """File of a sample, where it is no entry of an archive."""
    path = Path(str(sample.metadata.get("image_path") or ""))
    return path if path.is_file() else None
