"""Names of dyes and markers of nuclei, by which people call channels and layers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Whole words: digits, such as a wavelength, and underscores may touch them, other letters may not.
_NUCLEAR = re.compile(
    r"(?<![^\W\d_])(dapi|hoechst|draq[57]|h2[ab]|sytox|syto|to-?pro|propidium|nucblue|nucred|nucspot|dna|nuclei|"
    r"nucleus|nuclear)(?![^\W\d_])",
    re.IGNORECASE,
)


def names_nuclei(name: str) -> bool:
    """Whether a name says that a channel or a layer shows nuclei."""
    return _NUCLEAR.search(name) is not None


def first_of_nuclei(names: Sequence[str]) -> int | None:
    """Return the number of the first channel whose name says that it shows nuclei; None where none does."""
    return next((number for number, name in enumerate(names) if names_nuclei(name)), None)
