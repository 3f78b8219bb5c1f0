"""The journal's file format: a magic word, a header in JSON, records with length and CRC-32 before each.

A record is one block of one array, compressed: part (1 byte), number of axes (1 byte), offset and shape (8 bytes an
axis each), then the pixels through zlib. An empty record separates the arrays at the start from the edits.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from datetime import datetime
from enum import IntEnum
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from napari_nucseg.errors import JournalError
from napari_nucseg.refusals import problems_in

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

MAGIC = b"NUCSEG-JOURNAL-1\n"
TILE_PX = 512
LABEL_TYPES = tuple(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))
_FRAME = struct.Struct("<II")  # length and CRC-32 of what follows
_MAX_RECORD_BYTES = 2**31


class Part(IntEnum):
    """Which array a record belongs to."""

    LABELS = 0
    TRUST = 1
    PREDICTION = 2


class JournalHeader(BaseModel):
    """What the edits belong to.

    Attributes
    ----------
    shape, dtype
        Of the labels.
    base
        Fingerprint of the labels before the first edit.
    image, image_name
        Fingerprint and name of the image layer; empty where there is none.
    layer_name
        Name of the Labels layer.
    has_prediction
        Whether the prediction is kept too; else nobody knows what was predicted.
    started
        When the first edit was made.
    notes
        What else is known of the layer, e.g. its model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(1, ge=1, le=1)
    shape: tuple[int, ...]
    dtype: str
    base: str
    image: str = ""
    image_name: str = ""
    layer_name: str = ""
    has_prediction: bool = False
    started: AwareDatetime = Field(default_factory=lambda: datetime.now().astimezone())
    notes: dict[str, Any] = {}

    def typed(self, part: Part, block: NDArray[Any]) -> NDArray[Any]:
        """Give a block of labels the type they are kept in."""
        return block if part is Part.TRUST else block.astype(self.dtype, copy=False)

    @field_validator("dtype")
    @classmethod
    def _is_of_labels(cls, dtype: str) -> str:
        if dtype not in LABEL_TYPES:
            raise ValueError(f"got {dtype!r}; {', '.join(LABEL_TYPES)} are allowed")
        return dtype

    @field_validator("shape")
    @classmethod
    def _is_of_an_image(cls, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) < 2 or min(shape) < 0:
            raise ValueError(f"got {shape}; two or more axes are needed")
        return shape


def framed(payload: bytes) -> bytes:
    """Put length and CRC-32 before a payload."""
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def packed(part: Part, offset: tuple[int, ...], block: NDArray[Any]) -> bytes:
    """Make the payload of a record: a block of an array and where it lies."""
    return _place(part, offset, block.shape) + zlib.compress(block.tobytes(), 1)


def packed_whole(header: JournalHeader, arrays: Mapping[Part, NDArray[Any]]) -> Iterator[bytes]:
    """Make the payloads of whole arrays, tile by tile; tiles of zeros are left out.

    Labels and prediction are the same where nobody edited yet: that is compressed once, which takes by far the longest.
    """
    steps = (*[1] * (len(header.shape) - 2), TILE_PX, TILE_PX)
    for offset in product(*(range(0, n, s) for n, s in zip(header.shape, steps, strict=True))):
        tile = tuple(slice(a, a + s) for a, s in zip(offset, steps, strict=True))
        pixels, compressed = b"", b""
        for part, array in arrays.items():
            block = array[tile]
            if block.any():
                before, pixels = pixels, header.typed(part, block).tobytes()
                if pixels != before:
                    compressed = zlib.compress(pixels, 1)
                yield _place(part, offset, block.shape) + compressed


def _place(part: Part, offset: tuple[int, ...], shape: tuple[int, ...]) -> bytes:
    """Say in bytes which array a block belongs to, and where it lies."""
    return struct.pack(f"<BB{2 * len(shape)}q", part, len(shape), *offset, *shape)


def unpack(payload: bytes, arrays: dict[Part, NDArray[Any]], path: str | Path) -> None:
    """Write a record's block into its array."""
    try:
        part, ndim = struct.unpack_from("<BB", payload)
        numbers = struct.unpack_from(f"<{2 * ndim}q", payload, 2)
        array = arrays[Part(part)]
        pixels = np.frombuffer(zlib.decompress(payload[2 + 16 * ndim :]), array.dtype)
        where = tuple(slice(a, a + n) for a, n in zip(numbers[:ndim], numbers[ndim:], strict=True))
        array[where] = pixels.reshape(numbers[ndim:])
    except (struct.error, zlib.error, ValueError, KeyError) as error:
        # its CRC was right, so this is no damage but a journal of another kind
        raise JournalError(f"{path} holds a record this version cannot read: {error}") from error


def read_records(path: Path) -> tuple[JournalHeader, Generator[bytes | int, None, None]]:
    """Header, and the payload of each whole record; after them the length of a torn tail, if there is one."""
    records = _records(path)
    head = next(records, None)
    if not isinstance(head, bytes):
        raise JournalError(f"{path} ends within its header: nothing can be restored from it.")
    try:
        header = json.loads(head)
        if isinstance(header, dict) and header.get("version") != 1:
            raise JournalError(
                f"{path} is a journal of version {header.get('version')}, known is 1: "
                "restore it with the version of napari-nucseg that made it."
            )
        return JournalHeader.model_validate(header), records
    except ValidationError as error:
        raise JournalError(f"the header of {path} is wrong: {problems_in(error)}.") from error
    except ValueError as error:
        raise JournalError(f"the header of {path} is no JSON: {error}") from error


def _records(path: Path) -> Generator[bytes | int, None, None]:
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise JournalError(f"{path} is no journal of corrections.")
            size = os.fstat(file.fileno()).st_size
            while (start := file.tell()) < size:
                frame = file.read(_FRAME.size)
                length, crc = _FRAME.unpack(frame) if len(frame) == _FRAME.size else (_MAX_RECORD_BYTES, 0)
                payload = file.read(length) if length <= size - file.tell() else None
                if payload is None or zlib.crc32(payload) != crc:
                    yield size - start
                    return
                yield payload
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror or error}") from error
