"""The only place that prints: results to stdout, everything else to stderr."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any


def tolerate_any_text() -> None:
    """Print a replacement for what a console cannot show, such as µ or a file's odd name, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def say(text: str) -> None:
    """Print a line of the result, at once, so that it can be read through a pipe while work goes on."""
    _clear()
    print(text, flush=True)


def say_json(content: Any) -> None:
    """Print one JSON line of the result, in ASCII, which survives every console and pipe."""
    say(json.dumps(content, allow_nan=False, default=_plain))


def note(text: str) -> None:
    """Print a remark to stderr."""
    _clear()
    print(f"  {text}", file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """Print an error to stderr, on one line."""
    _clear()
    print(f"nucseg: {' '.join(text.split())}", file=sys.stderr, flush=True)


def show_progress(text: str) -> None:
    """Show where work stands, on one line that is overwritten; only where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
