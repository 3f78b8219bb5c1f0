"""``nucseg segment``: image files to label files."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from napari_nucseg.cli.console import complain, note, say, say_json, show_progress
from napari_nucseg.cli.naming import as_place, in_options
from napari_nucseg.cli.options import add_settings, chosen_settings
from napari_nucseg.cli.outputs import add_outputs, chosen_outputs
from napari_nucseg.cli.time_left import TimeLeft
from napari_nucseg.counted import count_words
from napari_nucseg.data.zarr_folder import NOT_READ, zarr_in
from napari_nucseg.files import named_again

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from napari_nucseg.jobs.batch import BatchProgress
    from napari_nucseg.jobs.batch_outputs import FileResult

_HOW_TO_GO_ON = "The same command with --skip-done goes on."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``nucseg segment``."""
    parser.add_argument(
        "images",
        nargs="+",
        type=as_place,
        metavar="IMAGE",
        help="Image files, or folders of them; stacks and series are segmented slice by slice.",
    )
    add_outputs(parser)
    parser.add_argument(
        "--rle",
        type=as_place,
        metavar="FILE",
        help="Also write the nuclei of all images as run lengths, in the form of the 2018 Data Science Bowl (CSV), "
        "when all are done; a file that is there is replaced only with --overwrite.",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="Also replace files that this command did not write for the same image, such as labels drawn by hand or "
        "the result of another image; never an image.",
    )
    parser.add_argument(
        "--skip-done",
        action="store_true",
        help="Do not segment again what an earlier run, perhaps one that was ended, segmented with the same settings, "
        "model and version; overlay, table, outlines and run lengths are made from its labels.",
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON line an image.")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Segment the files; 1 where some failed."""
    choices = chosen_settings(args)
    from napari_nucseg.jobs.batch import WAITING, segment_files  # late: loads torch
    from napari_nucseg.jobs.batch_files import find_images

    outputs = replace(chosen_outputs(args), run_lengths=args.rle, skip_done=args.skip_done)
    images, results = _each_once(find_images(args.images)), []
    for path in (zarr for named in args.images if named.is_dir() for zarr in zarr_in(named)):
        note(f"{path} is passed over: {NOT_READ}")
    left = TimeLeft()
    try:
        for progress in segment_files(images, outputs, choices):
            if progress.result is None:
                show_progress(_where(progress, left))
                if progress.step and progress.step.stage == WAITING:
                    note(f"{progress.image}: {WAITING}")
                continue
            results.append(progress.result)
            if progress.result.skipped or progress.result.error is not None:
                left.forget_pace()
            _report(progress.result, args, alone=len(images) == 1)
    except KeyboardInterrupt as interrupt:
        raise type(interrupt)(_HOW_TO_GO_ON if len(images) > 1 else "") from None
    n_failed = sum(result.error is not None for result in results)
    if not args.json:
        _sum_up(results, n_failed, args)
    return 1 if n_failed else 0


def _each_once(images: Sequence[Path]) -> list[Path]:
    """Leave out, and say, what would be segmented twice."""
    again = named_again(images)
    if again:
        path, before = next(iter(again.items()))
        more = f"; so are {len(again) - 1:,} more that are named twice" if len(again) > 1 else ""
        note(f"{path} is {before} by another name and segmented once{more}")
    return [path for path in images if path not in again]


def _sum_up(results: Sequence[FileResult], n_failed: int, args: argparse.Namespace) -> None:
    """Say what became of all images together, as far as the lines about each do not."""
    n_done = len(results) - n_failed
    done = count_words(n_done, "image")
    if args.skip_done and n_done:
        note(f"{sum(result.skipped for result in results):,} of {done} done before")
    if args.rle is not None:
        note(f"run lengths of {done}: {args.rle}")
    if args.one_table is not None:
        note(f"nuclei of {done}: {args.one_table}")
    if n_failed and len(results) > 1:
        note(f"{done} segmented, {n_failed:,} failed")


def _where(progress: BatchProgress, left: TimeLeft) -> str:
    step, share = progress.step, progress.share
    if share is not None:
        left.see(share)
    stage = f"{step.stage} {step.done}/{step.total}" if step else ""
    where = f"[{progress.index + 1:,}/{progress.total:,}] {progress.image.name}: {stage}"
    return f"{where}, {left.words}" if left.words else where


def _report(result: FileResult, args: argparse.Namespace, *, alone: bool) -> None:
    """Say what became of an image; its notes begin with its name, unless it is the only one."""
    if args.json:
        say_json(asdict(result))
    elif result.error is not None:
        named = result.error.startswith(f"{result.image} ")
        complain(result.error if named else f"{result.image}: {in_options(result.error, args)}")
    else:
        say(f"{result.image}: {result.summary} -> {result.labels}")
        for text in result.notes:
            note(text if alone else f"{result.image}: {text}")
