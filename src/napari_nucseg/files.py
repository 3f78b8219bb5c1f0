"""Files: written whole or not at all, with errors in words; their names, and their hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

FULL = {errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}
"""Numbers of errors where a disk is full."""
_STALE_SECONDS = 24 * 3600
"""Nothing is written for so long: whoever began it was killed."""
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_FOLDER = {errno.EEXIST, errno.ENOTDIR}
_LONGEST_NAME = 255
"""Bytes that file systems allow."""


@contextmanager
def written_whole(path: str | Path, named_by: str = "") -> Iterator[Path]:
    """Give a temporary place beside ``path``, whose content replaces ``path`` once it is complete.

    Missing folders are made. Whatever interrupts the writing, a full disk or Ctrl-C, an older file at
    ``path`` stays as it was and nothing half-written is left behind. ``named_by`` is as for ``in_words``.

    Raises
    ------
    OutputError
        If the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    _refuse_folder(path)
    # Beside the target: replacing is atomic within one file system only. Random: two may write at once.
    part = path.with_name(_part_name(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise OutputError(in_words(error, path, named_by)) from error
    finally:
        with suppress(OSError):  # what went wrong is said already
            part.unlink(missing_ok=True)


def check_writable(paths: Iterable[Path]) -> None:
    """Try whether files could be written, before the work whose results they are; nothing is left behind.

    Raises
    ------
    OutputError
        As ``written_whole``, or if a name is too long.
    """
    for path in paths:
        _refuse_folder(path)
        folder = _there(path.parent)
        # Not by ``tempfile``: on Windows, before Python 3.13, it tries names for hours where none is permitted.
        part = folder / _part_name(path.name)
        try:
            part.touch(exist_ok=False)
            for name in path.relative_to(folder).parts:
                with suppress(FileNotFoundError):
                    (folder / name).lstat()
        except OSError as error:
            raise OutputError(in_words(error, path)) from error
        finally:
            with suppress(OSError):  # what went wrong is said already
                part.unlink(missing_ok=True)


def _there(folder: Path) -> Path:
    """Return a folder or, where it is to be made, the nearest above it that is there."""
    return next((place for place in (folder, *folder.parents) if os.path.lexists(place)), folder)


def _refuse_folder(path: Path) -> None:
    if os.path.isdir(path):  # False, not an error, for a name that is too long
        raise OutputError(f"cannot write {path}: it is a folder. Add the name of a file.")


def _part_name(name: str) -> str:
    """Name a half-written file; ``sweep`` knows it by the end of the file's own name, kept as far as it fits."""
    ending = f".{secrets.token_hex(4)}.part"
    while len(os.fsencode(f".{name}{ending}")) > _LONGEST_NAME:
        name = name[1:]
    return f".{name}{ending}"


def sweep(folder: Path, suffix: str) -> None:
    """Delete half-written files of a suffix that killed processes left in a folder, once they are a day old."""
    for part in folder.glob(f".*{suffix}.*.part"):
        with suppress(OSError):  # gone meanwhile, or not ours to delete
            if time.time() - part.stat().st_mtime > _STALE_SECONDS:
                part.unlink()


def nothing_fits(error: OutputError, folder: Path) -> bool:
    """Whether no other file could be written there either: the disk is full, or it is no folder we may write to."""
    full = isinstance(error.__cause__, OSError) and error.__cause__.errno in {*FULL, errno.EROFS}
    there = _there(folder)
    return full or not there.is_dir() or not os.access(there, os.W_OK)


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's content, which is not read into memory at once."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def named_folder(variable: str, otherwise: Callable[[], Path]) -> Path:
    """Folder that an environment variable names, else another one.

    Raises
    ------
    OutputError
        If it is in a home that nobody knows, as that of a container's user who has only a number.
    """
    named = os.environ.get(variable)
    try:
        return Path(named).expanduser() if named else otherwise()
    except RuntimeError as error:
        raise OutputError(
            f"there is no home folder for {named or 'this user'}: set the environment variable HOME, or {variable} to "
            "the whole path of a folder."
        ) from error


def unused_name(plain: str, taken: set[str]) -> str:
    """Return a name, numbered where it is taken; case is ignored, as some file systems do. It is taken from now on."""
    name, number = plain, 1
    while name.casefold() in taken:
        number += 1
        name = f"{plain}_{number}"
    taken.add(name.casefold())
    return name


def named_again(paths: Sequence[Path]) -> dict[Path, Path]:
    """Map each path that leads to the same file as an earlier one, by a link or written another way, to that one."""
    first: dict[str, Path] = {}
    named = [(path, first.setdefault(os.path.realpath(path), path)) for path in paths]
    return {path: before for path, before in named if before is not path}


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Key to sort names as people do: *well 2* before *well 10*, whatever letters are capital."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if number % 2 else part for number, part in enumerate(parts)], name


def in_words(error: OSError, path: Path, named_by: str = "") -> str:
    """Say why a file or folder could not be written, and what to do; not even its drive need be there.

    ``named_by`` is the environment variable that names another folder, where no folder is asked for.
    """
    another = (
        f"The environment variable {named_by} names another folder" if named_by else "Choose another folder"
    )
    if error.errno in FULL and named_by:
        return f"cannot write {path}: the disk is full. Free some space. {another}."
    if error.errno in FULL:
        return f"cannot write {path}: the disk is full. Free some space, or choose a folder on another disk."
    if error.errno in _FORBIDDEN:
        there = _there((path if os.path.isdir(path) else path.parent).absolute())
        if os.path.exists(path) and os.access(there, os.W_OK):
            return f"cannot write {path}: no permission. If a program has it open, close that. {another}."
        return f"cannot write {path}: no permission to write in {there}. {another}."
    if error.errno == errno.ENAMETOOLONG:
        return f"cannot write {path}: the name is too long. Choose a shorter one; results are named after their image."
    if (link := next((p for p in path.parents if _leads_nowhere(p)), None)) is not None:
        return f"cannot write {path}: {link} is a link to a folder that is not there. Make that, or choose another."
    if error.errno in _NO_FOLDER and (file := next((p for p in path.parents if os.path.isfile(p)), None)):
        return f"cannot write {path}: {file} is a file, not a folder. {another}."
    return f"cannot write {path}: {error.strerror or error}. Choose another folder or name."


def not_deleted(error: OSError, path: Path) -> OutputError:
    """Say why a file or folder could not be deleted, and what to do."""
    why = error.strerror or error
    return OutputError(f"cannot delete {path}: {why}. Close what has it open, or delete it yourself.")


def _leads_nowhere(path: Path) -> bool:
    return os.path.islink(path) and not os.path.exists(path)
