"""What a Labels layer knows about how it was made and what a person did to it, kept in ``layer.metadata``.

Widgets do not know each other: they meet here. The records are validated whenever they are read. Any Labels layer may
have corrections; only those we made know their origin. napari gives a duplicated layer the same metadata: the records
name their layer, and whoever reads them of a copy finds one with arrays of its own, saved nowhere yet.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import numpy as np
from pydantic import BaseModel, ConfigDict, InstanceOf

from napari_nucseg._napari.maps_cache import MapsCache
from napari_nucseg._napari.planes import PlaneIndex, PlaneLayout
from napari_nucseg._napari.regions import Region
from napari_nucseg.nuclei.review import ReviewQueue
from napari_nucseg.segmentation.settings import SegmentationSettings

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from napari_nucseg.segmentation.segment import Segmentation

METADATA_KEY = "napari-nucseg"
CORRECTIONS_KEY = "napari-nucseg-corrections"
TRUST_OF = "napari-nucseg-trust-of"
"""Metadata key of an overlay: ``unique_id`` of the Labels layer whose trust map it shows."""
PREVIEW_OF = "napari-nucseg-preview-of"
"""Metadata key of a layer that shows what a model finds while it learns: the model's name."""
WORK_ON = "napari-nucseg-work-on"
"""Metadata key of the Labels layer of a work list: ``unique_id`` of its image, whose nuclei go into it, and its own."""
PUT_AWAY = "napari-nucseg-put-away"
"""Metadata key of an image layer that a work list hid: it shows another image now."""
NUCLEI_CHANNEL = "napari-nucseg-channel"
"""Metadata key of an image layer that was opened with corrections: the channel they were found in, or are to be."""
OVERLAYS = frozenset({TRUST_OF, PREVIEW_OF})
"""Keys of Labels layers that hold no nuclei of the user's."""


class LayerState(BaseModel):
    """Origin of a Labels layer.

    Attributes
    ----------
    image_id
        ``unique_id`` of the image layer.
    image_name
        Its name when it was segmented.
    layout
        How the image's axes were read.
    model_name, model_title, model_sha256
        The model file that was used.
    settings
        Settings of the last run, decoding included.
    regions
        Plane index to the region that run worked on; a whole plane has no entry.
    maps
        Cached segmentations by plane index (the key of the cached maps).
    snapshot
        Copy of the prediction, shaped and numbered as the layer's data; where they differ, a person edited.
    edited
        Pixels edited before the last decoding; None where there are none.
    owner
        ``unique_id`` of the layer the record belongs to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    image_id: UUID
    image_name: str
    layout: InstanceOf[PlaneLayout]
    model_name: str
    model_title: str
    model_sha256: str
    settings: SegmentationSettings
    regions: dict[PlaneIndex, InstanceOf[Region]] = {}
    maps: MapsCache
    snapshot: np.ndarray
    edited: np.ndarray | None = None
    owner: UUID | None = None

    @property
    def runs(self) -> list[Segmentation]:
        """How each plane was segmented, the last that was used at the end; old ones without labels and maps."""
        return self.maps.runs

    @property
    def runs_of_model(self) -> list[Segmentation]:
        """Those by the model of the last run: other planes of a stack may be another's."""
        return [run for run in self.runs if run.model.name == self.model_name]

    def edited_plane(self, index: PlaneIndex) -> np.ndarray | None:
        """Pixels of one plane that were edited before the last decoding."""
        return None if self.edited is None else self.edited[index]


class CorrectionState(BaseModel):
    """What a person vouches for in a Labels layer, and what it is compared with.

    Attributes
    ----------
    trust
        uint8 of the labels' shape, values of ``Trust``; also the data of the overlay that shows it.
    snapshot
        The labels before the first edit, for layers that do not know their origin.
    is_prediction
        Whether ``snapshot`` is what a model predicted, and not just what was there.
    queues
        Nuclei to review and those that were, by plane.
    image_id, image_name
        Image the layer was worked on with, from the first edit or mark on; empty before.
    model_name, model_sha256, settings
        Origin of a layer that was opened from a correction set.
    folder
        Correction set that the layer was opened from or last saved in.
    saved_as
        Stamp of the set there as it was opened or saved from here last, None before.
    n_saves
        How often it was saved; with every save, edits until then are safe.
    journal
        File that edits since then are in.
    kept
        Labels as ``folder`` holds them, where a work list shows them; not to be changed.
    owner
        ``unique_id`` of the layer the record belongs to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    trust: np.ndarray
    snapshot: np.ndarray | None = None
    is_prediction: bool = False
    queues: dict[PlaneIndex, InstanceOf[ReviewQueue]] = {}
    image_id: UUID | None = None
    image_name: str = ""
    model_name: str = ""
    model_sha256: str = ""
    settings: dict[str, Any] = {}
    folder: Path | None = None
    saved_as: bytes | None = None
    n_saves: int = 0
    journal: Path | None = None
    kept: np.ndarray | None = None
    owner: UUID | None = None


Record = TypeVar("Record", LayerState, CorrectionState)


def read_corrections(layer: Any) -> CorrectionState | None:
    """Corrections of a layer; None where there are none or the record no longer fits the layer."""
    record = layer.metadata.get(CORRECTIONS_KEY)
    if not isinstance(record, CorrectionState) or record.trust.shape != tuple(layer.data.shape):
        return None
    if _is_another(record.owner, layer):
        record = _copied(record, folder=None, journal=None, owner=layer.unique_id)
        write_corrections(layer, record)
    return record


def write_corrections(layer: Labels, state: CorrectionState) -> None:
    """Keep corrections with their layer; other metadata stays."""
    layer.metadata = {**layer.metadata, CORRECTIONS_KEY: owned(layer, state)}


def mark_safe(layer: Labels) -> None:
    """Note that a layer's edits are all saved: who keeps their journal lets go of it, and it is deleted."""
    state = read_corrections(layer)
    if state is None:
        return
    write_corrections(layer, state.model_copy(update={"n_saves": state.n_saves + 1, "journal": None}))
    if state.journal is not None:  # nobody may have kept it any more
        with suppress(OSError):  # if it stays, its edits are offered once more
            state.journal.unlink(missing_ok=True)


def is_work_on(layer: Labels, image: Image) -> bool:
    """Whether a work list shows an image with this layer, which is no copy of the one it does."""
    return layer.metadata.get(WORK_ON) == (image.unique_id, layer.unique_id)


def snapshot_of(layer: Labels) -> np.ndarray | None:
    """Labels that a layer is compared with: what was predicted, else what was there before the first edit."""
    origin, corrections = read_state(layer), read_corrections(layer)
    if origin is not None:
        return origin.snapshot
    return None if corrections is None else corrections.snapshot


def read_state(layer: Any) -> LayerState | None:
    """Origin of a layer; None where the layer is not ours or the record no longer fits it."""
    record = layer.metadata.get(METADATA_KEY)
    if not isinstance(record, LayerState) or record.snapshot.shape != tuple(layer.data.shape):
        return None
    if _is_another(record.owner, layer):
        record = _copied(record, maps=record.maps.copy(), owner=layer.unique_id)
        write_state(layer, record)
    return record


def write_state(layer: Labels, state: LayerState) -> None:
    """Keep a layer's origin with it; other metadata stays."""
    layer.metadata = {**layer.metadata, METADATA_KEY: owned(layer, state)}


def owned(layer: Labels, record: Record) -> Record:
    """Record that names its layer."""
    if record.owner == layer.unique_id:
        return record
    return record.model_copy(update={"owner": layer.unique_id})


def has_edits(layer: Labels, state: LayerState, planes: list[PlaneIndex] | None = None) -> bool:
    """Whether a person changed the layer (or these planes of it) since it was predicted."""
    data = np.asarray(layer.data)
    for index in planes if planes is not None else [()]:
        if not np.array_equal(data[index], state.snapshot[index]):
            return True
        earlier = state.edited_plane(index)
        if earlier is not None and earlier.any():
            return True
    return False


def _is_another(owner: UUID | None, layer: Labels) -> bool:
    return owner is not None and owner != layer.unique_id


def _copied(record: Record, **update: Any) -> Record:
    """Record with arrays of its own."""
    arrays = {name: value.copy() for name, value in record if isinstance(value, np.ndarray)}
    return record.model_copy(update=arrays | update)
