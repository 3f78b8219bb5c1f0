"""What a batch writes for each image file, and the record of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.counted import count_words
from napari_nucseg.data.images import to_planes
from napari_nucseg.data.on_disk import lies_on_disk
from napari_nucseg.errors import ImageError
from napari_nucseg.jobs.export import draw_outlines, write_labels, write_overlay
from napari_nucseg.jobs.outline_file import outline_steps
from napari_nucseg.jobs.result_mark import SOFTWARE, is_marked, origin_of
from napari_nucseg.jobs.slices import axes_of, measure_slices, notes_of, put_together
from napari_nucseg.nuclei.measuring import areas_in, write_table
from napari_nucseg.nuclei.tidying import areas_of
from napari_nucseg.segmentation.result import Progress

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_nucseg.data.image_file import ImageFile
    from napari_nucseg.jobs.batch_files import Outputs, Targets
    from napari_nucseg.jobs.result_mark import Origin
    from napari_nucseg.jobs.slices import Slice
    from napari_nucseg.segmentation.result import Segmentation
    from napari_nucseg.segmentation.settings import SegmentationSettings

_KEPT = ("model", "device", "diameter_px", "diameter_confidence")
"""Of a record, what the mark of the labels keeps."""


@dataclass(frozen=True)
class FileResult:
    """What became of one image file; where ``error`` is not None, there is no result."""

    image: Path
    error: str | None = None
    labels: Path | None = None
    overlay: Path | None = None
    table: Path | None = None
    outlines: Path | None = None
    n_nuclei: int | None = None
    median_area_px: float | None = None
    diameter_px: float | None = None
    diameter_confidence: float | None = None
    """0…1 of an estimated diameter; None where it was given."""
    pixel_size_um: float | None = None
    model: str | None = None
    device: str | None = None
    """Device and precision."""
    seconds: float | None = None
    skipped: bool = False
    """Whether an earlier run had made the labels; how long that took is not known."""
    summary: str = ""
    notes: tuple[str, ...] = ()


def check_size(image: ImageFile, outputs: Outputs) -> None:
    """Refuse, before the work, what cannot be made of a large image.

    Raises
    ------
    ImageError
        Saying what to ask for instead.
    """
    asked = {"an overlay": outputs.overlay, "run lengths": outputs.run_lengths}
    if lies_on_disk(image.pixels) and (
        named := " and ".join(name for name, wanted in asked.items() if wanted)
    ):
        raise ImageError(
            f"got an image of shape {image.pixels.shape}, of which {named} cannot be made in memory: outlines "
            "(--outlines) show in QuPath what was found, a table (--table) has the numbers"
        )


def tables_of(results: Iterable[FileResult]) -> dict[str, Path]:
    """Tables that were written, by the names that the files of an image begin with."""
    return {
        result.labels.name.removesuffix("_labels.tif"): result.table
        for result in results
        if result.labels and result.table
    }


def write_outputs(
    path: Path, targets: Targets, origin: Origin, slices: Sequence[Slice], found: Sequence[Segmentation]
) -> Generator[Progress, None, tuple[FileResult, NDArray[np.int32]]]:
    """Write what is asked for, marked with its origin; return the record and the labels of all slices together."""
    settings = found[0].settings
    numbered, axes = put_together(slices, [result.labels for result in found])
    yield from write_beside(targets, origin, slices, numbered, settings)
    yield Progress("write", 0, 1)
    areas = areas_of(numbered)
    told = [result for result in found if result.labels.any()] or found  # an empty slice has no diameter
    estimates = [result.diameter.confidence for result in told if result.diameter]
    record = replace(
        counted(path, targets, areas, settings),
        diameter_px=float(np.median([result.diameter_px for result in told])),
        diameter_confidence=float(np.median(estimates)) if estimates else None,
        model=found[0].model.name,
        device=f"{found[0].device.name} ({found[0].device.precision})",
        seconds=sum(result.timings["total"] for result in found),
        summary=_summary(found, areas),
        notes=(*notes_of(slices, [result.notes for result in found]), *_outdated(targets, origin, numbered)),
    )
    made = origin.model_copy(update={name: getattr(record, name) for name in _KEPT})
    # Last, since they say that all is done.
    write_labels(targets.labels, numbered, settings.pixel_size_um, axes, made)
    return record, numbered


def take_done(
    path: Path,
    targets: Targets,
    origin: Origin,
    slices: Sequence[Slice],
    labels: NDArray[np.int32],
    settings: SegmentationSettings,
) -> Generator[Progress, None, FileResult]:
    """Leave labels that are there, write what else is asked for from them, and record it."""
    yield from write_beside(targets, origin, slices, labels, settings)
    record = counted(path, targets, areas_of(labels), settings)
    nuclei = count_words(record.n_nuclei or 0, "nucleus", "nuclei")
    notes = _outdated(targets, origin, labels)
    made = origin_of(targets.labels) or origin
    kept = {name: getattr(made, name) for name in _KEPT}
    return replace(record, **kept, skipped=True, summary=f"{nuclei} · done before", notes=notes)


def write_beside(
    targets: Targets,
    origin: Origin | None,
    slices: Sequence[Slice],
    labels: NDArray[np.int32],
    settings: SegmentationSettings,
) -> Generator[Progress, None, None]:
    """Write the overlay, the table and the outlines of labels (…, Y, X), where asked for; without origin unmarked."""
    if targets.overlay:
        yield Progress("draw", 0, 1)
        each = labels.reshape(-1, *labels.shape[-2:])
        pictures = np.empty((*each.shape, 3), np.uint8)
        for part, on_it, picture in zip(slices, each, pictures, strict=True):
            picture[:] = _overlay(part, on_it, settings.channel)
        pictures = pictures.reshape(*labels.shape, 3)
        write_overlay(targets.overlay, pictures, settings.pixel_size_um, axes_of(slices), origin)
    if targets.table:
        yield Progress("measure", 0, 1)
        write_table(targets.table, measure_slices(slices, labels, settings.channel, settings.pixel_size_um))
    if targets.outlines:
        n_nuclei = int(labels.max(initial=0))
        marks = {"software": SOFTWARE, "history": origin.text()} if origin else {}
        for done in outline_steps(targets.outlines, labels, axes_of(slices), **marks):
            yield Progress("outline", done, n_nuclei)


def _outdated(targets: Targets, origin: Origin, labels: NDArray[np.int32]) -> tuple[str, ...]:
    """Name results of earlier runs that lie beside labels (…, Y, X) and do not fit them; they may still be wanted."""
    old = [
        path.name for path in targets.left_alone if is_marked(path) and not _belongs_to(path, origin, labels)
    ]
    if not old:
        return ()
    do, them = ("does", "it") if len(old) == 1 else ("do", "them")
    return (
        f"{', '.join(old)} beside the labels {do} not fit them, being of an earlier run: make {them} anew with "
        f"--overlay, --table or --outlines, or delete {them}.",
    )


def _belongs_to(path: Path, origin: Origin, labels: NDArray[np.int32]) -> bool:
    """Whether an overlay was drawn, or a table measured, of these labels."""
    if path.suffix == ".csv":
        areas = areas_of(labels)
        return areas_in(path) == areas[areas > 0].tolist()
    there = origin_of(path)
    return there is not None and there.gives_same_labels(origin)


def counted(
    path: Path, targets: Targets, areas: NDArray[np.intp], settings: SegmentationSettings
) -> FileResult:
    """Record the files, and what labels tell alone."""
    return FileResult(
        image=path,
        labels=targets.labels,
        overlay=targets.overlay,
        table=targets.table,
        outlines=targets.outlines,
        n_nuclei=int(np.count_nonzero(areas)),
        median_area_px=float(np.median(areas)) if areas.size else None,
        pixel_size_um=settings.pixel_size_um,
    )


def _overlay(part: Slice, labels: NDArray[np.int32], channel: int | None) -> NDArray[np.uint8]:
    return draw_outlines(to_planes(part.pixels, part.axes, channel, keep_units=False), labels)


def _summary(found: Sequence[Segmentation], areas: NDArray[np.intp]) -> str:
    """Say what was found in one line, of a stack in all its slices together."""
    if len(found) == 1:
        return found[0].summary()
    area = f"median {np.median(areas):.0f} px²" if areas.size else "no area"
    seconds = sum(result.timings["total"] for result in found)
    where = f"{found[0].model.name} · {seconds:.1f} s on {found[0].device.name.upper()}"
    nuclei, slices = count_words(areas.size, "nucleus", "nuclei"), count_words(len(found), "slice")
    return f"{nuclei} in {slices} · {area} · {where}"
