"""Whether what a person reviewed can tell a better model from one that is merely different.

Nuclei picked because the old model has them wrong are lost nuclei for it by choice; any other model finds some of them
(regression towards the mean). The comparison is fair where everything in an area was reviewed, right nuclei included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.teaching.holdout import vouched_for
from napari_nucseg.teaching.places import TP, TRUE, Judged, count_places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucseg.teaching.examples import Lesson

WRONG_SHARE = 0.9
"""Where the old model missed at least this share of what was reviewed, it was picked by what is wrong with it."""


def picked_by_error(lessons: Sequence[Lesson]) -> tuple[str, ...]:
    """Say so where the old model had nearly all nuclei to check on wrong, and others beside them were not reviewed.

    A nucleus whose outline was merely made better is not wrong: it counts as found, as in the comparison.

    Returns
    -------
    tuple of str
        A warning for a user; none where the choice is fair.
    """
    n_checked = n_wrong = n_passed_over = 0
    for lesson in lessons:
        if lesson.prediction is None or not lesson.held_out.any():
            continue
        old = lesson.prediction
        places, _ = count_places(Judged(lesson.labels, lesson.held_out, old, old))
        n_checked += int(places[:, TRUE].sum())
        n_wrong += int((places[:, TRUE] - places[:, TP]).sum())
        found = np.unique(old[old > 0])
        n_passed_over += np.setdiff1d(found, vouched_for(old, lesson.taught)).size
    if not n_checked or n_wrong < WRONG_SHARE * n_checked or n_passed_over < n_checked:
        return ()
    return (
        f"{n_wrong} of the {n_checked} nuclei kept aside are ones the old model had wrong; {n_passed_over} "
        "others it found beside them were not reviewed. On such a choice any other model looks better: "
        "review an area with all that is in it, right nuclei included, to be sure.",
    )
