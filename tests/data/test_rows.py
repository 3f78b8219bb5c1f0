from __future__ import annotations

import pytest

from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.rows import read_rows, select_rows
from napari_nucseg.errors import DatasetError

HEADER = "dataset,name,group,split,kind\n"


def test_real_rows(test_data):
    index = test_data / "index.csv"
    assert len(read_rows(index)) == 782
    rows = read_rows(index, dataset="dsb2018", split="val", kind="fluorescence")
    assert len(rows) == 76
    assert {row.split for row in rows} == {"val"}


def test_rows_that_are_not_there_say_what_is(test_data):
    with pytest.raises(DatasetError, match=r"no row of split test; there are: split eval, train, val"):
        read_rows(test_data / "index.csv", split="test")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("name\nx\n", "no column 'dataset'", id="column"),
        pytest.param(HEADER, "no rows; an index has one for each image", id="no rows"),
        pytest.param(HEADER + "d,n,g,train,k\nd,m,g\n", "no split in row 2", id="short row"),
        pytest.param(HEADER + "d,n, ,train,k\n", "no group in row 1", id="blank cell"),
    ],
)
def test_damaged_indexes(text, says, tmp_path):
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(DatasetError, match=says):
        read_rows(tmp_path / "index.csv")


def test_an_index_that_a_spreadsheet_saved_again(tmp_path):
    text = HEADER.replace(",", ";") + "d;n;g;train;k\n"
    (tmp_path / "index.csv").write_text(text, encoding="utf-16")
    assert read_rows(tmp_path / "index.csv")[0].kind == "k"


def test_a_missing_index(tmp_path):
    with pytest.raises(DatasetError, match="cannot be opened"):
        read_rows(tmp_path / "index.csv")


def test_rows_select_and_describe(test_data):
    rows = read_rows(test_data / "index.csv", dataset="tnbc", split="val")
    dataset = select_rows(open_dataset(test_data / "tnbc"), rows)
    assert dataset.names == tuple(row.name for row in rows)
    assert dataset[0].metadata["kind"] == "histology"
    assert dataset[0].metadata["group"] == rows[0].group
    with pytest.raises(DatasetError, match="no sample"):
        select_rows(open_dataset(test_data / "lizard"), rows)
