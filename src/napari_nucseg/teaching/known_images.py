"""Images that a model, or one that it came from, learned from: on them it may only remember.

A model's card lists them by the hash of their pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari_nucseg.network.model_card import ModelCard
    from napari_nucseg.teaching.references import Reference


def checked_words(checked: Sequence[str], known: Collection[str]) -> str:
    """Say how many of the images kept aside, by their hashes, the old model knows; empty where it knows none."""
    n, of = len({*checked} & {*known}), len({*checked})
    if not n:
        return ""
    which = "what is kept aside" if n == of else f"{n} of the {of} images kept aside"
    return f"The old model, or one it came from, learned from {which} before: add an image that is new to it."


def compared_words(cards: Sequence[ModelCard], references: Sequence[Reference]) -> tuple[str, ...]:
    """Say on which images one of two models was taught, and the other was not, a line a model."""
    lines = []
    for card, other in (cards, cards[::-1]):
        only = {*card.learned_images} - {*other.learned_images}
        names = [r.name for r in references if any(page.image_sha256 in only for page in r.pages)]
        if names:
            lines.append(
                f"{card.name} learned from {', '.join(names)}, and may only remember: it is no fair check."
            )
    return tuple(lines)
