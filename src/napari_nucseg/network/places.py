"""Where models lie: those that come with the package, and the user's own."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

BUNDLED_DIR = Path(__file__).parent.parent / "models"
SUFFIX = ".safetensors"


def models_dir() -> Path:
    """Folder of the user's own models; ``NUCSEG_MODELS`` overrides it."""
    named = os.environ.get("NUCSEG_MODELS")
    return Path(named).expanduser() if named else platformdirs.user_data_path("napari-nucseg") / "models"
