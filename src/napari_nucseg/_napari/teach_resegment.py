"""Segment an image again with a new model, around the nuclei that a person reviewed or edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from napari_nucseg._napari.correct_subject import Subject
from napari_nucseg._napari.image_layout import channel_for, image_data, layout_for
from napari_nucseg._napari.layer_state import read_corrections, read_state, write_state
from napari_nucseg._napari.results import adopt_result, check_takes_nuclei, state_of
from napari_nucseg._napari.segment_job import SegmentJob
from napari_nucseg._napari.spatial import pixel_size_um
from napari_nucseg.errors import ImageError
from napari_nucseg.segmentation.settings import SegmentationSettings

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels

    from napari_nucseg._napari.planes import PlaneLayout
    from napari_nucseg._napari.segment_job import JobResult


def job_for(viewer: ViewerModel, layer: Labels, model: str) -> SegmentJob:
    """Make a job for all planes of a layer's image: as it was segmented before, with another model.

    Raises
    ------
    ImageError
        If there is no image on the labels' pixels, or they cannot be painted in.
    """
    image = image_of(viewer, layer)
    layout = layout_for(layer, image)
    check_takes_nuclei(layer, layout)
    settings = _settings_of(layer, image, layout)
    settings = settings.model_copy(
        update={"model": model, "channel": channel_for(viewer, layer, image, layout)}
    )
    return SegmentJob(image_data(image), layout, tuple(layout.planes()), settings)


def put_around_reviewed(viewer: ViewerModel, layer: Labels, result: JobResult) -> None:
    """Bring a result into a layer: nuclei that were reviewed or edited stay as they are, number included.

    Raises
    ------
    ImageError
        If the image is no longer there.
    """
    image = image_of(viewer, layer)
    if image_data(image) is not result.job.data or tuple(layer.data.shape) != result.job.layout.labels_shape:
        raise ImageError(f"{layer.name!r} or its image was replaced meanwhile. Segment it again.")
    corrections = read_corrections(layer)
    if read_state(layer) is None:  # what it is compared with stays its snapshot
        known = layer.data if corrections is None or corrections.snapshot is None else corrections.snapshot
        write_state(layer, state_of(result, image, np.array(known, np.int32)))
    adopt_result(layer, image, result, keep=True)


def image_of(viewer: ViewerModel, layer: Labels) -> Image:
    """Image of a layer.

    Raises
    ------
    ImageError
        If no image of the viewer lies on the labels' pixels.
    """
    subject = Subject(viewer, layer)
    if subject.image is None:
        raise ImageError(subject.image_wanted)
    return subject.image


def _settings_of(layer: Labels, image: Image, layout: PlaneLayout) -> SegmentationSettings:
    """Return the settings that a layer was segmented with, as far as it knows them."""
    origin, corrections = read_state(layer), read_corrections(layer)
    if origin is not None:
        return origin.settings
    plain = SegmentationSettings(axes=layout.plane_axes, pixel_size_um=pixel_size_um(image))
    try:
        known = SegmentationSettings.model_validate({} if corrections is None else corrections.settings)
    except ValidationError:  # another program's, or another version's
        return plain
    return known if known.axes == layout.plane_axes else plain
