"""All that a fine-tuning needs of images, made ready once: what to cut patches from, and what to compare on.

The base model looks at everything here, and only here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.teaching.ground import lesson_ground, replay_ground
from napari_nucseg.teaching.guard import compare
from napari_nucseg.teaching.pages import annotated_page
from napari_nucseg.teaching.places import Judged
from napari_nucseg.teaching.progress import HELD_OUT
from napari_nucseg.teaching.scenes import Scene, held_out_scene, look, look_at, scene_of_page

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.teaching.examples import Lessons
    from napari_nucseg.teaching.ground import Ground
    from napari_nucseg.teaching.pages import Page
    from napari_nucseg.teaching.progress import Comparison, Kind
    from napari_nucseg.teaching.references import Reference

REPLAYED_PX = (256, 256)
REPLAYED_SEEDS = (71, 72)
"""Of made pictures to replay; others than those that models are compared on."""
WORTH_KEEPING = 0.4
"""AP50 of the base model from which on a picture is replayed: where it fails there is no skill to keep."""
MOST_WATCHED_PX = 1_500_000
"""Network pixels that are looked at while it learns; in the end all that is held out is."""


@dataclass(frozen=True, eq=False)
class Tried:
    """Scenes that belong together, with the labels that the base model finds in each one's window."""

    name: str
    kind: Kind
    scenes: tuple[Scene, ...]
    old: tuple[NDArray[np.int32], ...]

    def compared(self, new: Sequence[NDArray[np.int32]]) -> Comparison:
        """Compare with the labels that another model finds there."""
        judged = []
        for scene, old, found in zip(self.scenes, self.old, new, strict=True):
            window = scene.window.read
            judged.append(Judged(scene.truth[window], scene.checked[window], old, found))
        return compare(self.name, self.kind, judged)

    def watched(self) -> Tried:
        """Return as many of the scenes as can be looked at often."""
        sizes = np.cumsum([scene.n_network_px for scene in self.scenes])
        n = max(1, int((sizes <= MOST_WATCHED_PX).sum()))
        return replace(self, scenes=self.scenes[:n], old=self.old[:n])


@dataclass(frozen=True, eq=False)
class Material:
    """What to learn from, what to replay, and what to compare on."""

    own: tuple[Ground, ...]
    replayed: tuple[Ground, ...]
    held_out: Tried
    references: tuple[Tried, ...]

    @property
    def reliance(self) -> float:
        """How far the base model can be relied on in the user's images, 0…1, weighted by what is taught of each."""
        taught = [ground.weights.sum() for ground in self.own]
        return float(np.average([ground.reliance for ground in self.own], weights=taught))


def prepare(
    base: Model,
    lessons: Lessons,
    references: Sequence[Reference],
    patch_px: int,
    device: Device,
) -> Generator[None, None, Material]:
    """Let the base model look at all images; yields after each.

    Parameters
    ----------
    base : model to teach.
    lessons : what was corrected.
    references : what nothing must get worse on; pinned ones are replayed, too, but for what is kept aside.
    patch_px : side of the patches.
    device : where to look.
    """
    canonical = base.card.canonical_diameter_px
    # it is the network that learns: what it sees, not what a judge leaves of it
    network = replace(base, judge=None)
    own, held = [], []
    for number, lesson in enumerate(lessons.lessons):
        if lesson.held_out.any():
            held.append(held_out_scene(lesson))
        if lesson.learned.any():
            seen = look(network, lesson.image, lesson.diameter_px, device)
            own.append(lesson_ground(lesson, seen, canonical / lesson.diameter_px, patch_px, number))
        yield
    tried = []
    for reference in references:
        scenes = tuple(scene_of_page(page, base, device) for page in reference.pages)
        kind: Kind = "made" if reference.made else "reference"
        tried.append((yield from _tried(base, reference.name, kind, scenes, device)))
    replayed: list[Ground] = []
    kept_aside = {lesson.image_sha256 for lesson in lessons.held_out}
    pinned = (page for reference in references if reference.pinned for page in reference.pages)
    for page in (*_made(), *(page for page in pinned if page.image_sha256 not in kept_aside)):
        scene = scene_of_page(page, base, device)
        seen = look(network, scene.image, scene.diameter_px, device)
        if evaluate([scene.truth], [seen.labels]).ap50 >= WORTH_KEEPING:
            scale = canonical / scene.diameter_px
            replayed.append(replay_ground(scene, seen, scale, patch_px, len(replayed)))
        yield
    held_out = yield from _tried(base, HELD_OUT, "held-out", tuple(held), device)
    return Material(tuple(own), tuple(replayed), held_out, tuple(tried))


def _tried(
    base: Model,
    name: str,
    kind: Kind,
    scenes: tuple[Scene, ...],
    device: Device,
) -> Generator[None, None, Tried]:
    old = []
    for scene in scenes:
        old.append(look_at(base, scene, device).labels)
        yield
    return Tried(name, kind, scenes, tuple(old))


@lru_cache(maxsize=1)
def _made() -> tuple[Page, ...]:
    return tuple(
        annotated_page(make(REPLAYED_PX, seed))
        for seed in REPLAYED_SEEDS
        for make in (synthetic_fluorescence, synthetic_histology)
    )
