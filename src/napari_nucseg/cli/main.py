"""Find the command, run it, and turn what goes wrong into one line and an exit code.

Exit codes: 0 all went well, 1 some files failed, 2 the request cannot be carried out; 130 interrupted, 143 terminated,
129 hung up: its terminal was closed, 141 whoever read the output has gone, as with "| head".
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from typing import TYPE_CHECKING

import napari_nucseg
from napari_nucseg.cli.console import complain, tolerate_any_console
from napari_nucseg.cli.interrupts import HungUp, Terminated, end_at_once, take_interrupts
from napari_nucseg.cli.naming import in_options
from napari_nucseg.errors import NucSegError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "segment": "Segment the nuclei of image files.",
    "export": "Write corrections that were saved as labels, tables and outlines.",
    "evaluate": "Score label files, or a model on a dataset, against true labels.",
    "train": "Train a model from a job file or a recipe.",
    "finetune": "Teach a model on your corrections, and judge the outcome.",
    "models": "List models; install, rename, export, compare or remove them; choose the default.",
    "sample": "Write sample images with their true labels into a folder.",
    "doctor": "Show versions, devices and places, and what is wrong with them.",
}
logger = logging.getLogger(__name__)
CANNOT, INTERRUPTED, NOT_READ = 2, 130, 141
ENDED_BY = {Terminated: 143, HungUp: 129}
_PURPOSE = (
    "Segment nuclei with U-Net and U-Net++, score the result, train a model. No image leaves this computer."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``nucseg`` with the given arguments (default: those of the process) and return the exit code."""
    if argv is not None:
        return _run(list(argv))
    take_interrupts()
    try:
        return _run(sys.argv[1:])
    finally:
        end_at_once()


def _run(arguments: Sequence[str]) -> int:
    """Run a command; what goes wrong becomes one line and an exit code."""
    tolerate_any_console()  # first: what is opened later must not take the number of a closed stream
    # What libraries log is for developers; the user gets results, notes and one line an error.
    logging.basicConfig(level=logging.DEBUG if os.environ.get("NUCSEG_DEBUG") else logging.CRITICAL)
    args = argparse.Namespace()
    try:
        _parser(arguments).parse_args(arguments, args)
        code: int = args.run(args)
        return code
    except NucSegError as error:
        complain(in_options(str(error), args) if isinstance(error, SettingsError) else str(error))
        return CANNOT
    except KeyboardInterrupt as interrupt:
        complain(f"interrupted; files written so far are whole. {interrupt}".strip())
        return ENDED_BY.get(type(interrupt), INTERRUPTED)
    except BrokenPipeError:
        return NOT_READ
    except ImportError as error:
        logger.debug("importing failed", exc_info=True)
        package = (error.name or "a package").partition(".")[0]
        complain(
            f"{package} cannot be imported: {error}. Install it again; nucseg doctor shows what is there."
        )
        return CANNOT
    except OSError as error:  # a path too long, a drive that is gone, a folder that may not be read
        complain(f"{error.filename or 'a file'} cannot be used: {error.strerror or error}.")
        return CANNOT


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser; only the command that is asked for is imported, so ``nucseg --help`` is fast."""
    parser = argparse.ArgumentParser(prog="nucseg", description=_PURPOSE, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"napari-nucseg {napari_nucseg.__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose, allow_abbrev=False)
        if name == asked:
            module = importlib.import_module(f"napari_nucseg.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser
