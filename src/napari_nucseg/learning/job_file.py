"""Job files and the recipes that come with the package: YAML, before anything in it is validated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from napari_nucseg.errors import SettingsError

RECIPES_DIR = Path(__file__).parent / "recipes"
DEFAULT_RECIPE = "own-images"


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


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in RECIPES_DIR.glob("*.yaml"))


def recipe_path(name: str) -> Path:
    """Path of a recipe that comes with the package.

    Raises
    ------
    SettingsError
        If there is no recipe of that name.
    """
    path = RECIPES_DIR / f"{name}.yaml"
    if not path.is_file():
        raise SettingsError(
            f"got recipe {name!r}; known are: {', '.join(recipe_names())}. A path to a YAML file goes with --job."
        )
    return path


class _Loader(yaml.SafeLoader):
    """Refuses a name that stands twice, of which YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        # no set: a name may be a list, which is refused later
        seen: list[Any] = []
        for name, _ in node.value:
            if name.value in seen:
                line = name.start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    problem=f"{name.value!r} stands there a second time in line {line}. Leave one."
                )
            seen.append(name.value)
        return super().construct_mapping(node, deep)
