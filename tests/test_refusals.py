"""What pydantic refuses is told in words of our own, whatever was given."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from napari_nucseg.data.correction_record import RECORD, CorrectionRecord, read_record
from napari_nucseg.data.journal_format import JournalHeader
from napari_nucseg.errors import CorrectionSetError
from napari_nucseg.learning.job import TrainingJob
from napari_nucseg.network.model_card import ModelCard
from napari_nucseg.nuclei.decoding import DecodingSettings
from napari_nucseg.refusals import problems_in
from napari_nucseg.segmentation.settings import SegmentationSettings
from napari_nucseg.teaching.job import FinetuneJob

MODELS = (
    SegmentationSettings,
    DecodingSettings,
    TrainingJob,
    FinetuneJob,
    ModelCard,
    CorrectionRecord,
    JournalHeader,
)
BAD = (
    None,
    True,
    -1,
    2.5,
    10**400,
    math.nan,
    math.inf,
    "",
    "x" * 300,
    "\ud800",
    b"\xff",
    [],
    [None],
    ["a"],
    list(range(9)),
    {},
    {1: 2},
    {"a": None},
    date(2026, 1, 31),
    object(),
    Path("x"),
)


@pytest.mark.parametrize("model", MODELS)
def test_no_setting_is_refused_in_pydantics_words(model: type[BaseModel]) -> None:
    n_refused = 0
    for name in model.model_fields:
        for given in (bad for one in BAD for bad in (one, [one], {"path": one}, [{"path": one}])):
            try:
                model.model_validate({name: given})
            except ValidationError as error:
                said = problems_in(error, model)
                n_refused += 1
                assert not any(
                    raw in said for raw in ("hould", "valid string", "valid datetime", "alid JSON")
                ), said
    assert n_refused > len(model.model_fields)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(
            '{"format": "others"}', "format: got \"others\", must be 'napari-nucseg corrections'", id="format"
        ),
        pytest.param('{"saved": "yesterday"}', 'saved: got "yesterday", must be a date and time', id="time"),
        pytest.param('{"image"', "newer version: it is no JSON (EOF ", id="cut short"),
    ],
)
def test_a_correction_set_that_says_nonsense(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / RECORD).write_text(content)
    with pytest.raises(CorrectionSetError) as refused:
        read_record(tmp_path)
    assert words in str(refused.value)
