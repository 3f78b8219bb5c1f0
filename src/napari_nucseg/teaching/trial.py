"""How long a job will take on this machine: a few steps of the real learning, timed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import load_model
from napari_nucseg.teaching.ground import replay_ground
from napari_nucseg.teaching.job import OTHER_SECONDS
from napari_nucseg.teaching.learner import Learner
from napari_nucseg.teaching.pages import annotated_page
from napari_nucseg.teaching.plan import plan_of
from napari_nucseg.teaching.scenes import look, scene_of_page

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_nucseg.teaching.job import FinetuneJob

TRIAL_STEPS = 3
"""Steps taken; the first, which warms up, is not timed."""
LOOKED_AT = 12
"""Images of the trial's size that are looked at before learning and again after it; a look in between is at one."""
TRIAL_PX = 384


def estimate_steps(job: FinetuneJob) -> Generator[None, None, float]:
    """Estimate the seconds that a job takes with nothing else running; yields between steps.

    Raises
    ------
    ModelFileError, SettingsError
        If there is no such model or device.
    """
    plan = plan_of(job)
    device = choose_device(job.device, job.precision)
    base = load_model(job.model)
    scene = scene_of_page(annotated_page(synthetic_fluorescence((TRIAL_PX, TRIAL_PX))), base, device)
    started = time.monotonic()
    seen = look(base, scene.image, scene.diameter_px, device)
    a_look = time.monotonic() - started
    yield
    ground = replay_ground(scene, seen, 1.0, plan.patch_px, 0)
    learner = Learner(base, (ground,), (), plan, device, job.seed)
    for _ in range(TRIAL_STEPS):
        started = time.monotonic()
        learner.learn()
        a_step = time.monotonic() - started
        yield
    return OTHER_SECONDS + a_step * plan.steps + a_look * (2 * LOOKED_AT + plan.looks)
