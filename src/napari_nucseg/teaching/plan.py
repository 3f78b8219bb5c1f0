"""How long and how boldly to learn: presets, and what the slider *keep old skills* stands for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_nucseg.learning.augment import AugmentSettings
from napari_nucseg.teaching.job import PRESET_STEPS

if TYPE_CHECKING:
    from napari_nucseg.teaching.job import FinetuneJob

PATCH_SHARE = 4 / 3
"""Side of the patches over that of the crops drawn from them: room to turn, shift and scale."""
WARM_UP = 0.1
"""Share of the steps over which the learning rate rises."""
GENTLENESS = 0.7
"""Share of the learning rate taken away for a base model that is right already."""
BREVITY = 0.5
"""Share of the steps left out for a base model that is right already: it is to change only a little."""
CAUTION = 2.0
"""By how much the way to the new weights is cut short, at *keep old skills* 1 and for a model that is right already.

Between old and new such a model is better than at either end (Wortsman et al. 2022, arXiv:2109.01903), on the user's
kind of images and on others. A fifth of the way brings nearly all that half of it does, and a quarter of the loss on
others; the few nuclei held out are too few to tell.
"""
MOST_CAUTION = 0.9
"""The way is cut short by this at most: however much old skills are to be kept, a tenth of it is taken."""
LEAST_HOLD = 0.1
"""Share of the hold on unreviewed pixels that is left at the end: what was corrected elsewhere shall spread to them."""


@dataclass(frozen=True)
class Plan:
    """A run in numbers.

    Attributes
    ----------
    steps, crops, crop_px
        Steps; crops of a step; side of a crop in network pixels.
    looks
        How often the network is tried on what is held out.
    learning_rate
        At its highest.
    replayed
        Crops of a step that are not of the user's images.
    pull
        How far, over the whole run, a weight of mean importance is drawn back to the base, as a natural log.
    hold, replay
        Weights of the losses on unreviewed pixels that the base is sure of, and on replayed crops.
    keep
        How much old skills count, 0…1.
    share
        How far to go in the end from the old weights to the new ones, at most.
    """

    steps: int
    crops: int
    crop_px: int
    looks: int
    learning_rate: float
    replayed: int = 0
    pull: float = 0.0
    hold: float = 0.0
    replay: float = 0.0
    keep: float = 0.0
    share: float = 1.0

    @property
    def patch_px(self) -> int:
        """Side of the patches that crops are drawn from."""
        return round(self.crop_px * PATCH_SHARE)

    @property
    def look_at(self) -> frozenset[int]:
        """Numbers of steps done at which the network is tried; the last is one of them."""
        return frozenset(round(self.steps * k / self.looks) for k in range(1, self.looks + 1))

    @property
    def average_decay(self) -> float:
        """Decay of the running average of the weights: it looks back over a fifth of the run."""
        return 1 - 1 / (1 + 0.2 * self.steps)

    def gentled(self, reliance: float) -> Plan:
        """Return the plan for a base model that finds this share, 0…1, of the user's nuclei rightly.

        A model that is blind to a kind of image must change much; one that errs here and there would forget more
        than it learns: it takes fewer and smaller steps, goes only a part of their way, and is held to what it knew
        where nobody looked. One that is wrong about half of them or more counts as blind, for nuclei are only known to
        be wrong where somebody looked: it is wrong about more of them elsewhere.
        """
        reliance = max(0.0, 2 * reliance - 1)
        return replace(
            self,
            steps=round(self.steps * (1 - BREVITY * reliance)),
            learning_rate=self.learning_rate * (1 - GENTLENESS * reliance),
            hold=self.hold * reliance,
            share=1 - min(MOST_CAUTION, CAUTION * self.keep * reliance),
        )

    def rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0: a linear warm-up, then half a cosine down to a hundredth."""
        warm_up = max(1, round(WARM_UP * self.steps))
        if step < warm_up:
            return self.learning_rate * (step + 1) / warm_up
        done = (step - warm_up) / max(1, self.steps - warm_up)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))

    def hold_at(self, step: int) -> float:
        """Weight of the loss on unreviewed pixels at a step, which decays."""
        left = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.hold * (LEAST_HOLD + (1 - LEAST_HOLD) * left)


PRESETS = {
    "quick": Plan(steps=PRESET_STEPS["quick"], crops=6, crop_px=192, looks=3, learning_rate=2e-3),
    "standard": Plan(steps=PRESET_STEPS["standard"], crops=6, crop_px=192, looks=6, learning_rate=1.75e-3),
    "thorough": Plan(steps=PRESET_STEPS["thorough"], crops=8, crop_px=192, looks=10, learning_rate=1.5e-3),
}

VARIETY = AugmentSettings(
    crop_px=192,
    scale_jitter=0.3,
    gamma=(0.5, 2.0),
    brightness=0.2,
    contrast=0.4,
    saturation=0.15,
    hue=0.03,
    stain=0.12,
    noise=0.03,
    p_blur=0.3,
    p_gray=0.05,
    p_invert=0.0,
)
"""Colours as the user's images have them; exposure, contrast and size as the kind's next image may have them."""


def plan_of(job: FinetuneJob, reliance: float = 0.0) -> Plan:
    """Return the preset of a job with what the job says in place of it.

    It is gentled for a base model that finds a share ``reliance`` of the user's nuclei rightly, unless the job sets the
    learning rate.
    """
    preset, keep = PRESETS[job.preset], job.keep_old_skills
    kept = replace(
        preset,
        replayed=math.ceil(preset.crops * keep / 2),
        pull=2 * keep,
        hold=keep,
        replay=2 * keep,
        keep=keep,
    )
    plan = kept if job.learning_rate else kept.gentled(reliance)
    steps = job.steps or plan.steps
    return replace(
        plan,
        steps=steps,
        looks=min(plan.looks, steps),
        learning_rate=job.learning_rate or plan.learning_rate,
    )
