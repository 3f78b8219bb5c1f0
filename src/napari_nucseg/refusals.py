"""What settings are made of, and what was refused of them, in words that say what to give instead."""

from __future__ import annotations

import difflib
import json
import types
import typing
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import ValidationError
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_A_TIME = "must be a date and time with its time zone, such as 2026-01-31T12:00:00+01:00"
_WORDS = {
    "missing": "is missing",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must be names with values, such as {name: 1}",
    "datetime_from_date_parsing": _A_TIME,
    "datetime_parsing": _A_TIME,
    "datetime_type": _A_TIME,
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "invalid_key": "which must be text: it stands for a name",
    "json_invalid": "it is no JSON ({error})",
    "list_type": "must be a list",
    "model_type": "must be names with values",
    "path_type": "must be a path",
    "string_type": "must be text",
    "string_unicode": "must be text",
    "string_too_short": "must not be empty",
    "timezone_aware": _A_TIME,
    "too_long": "must have {max_length} entries at most",
    "too_short": "must have {min_length} entries at least",
    "tuple_type": "must be a list",
    "greater_than_equal": "must be {ge:g} or more",
    "greater_than": "must be more than {gt:g}",
    "less_than_equal": "must be {le:g} or less",
    "less_than": "must be less than {lt:g}",
}
_MUST = "must be "
_LONGEST_SHOWN = 40


class Settings(BaseModel):
    """Settings that belong together: written once, checked, no others allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, given: Any, info: ValidationInfo) -> Any:
        """Refuse true and false, of which pydantic would make 1 and 0."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        is_number = {int, float} & {annotation, *typing.get_args(annotation)}
        kind = getattr(getattr(given, "dtype", None), "kind", "")  # numpy's are no bool
        if is_number and (isinstance(given, bool) or kind == "b"):
            raise ValueError(f"got {str(given).lower()}, must be a number")
        return given


def problems_in(error: ValidationError, settings: type[BaseModel] | None = None) -> str:
    """Say in one line which entries pydantic refused, and why; who ends the sentence adds the full stop.

    Parameters
    ----------
    error : what pydantic raised.
    settings : the settings that were to be made, whose fields are suggested in place of unknown ones.
    """
    reasons: dict[str, list[str]] = {}
    for problem in error.errors():
        place, field, around = _looked_up(problem["loc"], settings)
        reasons.setdefault(place, []).append(_reason(problem, field, around))
    # of what may be one of several things, what is wrong within the one that was tried says more
    told = [place for place in reasons if not any(other.startswith(f"{place}.") for other in reasons)]
    return "; ".join(
        f"{place}: {_any_of(reasons[place])}" if place else _any_of(reasons[place]) for place in told
    )


def _any_of(reasons: list[str]) -> str:
    first, *others = dict.fromkeys(reasons)
    return " or ".join([first, *(other.rsplit(_MUST, 1)[-1] for other in others)])


def _looked_up(
    loc: tuple[int | str, ...], settings: type[BaseModel] | None
) -> tuple[str, FieldInfo | None, type[BaseModel] | None]:
    """Return a place in words, its field, and the settings around it, as far as they are known."""
    names: list[str] = []
    field: FieldInfo | None = None
    around, is_tag = settings, False
    for part in loc:
        if is_tag:  # pydantic says which of several types was tried
            is_tag = False
            continue
        names.append(str(part))
        if isinstance(part, int):
            continue
        if field is not None:
            around = _settings_in(field.annotation)
        field = around.model_fields.get(part) if around is not None else None
        is_tag = field is not None and sum(kind is not type(None) for kind in _kinds(field.annotation)) > 1
    return ".".join(names), field, around


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one there is."""
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if union else (annotation,)


def _settings_in(annotation: Any) -> type[BaseModel] | None:
    """Return the settings that a field, or each item of its list, is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_settings_in, typing.get_args(annotation))), None)


def _reason(problem: ErrorDetails, field: FieldInfo | None, around: type[BaseModel] | None) -> str:
    kind, given = problem["type"], problem["input"]
    if kind == "value_error":
        return problem["msg"].removeprefix("Value error, ").removesuffix(".")
    if kind == "extra_forbidden":
        return _no_such(str(problem["loc"][-1]), around) if around is not None else "is not known here"
    words = _WORDS.get(kind) or problem["msg"].replace("Input should be ", _MUST).removesuffix(".")
    words = words.format(**problem.get("ctx", {})) if kind in _WORDS and "ctx" in problem else words
    if field is not None and kind in ("model_type", "tuple_type", "list_type"):
        words += _example(field, in_list=kind != "model_type")
    if kind == "string_type" and isinstance(given, int | float):  # as YAML takes 5 and yes
        words += f', in quotes: "{given}"' if not isinstance(given, bool) else ", in quotes"
    shown = json.dumps(given, ensure_ascii=False) if isinstance(given, str | int | float | None) else ""
    return f"got {shown}, {words}" if 0 < len(shown) <= _LONGEST_SHOWN else words


def _no_such(name: str, around: type[BaseModel]) -> str:
    """Say that there is no such setting, and which may be meant, there or one level deeper."""
    known = dict(_one_deeper(around)) | {n: n for n in around.model_fields}
    close = difflib.get_close_matches(name, known, n=1)
    return "there is no such setting" + (f"; perhaps {known[close[0]]} is meant" if close else "")


def _one_deeper(around: type[BaseModel]) -> Iterator[tuple[str, str]]:
    for name, field in around.model_fields.items():
        inner = _settings_in(field.annotation)
        for deeper in inner.model_fields if inner is not None else ():
            yield deeper, f"{name}.{deeper}"


def _example(field: FieldInfo, *, in_list: bool) -> str:
    """Return what could be given, as it would stand in a job file; empty where nothing is known."""
    inner = _settings_in(field.annotation)
    if inner is None:
        example = _plain(field)
    else:
        name, first = next(iter(inner.model_fields.items()))
        one = f"{{{name}: {_plain(first) or '…'}}}"
        example = f"[{one}]" if in_list else one
    return f", such as {example}" if example else ""


def _plain(field: FieldInfo) -> str:
    value = field.examples[0] if field.examples else field.default
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, int | float | tuple) and value != () else ""
