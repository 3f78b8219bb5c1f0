"""A run of *Fine-tune*: the user's choices become a job on disk, a child process learns, the model is installed. No Qt.

Everything here happens in a worker's thread.
"""

from __future__ import annotations

import csv
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from napari_nucseg._napari.teach_examples import file_name
from napari_nucseg._napari.teach_folder import held, make_way, unused_name
from napari_nucseg._napari.torch_import import make_torch_safe
from napari_nucseg.data.correction_set import save_correction_set
from napari_nucseg.errors import NameTakenError, TrainingError
from napari_nucseg.files import written_whole
from napari_nucseg.jobs.finetune_child import child_steps
from napari_nucseg.teaching.job import JOB, LOG, RESULT, FinetuneJob, Preview, load_finetune_job
from napari_nucseg.teaching.progress import FinetuneResult
from napari_nucseg.teaching.runs import DONE, rename_run_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_nucseg._napari.teach_examples import Collected
    from napari_nucseg._napari.teach_preview import PreviewView
    from napari_nucseg.network.installed import ModelInfo
    from napari_nucseg.teaching.progress import FinetuneProgress

PREVIEW_IMAGE = "preview_image.npy"
LOSSES, SCORES = ("foreground", "distance", "core"), ("held_out_loss", "ap50")
"""Columns of a run's log that are shown."""
Curve = tuple[tuple[int, float], ...]


@dataclass(frozen=True, eq=False)
class Told:
    """How far a run is: the last report, curves from its very start, and the latest preview."""

    progress: FinetuneProgress
    losses: Curve
    scores: Mapping[str, Curve]
    preview: NDArray[np.int32] | None


@dataclass(frozen=True, eq=False)
class Done:
    """A run that came to its end.

    Attributes
    ----------
    result, told
        The judgement, and the curves if there were any.
    model
        The installed model.
    wanted
        The name it was to have; it has another where a model of that name came meanwhile.
    """

    result: FinetuneResult
    model: ModelInfo
    told: Told | None
    wanted: str


class Record:
    """Folds progress into curves: a window may miss single reports, but no point of a curve."""

    def __init__(self) -> None:
        self._losses: dict[int, float] = {}
        self._scores: dict[str, dict[int, float]] = {}
        self._preview_age: tuple[Any, int] | None = None
        self._preview: NDArray[np.int32] | None = None
        self.told: Told | None = None

    def begin(self, log: Path) -> None:
        """Take note of the steps a run had come to with its last checkpoint."""
        with suppress(OSError, ValueError), log.open(encoding="utf8", newline="") as file:
            for row in csv.DictReader(file):
                step = int(row["step"])
                if losses := [float(row[name]) for name in LOSSES if row.get(name)]:
                    self._losses[step] = sum(losses)
                for name in SCORES:
                    if row.get(name):
                        self._scores.setdefault(name, {})[step] = float(row[name])

    def add(self, progress: FinetuneProgress | None) -> Told | None:
        """Take note of a report, if there is one, and return all there was so far; None before the first."""
        if progress is not None:
            if progress.losses:
                self._losses[progress.step] = sum(progress.losses.values())
            for name, value in progress.scores.items():
                self._scores.setdefault(name, {})[progress.step] = value
            self._read_preview(progress.preview)
            scores = {name: tuple(points.items()) for name, points in self._scores.items()}
            self.told = Told(progress, tuple(self._losses.items()), scores, self._preview)
        return self.told

    def _read_preview(self, path: Path | None) -> None:
        """Read a preview that is new; one that is just being replaced comes with the next report."""
        if path is None:
            return
        with suppress(OSError, ValueError):
            age = (path, path.stat().st_mtime_ns)
            if age != self._preview_age:
                self._preview = np.load(path, allow_pickle=False).astype(np.int32)
                self._preview_age = age


def start_steps(
    choices: FinetuneJob, examples: Sequence[Collected], pinned: Sequence[Collected], view: PreviewView | None
) -> Generator[Told | None, None, Done]:
    """Save what is taught, let a child process learn, install the model.

    Parameters
    ----------
    choices : the job without its examples.
    examples, pinned : with what they hold.
    view : what the model is tried on while it learns.

    Raises
    ------
    NucSegError
        If something cannot be saved, learned or installed; in words.
    """
    with held(choices.folder):
        make_way(choices.folder)
        yield None
        job = yield from _write(choices, examples, pinned, view)
        done = yield from _learn(job)
    return _kept_by_name(done)


def finish_steps(folder: Path, *, at_once: bool = False) -> Generator[Told | None, None, Done]:
    """Go on with a run that was stopped; ``at_once``: keep the best so far, learn no more.

    Raises
    ------
    NucSegError
        As :func:`start_steps`.
    """
    with held(folder):
        yield None
        if (folder / RESULT).exists():  # it ended, and nobody was there to install it
            done = yield from _install(folder, _read_result(folder / RESULT), None)
        else:
            job = load_finetune_job(folder / JOB)
            done = yield from _learn(job, resume=True, stop=at_once)
    return _kept_by_name(done)


def save_sources(folder: Path, sources: Sequence[Collected]) -> tuple[Path, ...]:
    """Save layers as correction sets; folders stay where they are. Returns a place for each source."""
    places = []
    for number, collected in enumerate(sources, start=1):
        content = collected.content
        if not isinstance(content, Path):
            content = save_correction_set(folder / file_name(collected.source.name, number), content)
        places.append(content)
    return tuple(places)


def _write(
    choices: FinetuneJob, examples: Sequence[Collected], pinned: Sequence[Collected], view: PreviewView | None
) -> Generator[None, None, FinetuneJob]:
    """Save examples, pinned layers and the preview's image in the run's folder; returns the whole job."""
    folder = choices.folder
    places = save_sources(folder / "examples", examples)
    yield
    pinned_places = save_sources(folder / "pinned", pinned)
    yield
    return choices.model_copy(
        update={
            "examples": tuple(each.as_example(place) for each, place in zip(examples, places, strict=True)),
            "pinned": pinned_places,
            "preview": None if view is None else _write_view(folder / PREVIEW_IMAGE, view),
        }
    )


def _write_view(path: Path, view: PreviewView) -> Preview:
    with written_whole(path) as part, part.open("wb") as file:
        np.save(file, view.pixels, allow_pickle=False)
    return Preview(image=path, axes=view.axes, diameter_px=view.diameter_px)


def _learn(
    job: FinetuneJob, *, resume: bool = False, stop: bool = False
) -> Generator[Told | None, None, Done]:
    """Follow the child; whatever ends this ends the child."""
    record, steps, ask = Record(), child_steps(job, resume=resume), None
    if resume:
        record.begin(job.folder / LOG)
    try:
        while True:
            news = steps.send(ask)
            ask, stop = (True, False) if stop else (None, False)
            yield record.add(news)
    except StopIteration as end:
        result: FinetuneResult = end.value
    finally:
        steps.close()
    return (yield from _install(job.folder, result, record.told))


def _install(folder: Path, result: FinetuneResult, told: Told | None) -> Generator[Told | None, None, Done]:
    """Put the new model among the user's own, where all docks find it."""
    yield told
    make_torch_safe()
    from napari_nucseg.network.model_card import read_card

    wanted = read_card(result.model).name
    model = _installed(result.model, wanted)
    (folder / DONE).touch()
    return Done(result, model, told, wanted)


def _installed(path: Path, wanted: str) -> ModelInfo:
    """Install a model under the name it was to have, or a free one where another came to that name meanwhile.

    Nobody agreed to replace anything: names that are taken are refused before a run begins.
    """
    from napari_nucseg.network.installed import list_models
    from napari_nucseg.network.installing import install_model
    from napari_nucseg.network.lineage import sha256_of

    models = {model.name: model for model in list_models()}
    if wanted in models and sha256_of(models[wanted].path) == sha256_of(path):
        return models[wanted]  # this run's own, from an end that was cut short
    name, taken = wanted, set(models)
    while True:
        try:
            return install_model(path, name)
        except NameTakenError:
            taken.add(name)
            name = unused_name(taken, wanted)


def _kept_by_name(done: Done) -> Done:
    """Let a run go by its model's name; no longer held, since open files keep a folder's name on Windows."""
    if done.model.name != done.wanted:
        rename_run_of(done.wanted, done.model.name)
    return done


def _read_result(path: Path) -> FinetuneResult:
    try:
        return FinetuneResult.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise TrainingError(
            f"{path} cannot be read. Throw this run away, or delete the file to finish it."
        ) from error
