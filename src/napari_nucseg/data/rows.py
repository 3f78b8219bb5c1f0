"""Rows of an ``index.csv``: which image belongs to which group and split, so that scores stay honest."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg.data.csv_table import read_table
from napari_nucseg.data.sample import Dataset
from napari_nucseg.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_nucseg.data.sample import Sample


@dataclass(frozen=True)
class Row:
    """One image of an index; ``group`` is shared by images that belong together."""

    dataset: str
    name: str
    group: str
    split: str
    kind: str


def read_rows(
    index_csv: str | Path, *, dataset: str | None = None, split: str | None = None, kind: str | None = None
) -> tuple[Row, ...]:
    """Read the rows of an index that have this dataset, split and kind (None: any).

    Raises
    ------
    DatasetError
        Where the file cannot be read or has no rows, a column is missing or empty in a row, or no row is left (the
        message says which values there are).
    """
    wanted = {k: v for k, v in {"dataset": dataset, "split": split, "kind": kind}.items() if v is not None}
    rows = _parse(Path(index_csv))
    chosen = tuple(row for row in rows if all(getattr(row, key) == value for key, value in wanted.items()))
    if not chosen:
        sought = ", ".join(f"{key} {value}" for key, value in wanted.items())
        there = "; ".join(f"{key} {', '.join(sorted({getattr(row, key) for row in rows}))}" for key in wanted)
        raise DatasetError(f"{index_csv} has no row of {sought}; there are: {there}")
    return chosen


def check_names(dataset: Dataset, rows: Iterable[Row], choose: str) -> None:
    """Refuse an index in which rows of several datasets have the name of one sample.

    Parameters
    ----------
    dataset : its samples.
    rows : of every split and kind, since those of another dataset may be of another split.
    choose : how to say which dataset is meant, for the message.

    Raises
    ------
    DatasetError
        With the name and the datasets.
    """
    names, meant = set(dataset.names), dict[str, str]()
    for row in rows:
        if row.name in names and meant.setdefault(row.name, row.dataset) != row.dataset:
            raise DatasetError(
                f"the index names {row.name} in {meant[row.name]} and in {row.dataset}: "
                f"say which is meant with {choose}"
            )


def select_rows(dataset: Dataset, rows: Iterable[Row]) -> Dataset:
    """Return the samples the rows name, in their order; metadata gets ``group``, ``split``, ``kind``.

    Raises
    ------
    DatasetError
        Where a row names no sample of the dataset.
    """
    by_name = {row.name: row for row in rows}
    chosen = dataset.select(by_name)
    readers = {name: partial(_read_with_row, chosen, row) for name, row in by_name.items()}
    return Dataset(dataset.layout, dataset.root, readers, chosen.files, chosen.places)


def _read_with_row(dataset: Dataset, row: Row) -> Sample:
    sample = dataset.read(row.name)
    known = {"group": row.group, "split": row.split, "kind": row.kind}
    return replace(sample, metadata={**sample.metadata, **known})


def _parse(path: Path) -> tuple[Row, ...]:
    columns = [column.name for column in fields(Row)]
    try:
        lines = read_table(path.read_bytes(), str(path))[1]
        rows = tuple(Row(*(line[column] for column in columns)) for line in lines)
    except OSError as error:
        raise DatasetError(f"{path} cannot be opened: {error.strerror or error}") from error
    except KeyError as error:
        raise DatasetError(f"{path} has no column {error}; an index has {', '.join(columns)}") from error
    if not rows:
        raise DatasetError(f"{path} has no rows; an index has one for each image, with {', '.join(columns)}")
    for number, row in enumerate(rows, start=1):
        for column, value in asdict(row).items():
            if not value.strip():
                raise DatasetError(f"{path} has no {column} in row {number}: fill it in")
    return rows
