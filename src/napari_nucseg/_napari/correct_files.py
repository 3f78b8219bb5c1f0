"""Corrections of a layer as a correction set, and a correction set as layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_nucseg._napari.correct_subject import Subject, corrections_of, remember_image
from napari_nucseg._napari.image_layout import (
    axis_names,
    channel_for,
    fits,
    image_data,
    layout_for,
    show_channel,
)
from napari_nucseg._napari.layer_state import (
    NUCLEI_CHANNEL,
    CorrectionState,
    mark_safe,
    read_state,
    snapshot_of,
    write_corrections,
)
from napari_nucseg._napari.spatial import labels_placement, pixel_size_um, spatial_attributes
from napari_nucseg._napari.table import stack_columns
from napari_nucseg.data.correction_set import CorrectionSet
from napari_nucseg.errors import CorrectionSetError
from napari_nucseg.nuclei.corrections import count_kinds, diff
from napari_nucseg.nuclei.edit import present
from napari_nucseg.nuclei.trust import Trust

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from napari_nucseg._napari.planes import PlaneLayout


def collect(subject: Subject, *, counted: bool = True) -> CorrectionSet:
    """Put a layer and its image into a correction set, as they are now.

    Counting what was changed takes a moment; whoever needs a copy only may leave it out. An image that is not in
    memory is not read yet: that may take long, and saving does it.

    Raises
    ------
    CorrectionSetError, ImageError
        If no image of the viewer lies on the labels' pixels, its axes cannot be named, or numbers are below 0 or
        beyond int32.
    """
    layer, image = subject.layer, subject.image
    if image is None:
        raise CorrectionSetError(subject.image_wanted)
    if words := subject.refusal_of_numbers():
        raise CorrectionSetError(words)
    layout = layout_for(layer, image)
    origin, state = read_state(layer), corrections_of(layer)
    if origin is not None or state.image_name:  # it may have been opened again
        remember_image(subject)
    known = origin if origin is not None else state
    settings = origin.settings.model_dump(mode="json") if origin is not None else dict(state.settings)
    if layout.channel_axis is not None:
        settings["channel"] = channel_for(subject.viewer, layer, image, layout)
    is_prediction = origin is not None or state.is_prediction
    pixels = image_data(image)
    return CorrectionSet(
        image=pixels[..., :3] if image.rgb else pixels,
        axes=_axes(image, layout),
        labels=layout.without_channel(np.array(layer.data, np.int32)),
        trust=layout.without_channel(state.trust.copy()),
        prediction=layout.without_channel(np.array(snapshot_of(layer), np.int32)) if is_prediction else None,
        name=image.name,
        pixel_size_um=pixel_size_um(image),
        model_name=known.model_name,
        model_sha256=known.model_sha256,
        settings=settings,
        counts=counts_of(layer.data, state.trust, snapshot_of(layer)) if counted else {},
    )


def counts_of(
    labels: NDArray[np.integer], trust: NDArray[np.uint8], before: NDArray[np.integer] | None
) -> dict[str, int]:
    """Numbers a list of sets can show without opening their pictures; of changes, where labels ``before`` are known."""
    counts = {
        "nuclei": present(labels).size,
        "reviewed_px": int((trust == Trust.REVIEWED).sum()),
        "ignored_px": int((trust == Trust.IGNORE).sum()),
    }
    if before is None:
        return counts
    planes = np.ndindex(labels.shape[:-2])
    changes = [change for index in planes for change in diff(before[index], labels[index])]
    return counts | {str(kind): number for kind, number in count_kinds(changes).items()}


def as_napari_shows(corrections: CorrectionSet) -> tuple[NDArray[Any], dict[str, Any], bool]:
    """Pixels with colour last and channels first, what places them in the world, and whether they are colour."""
    pixels, axes = corrections.image, corrections.axes.upper().replace("S", "C")
    rgb = axes.endswith("YXC") and pixels.shape[-1] in (3, 4)
    if "C" in axes and not rgb:
        pixels, axes = np.moveaxis(pixels, axes.index("C"), 0), "C" + axes.replace("C", "")
    spatial = axes[:-1] if rgb else axes
    size = corrections.pixel_size_um or 1.0
    unit = "pixel" if corrections.pixel_size_um is None else "µm"
    placed = {
        "scale": tuple(size if a in "YX" else 1.0 for a in spatial),
        "units": tuple(unit if a in "YX" else "pixel" for a in spatial),
        "axis_labels": tuple(spatial.lower()),
    }
    return pixels, placed, rgb


def show_set(viewer: ViewerModel, corrections: CorrectionSet, folder: Path, stamp: bytes | None) -> Labels:
    """Open a correction set, which had this stamp, as an image layer and a Labels layer."""
    pixels, placed, rgb = as_napari_shows(corrections)
    metadata = {NUCLEI_CHANNEL: corrections.settings.get("channel")}
    image = Image(pixels, name=corrections.name or "image", rgb=rgb, metadata=metadata, **placed)
    viewer.add_layer(image)
    layer = new_labels(image, corrections.labels, f"{image.name} nuclei")
    state = CorrectionState(
        trust=corrections.trust,
        snapshot=corrections.labels.copy() if corrections.prediction is None else corrections.prediction,
        is_prediction=corrections.prediction is not None,
        image_id=image.unique_id,
        image_name=image.name,
        model_name=corrections.model_name,
        model_sha256=corrections.model_sha256,
        settings=dict(corrections.settings),
        folder=folder,
        saved_as=stamp,
    )
    write_corrections(layer, state)
    viewer.add_layer(layer)
    show_channel(viewer, layer, image)
    return layer


def new_labels(image: Image | None, labels: np.ndarray, name: str) -> Labels:
    """Make a Labels layer that lies on an image; it is in no viewer yet."""
    layer = Labels(labels, name=name)
    if image is None or image.ndim < labels.ndim:
        return layer
    last = tuple(range(image.ndim - labels.ndim, image.ndim))
    on_it = fits(layer, image)
    placed = labels_placement(image, layout_for(layer, image)) if on_it else spatial_attributes(image, last)
    for attribute, value in placed.items():
        setattr(layer, attribute, value)
    return layer


def mark_saved(layer: Labels, folder: Path, *, stamp: bytes | None = None, all_of_it: bool = True) -> None:
    """Remember where a layer was saved; unless edits were made meanwhile, its journal is no longer needed."""
    write_corrections(layer, corrections_of(layer).model_copy(update={"folder": folder, "saved_as": stamp}))
    if all_of_it:
        mark_safe(layer)


def _axes(image: Image, layout: PlaneLayout) -> str:
    """One letter an axis of an image: Z and T for stacks, C for channels, S of colour as C."""
    stack = layout.stack_axes
    if len(stack) > 2:
        raise CorrectionSetError(
            f"the image “{image.name}” has {image.ndim} axes: planes, Z or T stacks, and one axis of channels "
            "can be saved."
        )
    columns = stack_columns([axis_names(image)[axis] for axis in stack])
    letters = dict(zip(stack, columns, strict=True))
    return (
        "".join(letters.get(axis, "C").upper() for axis in range(layout.n_leading))
        + "YX"
        + ("C" if layout.rgb else "")
    )
