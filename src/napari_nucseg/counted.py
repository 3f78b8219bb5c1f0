"""Numbers of things as a person would say them."""

from __future__ import annotations


def count_words(number: int, one: str, many: str | None = None) -> str:
    """Say "1 nucleus", "1,200 nuclei"; without ``many``, an s is added."""
    return f"1 {one}" if number == 1 else f"{number:,} {many or one + 's'}"
