"""How the command line names things: files and folders by paths, settings by options."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path


def as_place(name: str) -> Path:
    """File or folder of a name, with ``~`` for one's own; shells leave the one in --output=~/runs.

    Raises
    ------
    argparse.ArgumentTypeError
        If the name is empty: that would be the folder we are in.
    """
    if not name:
        raise argparse.ArgumentTypeError("got an empty name, as a variable gives that is not set")
    # unlike Path.expanduser, it leaves a folder ~old alone that is no one's home
    return Path(os.path.expanduser(name))


def as_option(setting: str) -> str:
    """Option by which a setting is given."""
    return f"--{setting.replace('_', '-')}"


def in_options(message: str, args: argparse.Namespace) -> str:
    """Call settings in a message by the options they come from; others, as of a job file, keep their names."""
    # of a command that takes no job file, options that were not given are named, too
    options = {
        name: as_option(name)
        for name, value in vars(args).items()
        if value is not None or not hasattr(args, "job")
    }
    if (diameter := getattr(args, "diameter", None)) is not None:
        options["diameter_um" if diameter.strip().lower().endswith("m") else "diameter_px"] = "--diameter"
    for name, option in options.items():
        # a name of one word may be a mere word, or that of a file, where it does not begin what is wrong
        begin, end = (r"(?<![\w/\\-])", r"\b") if "_" in name else ("(?:^|(?<=[:;] ))", "(?=: )")
        message = re.sub(rf"{begin}(decoding\.)?{name}{end}", option, message)
    return message
