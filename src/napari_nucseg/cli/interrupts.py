"""Ctrl-C, SIGTERM, by which clusters end a job whose time is over, and SIGHUP, of a terminal that was closed.

All interrupt a command in the same way.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from napari_nucseg.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


class HungUp(KeyboardInterrupt):
    """SIGHUP came."""


INTERRUPTS: dict[int, type[KeyboardInterrupt]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
}
if sys.platform != "win32":
    INTERRUPTS[signal.SIGHUP] = HungUp


def take_interrupts() -> None:
    """Let all of them interrupt this process as Ctrl-C does, but for those that it was told to ignore, as by nohup."""
    for number in INTERRUPTS:
        if _is_main_thread() and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, interrupt)


def interrupt(number: int, _frame: object = None) -> NoReturn:
    """Raise what a signal stands for."""
    raise INTERRUPTS[number]


def ours() -> tuple[int, ...]:
    """Signals that interrupt this thread now, and are not ignored or taken by somebody else."""
    usual = (signal.default_int_handler, interrupt)
    return tuple(number for number in INTERRUPTS if _is_main_thread() and signal.getsignal(number) in usual)


def end_at_once() -> None:
    """Let another signal end the process without a word, now that nothing is left to be lost."""
    for number in ours():
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def told_how_to_go_on(checkpoint: Path, words: str, *, resumed: bool) -> Iterator[None]:
    """Let an interrupt, or a full disk, say how to go on where what is done within left a checkpoint.

    One that an earlier run of this name left does not count, unless this run is ``resumed`` from it.
    """
    found = _age(checkpoint)

    def resumable() -> bool:
        left = _age(checkpoint)
        return left is not None and (resumed or left != found)

    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise type(interrupt)(words if resumable() else "") from None
    except OutputError as error:
        if not resumable():
            raise
        raise OutputError(f"{error} {words}".strip()) from error


def _age(path: Path) -> int | None:
    """When a file was written, in nanoseconds; None where there is none."""
    return path.stat().st_mtime_ns if path.exists() else None


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
