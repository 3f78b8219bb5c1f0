"""Corrected nuclei as files that other programs read, named as a batch names those that a model found.

They bear no mark of a batch: none replaces them unasked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nucseg.data.correction_set import is_correction_set, open_correction_set
from napari_nucseg.data.layout import flat_name
from napari_nucseg.errors import ChannelError, CorrectionSetError, NucSegError, OutputError
from napari_nucseg.files import check_writable, nothing_fits, unused_name
from napari_nucseg.jobs.batch_files import Targets, check_files_of_all, check_no_image, file_ids
from napari_nucseg.jobs.batch_outputs import FileResult, counted, tables_of, write_beside
from napari_nucseg.jobs.export import write_labels
from napari_nucseg.jobs.slices import STACKED, axes_of, slices_of
from napari_nucseg.nuclei.measuring import join_tables
from napari_nucseg.nuclei.tidying import areas_of
from napari_nucseg.segmentation.segment import make_settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_nucseg.data.correction_set import CorrectionSet
    from napari_nucseg.jobs.batch_files import Outputs


@dataclass(frozen=True)
class ExportProgress:
    """Where an export stands; the last object of each set carries its result."""

    index: int
    total: int
    folder: Path
    result: FileResult | None = None


def correction_sets(paths: Iterable[Path]) -> list[Path]:
    """Folders of corrections: those that are named, and all in folders that are, as a work list keeps them.

    Raises
    ------
    CorrectionSetError
        If a path is neither.
    """
    found = []
    for path in paths:
        inside = sorted(filter(is_correction_set, path.iterdir())) if path.is_dir() else []
        sets = [path] if is_correction_set(path) else inside
        if not sets:
            raise CorrectionSetError(
                f"{path} holds no corrections. Give a folder that Save corrections wrote, or one of such folders."
            )
        found += sets
    return found


def export_corrections(
    folders: Sequence[Path], outputs: Outputs, channel: int | None = None
) -> Generator[ExportProgress, None, tuple[FileResult, ...]]:
    """Write the labels of correction sets as a TIFF, on request with an overlay, a table and outlines.

    The files are named after the image that was corrected: ``<name>_labels.tif`` and so on. A set that cannot be read
    is recorded and never stops the rest.

    Parameters
    ----------
    folders : correction sets.
    outputs : what to write; files that are there are replaced only with ``overwrite``, images never.
    channel : of several, the one to draw and to measure, in place of the one that was segmented.

    Raises
    ------
    OutputError
        If a result cannot be written and the next could not either, or the table of all would replace a file unasked.
    """
    check_files_of_all(outputs, set(), ())
    taken: set[str] = set()
    results = []
    for index, folder in enumerate(folders):
        yield ExportProgress(index, len(folders), folder)
        try:
            result = _exported(folder, outputs, channel, taken)
        except NucSegError as error:
            if isinstance(error, OutputError) and nothing_fits(error, outputs.folder):
                raise
            result = FileResult(folder, error=str(error))
        results.append(result)
        yield ExportProgress(index, len(folders), folder, result)
    if outputs.one_table:
        join_tables(outputs.one_table, tables_of(results))
    return tuple(results)


def _exported(folder: Path, outputs: Outputs, channel: int | None, taken: set[str]) -> FileResult:
    corrections = open_correction_set(folder)
    slices, labels = slices_of(corrections.image, corrections.axes), _as_slices_follow(corrections)
    name = unused_name(flat_name(corrections.name or folder.name), taken)
    targets = Targets.of(outputs, name, len(slices))
    _check(targets, corrections.image_path, overwrite=outputs.overwrite)
    if channel is None and set("CS") & set(corrections.axes.upper()):
        channel = corrections.settings.get("channel")
    settings = make_settings(channel=channel, pixel_size_um=corrections.pixel_size_um)
    check_writable(targets.files)
    try:
        for _ in write_beside(targets, None, slices, labels, settings):
            pass
    except ChannelError as error:
        raise ChannelError(f"{error}. With nucseg export: --channel NUMBER.", error.n_channels) from error
    write_labels(targets.labels, labels, settings.pixel_size_um, axes_of(slices))
    return counted(folder, targets, areas_of(labels), settings)


def _as_slices_follow(corrections: CorrectionSet) -> NDArray[np.int32]:
    """Labels of a set, (Y, X), or with T and Z before where these are longer than 1."""
    letters = [letter for letter in corrections.axes.upper() if letter not in "CS"]
    ordered = corrections.labels.transpose([letters.index(a) for a in f"{STACKED}YX" if a in letters])
    *stacked, height, width = ordered.shape
    return ordered.reshape(*(n for n in stacked if n > 1), height, width)


def _check(targets: Targets, image: Path | None, *, overwrite: bool) -> None:
    """Refuse to replace the image that was corrected, and unasked any file.

    Raises
    ------
    OutputError
        Naming the file.
    """
    for path in targets.files:
        check_no_image(path, file_ids([image] if image else []))
        if os.path.lexists(path) and not overwrite:
            raise OutputError(
                f"{path} is there already. Choose another folder, or replace it with --overwrite."
            )
