"""Fetch a few entries of a remote zip by HTTP ranges, without the whole archive.

The archive's directory is at its end and lies in memory after one request; entries that lie side by side (the masks
of one image) come with few requests, since reads are buffered. Entries' CRCs are checked by ``zipfile``.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from napari_nucseg.data.download import CHUNK_BYTES, DownloadProgress, explained, request, write_whole
from napari_nucseg.errors import DownloadError
from napari_nucseg.steps import drain, told_as

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from _typeshed import WriteableBuffer

BUFFER_BYTES = 128 * 1024
_END_RECORD = b"PK\x05\x06"
_END_RECORD_BYTES = 22 + 65_535  # with the longest comment


class RangesNotSupported(Exception):
    """The server sends files only as a whole."""


class RangeReader(io.RawIOBase):
    """A remote file that can be seeked; each read is one range request unless its bytes are kept already."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._position = 0
        self._kept: list[tuple[int, bytes]] = []
        self.bytes_fetched = 0
        with request(url, 0, 1) as response:
            match = re.fullmatch(r"bytes 0-0/(\d+)", response.headers.get("Content-Range", ""))
            if response.status_code != 206 or match is None:
                raise RangesNotSupported(url)
        self.size_bytes = int(match[1])

    def fetch(self, start: int, stop: int) -> Generator[int, None, bytes]:
        """Fetch and keep bytes ``start`` to ``stop`` (exclusive), yielding the number that came so far."""
        data = bytearray()
        with request(self._url, start, stop) as response:
            if response.status_code != 206:
                raise RangesNotSupported(self._url)
            for chunk in response.iter_content(CHUNK_BYTES):
                data += chunk
                self.bytes_fetched += len(chunk)
                yield len(data)
        if len(data) != stop - start:
            raise DownloadError(f"the connection to {self._url} was cut: try again, what is there is kept")
        self._kept.append((start, bytes(data)))
        return bytes(data)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read at the position, from what is kept or by one request."""
        view = memoryview(buffer).cast("B")
        start, stop = self._position, min(self._position + len(view), self.size_bytes)
        if start >= stop:
            return 0
        data = self._from_kept(start, stop)
        if not data:
            data = drain(self.fetch(start, stop))
            self._kept.pop()  # the buffer above keeps it; only the directory is wanted again
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move the position."""
        self._position = (
            offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size_bytes}[whence]
        )
        return self._position

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def _from_kept(self, start: int, stop: int) -> bytes:
        for first, data in self._kept:
            if first <= start < first + len(data):
                return data[start - first : stop - first]
        return b""


def fetch_members(
    url: str, wanted: Callable[[str], bool], folder: Path
) -> Generator[DownloadProgress, None, tuple[str, ...]]:
    """Fetch the entries whose names are wanted into ``folder``; those there already are not fetched again.

    Returns
    -------
    names
        Names of the wanted entries.

    Raises
    ------
    RangesNotSupported
        Where the server sends whole files only: fetch the archive instead.
    DownloadError
        No network, not found, connection cut, disk full, no zip, or an entry whose CRC is wrong.
    """
    with explained(url, folder), readable_zip(url):
        reader = RangeReader(url)
        yield from _fetch_directory(reader)
        buffered = io.BufferedReader(reader, BUFFER_BYTES)
        with zipfile.ZipFile(buffered) as archive:
            for step in extract_members(archive, wanted, folder):
                yield DownloadProgress(
                    reader.bytes_fetched, reader.bytes_fetched + step.bytes_left, step.name
                )
            return tuple(info.filename for info in _wanted(archive, wanted))


@dataclass(frozen=True)
class ExtractStep:
    """An entry that was written, and how many compressed bytes are still to come."""

    name: str
    bytes_left: int


def extract_members(
    archive: zipfile.ZipFile, wanted: Callable[[str], bool], folder: Path
) -> Generator[ExtractStep, None, None]:
    """Write the wanted entries of an archive below ``folder``, each whole or not at all, in the archive's order."""
    members = sorted(_wanted(archive, wanted), key=lambda info: info.header_offset)
    bytes_left = sum(info.compress_size for info in members)
    for info in members:
        relative = PurePosixPath(info.filename)
        if relative.is_absolute() or ".." in relative.parts:
            raise DownloadError(
                f"the zip holds an entry that leaves its folder: {info.filename!r}; nothing was written"
            )
        target = folder / relative
        if not target.exists() or target.stat().st_size != info.file_size:
            write_whole(target, archive.read(info))
        bytes_left -= info.compress_size
        yield ExtractStep(info.filename, bytes_left)


@contextmanager
def readable_zip(place: str | Path) -> Iterator[None]:
    """Turn a damaged archive or entry into a ``DownloadError`` that names its place."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise DownloadError(f"{place} is damaged ({error}): try again, or fetch it by hand") from error


def _wanted(archive: zipfile.ZipFile, wanted: Callable[[str], bool]) -> list[zipfile.ZipInfo]:
    return [info for info in archive.infolist() if not info.is_dir() and wanted(info.filename)]


def _fetch_directory(reader: RangeReader) -> Generator[DownloadProgress, None, None]:
    """Fetch the archive's directory piece by piece, so that it shows progress and can be cancelled."""
    tail_start = max(0, reader.size_bytes - _END_RECORD_BYTES)
    tail = yield from _with_progress(reader, tail_start, reader.size_bytes)
    found = tail.rfind(_END_RECORD)
    if found < 0 or len(tail) < found + 20:
        return  # no zip, which zipfile says better
    length, start = struct.unpack("<II", tail[found + 12 : found + 20])
    if start < tail_start and start + length <= reader.size_bytes:  # else all is there, or it is a ZIP64
        yield from _with_progress(reader, start, tail_start)


def _with_progress(reader: RangeReader, start: int, stop: int) -> Generator[DownloadProgress, None, bytes]:
    return told_as(
        reader.fetch(start, stop),
        lambda done: DownloadProgress(
            reader.bytes_fetched, reader.bytes_fetched + stop - start - done, "list of files"
        ),
    )
