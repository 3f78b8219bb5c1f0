"""Options made from the fields of the settings, so that no parameter is typed twice."""

from __future__ import annotations

import argparse
import re
import types
import typing
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from napari_nucseg.cli.naming import as_option
from napari_nucseg.errors import SettingsError
from napari_nucseg.network.model_card import Thresholds
from napari_nucseg.nuclei.decoding import DecodingSettings
from napari_nucseg.segmentation.settings import SegmentationSettings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_METAVARS: dict[Any, str] = {float: "NUMBER", int: "N", str: "TEXT"}
_DIAMETER = re.compile(r"(?P<number>\d+\.?\d*|\.\d+)\s*(?P<unit>px|um|µm|μm)?", re.IGNORECASE)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add an option for every field of the segmentation and decoding settings, and ``--diameter``."""
    group = parser.add_argument_group("settings")
    group.add_argument(
        "--diameter", metavar="SIZE", help="Median nucleus diameter with its unit: auto, 24, 24px or 8um."
    )
    for settings in (SegmentationSettings, DecodingSettings):
        for name, field in settings.model_fields.items():
            if _is_nested(field):
                continue
            group.add_argument(as_option(name), help=_help(name, field), **_kind(field))


def chosen_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings the user gave, flat, as text; the settings themselves check and convert it.

    Raises
    ------
    SettingsError
        If ``--diameter`` cannot be read, or another option says the same.
    """
    names = [*SegmentationSettings.model_fields, *DecodingSettings.model_fields]
    given = {name: value for name in names if (value := getattr(args, name, None)) is not None}
    if args.diameter is None:
        return given
    if clash := sorted({"diameter_px", "diameter_um"} & given.keys()):
        raise SettingsError(f"got --diameter and {as_option(clash[0])}: give one of the two")
    return given | _read_diameter(args.diameter)


def _read_diameter(text: str) -> dict[str, str]:
    if text.strip().lower() == "auto":
        return {}
    match = _DIAMETER.fullmatch(text.strip())
    if match is None:
        raise SettingsError(
            f"got --diameter {text!r}; allowed are auto, pixels such as 24, or µm such as 8um"
        )
    unit = "diameter_px" if (match["unit"] or "px").lower() == "px" else "diameter_um"
    return {unit: match["number"]}


def _is_nested(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _help(name: str, field: FieldInfo) -> str:
    text = (field.description or field.title or "").replace("%", "%%")  # argparse formats its help with %
    if name in Thresholds.model_fields:
        return f"{text} Default: what serves the model best, often {field.default}."
    return text if field.default in (None, False) else f"{text} Default: {field.default}."


def _kind(field: FieldInfo) -> dict[str, Any]:
    """Say how argparse shows the option: a switch, a choice or a value of some type."""
    options = [field.annotation]
    if typing.get_origin(field.annotation) in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(field.annotation) if option is not type(None)]
    (kind,) = options
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if typing.get_origin(kind) is typing.Literal:
        return {"choices": typing.get_args(kind)}
    return {"metavar": _METAVARS.get(kind, "VALUE")}
