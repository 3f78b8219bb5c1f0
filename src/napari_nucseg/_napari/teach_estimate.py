"""How long each preset is going to take on this machine: a few steps of the real learning, timed, once a session.

No Qt; in a worker's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucseg._napari.torch_import import make_torch_safe
from napari_nucseg.teaching.job import FinetuneJob

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_nucseg.teaching.job import Preset


def estimate_all_steps(
    presets: Sequence[Preset], model: str, device: str
) -> Generator[dict[str, float], None, dict[str, float]]:
    """Estimate the seconds of each preset; yields those that are known."""
    make_torch_safe()
    from napari_nucseg.teaching.trial import estimate_steps

    known: dict[str, float] = {}
    for preset in presets:
        steps = estimate_steps(FinetuneJob(model=model, device=device, preset=preset))
        while True:
            try:
                next(steps)
            except StopIteration as end:
                known[preset] = end.value
                break
            yield dict(known)
    return known
