"""Pairs of numbers that settings draw from: the lower first, and both within what makes sense."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

MOST_SEED = 2**32 - 1


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"got {list(pair)}: the lower number comes first")
    return pair


def _apart(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] >= pair[1]:
        raise ValueError(f"got {list(pair)}: the second number must be larger than the first")
    return pair


_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Percent = Annotated[float, Field(ge=0, le=100)]
_Quality = Annotated[float, Field(ge=1, le=100)]

Range = Annotated[tuple[_Finite, _Finite], AfterValidator(_ordered)]
PositiveRange = Annotated[tuple[_Positive, _Positive], AfterValidator(_ordered)]
QualityRange = Annotated[tuple[_Quality, _Quality], AfterValidator(_ordered)]
Percentiles = Annotated[tuple[_Percent, _Percent], AfterValidator(_apart)]
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
