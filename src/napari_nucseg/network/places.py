"""Where models lie: those that come with the package, and the user's own."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from napari_nucseg.files import named_folder

BUNDLED_DIR = Path(__file__).parent.parent / "models"
SUFFIX = ".safetensors"


def models_dir() -> Path:
    """Folder of the user's own models; ``NUCSEG_MODELS`` overrides it."""
    return named_folder("NUCSEG_MODELS", platformdirs.user_data_path("napari-nucseg") / "models")
