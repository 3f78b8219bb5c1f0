"""``nucseg sample``: sample images into a folder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_nucseg.cli.console import complain, note, say, show_progress
from napari_nucseg.cli.naming import as_place
from napari_nucseg.counted import count_words
from napari_nucseg.data.sample_data import SAMPLES, FolderNeeded, find_sample, remember_folder
from napari_nucseg.errors import DatasetError, DownloadError, SettingsError
from napari_nucseg.jobs.samples import save_sample
from napari_nucseg.steps import drain, told_as

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from napari_nucseg.data.download import DownloadProgress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``nucseg sample``."""
    listed = ", ".join(sample.name for sample in SAMPLES)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"Samples: {listed}.")
    parser.add_argument("--all", action="store_true", help="All samples, for a computer without a network.")
    parser.add_argument("-o", "--output", type=as_place, metavar="DIR", help="Folder to put them into.")
    parser.add_argument(
        "--folder",
        type=as_place,
        metavar="DIR",
        help="Where a dataset lies that you fetched yourself (lizard, cpm); remembered for the next time.",
    )


def run(args: argparse.Namespace) -> int:
    """Write the samples; 1 where some are not to be had."""
    names = [sample.name for sample in SAMPLES] if args.all else [find_sample(n).name for n in args.names]
    _check(args, names)
    if args.folder is not None:
        dataset = remember_folder(names[0], args.folder)
        note(f"{names[0]}: {count_words(len(dataset), 'image')} in {args.folder}, remembered.")
    n_failed = sum(not _save(name, args.output) for name in names if args.output is not None)
    if args.all:
        note(
            f"On a computer without a network, set NUCSEG_CACHE={args.output.absolute()} to use these samples."
        )
    return 1 if n_failed else 0


def _check(args: argparse.Namespace, names: list[str]) -> None:
    if not names:
        raise SettingsError(
            f"got no sample: name some of {', '.join(s.name for s in SAMPLES)}, or give --all"
        )
    if args.folder is not None and (args.all or len(names) != 1):
        raise SettingsError("got --folder with several samples: give it with the name of the one it holds")
    if args.output is None and (args.all or args.folder is None):
        raise SettingsError("got no folder to write to: give -o DIR")


def _save(name: str, folder: Path) -> bool:
    """Save one sample and say where it is, or why it is not."""
    sample = find_sample(name)
    try:
        place = drain(told_as(save_sample(name, folder), partial(_tell, name)))
    except FolderNeeded as error:
        complain(f"{name}: {error}: nucseg sample {name} --folder DIR")
        return False
    except (DatasetError, DownloadError) as error:
        complain(f"{name}: {error}")
        return False
    say(f"{name}: {place}")
    if sample.make is None:
        note(f"Licence: {sample.source.licence}. Cite: {sample.source.citation}.")
    return True


def _tell(name: str, step: DownloadProgress) -> None:
    total = f" of {step.bytes_total / 1e6:.1f}" if step.bytes_total else ""
    show_progress(f"{name}: {step.bytes_done / 1e6:.1f}{total} MB {step.message}")
