"""What could not be done, said whole: in the dock, and in a note over the image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error

if TYPE_CHECKING:
    from collections.abc import Callable

NO_MEMORY = "there is not enough memory for this. Close other programs, or segment a drawn region."
END_OF_SENTENCE = re.compile(r"(?<=\.) (?=[A-Z])")
FIRST_WORD = re.compile(r"[a-z]+(?= )")
"""A word that a message begins with; names of files, folders and settings have other signs in them or after them."""


def sentence(message: str) -> str:
    """Begin a message with a capital, unless a name stands there."""
    return message[:1].upper() + message[1:] if FIRST_WORD.match(message) else message


def show_failure(say: Callable[[str], None], message: str) -> None:
    """Say why something failed, by the dock's line and by napari's note."""
    words = sentence(message)
    say(f"⚠ {words}")
    # the note shows one line until it is unfolded: what happened stands there whole, what to do next comes below
    show_error(END_OF_SENTENCE.sub("\n", words, count=1))
