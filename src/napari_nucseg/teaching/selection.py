"""Whether what a person reviewed can tell a better model from one that is merely different.

Nuclei picked because the old model has them wrong are lost nuclei for it by choice; any other model finds some of them
(regression towards the mean). The comparison is fair where everything in an area was reviewed, right nuclei included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.teaching.holdout import vouched_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucseg.teaching.examples import Lesson

CHANGED_SHARE = 0.9
"""From this share of changed nuclei on, those reviewed were picked by what is wrong with them."""


def picked_by_error(lessons: Sequence[Lesson]) -> tuple[str, ...]:
    """Say so where the nuclei to check on are nearly all corrected ones, and others beside them were not reviewed.

    Returns
    -------
    tuple of str
        A warning for a user; none where the choice is fair.
    """
    n_checked = n_changed = n_passed_over = 0
    for lesson in lessons:
        if lesson.prediction is None or not lesson.held_out.any():
            continue
        checked = vouched_for(lesson.labels, lesson.held_out)
        n_checked += checked.size
        n_changed += np.isin(checked, lesson.changed).sum()
        found = np.unique(lesson.prediction[lesson.prediction > 0])
        n_passed_over += np.setdiff1d(found, vouched_for(lesson.prediction, lesson.taught)).size
    if not n_checked or n_changed < CHANGED_SHARE * n_checked or n_passed_over < n_checked:
        return ()
    return (
        f"{n_changed} of the {n_checked} nuclei kept aside are ones the old model had wrong; {n_passed_over} "
        "others it found beside them were not reviewed. On such a choice any other model looks better: "
        "review an area with all that is in it, right nuclei included, to be sure.",
    )
