"""From corrections to a new model file with a judgement on it: a generator of progress, alike wherever it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_nucseg.files import written_whole
from napari_nucseg.learning.place import CHECKPOINT, check_place, held
from napari_nucseg.network.allocator import reuse_freed_memory
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.model_file import load_model, save_model
from napari_nucseg.network.places import SUFFIX
from napari_nucseg.steps import drain, told_as
from napari_nucseg.teaching.blend import choose_blend
from napari_nucseg.teaching.course import Course, Teller
from napari_nucseg.teaching.examples import read_examples
from napari_nucseg.teaching.job import JOB, RESULT, FinetuneJob, anchored, make_finetune_job
from napari_nucseg.teaching.learner import Learner
from napari_nucseg.teaching.material import prepare
from napari_nucseg.teaching.plan import plan_of
from napari_nucseg.teaching.progress import FinetuneProgress, FinetuneResult
from napari_nucseg.teaching.record import taught_card
from napari_nucseg.teaching.references import images_of, reference_images
from napari_nucseg.teaching.resuming import identity, resumed
from napari_nucseg.teaching.sanity import warnings_of
from napari_nucseg.teaching.selection import picked_by_error
from napari_nucseg.teaching.watching import PreviewWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.teaching.blend import Blend
    from napari_nucseg.teaching.examples import Lessons

PREVIEW = "preview.npy"
FORCE = "Choose another name, or replace it with --force (force=True)."


def finetune(*, force: bool = False, **choices: Any) -> FinetuneResult:
    """Teach a model on corrections, to the end; keywords are the fields of ``FinetuneJob``.

    Parameters
    ----------
    force
        Replace a model that an earlier run of this name made.
    **choices
        ``examples`` (paths, or ``Example``), ``model``, ``name``, ``output``, ``pinned``, ``preset``,
        ``keep_old_skills``, …

    Returns
    -------
    FinetuneResult
        With the new ``model`` file, ``verdict``, ``words``, ``comparisons``.

    Raises
    ------
    SettingsError, TrainingError, ModelFileError, OutputError
        With what was got, what is allowed and what to do.
    """
    return drain(finetune_steps(make_finetune_job(choices), force=force))


def finetune_steps(
    job: FinetuneJob,
    *,
    stop: Callable[[], bool] = lambda: False,
    resume: bool = False,
    force: bool = False,
) -> Generator[FinetuneProgress, None, FinetuneResult]:
    """Teach a model; yields progress, writes all files into ``job.folder`` and returns the result.

    Parameters
    ----------
    job : what to do.
    stop : asked once a step; True ends the learning, and the best weights so far are compared and saved as usual.
    resume : go on from the checkpoint in the folder.
    force : replace a model that an earlier run of this name made; the base model never is.

    Raises
    ------
    TrainingError
        If there is nothing to learn or to resume, the loss becomes no number, another model would be replaced, or
        another run of this name goes on.
    ModelFileError
        If there is no such base model.
    OutputError
        If the disk is full or does not let us write; no model is left half written.
    """
    job = anchored(job, Path.cwd())
    with held(job.folder, otherwise="choose another name"):
        return (yield from _finetune_steps(job, stop=stop, resume=resume, force=force))


def _finetune_steps(
    job: FinetuneJob, *, stop: Callable[[], bool], resume: bool, force: bool
) -> Generator[FinetuneProgress, None, FinetuneResult]:
    job = resumed(job) if resume else job
    tell = Teller(job)
    yield tell("reading", message="Reading the examples.")
    base, device, path = _prepared(job, replace=resume or force)
    if not resume:  # one that goes on stays as it was begun: with other settings it is refused
        _write(job.folder / JOB, job)
    references = reference_images(job.pinned)
    pinned = images_of(page for reference in references if reference.pinned for page in reference.pages)
    lessons = read_examples(job, base, device, pinned)
    warnings = (*warnings_of(lessons.lessons), *picked_by_error(lessons.lessons))
    for said in (*lessons.problems, *warnings):
        yield tell("reading", message=said)
    yield tell("checking the old model")
    looking = prepare(base, lessons, references, plan_of(job).patch_px, device)
    material = yield from told_as(looking, lambda _: tell("checking the old model"))
    plan = plan_of(job, material.reliance)
    tell.total = plan.steps
    learner = Learner(base, material.own, material.replayed, plan, device, job.seed)
    preview = PreviewWriter(job.preview, base, job.folder / PREVIEW, device) if job.preview else None
    course = Course(base, learner, material.held_out.watched(), device, tell, preview)
    yield from course.steps(job.folder / CHECKPOINT, identity(job, base, lessons), stop=stop, resume=resume)
    yield tell("comparing", learner.step)
    blending = choose_blend(base, learner, material, device, plan.share, odd=bool(warnings))
    blend = yield from told_as(blending, lambda tried: tell("comparing", learner.step, message=tried.words))
    blend = replace(blend, words=f"{blend.words} {lessons.remark}".rstrip())
    yield tell("saving", learner.step)
    card = taught_card(base, job, plan, lessons, blend, course.rows, warnings)
    save_model(path, card, blend.network, base.size_head, base.importance, base.judge)
    result = _result(path, blend, lessons, warnings, tell.seconds)
    _write(job.folder / RESULT, result)
    return result


def _prepared(job: FinetuneJob, *, replace: bool) -> tuple[Model, Device, Path]:
    """Return the base model, where to learn, and the file of the new model."""
    base = load_model(job.model)
    reuse_freed_memory()
    if job.threads:
        torch.set_num_threads(job.threads)
    path = job.folder / f"{job.name}{SUFFIX}"
    check_place(path, base.path, replace=replace, otherwise=FORCE)
    return base, choose_device(job.device, job.precision), path


def _result(
    path: Path, blend: Blend, lessons: Lessons, warnings: tuple[str, ...], seconds: float
) -> FinetuneResult:
    return FinetuneResult(
        model=path,
        verdict=blend.verdict,
        words=blend.words,
        comparisons=blend.comparisons,
        examples=lessons.uses,
        warnings=warnings,
        blend=blend.share,
        seconds=seconds,
    )


def _write(path: Path, content: FinetuneJob | FinetuneResult) -> None:
    with written_whole(path) as part:
        part.write_text(content.model_dump_json(indent=1), encoding="utf8")
