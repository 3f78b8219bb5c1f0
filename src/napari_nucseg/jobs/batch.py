"""Many image files, one after the other: a broken one is recorded and never stops the rest."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_nucseg.data.file_lock import one_at_a_time
from napari_nucseg.data.images import TOO_LARGE, are_channels, read_image
from napari_nucseg.data.nuclear_dyes import first_of_nuclei
from napari_nucseg.errors import ChannelError, ImageError, NucSegError, OutputError
from napari_nucseg.files import check_writable, nothing_fits
from napari_nucseg.jobs.batch_files import (
    Targets,
    check_files_of_all,
    file_ids,
    names_of_before,
    output_names,
    state_of,
    sweep_results,
)
from napari_nucseg.jobs.batch_outputs import FileResult, check_size, tables_of, take_done, write_outputs
from napari_nucseg.jobs.done import fingerprint, labels_done
from napari_nucseg.jobs.export import run_length_table
from napari_nucseg.jobs.result_mark import Origin
from napari_nucseg.jobs.slices import slices_of
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import load_model
from napari_nucseg.nuclei.measuring import join_tables
from napari_nucseg.segmentation.result import Progress
from napari_nucseg.segmentation.segment import make_settings, model_for, segment_steps
from napari_nucseg.steps import told_as

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_nucseg.data.image_file import ImageFile
    from napari_nucseg.jobs.batch_files import FileIds, Outputs
    from napari_nucseg.jobs.slices import Slice
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.segmentation.result import Segmentation
    from napari_nucseg.segmentation.settings import SegmentationSettings

WAITING = "waiting for another run, which writes results of this name"
"""Stage of an image whose results cannot be written yet; told once."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchProgress:
    """Where a batch stands; the last object of each file carries its result."""

    index: int
    total: int
    image: Path
    step: Progress | None = None
    result: FileResult | None = None

    @property
    def share(self) -> float | None:
        """Share of the batch that is behind, while the network runs: nearly all time is its; None at other times."""
        if self.step is None or not self.step.stage.endswith("network"):
            return None
        number, n_slices = self.step.part
        of_image = (number - 1 + self.step.done / max(1, self.step.total)) / n_slices
        return (self.index + of_image) / self.total


def check_choices(choices: Mapping[str, Any] | None, model: Model | None = None) -> dict[str, Any]:
    """Return the choices that were made, before any image is touched; a loaded model takes the place of their own.

    Raises
    ------
    SettingsError, ModelFileError
        If the choices could not work for any image.
    """
    made = {key: value for key, value in (choices or {}).items() if value is not None}
    # A diameter in µm may get its pixel size from each file, so a stand-in is checked here.
    checked = make_settings(**({"pixel_size_um": 1.0} if "diameter_um" in made else {}) | made)
    choose_device(checked.device, checked.precision)
    if model is None:
        load_model(checked.model)
    return made


def segment_files(
    images: Sequence[Path], outputs: Outputs, choices: Mapping[str, Any] | None = None
) -> Generator[BatchProgress, None, tuple[FileResult, ...]]:
    """Segment image files and write their labels, on request with an overlay, a table and run lengths.

    The files are named after the image: ``<name>_labels.tif``, ``<name>_overlay.png``, ``<name>_table.csv``, and
    ``<name>`` is its id among the run lengths and in the table of all, which appear when all images are done, without
    failed ones. Stacks and series are segmented slice by slice: their labels have the axes T, Z, Y, X that are there,
    with numbers that go on from slice to slice; the overlay is a TIFF, the table has a column an axis, and each slice
    its run lengths. Axes, pixel size and the channel that is named for nuclei come from each image file unless they are
    chosen. No image is ever replaced, and a file that no batch made of the same image only where ``outputs`` says so;
    without that, the image fails.

    Parameters
    ----------
    images
        Files; where two have the same name, their folders or suffixes become part of the output's name. With
        ``skip_done`` an image whose result has its plain name, of a run without a namesake, keeps that.
    outputs : what to write.
    choices : fields of ``SegmentationSettings`` and ``DecodingSettings``, flat.

    Yields
    ------
    At least once for each file, the last of a file with its result.

    Returns
    -------
    One record a file, in order.

    Raises
    ------
    SettingsError, ModelFileError
        Before the first file, if the choices could not work for any.
    OutputError
        If a result cannot be written and the next could not either, for the disk is full or the folder closed, or run
        lengths or the table of all would replace an image, another result or, unless asked, any file.
    """
    choices = check_choices(choices)
    kept = names_of_before(images, outputs.folder) if outputs.skip_done else {}
    names, ids = output_names(images, kept), file_ids(images)
    check_files_of_all(outputs, ids, names.values())
    sweep_results(outputs.folder)
    results = []
    with run_length_table(outputs.run_lengths) if outputs.run_lengths else nullcontext() as add_run_lengths:
        for index, path in enumerate(images):
            steps = _segment_file(path, ids, outputs, names[path], choices, add_run_lengths)
            results.append((yield from _guarded(path, index, len(images), steps, outputs.folder)))
        # again: meanwhile another run may have written its own
        check_files_of_all(outputs, ids, names.values())
    if outputs.one_table:
        join_tables(outputs.one_table, tables_of(results))
    return tuple(results)


def _guarded(
    path: Path, index: int, total: int, steps: Generator[Progress, None, FileResult], folder: Path
) -> Generator[BatchProgress, None, FileResult]:
    """Pass on progress; any failure that the next file need not meet becomes the file's result."""
    try:
        result = yield from told_as(steps, partial(BatchProgress, index, total, path))
    except Exception as error:
        if isinstance(error, OutputError) and nothing_fits(error, folder):
            raise
        result = FileResult(path, error=failure_words(error, path))
    yield BatchProgress(index, total, path, result=result)
    return result


def failure_words(error: Exception, image: Path | str) -> str:
    """Say why an image was not segmented; where nobody thought of that, the log says more and the rest goes on."""
    if isinstance(error, NucSegError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"{image} {TOO_LARGE}"
    logger.error("segmenting %s failed", image, exc_info=error)
    return f"{type(error).__name__}: {error}"


def settings_for(image: ImageFile, choices: Mapping[str, Any]) -> SegmentationSettings:
    """Complete choices with what an image file states: axes, pixel size, and which channel is named for nuclei.

    Raises
    ------
    ImageError
        If the axes that were chosen take the colours of a pixel for a side of the image.
    """
    chosen = (choices.get("axes") or "").upper()
    if image.axes.endswith("YXC") and len(chosen) == len(image.axes) and chosen[-1] in "YX":
        raise ImageError(
            f"got axes {chosen!r}, but the image is in colour: its axes are {image.axes} (shape {image.pixels.shape}). "
            "Segment it apart from the others, without these axes"
        )
    stated = {"axes": image.axes, "pixel_size_um": image.pixel_size_um}
    if are_channels(image.axes) and "axes" not in choices:
        stated["channel"] = first_of_nuclei(image.channels)
    return make_settings(**{**stated, **choices})


def _segment_file(
    path: Path,
    images: FileIds,
    outputs: Outputs,
    name: str,
    choices: Mapping[str, Any],
    add_run_lengths: Callable[[str, NDArray[np.int32]], None] | None,
) -> Generator[Progress, None, FileResult]:
    before = state_of(path)
    image = read_image(path, scratch=outputs.folder)
    check_size(image, outputs)
    settings = settings_for(image, choices)
    slices = slices_of(image.pixels, settings.axes)
    targets = Targets.of(outputs, name, len(slices))
    origin = Origin.of(path, outputs.folder, fingerprint(settings))
    if state_of(path) != before:  # else labels would say that they are of what they were not made of
        raise ImageError(f"{path} changed while it was read: run again once it is written")
    targets.check(images, origin, overwrite=outputs.overwrite)
    labels = labels_done(targets.labels, origin) if outputs.skip_done else None
    if labels is None:
        check_writable(targets.files)
        try:
            found = yield from _segment_slices(slices, settings)
        except ChannelError as error:
            raise ChannelError(f"{error}. {_how_to_choose(image)}", error.n_channels) from error
    writes = labels is None or targets.files != (targets.labels,)  # else the folder may be closed to us
    with (yield from _in_turn(targets)) if writes else nullcontext():
        # again: meanwhile another run may have written results of this name
        targets.check(images, origin, overwrite=outputs.overwrite)
        if labels is None:
            written, labels = yield from write_outputs(path, targets, origin, slices, found)
        else:
            written = yield from take_done(path, targets, origin, slices, labels, settings)
    if add_run_lengths is not None:
        for part, on_it in zip(slices, labels.reshape(-1, *labels.shape[-2:]), strict=True):
            add_run_lengths(f"{name}{part.suffix}", on_it)
    return replace(written, notes=(*image.notes, *_chosen_by_name(image, settings, choices), *written.notes))


def _in_turn(targets: Targets) -> Generator[Progress, None, AbstractContextManager[None]]:
    """Wait for other runs, and say so."""
    return (yield from told_as(one_at_a_time(targets.lock), lambda _: Progress(WAITING, 0, 1)))


def _chosen_by_name(
    image: ImageFile, settings: SegmentationSettings, choices: Mapping[str, Any]
) -> tuple[str, ...]:
    """Say which of several channels was taken for its name."""
    if "channel" in choices or settings.channel is None or len(image.channels) < 2:
        return ()
    name = image.channels[settings.channel]
    return (f"Nuclei in channel {settings.channel} ({name}). Choose another one with --channel NUMBER.",)


def _how_to_choose(image: ImageFile) -> str:
    """Say what the channels of a file are called, where it tells, and how the command line takes the choice."""
    names = ", ".join(f"{number} {name}" for number, name in enumerate(image.channels))
    named = f"The file calls them {names}. " if names else ""
    return f"{named}With nucseg segment: --channel NUMBER, or --axes."


def _segment_slices(
    slices: Sequence[Slice], settings: SegmentationSettings
) -> Generator[Progress, None, list[Segmentation]]:
    """Segment the slices of one file, all with one model."""
    model = None
    if len(slices) > 1:
        plain = settings.model_copy(update={"axes": slices[0].axes})
        model = model_for((part.pixels for part in slices), plain)
    found: list[Segmentation] = []
    for number, part in enumerate(slices, start=1):
        steps = _segment_slice(part, settings, model)
        found.append((yield from told_as(steps, partial(_in_stack, number=number, total=len(slices)))))
    return found


def _segment_slice(
    part: Slice, settings: SegmentationSettings, model: Model | None
) -> Generator[Progress, None, Segmentation]:
    """Segment one slice; its maps are not kept, so that memory does not grow with them."""
    try:
        of_slice = settings.model_copy(update={"axes": part.axes})
        return (yield from segment_steps(part.pixels, of_slice, model, keep_maps=False))
    except ImageError as error:
        if part.place:
            error.args = (f"slice {part.suffix.strip('_')}: {error}",)
        raise


def _in_stack(step: Progress, number: int, total: int) -> Progress:
    if total == 1:
        return step
    return replace(step, stage=f"slice {number}/{total}, {step.stage}", part=(number, total))
