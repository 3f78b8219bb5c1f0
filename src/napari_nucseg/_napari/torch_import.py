"""Import torch into a process that already draws with OpenGL, without a crash.

On Linux, Mesa (software rendering, AMD cards, remote desktops) brings its own LLVM. Triton, which torch imports
by the way, brings another one and exports the same names: loaded second, it calls into the first and the process
dies. Loaded with its own names in front (``RTLD_DEEPBIND``) both live side by side.
"""

from __future__ import annotations

import contextlib
import os
import sys


def make_torch_safe() -> None:
    """Load Triton's library with its own names in front; to be called before torch is imported in a window."""
    if not sys.platform.startswith("linux") or "triton" in sys.modules or not hasattr(os, "RTLD_DEEPBIND"):
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        with contextlib.suppress(ImportError):  # no Triton, no clash
            import triton._C.libtriton  # noqa: F401
    finally:
        sys.setdlopenflags(flags)
