"""What examples have to offer before anything is learned: layers are saved as drafts, and described as the job will be.

No Qt; this happens in a worker's thread.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg._napari.teach_examples import file_name
from napari_nucseg.data.correction_set import is_correction_set, save_correction_set
from napari_nucseg.data.set_comparison import holds_labels
from napari_nucseg.errors import NucSegError
from napari_nucseg.teaching.examples import describe_examples
from napari_nucseg.teaching.progress import ExampleUse
from napari_nucseg.teaching.references import Pinned, describe_pinned

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence

    from napari_nucseg._napari.teach_examples import Collected, Saved


@dataclass
class Drafts:
    """Folder of drafts, what was saved there last, and what was said of it."""

    folder: Path
    ages: dict[Path, int] = field(default_factory=dict)
    said: tuple[object, tuple[ExampleUse, ...]] | None = None
    said_of_pinned: dict[Path, tuple[int, Pinned]] = field(default_factory=dict)

    def age(self, place: Path) -> int:
        """Return a number that is another one once what lies there has changed."""
        if place in self.ages:
            return self.ages[place]
        return place.stat().st_mtime_ns if place.exists() else 0


@dataclass(frozen=True)
class Described:
    """What each example, and each pinned source, has to offer, in their order."""

    examples: tuple[ExampleUse, ...]
    pinned: tuple[ExampleUse, ...]


def describe_steps(
    sources: Sequence[Collected], pinned: Sequence[Collected], drafts: Drafts, known: Collection[str] = ()
) -> Generator[None, None, Described]:
    """Say what each source has to offer, or why nothing; only what changed since is saved and read again.

    ``known`` are the images that the model to teach learned from before, as its card lists them.
    """
    kept = []
    for number, collected in enumerate(pinned, start=1):
        yield
        kept.append(_kept(collected, number, drafts))
    images: frozenset[str] = frozenset().union(*(each.images for each in kept))
    sources, examples = list(sources), []
    for place, collected in enumerate(sources):
        yield
        folder = drafts.folder / file_name(collected.source.name, place + 1)
        try:
            examples.append(collected.as_example(_drafted(collected, folder, drafts)))
        except NucSegError as error:
            sources[place] = replace(collected, problem=str(error))
    yield
    key = ([(example, drafts.age(example.path)) for example in examples], known, images)
    if drafts.said is None or drafts.said[0] != key:
        drafts.said = key, describe_examples(examples, known, images)
    said = iter(drafts.said[1])
    uses = tuple(_unusable(each) if each.problem else _with_unsaved(each, next(said)) for each in sources)
    return Described(uses, tuple(each.use for each in kept))


def _kept(collected: Collected, number: int, drafts: Drafts) -> Pinned:
    """Say what there is to keep good on."""
    name = collected.source.name
    try:
        place = _drafted(collected, drafts.folder / "pinned" / file_name(name, number), drafts)
    except NucSegError as error:
        return Pinned(_unusable(replace(collected, problem=str(error))))
    age = drafts.age(place)
    known = drafts.said_of_pinned.get(place)
    if known is None or known[0] != age:
        known = drafts.said_of_pinned[place] = age, describe_pinned(place, name)
    return known[1]


def _drafted(collected: Collected, place: Path, drafts: Drafts) -> Path:
    """Return where a source lies; a layer is saved first, unless it is the same as was saved there before."""
    corrections = collected.content
    if isinstance(corrections, Path):
        return corrections
    beside = (corrections.image.shape, corrections.axes, corrections.name, corrections.settings)
    age = zlib.crc32(repr(beside).encode())
    for part in (corrections.labels, corrections.trust, corrections.prediction):
        if part is not None:
            age = zlib.crc32(np.ascontiguousarray(part).data, age)
    if drafts.ages.get(place) != age:
        save_correction_set(place, corrections)
        drafts.ages[place] = age
    return place


def _with_unsaved(collected: Collected, use: ExampleUse) -> ExampleUse:
    """Add which layers hold more than what was saved in a folder: it is not taught."""
    names = [f"“{saved.name}”" for saved in collected.saved if _is_unsaved(saved)]
    if not names:
        return use
    words = f"{', '.join(names)}: changes since the last save are not taught. Save again to teach them."
    return use.model_copy(update={"problem": "\n".join(filter(None, (use.problem, words)))})


def _is_unsaved(saved: Saved) -> bool:
    if is_correction_set(saved.folder):
        return not holds_labels(saved.folder, saved.labels, saved.trust)
    # of an image of a work list that nobody worked on there is no set yet
    changed = saved.before is not None and not np.array_equal(saved.labels, saved.before)
    return changed or bool(saved.trust.any())


def _unusable(collected: Collected) -> ExampleUse:
    """Say of a layer that is no example why."""
    name, problem = collected.source.name, collected.problem
    return ExampleUse(name=name, n_nuclei=0, taught_px=0, use="left out", n_images=0, problem=problem)
