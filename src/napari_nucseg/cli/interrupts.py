"""Ctrl-C, SIGTERM, by which clusters end a job whose time is over, and SIGHUP, of a terminal that was closed.

All interrupt a command in the same way.
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import NoReturn


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


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
