"""No child outlives its parent: it reads from a pipe that closes when the parent dies, however it dies."""

from __future__ import annotations

import os
import signal
import threading

ENDS_WITH_PARENT = "NUCSEG_ENDS_WITH_PARENT"
"""Environment variable of a child whose standard input is that pipe."""


def end_with_parent() -> None:
    """Watch the parent from now on, where this process was started to end with it; else do nothing."""
    if os.environ.pop(ENDS_WITH_PARENT, None):
        threading.Thread(target=_watch, name="watches the parent", daemon=True).start()


def _watch() -> None:
    # os.read: a thread that waits in sys.stdin would hold its lock when Python ends, which is a fatal error
    while os.read(0, 1):
        pass
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)  # with processes of its own, if it has any
    os._exit(1)
