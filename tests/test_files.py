"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from napari_nucseg.errors import OutputError
from napari_nucseg.files import check_writable, natural_key, written_whole
from napari_nucseg.network.places import models_dir

if TYPE_CHECKING:
    from pathlib import Path


def test_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b.txt"
    for text in ("old", "new"):
        with written_whole(target) as part:
            part.write_text(text)
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == ["b.txt"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError, OSError])
def test_interrupted_writing_keeps_the_old_file(tmp_path: Path, interruption: type[BaseException]) -> None:
    target = tmp_path / "b.txt"
    target.write_text("old")
    expected = OutputError if interruption is OSError else interruption
    with pytest.raises(expected), written_whole(target) as part:
        part.write_text("half")
        raise interruption
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["b.txt"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_full_disk_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="disk is full"), written_whole(tmp_path / "b.txt"):
        with open("/dev/full", "w") as full:
            full.write("x" * 100_000)


def test_forbidden_folder_is_said(tmp_path: Path) -> None:
    # Raised by hand: root, which tests often run as, may write anywhere.
    with pytest.raises(OutputError, match="no permission"), written_whole(tmp_path / "b.txt"):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_the_folder_that_forbids_is_said(as_anybody, tmp_path: Path) -> None:
    """It is there, unlike those that were to be made in it, and said from the root, wherever we are."""
    said = as_anybody("""
from pathlib import Path
from napari_nucseg.errors import OutputError
from napari_nucseg.files import check_writable, written_whole
from napari_nucseg.learning.place import held

def write(place):
    with written_whole(place) as part:
        part.touch()

def hold(folder):
    with held(folder, otherwise=""):
        pass

Path("run").mkdir()
for folder in ("run", "."):
    Path(folder).chmod(0o555)
file, deep, run = map(Path, ("a.txt", "new/folder/a.txt", "run"))
for attempt, place in ((write, file), (write, deep), (check_writable, [deep]), (hold, deep), (hold, run)):
    try:
        attempt(place)
    except OutputError as error:
        print(error)
""")
    places = {"a.txt": "", "new/folder/a.txt": "", "run": "/run"}
    expected = {
        place: f"cannot write {place}: no permission to write in {tmp_path}{there}. Choose another folder."
        for place, there in places.items()
    }
    assert said == [expected[place] for place in ("a.txt", *["new/folder/a.txt"] * 3, "run")]


def test_a_home_that_nobody_knows_is_said(monkeypatch) -> None:
    monkeypatch.setenv("NUCSEG_MODELS", "~nobody-of-this-name/models")
    with pytest.raises(
        OutputError, match=r"no home folder for ~nobody-of-this-name/models: set .* NUCSEG_MODELS"
    ):
        models_dir()


@pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root becomes a user without a name"
)
def test_a_user_without_a_home_is_told(tmp_path: Path) -> None:
    code = """
import os
from napari_nucseg.errors import OutputError
from napari_nucseg.network.places import models_dir
del os.environ["HOME"]
os.setuid(54321)
try:
    models_dir()
except OutputError as error:
    print(error)
os.environ["NUCSEG_MODELS"] = "/models"
print(models_dir())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "there is no home folder for this user: set the environment variable HOME, or NUCSEG_MODELS to the whole path "
        "of a folder.",
        "/models",
    ]


def test_a_file_that_another_program_holds_is_said(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("open elsewhere, on Windows")
    with (
        pytest.raises(OutputError, match=r"If a program has it open, close that\. Choose another folder"),
        written_whole(tmp_path / "b.txt"),
    ):
        raise PermissionError(errno.EACCES, "Access is denied")


def test_natural_order_takes_numbers_for_numbers_and_loses_no_name():
    names = ["b", "a10", "a2", "A1", "10", "9", "a02", "a²", ""]
    assert sorted(names, key=natural_key) == ["", "9", "10", "A1", "a02", "a2", "a10", "a²", "b"]


@pytest.mark.parametrize("name", ["n" * 251 + ".txt", "µ" * 125 + ".txt"])
def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path: Path, name: str) -> None:
    check_writable([tmp_path / name])
    with written_whole(tmp_path / name) as part:
        part.write_text("new")
        assert list(tmp_path.glob(".*.txt.*.part")) == [part]  # as ``sweep`` looks for it
    assert os.listdir(tmp_path) == [name]


def test_what_cannot_be_written_is_said_before_and_nothing_left(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="name is too long"):
        check_writable([tmp_path / "a.txt", tmp_path / ("n" * 256)])
    with pytest.raises(OutputError, match="name is too long"):
        check_writable([tmp_path / "new" / ("n" * 256)])
    check_writable([tmp_path / "new" / "folder" / "a.txt"])
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file, not a folder"):
        check_writable([tmp_path / "file" / "a.txt"])
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(OutputError, match="link is a link to a folder that is not there"):
        check_writable([tmp_path / "link" / "a.txt"])
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


def test_a_folder_that_permits_nothing_is_tried_once(tmp_path: Path, monkeypatch) -> None:
    tried = []

    def refused(path: str, *_: object, **__: object) -> int:
        tried.append(path)
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as windows:
        windows.setattr("os.name", "nt")  # where ``tempfile`` takes such a name for one that is taken
        windows.setattr("tempfile.TMP_MAX", 100)
        windows.setattr("os.open", refused)
        with pytest.raises(OutputError, match="no permission"):
            check_writable([tmp_path / "a.txt"])
    assert len(tried) == 1


def test_a_drive_that_is_gone_is_said(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("os.path.lexists", lambda _: False)
    with pytest.raises(OutputError, match="No such file or directory"):
        check_writable([tmp_path / "gone" / "a.txt"])
