"""Files of a dataset, whether they lie in a folder or in a zip that is read in place.

Layout modules see relative names with forward slashes and never care where the bytes come from.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import IO, Protocol

from napari_nucseg.data.zarr_folder import MARKS
from napari_nucseg.errors import DatasetError

MAX_DEPTH = 7
MAX_FILES = 500_000


class Tree(Protocol):
    """Read-only files below one root."""

    @property
    def root(self) -> Path:
        """What the user named: a folder or a zip."""

    @property
    def files(self) -> tuple[str, ...]:
        """Relative names of all files, sorted, with forward slashes."""

    def open(self, file: str) -> IO[bytes]:
        """Open a file for reading; it can be seeked."""

    def locate(self, file: str) -> str:
        """Full place of a file, for messages and metadata: a path, or ``archive.zip!entry``."""


@dataclass(frozen=True)
class FolderTree:
    """Files of a folder and its subfolders."""

    root: Path
    files: tuple[str, ...]

    def open(self, file: str) -> IO[bytes]:
        """Open a file for reading."""
        return (self.root / file).open("rb")

    def locate(self, file: str) -> str:
        """Path of a file."""
        return str(self.root / file)


@dataclass(frozen=True)
class ZipTree:
    """Entries of a zip archive, read in place; their CRC is checked on reading."""

    root: Path
    files: tuple[str, ...]

    def open(self, file: str) -> IO[bytes]:
        """Unpack one entry into memory."""
        return BytesIO(_archive(self.root, self.root.stat().st_mtime_ns, os.getpid()).read(file))

    def locate(self, file: str) -> str:
        """Archive and entry."""
        return f"{self.root}!{file}"


@dataclass(frozen=True)
class JoinedTree:
    """Several trees seen as one, each below a folder of its own name; the official zips side by side."""

    root: Path
    parts: tuple[tuple[str, Tree], ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all parts' files."""
        return tuple(sorted(prefix + file for prefix, tree in self.parts for file in tree.files))

    def open(self, file: str) -> IO[bytes]:
        """Open a file of the part it belongs to."""
        tree, name = self._find(file)
        return tree.open(name)

    def locate(self, file: str) -> str:
        """Place of a file in its part."""
        tree, name = self._find(file)
        return tree.locate(name)

    def _find(self, file: str) -> tuple[Tree, str]:
        # Longest prefix first: the folder itself has the empty prefix and would match everything.
        for prefix, tree in sorted(self.parts, key=lambda part: -len(part[0])):
            if file.startswith(prefix):
                return tree, file[len(prefix) :]
        raise KeyError(file)


def open_tree(path: Path) -> Tree:
    """List a folder or a zip; zips lying in a folder count as folders named after them.

    Raises
    ------
    DatasetError
        Where the path does not exist, is neither folder nor zip, or holds too many files to be a dataset.
    """
    if path.is_dir():
        folder = list_folder(path)
        archives = [f for f in folder.files if f.lower().endswith(".zip") and "/" not in f]
        archives = [f for f in archives if not (path / f[:-4]).is_dir()]  # unpacked already
        parts = [(f[:-4] + "/", _list_zip(path / f)) for f in archives]
        return JoinedTree(path, (("", folder), *parts)) if parts else folder
    if path.is_file() and zipfile.is_zipfile(path):
        return _list_zip(path)
    if path.exists():
        raise DatasetError(
            f"{path} is neither a folder nor a zip: give the dataset's folder or its original zip"
        )
    raise DatasetError(f"{path} does not exist: check the path")


def list_folder(root: Path) -> FolderTree:
    """List a folder and its subfolders; hidden ones and links that lead back to what is listed are left out.

    A folder in zarr stands for itself, as a file does.

    Raises
    ------
    DatasetError
        Where it holds too many files to be a dataset.
    """
    files: list[str] = []
    seen: set[str] = set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        here = Path(folder).relative_to(root)
        if len(here.parts) >= MAX_DEPTH:
            subfolders.clear()
        if (real := os.path.realpath(folder)) in seen:  # a second link to the same folder
            subfolders.clear()
            continue
        seen.add(real)
        if here != Path() and not MARKS.isdisjoint(names):
            files.append(here.as_posix())  # an image of a kind that is not read, its chunks are none
            subfolders.clear()
            continue
        subfolders[:] = sorted(
            name
            for name in subfolders
            if not name.startswith((".", "__")) and not _leads_back(Path(folder, name), root.resolve())
        )
        prefix = "" if here == Path() else here.as_posix() + "/"
        files += [prefix + name for name in names if not name.startswith(".")]
        if len(files) > MAX_FILES:
            raise DatasetError(f"{root} holds more than {MAX_FILES} files: name the dataset's own folder")
    return FolderTree(root, tuple(sorted(files)))


def _leads_back(folder: Path, root: Path) -> bool:
    """Whether a folder is a link to one that is listed anyway, or to one around the root."""
    if not folder.is_symlink():
        return False
    real = folder.resolve()
    return real.is_relative_to(root) or root.is_relative_to(real)


def _list_zip(path: Path) -> ZipTree:
    try:
        names = _archive(path, path.stat().st_mtime_ns, os.getpid()).namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} is no readable zip ({error}): download it again") from error
    files = {  # each once: of an entry that was added again, the last is read
        n
        for n in names
        if not n.endswith("/") and not n.startswith("__MACOSX/") and not n.split("/")[-1].startswith(".")
    }
    return ZipTree(path, tuple(sorted(files)))


@lru_cache(maxsize=4)
def _archive(path: Path, mtime_ns: int, pid: int) -> zipfile.ZipFile:
    """Keep a few archives open: stage1_train.zip lists 30,000 entries, which takes a while to parse.

    ``mtime_ns`` notices a replaced file; ``pid`` keeps forked workers from sharing one file position.
    """
    return zipfile.ZipFile(path)
