"""What a model of the user's own may be called, and how settings say which model is meant. No torch."""

from __future__ import annotations

import os
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from napari_nucseg.network.choices import AUTO
from napari_nucseg.network.places import SUFFIX

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RESERVED = (AUTO, "back")  # words of the command line
_DEVICES = re.compile(r"(con|prn|aux|nul|com[1-9]|lpt[1-9])(\..*)?", re.IGNORECASE)  # no files on Windows


def checked_name(name: str) -> str:
    """Return the name, where a model can be called so.

    Raises
    ------
    ValueError
        If not; what ends in the suffix of model files would be taken for a path.
    """
    if not name:
        raise ValueError("Give it a name.")
    if _DEVICES.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be a model's name: Windows has a device of that name. Choose another name."
        )
    if not _NAME.fullmatch(name) or name in _RESERVED or name.lower().endswith(SUFFIX):
        raise ValueError(
            f"{name!r} cannot be a model's name: up to 64 letters, digits, '.', '_' and '-' are allowed, the first a "
            f"letter or digit, and neither {', '.join(_RESERVED)} nor {SUFFIX} at the end. Choose another name."
        )
    return name


def _as_text(given: Any) -> Any:
    return os.fspath(given) if isinstance(given, os.PathLike) else given


ModelName = Annotated[str, AfterValidator(checked_name)]
"""A setting that names a new model."""

ModelNameOrPath = Annotated[str, BeforeValidator(_as_text)]
"""A setting that says which model: by name, or by its file, as ``train`` and ``finetune`` return it."""
