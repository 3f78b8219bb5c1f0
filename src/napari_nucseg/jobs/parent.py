"""No child outlives its parent: it watches a pipe that closes when the parent dies, however it dies."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress

ENDS_WITH_PARENT = "NUCSEG_ENDS_WITH_PARENT"
"""Environment variable of a child whose standard input is that pipe."""
_POLL_S = 0.5


def end_with_parent() -> None:
    """Watch the parent from now on, where this process was started to end with it; else do nothing."""
    if os.environ.pop(ENDS_WITH_PARENT, None):
        threading.Thread(target=_watch, name="watches the parent", daemon=True).start()


def _watch() -> None:
    _await_end_of_stdin()
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)  # with processes of its own, if it has any
    os._exit(1)


def _await_end_of_stdin() -> None:
    """Wait until nobody is left who could write to standard input, a pipe."""
    if sys.platform == "win32":
        import _winapi
        import msvcrt

        # No read may wait there: Windows lets one request after the other at a pipe, and what numpy loads asks for
        # the state of standard input, so its import would wait for ever (numpy/numpy#24290).
        with suppress(OSError):
            while True:
                _winapi.PeekNamedPipe(msvcrt.get_osfhandle(0), 0)
                time.sleep(_POLL_S)
    else:
        # os.read: a thread that waits in sys.stdin would hold its lock when Python ends, which is a fatal error
        while os.read(0, 1):
            pass
