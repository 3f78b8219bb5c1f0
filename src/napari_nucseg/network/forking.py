"""Processes that are forked from one that ran a network, as Python's multiprocessing does by default on Linux."""

from __future__ import annotations

import os
from functools import cache, partial

import torch


@cache
def work_on_after_a_fork() -> None:
    """Let the children of this process compute on one thread each, from now on.

    The threads that share torch's work are not there in a child, which would wait for them for ever.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))
