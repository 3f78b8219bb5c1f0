"""Job files: YAML, of which JSON is a part, before anything in them is validated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from napari_nucseg.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def read_job_file(path: Path) -> dict[str, Any]:
    """Read the settings of a job file as they stand there, not yet validated.

    Raises
    ------
    SettingsError
        If the file is missing, no UTF-8 text, no YAML mapping, or names a setting twice.
    """
    try:
        text = path.read_text(encoding="utf8")
    except OSError as error:
        raise SettingsError(f"cannot read the job file {path}: {error.strerror}. Check the path.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text: {error}. Save it as UTF-8.") from error
    try:
        content = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not valid YAML: {error}") from error
    if content is None:
        raise SettingsError(f"{path} is empty: write settings into it, such as name: mine.")
    if not isinstance(content, dict):
        raise SettingsError(
            f"{path} holds {type(content).__name__}, expected a mapping of settings to values."
        )
    return content


class _Loader(yaml.SafeLoader):
    """Refuses a name that stands twice, of which YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for name, _ in node.value:
            if name.value in seen:
                line = name.start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    problem=f"{name.value!r} stands there a second time in line {line}. Leave one."
                )
            seen.add(name.value)
        return super().construct_mapping(node, deep)
