"""The annotated images a job names: read, checked, told apart by kind and group, and a part of them held back."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.counted import count_words, listed
from napari_nucseg.data.images import to_planes
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.rows import check_names, read_rows, select_rows
from napari_nucseg.errors import ChannelError, ImageError, TrainingError
from napari_nucseg.learning.instances import why_no_instances
from napari_nucseg.learning.job_file import RECIPES_DIR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.data.sample import Dataset, Sample
    from napari_nucseg.errors import DatasetError
    from napari_nucseg.learning.job import TrainingJob
    from napari_nucseg.learning.settings import DataSource

    OnError = Callable[[str, DatasetError], None]

NO_LABELS, NO_NUCLEI = "without labels", "whose labels hold no nucleus"
UNREAD = "whose labels are in a file of a kind that is not read (save them as PNG or TIFF)"
WHERE_LABELS_LIE = (
    "Labels lie in labels/ beside images/ under the image's name, or beside it as NAME_labels.tif."
)
NAMES_SHOWN = 8
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
    problems, problems_held = _Problems(), _Problems()
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
    remarks = (*_remarks(samples), *_unknown_kinds(job, samples), *_unscored(job, len(samples), len(held)))
    return Examples(tuple(learned), tuple(held), (*problems.lines(), *problems_held.lines()), remarks)


def _read(sources: Sequence[DataSource], problems: _Problems, purpose: str) -> list[Sample]:
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
    masks = [sample.name for sample in samples if sample.metadata.get("labels_were_mask")]
    images = count_words(len(masks), "image")
    said = f"In {images} the labels are a mask, in which nuclei that touch count as one: {listed(masks, NAMES_SHOWN)}"
    return (said,) if masks else ()


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


class _Problems:
    """Collects what is wrong with images while the others are read."""

    def __init__(self) -> None:
        self._single: list[str] = []
        self._alike: dict[str, list[str]] = {}

    def usable(self, sources: Iterable[DataSource]) -> Iterator[Sample]:
        """Yield the samples that can be learned from."""
        for source in sources:
            dataset = open_dataset(source.path)
            if source.index is None:
                self._unused(dataset)
            samples = _samples(dataset, source, lambda name, error: self._single.append(f"{name}: {error}"))
            for sample in samples:
                if (usable := self._usable(sample, source.channel)) is not None:
                    yield usable

    def _unused(self, dataset: Dataset) -> None:
        """Tell of files that belong to no image, or lie where none are looked for."""
        for reason, files in dataset.unused().items():
            if files:
                self._single.append(
                    f"{count_words(len(files), 'file')} {reason}: {listed(files, NAMES_SHOWN)}"
                )

    def note(self, reason: str, names: Iterable[str]) -> None:
        """Take note of images left out for one reason, which goes on after "3 images"."""
        for name in names:
            self._alike.setdefault(reason, []).append(name)

    def lines(self) -> tuple[str, ...]:
        """One line for each image with a problem of its own, one for all that share one."""
        return (*self._single, *(_alike(reason, names) for reason, names in self._alike.items()))

    def _usable(self, sample: Sample, channel: int | None) -> Sample | None:
        """Return a sample as it is learned from; None, and a note, where that cannot be."""
        if sample.labels is None:
            self.note(UNREAD if "unread_labels_path" in sample.metadata else NO_LABELS, [sample.name])
            return None
        if not sample.labels.any():
            self.note(NO_NUCLEI, [sample.name])
            return None
        if why := why_no_instances(sample.labels):
            self.note(why, [sample.name])
            return None
        try:
            planes = to_planes(sample.image, sample.metadata.get("axes"), channel, keep_units=False)
        except ChannelError as error:
            self.note(
                f"with {error.n_channels} channels: say which one shows the nuclei with --channel "
                f"0 to {error.n_channels - 1}, in a job file with channel beside path",
                [sample.name],
            )
            return None
        except ImageError as error:
            self.note(f"unfit for learning ({error}; save planes as images)", [sample.name])
            return None
        if planes.shape[1:] != sample.labels.shape:
            self._single.append(
                f"{sample.name}: image of {planes.shape[1:]} px, labels of {sample.labels.shape} px"
            )
            return None
        return _plain(sample, planes, channel)


def _plain(sample: Sample, planes: NDArray[np.float32], channel: int | None) -> Sample:
    """Give a sample an image whose axes need not be told: (Y, X), or colours (Y, X, 3)."""
    if channel is None and sample.metadata.get("axes") in (None, "YX", "YXC"):
        return sample
    image, axes = (planes[0], "YX") if len(planes) == 1 else (np.moveaxis(planes, 0, -1), "YXC")
    return dataclasses.replace(sample, image=image, metadata={**sample.metadata, "axes": axes})


def _alike(reason: str, names: Sequence[str]) -> str:
    return f"{count_words(len(names), 'image')} {reason}: {listed(names, NAMES_SHOWN)}"


def _samples(dataset: Dataset, source: DataSource, on_error: OnError) -> Iterator[Sample]:
    if source.index is not None:
        every = read_rows(source.index, dataset=source.dataset)
        check_names(dataset, every, "--rows-dataset, or dataset beside the path")
        rows = read_rows(source.index, dataset=source.dataset, split=source.split, kind=source.kind)
        here = set(dataset.names)  # one index may describe several datasets
        yield from select_rows(dataset, [row for row in rows if row.name in here]).valid(on_error)
        return
    for sample in dataset.valid(on_error):
        kind = source.kind or sample.metadata.get("kind")
        yield dataclasses.replace(sample, metadata={**sample.metadata, "kind": kind})
