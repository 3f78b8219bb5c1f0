"""Pages that show the same image, whichever set, folder or layer they come from.

What is learned in one of them would be known in another: they are on one side of the check together, and no pixel is
learned in one that is checked in another, or checked twice. What is pinned is learned in none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.teaching.pages import Page

    Mask = NDArray[np.bool_]
    Masks = tuple[Mask, Mask]

GAP_PX = 3
"""Background as near as this to the cut, or to a nucleus of the other side, belongs to neither side."""
MOST_NAMED = 3
CHECKED = "what is checked on is not learned from."
PINNED = "what is pinned is not learned from. Unpin it, or add other images."


def units_of(pages: Sequence[Page]) -> list[list[int]]:
    """Numbers of pages that belong together: planes of a stack, and pages with the same pixels; in their order."""
    keys: dict[str, int] = {}
    links = [
        (i, keys.setdefault(key, len(pages) + len(keys)))
        for i, page in enumerate(pages)
        for key in (page.stack, page.image_sha256)
        if key
    ]
    rows, columns = np.array(links, int).reshape(-1, 2).T
    n = len(pages) + len(keys)
    _, numbers = connected_components(
        coo_array((np.ones(len(links)), (rows, columns)), (n, n)), directed=False
    )
    units: dict[int, list[int]] = {}
    for i, number in enumerate(numbers[: len(pages)]):
        units.setdefault(int(number), []).append(i)
    return list(units.values())


def told_apart(pages: Sequence[Page], masks: Sequence[Masks]) -> list[Masks]:
    """Take out of each page's (learned, held out) what another page of the same image has to check."""
    apart = list(masks)
    for same in _repeated(pages):
        checked = np.any([masks[i][1] for i in same], axis=0)
        near = near_to(checked)
        seen = np.zeros_like(checked)
        for i in same:
            learned, held = masks[i]
            touched = np.isin(pages[i].labels, np.setdiff1d(pages[i].labels[checked], [0]))
            apart[i] = learned & ~near & ~touched, held & ~seen
            seen = seen | held
    return apart


def near_to(mask: Mask) -> Mask:
    """Return a mask grown by ``GAP_PX``."""
    return ndimage.binary_dilation(mask, iterations=GAP_PX)


def parted_from_pinned(pages: Sequence[Page], pinned: Collection[str]) -> tuple[list[Page], dict[int, str]]:
    """Leave out the pages of images that are ``pinned``, by their hashes; say of each example, by its number, which.

    So are other planes of their stacks, which show the same nuclei. Those a user wants checked stay.
    """
    out: set[int] = set()
    found: dict[int, list[str]] = {}
    for unit in units_of(pages):
        if any(pages[i].image_sha256 in pinned for i in unit):
            out.update(i for i in unit if pages[i].use != "check")
    for page in (pages[i] for i in sorted(out)):
        what = "shows a pinned image" if page.image_sha256 in pinned else "lies in a stack with a pinned one"
        found.setdefault(page.example, []).append(f"{page.called} {what}")
    words = {number: _sentence(said, "likewise", PINNED) for number, said in found.items()}
    return [page for i, page in enumerate(pages) if i not in out], words


def repetitions(pages: Sequence[Page]) -> dict[int, str]:
    """Say of each example, by its number, which of its pages show an image that was there before."""
    found: dict[int, list[str]] = {}
    for same in _repeated(pages):
        first, *others = (pages[i] for i in same)
        for page in others:
            words = f"{page.called} shows the same image as {first.called}"
            found.setdefault(page.example, []).append(words)
    return {number: _sentence(said, "show one twice", CHECKED) for number, said in found.items()}


def _sentence(said: Sequence[str], of_more: str, so: str) -> str:
    more = f", and {len(said) - MOST_NAMED} more {of_more}" if len(said) > MOST_NAMED else ""
    return f"{', '.join(said[:MOST_NAMED])}{more}: {so}"


def _repeated(pages: Sequence[Page]) -> list[list[int]]:
    """Numbers of pages with the same pixels, two or more each; planes of a stack may well be alike."""
    groups: dict[str, list[int]] = {}
    for i, page in enumerate(pages):
        groups.setdefault(page.image_sha256, []).append(i)
    return [same for same in groups.values() if len({pages[i].stack or i for i in same}) > 1]
