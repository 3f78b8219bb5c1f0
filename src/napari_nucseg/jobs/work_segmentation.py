"""Segment the untouched images of a work list in the background: each result becomes a correction set."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_nucseg.data.correction_set import is_correction_set, save_correction_set
from napari_nucseg.data.images import axes_and_channel
from napari_nucseg.errors import ChannelError, DatasetError, OutputError
from napari_nucseg.jobs.batch import check_choices, failure_words
from napari_nucseg.jobs.work_outcomes import Outcome
from napari_nucseg.jobs.work_sets import new_corrections
from napari_nucseg.jobs.worklist import check_there
from napari_nucseg.network.model_file import load_model
from napari_nucseg.segmentation.segment import make_settings, segment_steps
from napari_nucseg.steps import told_as

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from contextlib import AbstractContextManager

    from napari_nucseg.jobs.worklist import WorkList
    from napari_nucseg.segmentation.result import Progress

    Free = Callable[[str], AbstractContextManager[bool]]

SEVERAL_CHANNELS = (
    "has several channels, and nobody said which shows the nuclei: open it, choose its Channel in Segment nuclei, "
    "and segment it there"
)


@dataclass(frozen=True)
class WorkProgress:
    """Where it stands: the image it works on (counted from 0), and all outcomes so far."""

    index: int
    total: int
    name: str
    outcomes: tuple[Outcome, ...]
    step: Progress | None = None


def segment_remaining(
    worklist: WorkList,
    choices: Mapping[str, Any] | None = None,
    free: Free = lambda name: nullcontext(True),
) -> Generator[WorkProgress, None, tuple[Outcome, ...]]:
    """Segment every untouched image; one that fails is told and never stops the rest.

    The list itself is not written: who asks for this enters the outcomes, since a person may be working on it at
    the same time. An image that has a correction set by now, or that person before them, is left alone.

    Parameters
    ----------
    worklist
        Its untouched images are worked on, in order.
    choices
        Fields of ``SegmentationSettings`` and ``DecodingSettings``, flat.
    free
        Context in which an image is looked for and written: it gives whether nobody has that image on show, and
        keeps others from opening it until it ends.

    Raises
    ------
    SettingsError, ModelFileError
        Before the first image, if the choices could not work for any.
    OutputError
        If a result cannot be written, or the list is not there: the next could not either.
    """
    choices = check_choices(choices)
    items = worklist.remaining
    outcomes: tuple[Outcome, ...] = ()
    for index, item in enumerate(items):
        yield WorkProgress(index, len(items), item.name, outcomes)
        with free(item.name) as is_free:
            if not is_free or is_correction_set(worklist.folder_of(item.name)):
                continue
        told = partial(WorkProgress, index, len(items), item.name, outcomes)
        outcome = yield from told_as(_guarded(worklist, item.name, choices, free), told)
        if outcome is not None:
            outcomes = (*outcomes, outcome)
            yield WorkProgress(index, len(items), item.name, outcomes)
    return outcomes


def _guarded(
    worklist: WorkList, name: str, choices: Mapping[str, Any], free: Free
) -> Generator[Progress, None, Outcome | None]:
    """Segment an image; any failure that the next one need not meet becomes its outcome."""
    try:
        return (yield from _segment_one(worklist, name, choices, free))
    except OutputError:
        raise
    except ChannelError:
        return Outcome(name, error=f"{name} {SEVERAL_CHANNELS}")
    except Exception as error:
        return Outcome(name, error=failure_words(error, name), unreadable=isinstance(error, DatasetError))


def _segment_one(
    worklist: WorkList, name: str, choices: Mapping[str, Any], free: Free
) -> Generator[Progress, None, Outcome | None]:
    """Segment an image and write its set; None, and nothing is written, where a person came to it meanwhile."""
    sample = worklist.dataset.read(name)
    corrections = new_corrections(
        sample, None, is_prediction=False
    )  # refuses a stack before the network runs
    axes, channel = axes_and_channel(sample.metadata, sample.image.shape)
    known = {"axes": axes, "channel": channel, "pixel_size_um": corrections.pixel_size_um}
    settings = make_settings(**{**known, **choices})
    result = yield from segment_steps(sample.image, settings, keep_maps=False)
    model = load_model(result.model.path)
    corrections = new_corrections(
        sample, result.labels, is_prediction=True, model=model, settings=settings.model_dump(mode="json")
    )
    folder = worklist.folder_of(name)
    with free(name) as is_free:
        if not is_free or is_correction_set(folder):
            return None
        check_there(worklist.output)
        save_correction_set(folder, corrections)
    return Outcome(name, result.n_nuclei)
