"""How long presets are going to take on this machine: a few steps of the real learning, timed in a child. No Qt.

The child is ``nucseg finetune --estimate`` at low priority, so that the window neither waits nor loads torch for it.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg._napari.teach_text import PRESET_SECONDS
from napari_nucseg.jobs.finetune_child import NUCSEG, start_child
from napari_nucseg.teaching.job import FinetuneJob

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_nucseg.teaching.job import Preset

TIMED: Preset = "standard"
_POLL_S = 0.1


def estimate_presets(model: str, device: str) -> Generator[None, None, dict[Preset, float]]:
    """Time one preset and scale the others by it; empty where nobody can tell. Closing this ends the child."""
    with tempfile.TemporaryDirectory(prefix="nucseg-", ignore_cleanup_errors=True) as scratch:
        path = Path(scratch, "job.json")
        job = FinetuneJob(model=model, device=device, preset=TIMED, output=Path(scratch))
        path.write_text(job.model_dump_json(), encoding="utf8")
        arguments = [*NUCSEG, "finetune", "--job", str(path), "--estimate", "--json"]
        child = start_child(arguments, subprocess.DEVNULL)
        try:
            while child.poll() is None:
                yield
                time.sleep(_POLL_S)
            said, _ = child.communicate()
        finally:
            child.kill()
            child.wait()
    with suppress(ValueError, KeyError, IndexError):
        seconds = float(json.loads(said.splitlines()[-1])["seconds"])
        return {preset: seconds * s / PRESET_SECONDS[TIMED] for preset, s in PRESET_SECONDS.items()}
    return {}
