"""The only place that prints: results to stdout, everything else to stderr."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from napari_nucseg.errors import OutputError


def tolerate_any_console() -> None:
    """Print nowhere what has no console to go to, and a replacement for what it cannot show, such as µ or odd names."""
    # Where a shell closed a stream (``2>&-``), Python has None for it.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def say(text: str) -> None:
    """Print a line of the result, at once, so that it can be read through a pipe while work goes on.

    Raises
    ------
    BrokenPipeError
        If the reader has gone, as with "| head".
    OutputError
        If standard output leads to a file that cannot be written, as on a full disk.
    """
    _clear()
    try:
        print(text, flush=True)
    except OSError as error:
        # Python would fail on what is left once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL):
            raise BrokenPipeError from error
        raise OutputError(
            f"cannot write to standard output: {error.strerror or error}. Free some space, or lead it elsewhere."
        ) from error


def say_json(content: Any) -> None:
    """Print one JSON line of the result, in ASCII, which survives every console and pipe."""
    say(json.dumps(content, allow_nan=False, default=_plain))


def note(text: str) -> None:
    """Print a remark to stderr."""
    _clear()
    _remark(f"  {text}\n")


def complain(text: str) -> None:
    """Print an error to stderr, on one line."""
    _clear()
    _remark(f"nucseg: {' '.join(text.split())}\n")


def show_progress(text: str) -> None:
    """Show where work stands, on one line that is overwritten; only where somebody watches."""
    if sys.stderr.isatty():
        _remark(f"\r\x1b[K{text}")


def _clear() -> None:
    if sys.stderr.isatty():
        _remark("\r\x1b[K")


def _remark(text: str) -> None:
    """Write to stderr; where that fails, as on a full disk, work goes on without a word."""
    try:
        print(text, end="", file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = _nowhere()  # else Python would fail on it once more at its end


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
