"""Numbers of things, and their names, as a person would say them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def count_words(number: int, one: str, many: str | None = None) -> str:
    """Say "1 nucleus", "1,200 nuclei"; without ``many``, an s is added."""
    return f"1 {one}" if number == 1 else f"{number:,} {many or one + 's'}"


def listed(names: Sequence[str], most: int) -> str:
    """Say names; of many the first ones, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
