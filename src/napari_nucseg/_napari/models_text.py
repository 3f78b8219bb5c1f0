"""What *My models* says of a model in words. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucseg.counted import count_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucseg.network.lineage import Descent
    from napari_nucseg.network.model_card import TeachingRecord


def card_words(descent: Descent) -> str:
    """Say what a model is, where it comes from and how it stood when it was made."""
    card, name, title = descent.model.card, descent.model.name, descent.model.title
    lines = [title if title == name else f"{name}: {title}"]
    if descent.parent:
        lines.append(f"From {descent.parent_words}")
    if card.teaching is not None:
        lines += _teaching_lines(card.teaching)
    elif card.description:
        lines.append(card.description)
    if card.licence:
        lines.append(f"Licence: {card.licence}")
    return "\n".join(lines)


def children_of(name: str, descents: Sequence[Descent]) -> list[str]:
    """Names of the models that were taught from a model."""
    return [d.model.name for d in descents if d.parent == name and d.parent_installed]


def _teaching_lines(teaching: TeachingRecord) -> list[str]:
    learned = sum(example.n_learned for example in teaching.examples)
    held_out = sum(example.n_held_out for example in teaching.examples)
    examples = count_words(len(teaching.examples), "image")
    nuclei = count_words(learned, "nucleus", "nuclei")
    lines = [f"Taught {nuclei} of {examples}, checked on {held_out:,}"]
    if teaching.words:
        lines.append(teaching.words)
    return [*lines, *(f"⚠ {warning}" for warning in teaching.warnings)]
