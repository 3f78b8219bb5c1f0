"""A lock on an open file: who has it, and where there are none."""

import errno

import pytest

from napari_nucseg.data.file_lock import try_lock


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
