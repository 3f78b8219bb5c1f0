"""A training job from its images to the finished model file: a generator of progress."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.counted import count_words
from napari_nucseg.learning.checkpoint import check_settings
from napari_nucseg.learning.examples import load_examples
from napari_nucseg.learning.identity import deciding_settings, identity
from napari_nucseg.learning.importance import measure_importance
from napari_nucseg.learning.job import IMAGENET, load_job
from napari_nucseg.learning.job_file import DEFAULT_RECIPE, recipe_path
from napari_nucseg.learning.judgement import fit_judge
from napari_nucseg.learning.learned_images import list_learned
from napari_nucseg.learning.patches import cut, pack_patches, typical_diameter
from napari_nucseg.learning.place import CHECKPOINT, check_place, check_resumable, held
from napari_nucseg.learning.progress import TrainingProgress
from napari_nucseg.learning.report import Report
from napari_nucseg.learning.run import Run
from napari_nucseg.learning.sizing import fit_size_head
from napari_nucseg.learning.start import imagenet_weights, kept_size_head
from napari_nucseg.learning.watch import Watch
from napari_nucseg.network.allocator import reuse_freed_memory
from napari_nucseg.network.architectures import check_network
from napari_nucseg.network.device import choose_device
from napari_nucseg.network.halo import VIEW_PX, measure_halo
from napari_nucseg.network.model_card import ModelCard
from napari_nucseg.network.model_file import Model, load_model, save_model
from napari_nucseg.network.places import SUFFIX
from napari_nucseg.steps import drain, told_as

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.learning.examples import Examples
    from napari_nucseg.learning.job import TrainingJob
    from napari_nucseg.learning.patches import PatchBank
    from napari_nucseg.network.decoders import SegmentationNetwork
    from napari_nucseg.network.size_head import SizeHead
    from napari_nucseg.nuclei.judging import Judge

logger = logging.getLogger(__name__)

HALO_VIEWS = 16
"""Patches the halo is measured on, mirrored up to size where they are small."""
FALLBACK_DIAMETER_PX = 24.0
"""Canonical diameter of a model whose training images have no nucleus."""
OWN_LICENCE = "all rights with whoever trained it"
"""Where the job names none, and there is no model gone on from."""


def train(
    data: Path | str | Mapping[str, Any] | Sequence[Any], *, resume: bool = False, **choices: Any
) -> Path:
    """Train a model on one's own images, to the end, as ``nucseg train --data`` does.

    What a run tells, such as which images are left out and why, is logged as information.

    Parameters
    ----------
    data
        Folder or zip in any layout that ``open_dataset`` knows, or several. In place of a path may stand a mapping of
        fields of ``DataSource``: ``path``, ``channel``, ``index``, …
    resume
        Go on from the last checkpoint of a run of this name.
    **choices
        ``name``, ``output``, ``start``, ``steps``, …: fields of ``TrainingJob``, in place of those of the recipe
        ``own-images``. Paths count from the working directory.

    Returns
    -------
    Path
        The model file, ``output/name/name.safetensors``.

    Raises
    ------
    SettingsError, DatasetError, TrainingError, ModelFileError, OutputError
        With what was got, what is allowed and what to do.
    """
    each = [data] if isinstance(data, str | Path | Mapping) else data
    sources = [source if isinstance(source, Mapping) else {"path": source} for source in each]
    job = load_job(recipe_path(DEFAULT_RECIPE), Path.cwd(), data=sources, **choices)
    return drain(told_as(train_steps(job, resume=resume), _log))


def _log(progress: TrainingProgress) -> None:
    if progress.message:
        logger.info(progress.message)


def train_steps(job: TrainingJob, *, resume: bool = False) -> Generator[TrainingProgress, None, Path]:
    """Train a model on the job's data; yields after every step and returns the path of the model file.

    Images that cannot be learned from are told before the first step. A checkpoint is written every
    ``job.checkpoint_seconds``, and when the generator is closed between two steps. Each step draws its randomness from
    the seed and its own number, so a resumed run takes the very steps an unbroken one would have taken.

    Raises
    ------
    TrainingError
        If there is nothing to train on, the loss is not finite, there is no checkpoint to resume from or it does not
        fit the job, the new model would replace another one, or another run of this name goes on.
    SettingsError
        If the settings cannot be met here: device, encoder, TensorBoard.
    OutputError
        If the disk is full or does not let us write.
    """
    with held(job.folder, otherwise="choose another --name"):
        return (yield from _train_steps(job, resume=resume))


def _train_steps(job: TrainingJob, *, resume: bool) -> Generator[TrainingProgress, None, Path]:
    path = job.folder / f"{job.name}{SUFFIX}"
    start = load_model(job.start) if job.starts_from_model else None
    replaced = None if start is None else start.path
    check_place(path, replaced, replace=resume, otherwise="Choose another --name, or delete it.")
    if resume:
        check_resumable(job.folder / CHECKPOINT)
        check_settings(job.folder / CHECKPOINT, deciding_settings(job, start))
    check_network(job.architecture)
    device = choose_device(job.device, job.precision)
    reuse_freed_memory()
    report = Report(job.folder, tensorboard=job.tensorboard)
    imagenet = None
    if job.start == IMAGENET and not resume:
        encoder = job.architecture.encoder
        yield TrainingProgress(
            0, 0, message=f"Downloading ImageNet weights of {encoder}, unless they are here."
        )
        imagenet = imagenet_weights(job.architecture)
    yield TrainingProgress(0, 0, message="Reading the images.")
    examples = load_examples(job)
    for problem in examples.problems:
        yield TrainingProgress(0, 0, message=f"Left out {problem}")
    for remark in examples.remarks:
        yield TrainingProgress(0, 0, message=remark)
    card = _card(job, start, examples)
    bank = _pack(job, examples)
    kept_head = kept_size_head(job, start, card)
    watch = Watch(card, examples, device, native=job.canonical_diameter_px is None)
    known_by = identity(job, start, bank, examples.held_back)
    run = Run(job, bank, device, watch, imagenet, known_by)
    learned = examples.learned
    yield TrainingProgress(0, run.total, message=_found(bank, examples))
    network = yield from report.passing_on(run.steps(resume=resume))
    size_head = kept_head or (yield from _taught_size_head(job, card, network, learned, run))
    taught = Model(card, network, job.folder, "", size_head)
    judge = yield from _judge(job, start, taught, learned, run)
    importance = measure_importance(network, bank.fields, device)
    card = _finished(card, job, run, _halo(job, network.cpu(), bank))
    # hours later: somebody may have put one there by hand
    check_place(path, replaced, replace=resume, otherwise="Move it away, then go on with --resume.")
    save_model(path, card, network, size_head, importance, judge)
    return path


def _taught_size_head(
    job: TrainingJob, card: ModelCard, network: SegmentationNetwork, learned: Sequence[Sample], run: Run
) -> Generator[TrainingProgress, None, SizeHead | None]:
    """Teach the size head; None where the job wants none, or no image has a nucleus."""
    if job.size is None or job.size == "keep" or typical_diameter(learned) is None:
        return None
    done = TrainingProgress(run.steps_done, run.total)
    yield replace(done, message="Learning the size of nuclei.")
    steps = fit_size_head(network, learned, card, run.device, job.size, job.seed)
    return (yield from told_as(steps, lambda _: done))  # here the run can be cancelled


def _judge(
    job: TrainingJob, start: Model | None, model: Model, learned: Sequence[Sample], run: Run
) -> Generator[TrainingProgress, None, Judge | None]:
    """Teach the judge of nuclei; with too little to learn from, that of the model gone on from, if there is one."""
    if job.judge is None:
        return None
    done = TrainingProgress(run.steps_done, run.total)
    yield replace(done, message="Learning to tell nuclei from mistakes.")
    steps = fit_judge(model, learned, run.device, job.judge, job.seed)
    judge = yield from told_as(steps, lambda _: done)
    return judge or (start.judge if start else None)


def _found(bank: PatchBank, examples: Examples) -> str:
    patches = count_words(len(bank), "patch", "patches")
    learned, held = (count_words(len(part), "image") for part in (examples.learned, examples.held_back))
    return f"{patches} from {learned}; {held} held back."


def _pack(job: TrainingJob, examples: Examples) -> PatchBank:
    return pack_patches(
        examples.learned,
        canonical_diameter_px=job.canonical_diameter_px,
        patch_px=job.patch_px,
        normalisation=job.normalisation,
        clahe=job.clahe,
    )


def _halo(job: TrainingJob, network: SegmentationNetwork, bank: PatchBank) -> int:
    every = -(-len(bank) // HALO_VIEWS)
    patches = (cut(fields[:3].numpy(), VIEW_PX)[0] for fields in bank.fields[::every])
    views = [np.divide(patch, 255, dtype=np.float32) for patch in patches]
    return measure_halo(network, views, job.architecture.stride_px)


def _card(job: TrainingJob, start: Model | None, examples: Examples) -> ModelCard:
    """Describe the model a job makes; without a canonical diameter, that of the examples is typical.

    What the model gone on from says of its licence, training data, use and history stays true of the new one. How its
    maps are decoded best is taken over, if that has the same network.
    """
    kept: dict[str, Any] = {"licence": OWN_LICENCE}
    learned_before: tuple[str, ...] = ()
    trained_before: tuple[str, ...] = ()
    if start is not None:
        parent = start.card
        learned_before, trained_before = parent.learned_images, parent.training_data
        kept = {name: getattr(parent, name) for name in ("licence", "intended_use", "history")}
        if parent.architecture == job.architecture:
            kept |= {"thresholds": parent.thresholds, "fast_head": parent.fast_head}
    if job.licence:
        kept["licence"] = job.licence
    return ModelCard(
        **kept,
        name=job.name,
        title=job.title or job.name,
        description=job.description,
        architecture=job.architecture,
        canonical_diameter_px=job.canonical_diameter_px
        or typical_diameter(examples.learned)
        or FALLBACK_DIAMETER_PX,
        normalisation=job.normalisation,
        clahe=job.clahe,
        training_data=tuple(dict.fromkeys((*trained_before, *_training_data(job, len(examples.learned))))),
        learned_images=list_learned(examples.learned, learned_before),
    )


def _training_data(job: TrainingJob, n_images: int) -> tuple[str, ...]:
    """Return what the job says it learns from, else how many images of which folders."""
    folders = ", ".join(dict.fromkeys(source.path.name for source in job.data))
    return job.training_data or (f"{count_words(n_images, 'image')} of {folders}",)


def _finished(card: ModelCard, job: TrainingJob, run: Run, halo_px: int) -> ModelCard:
    """Add what is only known at the end."""
    crops = f"{run.kept_step} steps of {job.batch_size} crops of {job.augment.crop_px} px"
    best = f", the best scored of {run.steps_done}" if run.kept_step < run.steps_done else ""
    scale = "" if job.canonical_diameter_px else ", images at their own scale"
    return card.model_copy(
        update={
            "halo_px": halo_px,
            "figures": dict(run.scores),
            "parent_sha256": run.origin.parent_sha256,
            "parent_name": run.origin.parent_name,
            "history": (
                *card.history,
                f"{date.today()}: trained from {run.origin.words}, {crops}{best}{scale}",
            ),
        }
    )
