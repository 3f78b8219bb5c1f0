"""``nucseg doctor``: versions, devices and places, and what is wrong with them."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari_nucseg
from napari_nucseg.cli.console import say, say_json

if TYPE_CHECKING:
    import argparse

PACKAGES = (
    "torch",
    "torchvision",
    "segmentation-models-pytorch",
    "timm",
    "kornia",
    "numpy",
    "scipy",
    "scikit-image",
    "tifffile",
    "pydantic",
    "safetensors",
    "napari",
    "npe2",
    "PyQt6",
    "PySide6",
    "PyQt5",
)
_DRIVER = Path("/proc/driver/nvidia/version")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``nucseg doctor``."""
    parser.add_argument("--json", action="store_true", help="Print one JSON line.")


def run(args: argparse.Namespace) -> int:
    """Print the report; 1 where something is wrong."""
    report = examine()
    if args.json:
        say_json(report)
    else:
        for heading, lines in report.items():
            say(f"{heading}:")
            for line in _as_lines(lines):
                say(f"  {line}")
    return 1 if report["problems"] else 0


def examine() -> dict[str, Any]:
    """Collect versions, devices, places and problems."""
    versions = {name: found for name in PACKAGES if (found := _version(name))}
    devices, problems = _devices()
    places, place_problems = _places()
    return {
        "napari-nucseg": {
            "version": napari_nucseg.__version__,
            "installed in": str(Path(napari_nucseg.__file__).parent),
            "python": f"{platform.python_version()} ({sys.executable})",
            "system": f"{platform.platform()}, {os.cpu_count()} CPU cores",
        },
        "packages": versions,
        "devices": devices,
        "places": places,
        "problems": problems + place_problems,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> tuple[dict[str, str], list[str]]:
    try:
        import torch

        from napari_nucseg.network.device import list_devices
    except (ImportError, OSError) as error:  # a broken torch fails with either
        return {}, [
            f"torch cannot be imported: {error}. Install it again: pip install --force-reinstall torch"
        ]
    devices = {device.name: f"{device.description}, {device.precision}" for device in list_devices()}
    card = nvidia_card()
    if card is None or torch.cuda.is_available():
        return devices, []
    built = (
        f"it was built for CUDA {torch.version.cuda}" if torch.version.cuda else "it was built without CUDA"
    )
    hint = "is the driver new enough for it?" if torch.version.cuda else "install a CUDA build of torch."
    return devices, [f"an NVIDIA card is here ({card}) but this torch cannot use it: {built}; {hint}"]


def nvidia_card() -> str | None:
    """Name the NVIDIA card of this computer, asked of the driver and not of torch; None where there is none."""
    if program := shutil.which("nvidia-smi"):
        command = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
            cards = done.stdout.strip().splitlines()
        except (OSError, subprocess.SubprocessError):
            cards = []  # the program without a card or with a broken driver; /proc may still know
        if cards:
            name, _, driver = cards[0].partition(", ")
            return f"{name}, driver {driver}"
    if _DRIVER.is_file():
        return _DRIVER.read_text(errors="replace").splitlines()[0]
    return None


def _places() -> tuple[dict[str, str], list[str]]:
    from napari_nucseg.data.cache import cache_dir
    from napari_nucseg.data.journal import journal_dir
    from napari_nucseg.jobs.work_places import work_dir
    from napari_nucseg.network.installed import automatic_models, list_models
    from napari_nucseg.network.places import BUNDLED_DIR, models_dir
    from napari_nucseg.network.preferred import model_problems, preferred_model
    from napari_nucseg.teaching.runs import runs_dir

    models = list_models()
    places = {"bundled models": str(BUNDLED_DIR)}
    problems = [] if models else ["no model is installed: 'nucseg segment' cannot work before one is"]
    folders = {
        "own models": models_dir(),
        "runs of Fine-tune": runs_dir(),
        "journals of edits": journal_dir(),
        "places of work lists": work_dir(),
        "cache": cache_dir(),
    }
    for name, folder in folders.items():
        # not Path.exists: that fails below a folder that cannot be entered
        there = next(place for place in (folder, *folder.absolute().parents) if os.path.exists(place))
        places[name] = f"{folder} ({shutil.disk_usage(there).free / 1e9:.1f} GB free)"
        if not there.is_dir():
            problems.append(f"{there} is a file, not a folder: {name} cannot be kept in {folder}")
        elif not _can_be_written(there):
            problems.append(f"{there} cannot be written: {name} cannot be kept in {folder}")
    automatic = [model.name for model in automatic_models(models)]
    by = "your choice" if automatic == [preferred_model()] else "the program chooses"
    places["models"] = ", ".join(model.name for model in models) or "none"
    places["default model"] = f"{', for fluorescence '.join(automatic) or 'none'} ({by})"
    return places, [*problems, *model_problems()]


def _can_be_written(folder: Path) -> bool:
    """Whether a folder can be made in it, which its permissions do not tell: of /proc, or a drive mounted read-only."""
    try:
        with tempfile.TemporaryDirectory(prefix="nucseg-", dir=folder):
            return True
    except OSError:
        return False


def _as_lines(content: dict[str, str] | list[str]) -> list[str]:
    if isinstance(content, dict):
        return [f"{name}: {value}" for name, value in content.items()] or ["none"]
    return content or ["none"]
