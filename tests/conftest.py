"""What all tests share: where the real data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DEFAULT_TEST_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real microscopy images (or NUCSEG_TEST_DATA); tests skip where it is absent."""
    folder = Path(os.environ.get("NUCSEG_TEST_DATA", DEFAULT_TEST_DATA))
    if not (folder / "index.csv").is_file():
        pytest.skip(f"real test data is not at {folder}: set NUCSEG_TEST_DATA to its folder")
    return folder
