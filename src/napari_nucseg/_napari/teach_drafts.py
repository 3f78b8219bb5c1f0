"""What examples have to offer before anything is learned: layers are saved as drafts, and described as the job will be.

No Qt; this happens in a worker's thread.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg._napari.teach_examples import file_name
from napari_nucseg.data.correction_set import save_correction_set
from napari_nucseg.teaching.examples import describe_examples
from napari_nucseg.teaching.job import Example

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_nucseg._napari.teach_examples import Collected
    from napari_nucseg.data.correction_set import CorrectionSet
    from napari_nucseg.teaching.progress import ExampleUse


@dataclass
class Drafts:
    """Folder of drafts, what was saved there last, and what was said of it."""

    folder: Path
    ages: dict[Path, int] = field(default_factory=dict)
    said: tuple[object, tuple[ExampleUse, ...]] | None = None


def describe_steps(
    sources: Sequence[Collected], drafts: Drafts
) -> Generator[None, None, tuple[ExampleUse, ...]]:
    """Say what each source has to offer; only what changed since is saved and read again.

    Raises
    ------
    NucSegError
        If a draft cannot be written.
    """
    examples = []
    for number, collected in enumerate(sources, start=1):
        yield
        place = collected.source.folder
        if collected.corrections is not None:
            place = drafts.folder / file_name(collected.source.name, number)
            _save(place, collected.corrections, drafts)
        examples.append(Example(path=place, use=collected.use))
    yield
    key = [(example, drafts.ages.get(example.path, _modified(example.path))) for example in examples]
    if drafts.said is None or drafts.said[0] != key:
        drafts.said = key, describe_examples(examples)
    return drafts.said[1]


def _save(place: Path, corrections: CorrectionSet, drafts: Drafts) -> None:
    age = zlib.crc32(f"{corrections.image.shape} {corrections.name}".encode())
    for part in (corrections.labels, corrections.trust, corrections.prediction):
        if part is not None:
            age = zlib.crc32(np.ascontiguousarray(part), age)
    if drafts.ages.get(place) != age:
        save_correction_set(place, corrections)
        drafts.ages[place] = age


def _modified(folder: Path) -> int:
    return folder.stat().st_mtime_ns if folder.exists() else 0
