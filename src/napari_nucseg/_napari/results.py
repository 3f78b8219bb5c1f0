"""Put segmentations into a Labels layer: a new one, or one with an older result and a person's edits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_nucseg._napari.layer_state import (
    TRUST_OF,
    LayerState,
    has_edits,
    is_work_on,
    read_corrections,
    read_state,
    write_state,
)
from napari_nucseg._napari.maps_cache import MapsCache
from napari_nucseg._napari.merging import merge_plane
from napari_nucseg._napari.segment_job import prediction_on_plane
from napari_nucseg._napari.spatial import labels_placement
from napari_nucseg.errors import ImageError
from napari_nucseg.nuclei.edit import number_refusal
from napari_nucseg.nuclei.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_nucseg._napari.planes import PlaneIndex, PlaneLayout
    from napari_nucseg._napari.regions import Region
    from napari_nucseg._napari.segment_job import JobResult
    from napari_nucseg.segmentation.segment import Segmentation


def result_layer(viewer: ViewerModel, image: Image | None) -> Labels | None:
    """Labels layer made from an image: the active one of them, else the topmost; None where there is none."""
    if image is None:
        return None
    ours = [layer for layer in viewer.layers if isinstance(layer, Labels) and _made_from(layer, image)]
    active = viewer.layers.selection.active
    return active if active in ours else (ours[-1] if ours else None)


def layer_for(viewer: ViewerModel, image: Image, layout: PlaneLayout) -> Labels | None:
    """Layer that nuclei of an image go into: a work list's, else an older result's; None where it takes a new one."""
    for layer in viewer.layers:
        if is_work_on(layer, image) and takes_nuclei(layer, layout):
            return layer
    made = result_layer(viewer, image)
    if made is None or not takes_nuclei(made, layout):
        return None
    state = read_state(made)
    return made if state is not None and state.layout == layout else None


def takes_nuclei(layer: Labels, layout: PlaneLayout) -> bool:
    """Whether nuclei can be painted into a layer's array: a script may have put another one in its place."""
    data = layer.data
    is_paintable = isinstance(data, np.ndarray) and data.flags.writeable
    return is_paintable and data.shape == layout.labels_shape


def check_takes_nuclei(layer: Labels, layout: PlaneLayout) -> None:
    """Refuse to put nuclei where none can be painted.

    Raises
    ------
    ImageError
        If they cannot.
    """
    if not takes_nuclei(layer, layout):
        raise ImageError(
            f"“{layer.name}” is read-only, not in memory or of another size than its image: its nuclei stay as they "
            "are. Segment nuclei puts new ones into a new layer."
        )


def segmented_words(viewer: ViewerModel, layer: Labels) -> str:
    """Say that nuclei were found in an image that is not chosen any more, and what to do where it is gone."""
    state = read_state(layer)
    if state is None or any(other.unique_id == state.image_id for other in viewer.layers):
        return f"“{layer.name}” is segmented."
    return (
        f"“{layer.name}” is segmented; its image “{state.image_name}” was removed meanwhile. Open it again to correct "
        "the nuclei."
    )


def has_work(layer: Labels, planes: list[PlaneIndex]) -> bool:
    """Whether a person edited or reviewed planes of a layer; labels that no model is known for are a person's."""
    state, corrections = read_state(layer), read_corrections(layer)
    if corrections is not None and any((corrections.trust[i] == Trust.REVIEWED).any() for i in planes):
        return True
    if state is not None:
        return has_edits(layer, state, planes)
    predicted = _predicted_in(layer)
    return any(not np.array_equal(layer.data[i], predicted[i]) for i in planes)


def new_result_layer(image: Image, result: JobResult) -> Labels:
    """Labels layer that lies exactly on its image and holds the result."""
    layout = result.job.layout
    layer = Labels(
        np.zeros(layout.labels_shape, np.int32),
        name=f"{image.name} nuclei",
        **labels_placement(image, layout),
    )
    adopt_result(layer, image, result, keep=False)
    return layer


def adopt_result(layer: Labels, image: Image, result: JobResult, *, keep: bool) -> None:
    """Bring a result into a layer that is there; with ``keep``, nuclei that were edited or reviewed stay.

    Raises
    ------
    ImageError
        If the layer cannot be painted in, or has numbers below 0 or beyond int32.
    """
    check_takes_nuclei(layer, result.job.layout)
    if words := number_refusal(layer.data, f"“{layer.name}”"):
        raise ImageError(words)
    old = read_state(layer) or state_of(result, image, _predicted_in(layer))
    edited, corrections = old.edited, read_corrections(layer)
    if keep and corrections is not None:
        reviewed = corrections.trust == Trust.REVIEWED
        edited = reviewed if edited is None else edited | reviewed
    for index, segmentation in result.planes.items():
        old.maps.put(index, segmentation)
    regions = {i: r for i, r in old.regions.items() if i not in result.planes}
    new = state_of(result, image, old.snapshot)
    new = new.model_copy(update={"maps": old.maps, "regions": regions | new.regions, "edited": edited})
    update_layer(layer, new, result.planes, result.job.region, keep=keep)


def forget_reviewed(viewer: ViewerModel, layer: Labels, result: JobResult) -> None:
    """Take back a person's word for nuclei that a result took the place of."""
    corrections, region = read_corrections(layer), result.job.region
    if corrections is None:
        return
    for index in result.planes:
        trust = corrections.trust[index]
        replaced = trust == Trust.REVIEWED
        trust[replaced if region is None else replaced & region.whole_mask(trust.shape)] = Trust.UNKNOWN
    for overlay in viewer.layers:
        if overlay.metadata.get(TRUST_OF) == layer.unique_id:
            overlay.refresh()


def update_layer(
    layer: Labels,
    state: LayerState,
    planes: Mapping[PlaneIndex, Segmentation],
    region: Region | None,
    *,
    keep: bool,
) -> None:
    """Merge predictions into a layer's planes and its record's snapshot; the record is written once they are there."""
    edited = state.edited
    staying = region is not None or (keep and has_edits(layer, state, list(planes)))
    first = _highest_number_elsewhere(layer, planes, staying=staying)
    for index, segmentation in planes.items():
        prediction = prediction_on_plane(segmentation, state.layout.plane_shape)
        merged = merge_plane(
            np.asarray(layer.data[index]),
            state.snapshot[index],
            state.edited_plane(index),
            prediction,
            first=first,
            region=None if region is None else region.whole_mask(state.layout.plane_shape),
            keep=keep,
        )
        make_room(layer, max(int(merged.labels.max()), int(merged.snapshot.max())))
        layer.data[index] = merged.labels
        state.snapshot[index] = merged.snapshot
        if merged.edited.any() or edited is not None:
            edited = np.zeros(layer.data.shape, bool) if edited is None else edited
            edited[index] = merged.edited
        if index:
            first = max(first, int(merged.labels.max()), int(merged.snapshot.max()))
    write_state(layer, state.model_copy(update={"edited": edited}))
    forget_history(layer)
    layer.refresh()


def make_room(layer: Labels, number: int) -> None:
    """Let a layer of small integers hold a number; its nuclei and its undo history stay as they are."""
    if number > np.iinfo(layer.data.dtype).max:
        layer.data = layer.data.astype(np.int32)


def forget_history(layer: Labels) -> None:
    """Empty a layer's undo history: its steps were made on other labels, replaying them would do damage."""
    mode, editable = layer.mode, layer.editable
    layer.editable = False
    layer.editable = editable
    layer.mode = mode


def _highest_number_elsewhere(
    layer: Labels, planes: Mapping[PlaneIndex, Segmentation], *, staying: bool
) -> int:
    """Find the number above which new nuclei are numbered, so that numbers stay unique in a stack.

    Planes that get a prediction do not count, unless there are several and nuclei stay in them under their old numbers.
    """
    staying_too = staying and len(planes) > 1
    others = (i for i in np.ndindex(layer.data.shape[:-2]) if staying_too or i not in planes)
    return max((int(layer.data[other].max()) for other in others), default=0)


def _made_from(layer: Labels, image: Image) -> bool:
    state = read_state(layer)
    return state is not None and state.image_id == image.unique_id


def _predicted_in(layer: Labels) -> np.ndarray:
    """Labels that a model put into a layer; none where that is not known."""
    corrections = read_corrections(layer)
    if corrections is None or not corrections.is_prediction or corrections.snapshot is None:
        return np.zeros(layer.data.shape, np.int32)
    return np.array(corrections.snapshot, np.int32)


def state_of(result: JobResult, image: Image, snapshot: np.ndarray) -> LayerState:
    """Record of a result for a layer with this snapshot."""
    maps = MapsCache()
    for index, segmentation in result.planes.items():
        maps.put(index, segmentation)
    job = result.job
    return LayerState(
        image_id=image.unique_id,
        image_name=image.name,
        layout=job.layout,
        model_name=result.model.card.name,
        model_title=result.model.info.title,
        model_sha256=result.model.sha256,
        settings=next(iter(result.planes.values())).settings,
        regions={} if job.region is None else dict.fromkeys(result.planes, job.region),
        maps=maps,
        snapshot=snapshot,
    )
