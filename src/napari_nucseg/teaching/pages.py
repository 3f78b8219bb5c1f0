"""Corrected images read from wherever they lie, a 2D plane each, with what a person vouches for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from napari_nucseg.counted import count_words
from napari_nucseg.data.correction_set import is_correction_set, open_correction_set
from napari_nucseg.data.images import axes_and_channel, to_planes
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.same_pixels import sha256_of_pixels
from napari_nucseg.errors import NucSegError, TrainingError
from napari_nucseg.learning.instances import why_no_instances
from napari_nucseg.nuclei.corrections import diff
from napari_nucseg.nuclei.targets import median_diameter
from napari_nucseg.nuclei.trust import taught_area
from napari_nucseg.segmentation.settings import SegmentationSettings
from napari_nucseg.teaching.holdout import vouched_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_nucseg.data.correction_set import CorrectionSet
    from napari_nucseg.data.sample import Sample
    from napari_nucseg.teaching.job import Example, Use

BLANK = "all pixels have the same value"
FEWEST_MEASURED = 3
"""Nuclei from which on their median diameter is believed."""


@dataclass(frozen=True, eq=False)
class Page:
    """One plane of one example, whole.

    Attributes
    ----------
    name, example, use
        Of the image; which example it belongs to; what the user wants done with it.
    planes
        (C, Y, X) float32 in the image's own units; None where only labels were asked for.
    labels, prediction
        (Y, X) int32.
    taught
        (Y, X) bool: pixels a person vouches for.
    changed
        Numbers of the nuclei that differ from the prediction, sorted.
    diameter_px
        Median diameter of the nuclei a person vouches for; None where those are few.
    image_sha256
        Of the planes: pages with the same one show the same image. Never empty: blank images are no pages.
    stack
        Of which stack it is a plane: the same nuclei may be seen in its other planes. Empty where it stands alone.
    called
        What to call it beside others: they may show an image of the same name.
    given_px
        Diameter that was given where it was segmented; None where it was estimated, or nobody knows.
    """

    name: str
    example: int
    use: Use
    planes: NDArray[Any] | None
    labels: NDArray[np.int32]
    taught: NDArray[np.bool_]
    prediction: NDArray[np.int32] | None
    changed: NDArray[np.int32]
    diameter_px: float | None
    image_sha256: str
    stack: str = ""
    called: str = ""
    given_px: float | None = None


def read_pages(examples: Sequence[Example], *, pixels: bool = True) -> tuple[list[Page], list[list[str]]]:
    """Read all pages in which something is taught, and say of each example what is wrong with its others."""
    pages: list[Page] = []
    problems: list[list[str]] = [[] for _ in examples]
    for number, (example, lines) in enumerate(zip(examples, problems, strict=True)):
        try:
            pages += list(_pages_of(example, number, lines, pixels=pixels))
        except NucSegError as error:
            lines.append(str(error))
    return pages, problems


def count_images(pages: Sequence[Page]) -> int:
    """Count what pages of one example show; all planes of a stack are one image."""
    return len({page.stack or i for i, page in enumerate(pages)})


def _pages_of(example: Example, number: int, problems: list[str], *, pixels: bool) -> Iterator[Page]:
    """Pages of one example; what cannot be read of a folder is told and stops nothing."""
    path = example.path
    if is_correction_set(path):
        yield from _of_set(path, number, example, problems, pixels=pixels)
        return
    sets = sorted(f for f in path.iterdir() if is_correction_set(f)) if path.is_dir() else []
    for folder in sets:
        try:
            yield from _of_set(folder, number, example, problems, pixels=pixels)
        except NucSegError as error:
            problems.append(f"Left out {folder.name}: {error}")
    if sets:
        return
    dataset = open_dataset(path)
    for sample in dataset.valid(lambda name, error: problems.append(f"Left out {name}: {error}")):
        try:
            yield annotated_page(sample, number, example.use, pixels=pixels)
        except NucSegError as error:
            problems.append(f"Left out {sample.name}: {error}")


def _of_set(
    folder: Path, number: int, example: Example, problems: list[str], *, pixels: bool
) -> Iterator[Page]:
    """Pages of a correction set; planes of a stack in which nothing is taught are left out.

    So are those whose labels are of no nuclei one by one, or whose pixels show nothing, and that is told.
    """
    corrections = open_correction_set(folder)
    unfit: list[str] = []
    for index in np.ndindex(corrections.labels.shape[:-2]):
        prediction = None if corrections.prediction is None else corrections.prediction[index]
        labels = corrections.labels[index]
        changes = () if prediction is None else diff(prediction, labels)
        taught = taught_area(corrections.trust[index], labels, prediction, changes)
        if not taught.any():
            continue
        plane = "".join(f" [{i}]" for i in index)
        called = _called(corrections, folder.name, example, plane)
        if why := why_no_instances(labels):
            unfit.append(f"{called}, {why}")
            continue
        planes = _planes(corrections, index)  # also where pixels are not wanted: it says what cannot be used
        if _is_blank(planes):
            unfit.append(f"{called}: {BLANK}")
            continue
        yield Page(
            name=(corrections.name or folder.name) + plane,
            example=number,
            use=example.use,
            planes=planes if pixels else None,
            labels=labels,
            taught=taught,
            prediction=prediction,
            changed=np.array(sorted({n for change in changes for n in change.after}), np.int32),
            diameter_px=_diameter(labels, taught),
            stack=f"{number} {folder.name}" if index else "",
            image_sha256=sha256_of_pixels(planes),
            called=called,
            given_px=_given_px(corrections),
        )
    if unfit:
        more = f" Likewise {count_words(len(unfit) - 1, 'more plane')}." if len(unfit) > 1 else ""
        problems.append(f"Left out {unfit[0]}.{more}")


def _planes(corrections: CorrectionSet, index: tuple[int, ...]) -> NDArray[Any]:
    """Channels of one plane of a stack, (C, Y, X)."""
    axes = corrections.axes.upper()
    leading = [axes.index(a) for a in axes if a not in "SCYX"]
    plane_axes = "".join(a for a in axes if a in "SCYX")
    stack = np.moveaxis(corrections.image, leading, range(len(leading)))
    channel = corrections.settings.get("channel") if len(plane_axes) > len("YX") else None
    return to_planes(stack[index], plane_axes, channel, keep_units=False)


def _is_blank(planes: NDArray[Any]) -> bool:
    """Whether there is nothing to segment: then there is nothing to learn either."""
    known = planes[np.isfinite(planes)]
    return not known.size or bool(known.min() == known.max())


def _given_px(corrections: CorrectionSet) -> float | None:
    try:
        return SegmentationSettings.model_validate(corrections.settings).given_diameter_px
    except ValidationError:  # of another version, or by another hand
        return None


def _called(corrections: CorrectionSet, folder_name: str, example: Example, plane: str) -> str:
    if example.name:
        return f"“{example.name}”{plane}"
    name = (corrections.name or folder_name) + plane
    return f"“{name}”" + (f" in {folder_name}" if name != folder_name else "")


def annotated_page(sample: Sample, example: int = 0, use: Use = "check", *, pixels: bool = True) -> Page:
    """Page of an annotated image, all of it vouched for.

    Raises
    ------
    TrainingError
        If it has no labels, such as are of no nuclei one by one, other pixels than they have, or one value alone.
    ImageError
        If its axes are not told.
    """
    if sample.labels is None:
        raise TrainingError("it has no labels.")
    labels = sample.labels.astype(np.int32)
    if why := why_no_instances(labels):
        raise TrainingError(f"it is an image {why}.")
    taught = np.ones(labels.shape, bool)
    planes = _whole(sample, labels)
    if _is_blank(planes):
        raise TrainingError(f"{BLANK}.")
    return Page(
        name=sample.name,
        example=example,
        use=use,
        planes=planes if pixels else None,
        labels=labels,
        taught=taught,
        prediction=None,
        changed=np.zeros(0, np.int32),
        diameter_px=_diameter(labels, taught),
        image_sha256=sha256_of_pixels(planes),
        called=f"“{sample.name}”",
    )


def _whole(sample: Sample, labels: NDArray[np.int32]) -> NDArray[Any]:
    planes = to_planes(sample.image, *axes_and_channel(sample.metadata, sample.image.shape), keep_units=False)
    if planes.shape[1:] != labels.shape:
        raise TrainingError(f"the image has {planes.shape[1:]} px, its labels {labels.shape}.")
    return planes


def _diameter(labels: NDArray[np.int32], taught: NDArray[np.bool_]) -> float | None:
    numbers = vouched_for(labels, taught)
    if numbers.size < FEWEST_MEASURED:
        return None
    return median_diameter(np.where(np.isin(labels, numbers), labels, 0))
