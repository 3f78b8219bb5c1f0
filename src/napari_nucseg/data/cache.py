"""The user's cache: where fetched samples lie, and which folders the user named for datasets of their own."""

from __future__ import annotations

import json
from pathlib import Path

from platformdirs import user_cache_path

from napari_nucseg.files import named_folder, written_whole

_FOLDERS = "folders.json"


def cache_dir() -> Path:
    """Folder for everything fetched; the environment variable NUCSEG_CACHE overrides the system's place."""
    return named_folder("NUCSEG_CACHE", lambda: user_cache_path("napari-nucseg", appauthor=False))


def remembered_folder(name: str, cache: Path) -> Path | None:
    """Return the folder the user named for a dataset, or one of that name put into the cache by hand."""
    named = _read_folders(cache).get(name)
    for place in (named, cache / name):
        if place is not None and Path(place).exists():
            return Path(place)
    return None


def remember(name: str, folder: Path, cache: Path) -> None:
    """Remember the folder the user named for a dataset.

    Raises
    ------
    OutputError
        If the cache cannot be written.
    """
    folders = {**_read_folders(cache), name: str(folder.absolute())}
    with written_whole(cache / _FOLDERS) as part:
        part.write_text(json.dumps(folders, indent=2), encoding="utf-8")


def _read_folders(cache: Path) -> dict[str, str]:
    try:
        folders = json.loads((cache / _FOLDERS).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none yet, or damaged: the user will be asked again
        return {}
    return {str(k): str(v) for k, v in folders.items()} if isinstance(folders, dict) else {}
