"""Where models lie: those that come with the package, and the user's own."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path

from napari_nucseg.files import named_folder

BUNDLED_DIR = Path(__file__).parent.parent / "models"
SUFFIX = ".safetensors"
MODELS_VARIABLE = "NUCSEG_MODELS"


def models_dir() -> Path:
    """Folder of the user's own models; the environment variable overrides the system's place."""
    return named_folder(MODELS_VARIABLE, lambda: user_data_path("napari-nucseg", appauthor=False) / "models")
