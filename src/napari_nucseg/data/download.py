"""Fetch remote files whole: resumable, checked, and put in place only when they are complete.

Every function is a generator of progress; closing it stops the transfer and leaves nothing damaged behind. What was
fetched so far waits in a ``.part`` file and is gone on with by the next call.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from napari_nucseg.data.file_lock import try_lock
from napari_nucseg.errors import DownloadError
from napari_nucseg.files import file_sha256

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

CHUNK_BYTES = 256 * 1024
TIMEOUT_S = (10, 30)  # to connect, and between two pieces of an answer
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class DownloadProgress:
    """How far a download is, in bytes of the network; the total is None while it is unknown."""

    bytes_done: int
    bytes_total: int | None = None
    message: str = ""


def fetch_file(
    url: str, target: Path, *, size_bytes: int | None = None, sha256: str | None = None
) -> Generator[DownloadProgress, None, Path]:
    """Fetch one file to ``target``; goes on with ``target.part`` where the server allows ranges.

    Where another program fetches it to the same place at once, this one starts a part of its own.

    Raises
    ------
    DownloadError
        No network, not found, connection cut, disk full, or size or SHA256 not as recorded.
    """
    shared, own = target.with_name(target.name + ".part"), _own_part(target)
    with explained(url, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with shared.open("ab") as file:
                part = shared if try_lock(file) else own
                if size_bytes is None or _size(part) != size_bytes:
                    yield from _transfer(url, part, size_bytes)
                wrong = _what_is_wrong(url, part, size_bytes, sha256)
            if wrong:  # only here: Windows removes no open file, nor replaces one
                part.unlink()
                raise DownloadError(wrong)
            os.replace(part, target)
        finally:
            own.unlink(missing_ok=True)
    return target


def request(url: str, start: int = 0, stop: int | None = None) -> requests.Response:
    """Open a streamed answer for bytes ``start`` to ``stop`` (exclusive; None: all that follow).

    ``DownloadError`` where the server has no such file or refuses.
    """
    ranged = start > 0 or stop is not None
    headers = {"Accept-Encoding": "identity"}  # compressed transfer would make byte counts meaningless
    if ranged:
        headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
    response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S)
    if response.status_code in (200, 206) or (ranged and response.status_code == 416):
        return response
    response.close()
    if response.status_code in (404, 410):
        raise DownloadError(
            f"{url} is not there (HTTP {response.status_code}): it may have moved; see the official page"
        )
    raise DownloadError(
        f"{url} was refused (HTTP {response.status_code} {response.reason}): try again later, or fetch it by hand"
    )


def write_whole(target: Path, data: bytes) -> None:
    """Write a small file so that it is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _own_part(target)
    try:
        part.write_bytes(data)
        os.replace(part, target)
    except OSError:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def explained(url: str, folder: Path) -> Iterator[None]:
    """Turn failures of network and disk into a ``DownloadError`` that says what happened and what to do."""
    try:
        yield
    except requests.Timeout as error:
        raise DownloadError(f"{url} did not answer in time: check the network and try again") from error
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
        raise DownloadError(
            f"the connection to {url} was cut: try again, it goes on where it stopped"
        ) from error
    except requests.RequestException as error:
        raise DownloadError(
            f"{url} cannot be reached ({type(error).__name__}): is there a network? A proxy is set with HTTPS_PROXY"
        ) from error
    except OSError as error:
        if error.errno in _FULL:
            raise DownloadError(
                f"the disk is full: {_free_mb(folder)} MB are free at {folder}; make room, or set NUCSEG_CACHE to "
                "another place, and try again"
            ) from error
        raise DownloadError(f"{folder} cannot be written: {error.strerror or error}") from error


def _own_part(target: Path) -> Path:
    """Place of our own for what is to become ``target``: another program may write it at once."""
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")


def _what_is_wrong(url: str, part: Path, size_bytes: int | None, sha256: str | None) -> str:
    """Say what is not as recorded of what came; nothing where all is."""
    got = part.stat().st_size
    if size_bytes is not None and got != size_bytes:
        return f"{url} has {got} bytes, {size_bytes} were expected: the file was changed at its place"
    if sha256 is not None and (found := file_sha256(part)) != sha256:
        return (
            f"{url} is not the recorded file: SHA256 {found}, expected {sha256}. Try again; if it stays, the file "
            "was changed at its place: fetch it by hand and name its folder"
        )
    return ""


def _transfer(url: str, part: Path, size_bytes: int | None) -> Generator[DownloadProgress, None, None]:
    """Append to ``part`` what is missing, or start over where the server knows no ranges."""
    done = _size(part)
    with request(url, start=done) as response:
        if response.status_code == 416:
            return  # nothing follows: complete before, or another file: the checks will tell
        if response.status_code == 200:
            done = 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length is not None else size_bytes
        with part.open("ab" if done else "wb") as file:
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                yield DownloadProgress(done, total, url.rpartition("/")[2])
        if total is not None and done < total:
            raise DownloadError(f"the connection to {url} was cut after {done} of {total} bytes: try again")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _free_mb(folder: Path) -> int:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(there).free // 1_000_000
