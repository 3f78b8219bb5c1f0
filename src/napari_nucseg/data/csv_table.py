"""Tables of comma-separated values, also as spreadsheets save them again."""

from __future__ import annotations

import codecs
import csv
import io
from typing import TYPE_CHECKING

from napari_nucseg.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

_DELIMITERS = ",;\t"


def read_table(data: bytes, place: str) -> tuple[Sequence[str], list[dict[str, str]]]:
    """Read the columns' names and the rows of a table: comma, semicolon or tab between them, UTF-8, UTF-16 or cp1252.

    What a short row lacks is empty.

    Raises
    ------
    DatasetError
        Where it is no such table.
    """
    text = _decode(data)
    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
        return reader.fieldnames or (), list(reader)
    except csv.Error as error:
        raise DatasetError(f"{place} cannot be read as a table: {error}") from error


def _decode(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:  # a spreadsheet of Windows saved it
        return data.decode("cp1252", errors="replace")
