"""Numbers, names and durations in words."""

import pytest

from napari_nucseg.counted import duration_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (84, "1 min 20 s"),
        (299, "5 min"),
        (720, "12 min"),
        (3597, "1 h 0 min"),
        (3900, "1 h 5 min"),
        (86399, "24 h 0 min"),
    ],
)
def test_durations(seconds, words):
    assert duration_words(seconds) == words
