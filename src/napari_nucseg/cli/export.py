"""``nucseg export``: corrections that were saved to labels, tables and outlines."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from napari_nucseg.cli.console import complain, note, say, say_json, show_progress
from napari_nucseg.cli.naming import as_place
from napari_nucseg.cli.outputs import add_outputs, chosen_outputs
from napari_nucseg.counted import count_words

if TYPE_CHECKING:
    import argparse

    from napari_nucseg.jobs.batch_outputs import FileResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``nucseg export``."""
    parser.add_argument(
        "corrections",
        nargs="+",
        type=as_place,
        metavar="CORRECTIONS",
        help="Folders that Save corrections wrote, or folders of them, as Work through a folder keeps them.",
    )
    add_outputs(parser)
    parser.add_argument(
        "--channel",
        type=int,
        metavar="N",
        help="Channel to measure and to draw, counted from 0. Default: the one that was segmented.",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="Also replace files that are there; never an image."
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON line an image.")


def run(args: argparse.Namespace) -> int:
    """Write the files; 1 where some failed."""
    from napari_nucseg.jobs.corrected_outputs import correction_sets, export_corrections  # late: loads torch

    results = []
    for progress in export_corrections(correction_sets(args.corrections), chosen_outputs(args), args.channel):
        if progress.result is None:
            show_progress(f"[{progress.index + 1:,}/{progress.total:,}] {progress.folder.name}")
            continue
        results.append(progress.result)
        if args.json:
            say_json(dataclasses.asdict(progress.result))
        else:
            _report(progress.result)
    n_failed = sum(result.error is not None for result in results)
    if n_failed and len(results) > 1 and not args.json:
        note(f"{count_words(len(results) - n_failed, 'image')} exported, {n_failed:,} failed")
    return 1 if n_failed else 0


def _report(result: FileResult) -> None:
    if result.error is not None:
        complain(f"{result.image}: {result.error}")
    else:
        nuclei = count_words(result.n_nuclei or 0, "nucleus", "nuclei")
        say(f"{result.image}: {nuclei} -> {result.labels}")
