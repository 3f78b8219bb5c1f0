"""A lock on an open file: who has it, and where there are none."""

import errno
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from napari_nucseg.data.file_lock import one_at_a_time, try_lock
from napari_nucseg.errors import OutputError
from napari_nucseg.steps import drain


def test_a_file_is_locked_for_one_at_a_time(tmp_path):
    path = tmp_path / "lock"
    with path.open("a+b") as one, path.open("a+b") as other:
        assert try_lock(one)
        assert not try_lock(other)
    with path.open("a+b") as third:
        assert try_lock(third)


def test_where_the_file_system_knows_no_locks_work_goes_on(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def unknown(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with (tmp_path / "lock").open("a+b") as file:
        assert try_lock(file)


def test_who_comes_later_waits_and_no_file_is_left(tmp_path: Path) -> None:
    lock, inside, most = tmp_path / "new" / "lock", [], []

    def work() -> None:
        for _ in range(5):
            with drain(one_at_a_time(lock)):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.01)
                inside.pop()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == [1] * 20
    assert list(lock.parent.iterdir()) == []


def test_a_lock_where_nothing_can_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match="is a file, not a folder"),
        drain(one_at_a_time(tmp_path / "file" / "lock")),
    ):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="no open file is deleted there")
def test_a_file_that_another_computer_deleted_is_made_anew(tmp_path: Path, monkeypatch) -> None:
    lock, answers = tmp_path / "lock", iter([OSError(errno.ESTALE, "Stale file handle"), None])
    real = os.fstat

    def as_on_nfs(number: int) -> os.stat_result:
        if (error := next(answers)) is not None:
            raise error
        return real(number)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", as_on_nfs)
        with drain(one_at_a_time(lock)):
            assert lock.exists()
