"""What a batch writes for each image file, and the record of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.data.images import to_planes
from napari_nucseg.jobs.export import draw_outlines, write_labels, write_overlay, write_table
from napari_nucseg.jobs.result_mark import SOFTWARE
from napari_nucseg.jobs.slices import measure_slices, notes_of, put_together

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_nucseg.jobs.batch_files import Targets
    from napari_nucseg.jobs.result_mark import Origin
    from napari_nucseg.jobs.slices import Slice
    from napari_nucseg.segmentation.result import Segmentation


@dataclass(frozen=True)
class FileResult:
    """What became of one image file; where ``error`` is not None, there is no result."""

    image: Path
    error: str | None = None
    labels: Path | None = None
    overlay: Path | None = None
    table: Path | None = None
    n_nuclei: int | None = None
    median_area_px: float | None = None
    diameter_px: float | None = None
    diameter_confidence: float | None = None
    """0…1 of an estimated diameter; None where it was given."""
    pixel_size_um: float | None = None
    model: str | None = None
    device: str | None = None
    seconds: float | None = None
    summary: str = ""
    notes: tuple[str, ...] = ()


def write_outputs(
    path: Path, targets: Targets, origin: Origin, slices: Sequence[Slice], found: Sequence[Segmentation]
) -> FileResult:
    """Write what is asked for, marked with its origin, and record it."""
    mark = {"software": SOFTWARE, "history": origin.text()}
    settings = found[0].settings
    pixel_size_um = settings.pixel_size_um
    numbered, axes = put_together(slices, [result.labels for result in found])
    write_labels(targets.labels, numbered, pixel_size_um, axes, **mark)
    if targets.overlay:
        pictures = [_overlay(part, result) for part, result in zip(slices, found, strict=True)]
        write_overlay(targets.overlay, pictures, **mark)
    if targets.table:
        write_table(targets.table, measure_slices(slices, numbered, settings.channel, pixel_size_um))
    areas = np.bincount(numbered.ravel())[1:]
    told = [result for result in found if result.n_nuclei] or found  # an empty slice has no diameter
    estimates = [result.diameter.confidence for result in told if result.diameter]
    return FileResult(
        image=path,
        labels=targets.labels,
        overlay=targets.overlay,
        table=targets.table,
        n_nuclei=int(np.count_nonzero(areas)),
        median_area_px=float(np.median(areas)) if areas.size else None,
        diameter_px=float(np.median([result.diameter_px for result in told])),
        diameter_confidence=float(np.median(estimates)) if estimates else None,
        pixel_size_um=pixel_size_um,
        model=found[0].model.name,
        device=f"{found[0].device.name} ({found[0].device.precision})",
        seconds=sum(result.timings["total"] for result in found),
        summary=_summary(found, areas),
        notes=notes_of(slices, [result.notes for result in found]),
    )


def _overlay(part: Slice, result: Segmentation) -> NDArray[np.uint8]:
    planes = to_planes(part.pixels, part.axes, result.settings.channel, keep_units=False)
    return draw_outlines(planes, result.labels)


def _summary(found: Sequence[Segmentation], areas: NDArray[np.int64]) -> str:
    """Say what was found in one line, of a stack in all its slices together."""
    if len(found) == 1:
        return found[0].summary()
    area = f"median {np.median(areas):.0f} px²" if areas.size else "no area"
    seconds = sum(result.timings["total"] for result in found)
    where = f"{found[0].model.name} · {seconds:.1f} s on {found[0].device.name.upper()}"
    return f"{areas.size} nuclei in {len(found)} slices · {area} · {where}"
