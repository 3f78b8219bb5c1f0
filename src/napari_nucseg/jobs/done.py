"""Results that an earlier run of a batch left: which of them another run, with the same settings, would make again."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

import napari_nucseg
from napari_nucseg.data.images import read_image
from napari_nucseg.jobs.result_mark import origin_of
from napari_nucseg.network.installed import find_model
from napari_nucseg.network.lineage import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_nucseg.jobs.result_mark import Origin
    from napari_nucseg.segmentation.settings import SegmentationSettings

_HOW_IT_RUNS = {"device", "tile_px", "batch_size"}
"""Settings that are about speed and memory."""


def fingerprint(settings: SegmentationSettings) -> str:
    """Hash what, with an image, determines its labels: settings, the files of models, the program's version.

    Raises
    ------
    ModelFileError
        If there is no such model.
    """
    by_device = {"precision"} if settings.precision == "auto" else set()
    chosen = settings.model_dump(exclude={*_HOW_IT_RUNS, *by_device, "decoding"})
    decoding = settings.decoding.model_dump(exclude_unset=True)  # the others are the model's
    models = [sha256_of(find_model(settings.model, fluorescence=which)) for which in (False, True)]
    content = json.dumps([chosen, decoding, models, napari_nucseg.__version__], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def labels_done(path: Path, origin: Origin) -> NDArray[np.int32] | None:
    """Labels of a file, (…, Y, X) with T and Z before, if an earlier run made them of the same; else None."""
    there = origin_of(path)
    if there is None or not there.gives_same_labels(origin):
        return None
    return read_image(path, as_stored=True, scratch=path.parent).pixels.astype(np.int32, copy=False)
