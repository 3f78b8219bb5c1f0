"""The annotated images a job names: read, told apart by kind and group, and a part of the groups held back."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.rows import read_rows, select_rows
from napari_nucseg.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.errors import DatasetError
    from napari_nucseg.learning.job import DataSource, TrainingJob

    OnError = Callable[[str, DatasetError], None]


def load_samples(job: TrainingJob, on_error: OnError | None = None) -> list[Sample]:
    """Read all samples of a job that have labels; broken ones are told to ``on_error`` and left out.

    Raises
    ------
    TrainingError
        If not one annotated sample is left.
    """
    samples = [s for source in job.data for s in _samples(source, on_error) if s.labels is not None]
    if not samples:
        places = ", ".join(str(source.path) for source in job.data) or "no data at all"
        raise TrainingError(f"got {places}: not one image with labels. Check paths, index and split.")
    return samples


def hold_back(samples: Sequence[Sample], share: float) -> tuple[list[Sample], list[Sample]]:
    """Hold back about ``share`` of the groups of each kind: (to learn from, held back).

    Groups are taken in the order of a hash of their names, so the choice does not depend on the order of files
    and stays put when images are added. At least one group of each kind is held back, but never its only one.
    """
    pairs = [(kind_of(s), group_of(s)) for s in samples]
    held: set[tuple[str, str]] = set()
    for kind in {kind for kind, _ in pairs} if share else ():
        groups = sorted({g for k, g in pairs if k == kind}, key=lambda g: hashlib.sha256(g.encode()).digest())
        n_held = min(max(1, round(share * len(groups))), len(groups) - 1)
        held.update((kind, group) for group in groups[:n_held])
    learned = [s for s, pair in zip(samples, pairs, strict=True) if pair not in held]
    return learned, [s for s, pair in zip(samples, pairs, strict=True) if pair in held]


def kind_of(sample: Sample) -> str:
    """Kind of image, ``unknown`` where nobody says."""
    return str(sample.metadata.get("kind") or "unknown")


def group_of(sample: Sample) -> str:
    """Return what belongs together and must not be on two sides of a split: by default each image alone."""
    return str(sample.metadata.get("group") or sample.name)


def _samples(source: DataSource, on_error: OnError | None) -> Iterator[Sample]:
    dataset = open_dataset(source.path)
    if source.index is not None:
        rows = read_rows(source.index, dataset=source.dataset, split=source.split, kind=source.kind)
        here = set(dataset.names)  # one index may describe several datasets
        yield from select_rows(dataset, [row for row in rows if row.name in here]).valid(on_error)
        return
    for sample in dataset.valid(on_error):
        kind = source.kind or sample.metadata.get("kind")
        yield dataclasses.replace(sample, metadata={**sample.metadata, "kind": kind})
