"""How a child learns that its parent is gone; ``test_finetune_child`` kills real parents."""

import subprocess
import sys

import pytest

ON_WINDOWS = """
import select, sys, time, types
from napari_nucseg.jobs import parent

def peek(handle, size):
    pipe = select.poll()
    pipe.register(handle, select.POLLIN)
    if any(event & select.POLLHUP for _, event in pipe.poll(0)):
        raise OSError("the pipe has been ended")
    return len(pipe.poll(0)), 0

sys.modules["_winapi"] = types.SimpleNamespace(PeekNamedPipe=peek)
sys.modules["msvcrt"] = types.SimpleNamespace(get_osfhandle=lambda number: number)
sys.platform = "win32"
parent.end_with_parent()
print("watches", flush=True)
time.sleep(1)
print("left" if select.select([0], [], [], 0)[0] else "read", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="stands in for what only Windows has")
def test_on_windows_the_pipe_is_watched_without_reading_from_it(monkeypatch):
    monkeypatch.setenv("NUCSEG_ENDS_WITH_PARENT", "1")
    command = [sys.executable, "-c", ON_WINDOWS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"watches\n"
        child.stdin.write(b"for others")
        child.stdin.flush()
        assert child.stdout.readline() == b"left\n"
        assert child.poll() is None
        child.stdin.close()
        assert child.wait(20) != 0
