"""Segment the untouched images of a work list in the background: each result becomes a correction set."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_nucseg.data.correction_set import is_correction_set, save_correction_set
from napari_nucseg.errors import NucSegError, OutputError
from napari_nucseg.jobs.batch import check_choices
from napari_nucseg.jobs.work_sets import new_corrections
from napari_nucseg.network.model_file import load_model
from napari_nucseg.segmentation.segment import make_settings, segment_steps

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from napari_nucseg.data.sample import Dataset
    from napari_nucseg.jobs.worklist import WorkList
    from napari_nucseg.segmentation.result import Progress

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one image; ``error`` is empty where it was segmented."""

    name: str
    n_nuclei: int = 0
    error: str = ""


@dataclass(frozen=True)
class WorkProgress:
    """Where it stands: the image it works on (counted from 0), and all outcomes so far."""

    index: int
    total: int
    name: str
    outcomes: tuple[Outcome, ...]
    step: Progress | None = None


def segment_remaining(
    worklist: WorkList, choices: Mapping[str, Any] | None = None
) -> Generator[WorkProgress, None, tuple[Outcome, ...]]:
    """Segment every untouched image; one that fails is told and never stops the rest.

    The list itself is not written: who asks for this enters the outcomes, since a person may be working on it at
    the same time. An image that has a correction set by now is left alone.

    Parameters
    ----------
    worklist
        Its untouched images are worked on, in order.
    choices
        Fields of ``SegmentationSettings`` and ``DecodingSettings``, flat.

    Raises
    ------
    SettingsError, ModelFileError
        Before the first image, if the choices could not work for any.
    OutputError
        If a result cannot be written: the next could not either.
    """
    choices = check_choices(choices)
    items = worklist.remaining
    outcomes: tuple[Outcome, ...] = ()
    for index, item in enumerate(items):
        yield WorkProgress(index, len(items), item.name, outcomes)
        folder = worklist.folder_of(item.name)
        if is_correction_set(folder):
            continue
        steps = _segment_one(worklist.dataset, item.name, folder, choices)
        try:
            while True:
                step = next(steps)
                yield WorkProgress(index, len(items), item.name, outcomes, step)
        except StopIteration as end:
            outcome: Outcome = end.value
        except OutputError:
            raise
        except NucSegError as error:
            outcome = Outcome(item.name, error=str(error))
        except Exception as error:  # a thousand images must not stop at one nobody thought of
            logger.exception("segmenting %s failed", item.name)
            outcome = Outcome(item.name, error=f"{type(error).__name__}: {error}")
        outcomes = (*outcomes, outcome)
        yield WorkProgress(index, len(items), item.name, outcomes)
    return outcomes


def _segment_one(
    dataset: Dataset, name: str, folder: Path, choices: Mapping[str, Any]
) -> Generator[Progress, None, Outcome]:
    sample = dataset.read(name)
    corrections = new_corrections(
        sample, None, is_prediction=False
    )  # refuses a stack before the network runs
    known = {"axes": corrections.axes, "pixel_size_um": corrections.pixel_size_um}
    settings = make_settings(**{**known, **choices})
    result = yield from segment_steps(sample.image, settings)
    model = load_model(result.model.path)
    corrections = new_corrections(
        sample, result.labels, is_prediction=True, model=model, settings=settings.model_dump(mode="json")
    )
    save_correction_set(folder, corrections)
    return Outcome(name, result.n_nuclei)
