"""Puts a finished set in place of an older one; whatever else lies in its folder stays there.

The older one is set aside until the new one is there. What is not of the set goes back from it, at the next save where
a process was killed in between.

Places are looked at with os.path: of a drive that does not answer it says that nothing is there, pathlib raises.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg.files import unused_name

if TYPE_CHECKING:
    from collections.abc import Container


def real_folder(folder: str | Path) -> Path:
    """Folder that a link stands for, else the folder itself: a link would be replaced, not what it leads to."""
    folder = Path(folder)
    return Path(os.path.realpath(folder)) if os.path.islink(folder) else folder


def set_aside(folder: Path) -> Path:
    """Place of the older set while a new one is put in its place."""
    return folder.with_name(f".{folder.name}.before")


def place_of(folder: str | Path) -> Path:
    """Folder that a set really is in: another one where the process that saved it died between two renames."""
    folder = real_folder(folder)
    if os.path.exists(folder):
        return folder
    aside = set_aside(folder)
    return aside if os.path.exists(aside) else folder


def is_leftover(folder: str | Path) -> bool:
    """Whether a folder was set aside for a newer set, which is in its place."""
    folder = Path(folder)
    name = folder.name.removeprefix(".").removesuffix(".before")
    return bool(name) and folder.name == f".{name}.before" and os.path.exists(folder.with_name(name))


def put_in_place(part: Path, folder: Path, own: Container[str]) -> None:
    """Move a finished set to its place; of an older one, only files with names of a set's ``own`` are replaced."""
    aside = set_aside(folder)
    if folder.exists():
        _give_back(aside, folder, own)
        os.replace(folder, aside)
    try:
        os.replace(part, folder)
    except OSError:
        if aside.exists():
            with suppress(OSError):
                os.replace(aside, folder)
        raise
    _give_back(aside, folder, own)


def _give_back(aside: Path, folder: Path, own: Container[str]) -> None:
    """Move what is not of the set from the folder set aside to its place, and delete the rest."""
    if not aside.exists():
        return
    taken = {path.name.casefold() for path in folder.iterdir()}
    for path in list(aside.iterdir()):
        if path.name not in own:
            os.replace(path, folder / unused_name(path.name, taken))
    shutil.rmtree(aside, ignore_errors=True)
