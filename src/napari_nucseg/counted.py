"""Numbers of things, their names, and durations, as a person would say them."""

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


def duration_words(seconds: float) -> str:
    """Say a duration as "40 s", "1 min 20 s", "12 min" or "1 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(round(whole / 10) * 10, 60)
    if minutes < 5 and rest:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
