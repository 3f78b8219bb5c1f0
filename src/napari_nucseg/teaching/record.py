"""What a taught model's file says about how it came to be."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import torch

import napari_nucseg
from napari_nucseg.counted import count_words, listed
from napari_nucseg.network.model_card import TaughtComparison, TaughtExample, TeachingRecord
from napari_nucseg.teaching.holdout import vouched_for
from napari_nucseg.teaching.watching import LOSS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucseg.network.model_card import ModelCard
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.teaching.blend import Blend
    from napari_nucseg.teaching.examples import Lessons
    from napari_nucseg.teaching.job import FinetuneJob
    from napari_nucseg.teaching.plan import Plan

NAMES_SHOWN = 5


def taught_card(
    base: Model,
    job: FinetuneJob,
    plan: Plan,
    lessons: Lessons,
    blend: Blend,
    rows: Sequence[dict[str, Any]],
    warnings: Sequence[str],
) -> ModelCard:
    """Make the card of the new model: the base's, with where the new weights come from."""
    record = _record(base, job, plan, lessons, blend, rows, warnings)
    n_learned = sum(example.n_learned for example in record.examples)
    nuclei = count_words(n_learned, "corrected nucleus", "corrected nuclei")
    own = f"{nuclei} in {count_words(len(lessons.learned), 'image')}"
    names = listed(list(dict.fromkeys(lesson.name for lesson in lessons.learned)), NAMES_SHOWN)
    images = (lesson.image_sha256 for lesson in lessons.learned)
    scores = {c.name: c.new for c in record.comparisons if c.n_nuclei}
    return base.card.model_copy(
        update={
            "name": job.name,
            "title": job.name,
            "description": f"{base.info.title}, taught on {own}.",
            "training_data": (*base.card.training_data, f"{own}: {names}"),
            "figures": {f"AP50, {name}": round(value, 4) for name, value in scores.items()},
            "parent_sha256": base.sha256,
            "parent_name": base.card.name,
            "former_sha256": (),
            "history": (
                *base.card.history,
                f"{record.date}: fine-tuned from {base.card.name} on {own}, {rows[-1]['step']} steps of {plan.crops} "
                f"crops of {plan.crop_px} px, {blend.share:.0%} of the way",
            ),
            "learned_images": tuple(dict.fromkeys((*base.card.learned_images, *images))),
            "teaching": record,
        }
    )


def _record(
    base: Model,
    job: FinetuneJob,
    plan: Plan,
    lessons: Lessons,
    blend: Blend,
    rows: Sequence[dict[str, Any]],
    warnings: Sequence[str],
) -> TeachingRecord:
    return TeachingRecord(
        date=str(date.today()),
        parent=base.card.name,
        examples=tuple(
            TaughtExample(
                name=lesson.name,
                sha256=lesson.sha256,
                n_learned=vouched_for(lesson.labels, lesson.learned).size,
                n_held_out=vouched_for(lesson.labels, lesson.held_out).size,
            )
            for lesson in lessons.lessons
        ),
        settings={
            "preset": job.preset,
            "keep_old_skills": job.keep_old_skills,
            "steps": plan.steps,
            "learning_rate": plan.learning_rate,
            "crops": plan.crops,
            "crop_px": plan.crop_px,
            "seed": job.seed,
        },
        curve=tuple((row["step"], row[LOSS], row.get("ap50")) for row in rows if LOSS in row),
        blend=blend.share,
        verdict=str(blend.verdict),
        words=blend.words,
        comparisons=tuple(
            TaughtComparison(**c.model_dump(mode="json", include=set(TaughtComparison.model_fields)))
            for c in blend.comparisons
        ),
        warnings=tuple(warnings),
        versions={"napari-nucseg": napari_nucseg.__version__, "torch": str(torch.__version__)},
    )
