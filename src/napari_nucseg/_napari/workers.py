"""Slow work off the GUI thread: a generator runs in napari's worker, its outcome is a value or words.

Only the newest run counts: what an older one still says is dropped, so starting again is always safe.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_nucseg._napari.failure import NO_MEMORY
from napari_nucseg.errors import InferenceError, NucSegError
from napari_nucseg.network.allocator import hand_back_freed_memory
from napari_nucseg.steps import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PROGRESS_INTERVAL_S = 0.05


@dataclass(frozen=True)
class Finished:
    """What a run returned."""

    value: Any


@dataclass(frozen=True)
class Failed:
    """Why a run stopped, in words for the user."""

    message: str


class Runs(QObject):
    """Runs of one kind of work, at most one of them wanted.

    Signals: ``progressed(object)``; one of ``returned(object)``, ``failed(str)`` and ``cancelled()``; last and always
    ``ended()``.
    """

    progressed = Signal(object)
    returned = Signal(object)
    failed = Signal(str)
    cancelled = Signal()
    ended = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._number = 0
        self._cancel: threading.Event | None = None

    @property
    def running(self) -> bool:
        """Whether the wanted run has not ended."""
        return self._cancel is not None

    def start(self, make_steps: Callable[[], Generator[Any, None, Any]]) -> None:
        """Run a generator in a thread; a run that is under way is cancelled and forgotten."""
        self.forget()
        number, cancel = self._number, threading.Event()
        self._cancel = cancel

        def if_wanted(slot: Callable[..., None]) -> Callable[..., None]:
            def checked(*args: Any) -> None:
                # the window may be closed and this object gone before the thread has ended
                if isalive(self) and number == self._number:
                    slot(*args)

            return checked

        # errors we know come back as Failed; what is left is a bug: napari shows its traceback
        worker = create_worker(
            drive,
            make_steps,
            cancel,
            _start_thread=False,
            _connect={
                "yielded": if_wanted(self.progressed.emit),
                "returned": if_wanted(self._deliver),
                "finished": if_wanted(self._end),
            },
        )
        worker.errored.connect(if_wanted(self._tell_bug))  # not above: then no traceback would be shown
        worker.start()

    def cancel(self) -> None:
        """Ask the wanted run to stop at its next step; ``ended`` follows when it has."""
        if self._cancel is not None:
            self._cancel.set()

    def forget(self) -> None:
        """Stop the run under way and hear no more of it, ``ended`` included."""
        self.cancel()
        self._cancel = None
        self._number += 1

    def _deliver(self, outcome: Any) -> None:
        if isinstance(outcome, Finished):
            self.returned.emit(outcome.value)
        elif isinstance(outcome, Failed):
            self.failed.emit(outcome.message)
        else:
            self.cancelled.emit()

    def _tell_bug(self, error: Exception) -> None:
        known = isinstance(error, NucSegError)
        self.failed.emit(str(error) if known else f"something unforeseen happened: {error!r}.")

    def _end(self) -> None:
        self._cancel = None
        self.ended.emit()


def drive(
    make_steps: Callable[[], Generator[Any, None, Any]], cancel: threading.Event
) -> Generator[Any, None, Finished | Failed | None]:
    """Pass on a generator's progress, not more often than a window can show; return its outcome.

    napari's generator workers swallow ``RuntimeError`` (torch's out-of-memory is one), so none may get out.
    A cancelled run is told so by a ``Cancelled`` thrown into it, here in its own thread: what it has so far it may
    return; otherwise the outcome is None.
    """
    steps = make_steps()
    last = 0.0
    try:
        while True:
            progress = steps.throw(Cancelled()) if cancel.is_set() else next(steps)
            if time.monotonic() - last >= PROGRESS_INTERVAL_S:
                yield progress
                last = time.monotonic()
    except StopIteration as stop:
        return Finished(stop.value)
    except Cancelled:
        return None
    except NucSegError as error:
        return Failed(str(error))
    except MemoryError:
        return Failed(NO_MEMORY)
    except RuntimeError as error:
        raise InferenceError(f"the network could not be run: {error}") from error
    finally:
        steps.close()
        hand_back_freed_memory()
