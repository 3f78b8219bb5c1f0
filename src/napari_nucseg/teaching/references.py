"""Images on which a new model must be no worse than the one it comes from: others than those it was taught on.

Always two made pictures, the same for everybody; real samples where the user fetched them; and what the user pinned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.data.correction_set import is_correction_set
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.sample_data import SAMPLES, find_cached
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.errors import NucSegError, TrainingError
from napari_nucseg.teaching.holdout import vouched_for
from napari_nucseg.teaching.job import Example
from napari_nucseg.teaching.pages import Page, annotated_page, count_images, read_pages
from napari_nucseg.teaching.progress import ExampleUse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from napari_nucseg.data.sample import Dataset

MOST_IMAGES = 12
"""Of a large pinned dataset, images at even distances are compared on; examples may teach the others."""
_MADE_PX = (384, 384)
_MADE_SEED = 2018


@dataclass(frozen=True, eq=False)
class Reference:
    """Images that belong together, by the name a user knows them by, and what could not be used of them, in words."""

    name: str
    pages: tuple[Page, ...]
    made: bool = False
    pinned: bool = False
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pinned:
    """What there is of images to keep good on, and their hashes."""

    use: ExampleUse
    images: frozenset[str] = frozenset()


def reference_images(pinned: Sequence[Path] = ()) -> tuple[Reference, ...]:
    """Return all reference images, in memory.

    Parameters
    ----------
    pinned : correction sets, folders of such, or datasets with labels.

    Raises
    ------
    TrainingError
        If what is pinned cannot be used, see :func:`labelled_images`.
    """
    fetched = ((sample.title, find_cached(sample.name)) for sample in SAMPLES if sample.image_ids)
    real = tuple(Reference(title, pages) for title, data in fetched if data and (pages := _some_of(data)[0]))
    return (*_made(), *real, *(replace(labelled_images(path), pinned=True) for path in pinned))


def images_of(pages: Iterable[Page]) -> frozenset[str]:
    """Hashes of the images that pages show."""
    return frozenset(page.image_sha256 for page in pages)


@lru_cache(maxsize=1)
def _made() -> tuple[Reference, ...]:
    made = (synthetic_fluorescence(_MADE_PX, _MADE_SEED), synthetic_histology(_MADE_PX, _MADE_SEED))
    return tuple(
        Reference(sample.name.replace("-", " "), (annotated_page(sample),), made=True) for sample in made
    )


def labelled_images(path: Path, name: str = "") -> Reference:
    """Read images with labels: a correction set, a folder of such, or some images of a dataset.

    Parameters
    ----------
    path : where they lie.
    name : by which the user knows them, where that is not the path.

    Raises
    ------
    TrainingError
        If they cannot be read, or nobody vouches for a nucleus in them.
    """
    pages, problems = _read(path)
    if why := _why_not(pages, problems):
        raise TrainingError(
            f"models cannot be compared on {name or path}: {why.rstrip('.')}. Name images with labels."
        )
    return Reference(name or path.name, pages, problems=tuple(problems))


def describe_pinned(path: Path, name: str) -> Pinned:
    """Say what there is of images to keep good on; where they cannot be used, ``problem`` says why."""
    pages, problems = _read(path)
    why = _why_not(pages, problems)
    use = ExampleUse(
        name=name,
        n_nuclei=sum(vouched_for(page.labels, page.taught).size for page in pages),
        taught_px=sum(int(page.taught.sum()) for page in pages),
        use="left out" if why else "held out",
        n_images=count_images(pages),
        n_planes=len(pages),
        problem=why or " ".join(problems),
    )
    return Pinned(use, images_of(pages))


def _read(path: Path) -> tuple[tuple[Page, ...], list[str]]:
    """Read the pages of images to compare on, and what is wrong with others."""
    try:
        if _holds_correction_sets(path):
            pages, (problems,) = read_pages((Example(path=path, use="check"),))
            return tuple(pages), problems
        return _some_of(open_dataset(path))
    except NucSegError as error:
        return (), [str(error)]


def _why_not(pages: Sequence[Page], problems: Sequence[str]) -> str:
    """Say why nothing can be compared on pages; empty where it can."""
    if any(vouched_for(page.labels, page.taught).size for page in pages):
        return ""
    return " ".join(problems) or "No nucleus in it is reviewed or labelled."


def _holds_correction_sets(path: Path) -> bool:
    return is_correction_set(path) or (path.is_dir() and any(is_correction_set(f) for f in path.iterdir()))


def _some_of(dataset: Dataset) -> tuple[tuple[Page, ...], list[str]]:
    """Read pages of some images of a dataset, all of them vouched for, and what is wrong with others."""
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), MOST_IMAGES)).round().astype(int))
    pages, problems = [], []
    for name in (dataset.names[i] for i in chosen):
        try:
            pages.append(annotated_page(dataset.read(name)))
        except NucSegError as error:
            problems.append(f"Left out {name}: {error}")
    return tuple(pages), problems
