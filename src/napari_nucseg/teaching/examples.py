"""What a person corrected, read for teaching: images, labels, and which pixels count.

Correction sets, folders of them (folders worked through are such) and datasets with labels all become lessons, one a
2D plane. No torch is loaded for a mere list of what is there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_nucseg.errors import TrainingError
from napari_nucseg.teaching.holdout import hold_out, vouched_for
from napari_nucseg.teaching.known_images import checked_words
from napari_nucseg.teaching.pages import Page, count_images, read_pages
from napari_nucseg.teaching.pixels import as_image, shown_pixels
from napari_nucseg.teaching.progress import ExampleUse, Part
from napari_nucseg.teaching.same_images import parted_from_pinned, repetitions

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.teaching.job import Example, FinetuneJob

CONTEXT_DIAMETERS = 8.0
"""What is kept of an image around its taught area: more than any network looks."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """One image plane with what a person vouches for in it.

    Attributes
    ----------
    name
        Of the image, with the index of the plane where it is a stack.
    pixels
        (C, Y, X) uint8, C 1 or 3: as the base model is shown it, cut to what matters.
    labels
        (Y, X) int32, 0 background.
    learned, held_out
        (Y, X) bool: pixels that are taught, and pixels that are only checked; they share no nucleus. What is
        filled is not taught: it shows nuclei where nobody drew them.
    prediction
        (Y, X) int32: what the base model had made of it, where the example tells.
    changed
        Numbers of the nuclei that differ from the prediction, sorted.
    diameter_px
        Median diameter of the nuclei a person vouches for; where those are few, what segmenting works with.
    sha256
        Of pixels, labels and taught area.
    image_sha256
        Of the whole plane in its own units, whatever is taught in it.
    filled
        (Y, X) bool: where nothing was taken; None where all was.
    """

    name: str
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int32]
    learned: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    prediction: NDArray[np.int32] | None
    changed: NDArray[np.int32]
    diameter_px: float
    sha256: str
    image_sha256: str = ""
    filled: NDArray[np.bool_] | None = None

    @property
    def image(self) -> NDArray[np.float32]:
        """(3, Y, X) float32, 0…1."""
        return as_image(self.pixels)

    @property
    def taught(self) -> NDArray[np.bool_]:
        """(Y, X) bool: all pixels a person vouches for."""
        return self.learned | self.held_out


@dataclass(frozen=True)
class Lessons:
    """All lessons of a job, what became of each example, and what had to be left out, a line each.

    ``remark`` says how much of what is held out the base model learned from before; empty where that is nothing.
    """

    lessons: tuple[Lesson, ...]
    uses: tuple[ExampleUse, ...]
    problems: tuple[str, ...] = ()
    remark: str = ""

    @property
    def learned(self) -> tuple[Lesson, ...]:
        """Those with something to learn."""
        return tuple(lesson for lesson in self.lessons if lesson.learned.any())

    @property
    def held_out(self) -> tuple[Lesson, ...]:
        """Those with something to check."""
        return tuple(lesson for lesson in self.lessons if lesson.held_out.any())


def read_examples(
    job: FinetuneJob,
    base: Model | None = None,
    device: Device | None = None,
    pinned: Collection[str] = (),
) -> Lessons:
    """Read all examples of a job and keep about a quarter of their nuclei aside for the check.

    Parameters
    ----------
    job : names the examples and the base model.
    base, device : that model and where it looks, where they are at hand.
    pinned : hashes of the images to keep good on, which are not learned from.

    Raises
    ------
    TrainingError
        If there is nothing to learn, with the reason.
    ModelFileError
        If the base model is missing.
    """
    from napari_nucseg.network.device import choose_device  # late: loads torch
    from napari_nucseg.network.model_file import load_model

    base, device = base or load_model(job.model), device or choose_device(job.device, job.precision)
    if not job.examples:
        raise TrainingError("there are no examples: save corrections, or name images with labels.")
    pages, problems = _read(job.examples, pinned)
    masks = hold_out(pages, base.card.learned_images)
    _tell_nothing(job.examples, pages, problems)
    each = tuple(_lesson(page, *mask, base, device) for page, mask in zip(pages, masks, strict=True))
    lessons = Lessons(each, _uses(job.examples, pages, masks, problems), tuple(chain.from_iterable(problems)))
    _check_teachable(lessons)
    checked = [lesson.image_sha256 for lesson in lessons.held_out]
    return replace(lessons, remark=checked_words(checked, base.card.learned_images))


def describe_examples(
    examples: Sequence[Example], known: Collection[str] = (), pinned: Collection[str] = ()
) -> tuple[ExampleUse, ...]:
    """Say what would become of each example, in their order; one that cannot be read says why in ``problem``.

    ``known`` are the images that the base model learned from before, as its card lists them; ``pinned`` those to keep
    good on.
    """
    pages, problems = _read(examples, pinned, pixels=False)
    return _uses(examples, pages, hold_out(pages, known), problems)


def _read(
    examples: Sequence[Example], pinned: Collection[str], *, pixels: bool = True
) -> tuple[list[Page], list[list[str]]]:
    """Read the pages to learn from or to check on, and what is to be told of each example."""
    pages, problems = read_pages(examples, pixels=pixels)
    pages, left_out = parted_from_pinned(pages, pinned)
    for number, words in (*left_out.items(), *repetitions(pages).items()):
        problems[number].append(words)
    return pages, problems


def _tell_nothing(examples: Sequence[Example], pages: Sequence[Page], problems: list[list[str]]) -> None:
    taught = {page.example for page in pages}
    for number, (example, lines) in enumerate(zip(examples, problems, strict=True)):
        if number not in taught and not lines:
            lines.append(
                f"{example.path}: nothing in it is reviewed or changed. Mark what you have checked as reviewed."
            )


def _uses(
    examples: Sequence[Example],
    pages: Sequence[Page],
    masks: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    problems: Sequence[Sequence[str]],
) -> tuple[ExampleUse, ...]:
    """One line an example, of all its pages together."""
    every = [(page, *mask) for page, mask in zip(pages, masks, strict=True)]
    return tuple(
        _use_of(example, [part for part in every if part[0].example == number], lines)
        for number, (example, lines) in enumerate(zip(examples, problems, strict=True))
    )


def _use_of(
    example: Example,
    parts: Sequence[tuple[Page, NDArray[np.bool_], NDArray[np.bool_]]],
    problems: Sequence[str],
) -> ExampleUse:
    learned = any(learned.any() for _, learned, _ in parts)
    held_out = any(held.any() for _, _, held in parts)
    use: Part = "learned" if learned else "held out" if held_out else "left out"
    if learned and any(vouched_for(page.labels, held).size for page, _, held in parts):
        use = "cut in two" if len(parts) == 1 else "partly held out"
    return ExampleUse(
        name=parts[0][0].name if len(parts) == 1 else example.path.name,
        n_nuclei=sum(vouched_for(page.labels, page.taught).size for page, _, _ in parts),
        taught_px=sum(int(page.taught.sum()) for page, _, _ in parts),
        use=use,
        n_images=count_images([page for page, _, _ in parts]),
        n_planes=len(parts),
        problem=" ".join(problems),
    )


def _check_teachable(lessons: Lessons) -> None:
    """Refuse to start where nothing can be learned, and say why."""
    reasons = " ".join(lessons.problems)
    if not lessons.lessons:
        raise TrainingError(f"there is nothing to learn from. {reasons}")
    if not lessons.learned:
        raise TrainingError(
            f"all examples are to be checked on, none is left to learn from. Add another. {reasons}".strip()
        )
    if not any(vouched_for(lesson.labels, lesson.learned).size for lesson in lessons.learned):
        raise TrainingError(
            "there is no nucleus in the reviewed areas: nobody vouches for one. Review an area with nuclei. "
            f"{reasons}".strip()
        )


def _lesson(
    page: Page,
    learned: NDArray[np.bool_],
    held_out: NDArray[np.bool_],
    base: Model,
    device: Device,
) -> Lesson:
    """Show the base model the whole plane, then cut it to what matters."""
    assert page.planes is not None
    pixels = shown_pixels(page.planes, page.diameter_px, base, device, page.given_px)
    digest = hashlib.sha256()
    for part in (pixels.values, page.labels, page.taught):
        digest.update(np.ascontiguousarray(part).tobytes())
    whole = Lesson(
        name=page.name,
        pixels=pixels.values,
        labels=page.labels,
        learned=learned if pixels.filled is None else learned & ~pixels.filled,
        held_out=held_out,
        prediction=page.prediction,
        changed=page.changed,
        diameter_px=pixels.diameter_px,
        sha256=digest.hexdigest(),
        image_sha256=page.image_sha256,
        filled=pixels.filled,
    )
    return _cropped(whole, _box_around(page.taught, round(CONTEXT_DIAMETERS * pixels.diameter_px)))


def _cropped(lesson: Lesson, box: Sequence[slice]) -> Lesson:
    cropped: dict[str, Any] = {}
    for name in ("pixels", "labels", "learned", "held_out", "prediction", "filled"):
        part = getattr(lesson, name)
        cropped[name] = None if part is None else np.ascontiguousarray(part[..., *box])
    return replace(lesson, **cropped)


def _box_around(mask: NDArray[np.bool_], margin_px: int) -> list[slice]:
    (box,) = ndimage.find_objects(mask, 1)
    return [slice(max(0, side.start - margin_px), side.stop + margin_px) for side in box]
