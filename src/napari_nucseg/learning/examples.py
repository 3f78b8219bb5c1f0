"""The annotated images a job names: read, checked, told apart by kind and group, and a part of them held back."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg.counted import count_words, listed
from napari_nucseg.errors import TrainingError
from napari_nucseg.learning.job_file import RECIPES_DIR
from napari_nucseg.learning.usable import NAMES_SHOWN, Problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.learning.job import TrainingJob
    from napari_nucseg.learning.settings import DataSource

WHERE_LABELS_LIE = (
    "Labels lie in labels/ beside images/ under the image's name, or beside it as NAME_labels.tif."
)
IN_A_COPY = f" (that of a recipe in a copy of its file in {RECIPES_DIR}, with --job)"


@dataclass(frozen=True)
class Examples:
    """Images to learn from and images held back; what is wrong with those left out, and what to know of the others."""

    learned: tuple[Sample, ...]
    held_back: tuple[Sample, ...]
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def load_examples(job: TrainingJob) -> Examples:
    """Read all samples of a job and hold a part of them back.

    Left out are images that cannot be read, do not fit their labels, or have no labels, no nucleus in them or labels
    that are not of nuclei one by one, and, where the images to score on are named, those that are also among the ones
    to learn from.

    Raises
    ------
    TrainingError
        If not one annotated sample is left to learn from, none of those to score on that are named, or none is held
        back though training is to stop by their score.
    """
    problems, problems_held = Problems(), Problems()
    samples = _read(job.data, problems, "to learn from")
    if job.validation.data:
        held = _read(job.validation.data, problems_held, "to score on")
        scored = {_place(sample) for sample in held}
        learned = [sample for sample in samples if _place(sample) not in scored]
        problems.note("to be scored on", [s.name for s in samples if _place(s) in scored])
        if not learned:
            raise TrainingError("all images to learn from are also in validation.data: name other ones.")
    elif job.validation.images is not None:
        learned, held = hold_back_images(samples, job.validation.images)
    else:
        learned, held = hold_back(samples, job.validation.share)
    remarks = (
        *_remarks(samples),
        *_set_aside(learned),
        *_unknown_kinds(job, samples),
        *_unscored(job, len(samples), len(held)),
    )
    return Examples(tuple(learned), tuple(held), (*problems.lines(), *problems_held.lines()), remarks)


def _read(sources: Sequence[DataSource], problems: Problems, purpose: str) -> list[Sample]:
    """Read all that can be used, at least one."""
    if samples := list(problems.usable(sources)):
        return samples
    places = ", ".join(str(source.path) for source in sources) or "no data at all"
    reasons = "".join(f" Left out: {line}." for line in problems.lines()[:3])
    indexed = any(source.index for source in sources)
    check = "Check paths, index and split." if indexed else "Check the path."
    raise TrainingError(
        f"got {places}: not one image with labels {purpose}. {check} {WHERE_LABELS_LIE}{reasons}"
    )


def _unscored(job: TrainingJob, n_images: int, n_held: int) -> tuple[str, ...]:
    """Say that nothing can be scored though it was to be; refuse it where the score decides when to stop."""
    if n_held or not (job.validation.share or job.validation.images):
        return ()
    images = count_words(n_images, "image")
    if job.early_stop:
        places = " ".join(str(source.path) for source in job.data)
        raise TrainingError(
            f"early_stop needs images that are held back, and of {images} none can be spared. Add images, or learn "
            f"from so few with 'nucseg finetune --examples {places} -o NAME', or set early_stop: null{IN_A_COPY}."
        )
    return (f"Of {images} none can be held back: nothing is scored while the model learns.",)


def _remarks(samples: Sequence[Sample]) -> tuple[str, ...]:
    said = {
        "labels_were_mask": "the labels are a mask, in which nuclei that touch count as one",
        "one_channel": "there is only one channel, which is taken whichever one was chosen",
    }
    named = {key: [sample.name for sample in samples if sample.metadata.get(key)] for key in said}
    return tuple(
        f"In {count_words(len(names), 'image')} {said[key]}: {listed(names, NAMES_SHOWN)}"
        for key, names in named.items()
        if names
    )


def _set_aside(learned: Sequence[Sample]) -> tuple[str, ...]:
    """Say that folders named as if they were not to be learned from are."""
    named = [sample for sample in learned if sample.metadata.get("folder_set_aside")]
    if not named:
        return ()
    folders = " and ".join(sorted({f"{sample.metadata['folder_set_aside']}/" for sample in named}))
    return (
        f"Images in {folders} are learned from like the others: "
        f"{listed([sample.name for sample in named], NAMES_SHOWN)}. To keep them out, give the folders to learn from "
        "one by one, such as --data FOLDER/train; a job file scores on folders in validation.data.",
    )


def _unknown_kinds(job: TrainingJob, samples: Sequence[Sample]) -> tuple[str, ...]:
    there = {kind_of(sample) for sample in samples}
    if not (absent := ", ".join(sorted(job.kind_weights.keys() - there))):
        return ()
    return (
        f"kind_weights of {absent} change nothing: no image is of such a kind; there are: {', '.join(sorted(there))}.",
    )


def hold_back(samples: Sequence[Sample], share: float) -> tuple[list[Sample], list[Sample]]:
    """Hold back about ``share`` of the groups of each kind: (to learn from, held back).

    Groups are taken in the order of a hash of their names, so the choice does not depend on the order of files
    and stays put when images are added. At least one group of each kind is held back, but never its only one.
    """
    pairs = [_group(s) for s in samples]
    held: set[tuple[str, str]] = set()
    for kind in {kind for kind, _ in pairs} if share else ():
        groups = _shuffled(pair for pair in pairs if pair[0] == kind)
        n_held = min(max(1, round(share * len(groups))), len(groups) - 1)
        held.update(groups[:n_held])
    return _split(samples, held)


def hold_back_images(samples: Sequence[Sample], n_images: int) -> tuple[list[Sample], list[Sample]]:
    """Hold back ``n_images`` in whole groups, fewer where no group fits any more: (to learn from, held back).

    Raises
    ------
    TrainingError
        If nothing would be left to learn from.
    """
    if n_images >= len(samples):
        raise TrainingError(
            f"got {count_words(len(samples), 'image')}, {n_images} of them to be held back: "
            f"nothing is left to learn from. Lower validation.images{IN_A_COPY}."
        )
    sizes = Counter(_group(s) for s in samples)
    held: set[tuple[str, str]] = set()
    room = n_images
    for group in _shuffled(sizes):
        if sizes[group] <= room:
            held.add(group)
            room -= sizes[group]
    return _split(samples, held)


def kind_of(sample: Sample) -> str:
    """Kind of image, ``unknown`` where nobody says."""
    return str(sample.metadata.get("kind") or "unknown")


def group_of(sample: Sample) -> str:
    """Return what belongs together and must not be on two sides of a split: by default each image alone."""
    return str(sample.metadata.get("group") or sample.name)


def _group(sample: Sample) -> tuple[str, str]:
    return kind_of(sample), group_of(sample)


def _place(sample: Sample) -> str:
    """Where a sample's image lies, whichever way its path was written."""
    path = sample.metadata.get("image_path")
    return str(Path(path).resolve()) if path else sample.name


def _shuffled(groups: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each group once, in the order of a hash of its name."""
    return sorted(set(groups), key=lambda group: (hashlib.sha256(group[1].encode()).digest(), group[0]))


def _split(samples: Sequence[Sample], held: set[tuple[str, str]]) -> tuple[list[Sample], list[Sample]]:
    learned = [s for s in samples if _group(s) not in held]
    return learned, [s for s in samples if _group(s) in held]
