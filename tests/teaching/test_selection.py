"""Nuclei picked because the old model has them wrong cannot tell a better model from a different one."""

import numpy as np
import pytest
from skimage.segmentation import expand_labels

from napari_nucseg.data.correction_set import CorrectionSet, save_correction_set
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.nuclei.trust import Trust
from napari_nucseg.teaching.examples import read_examples
from napari_nucseg.teaching.job import Example, FinetuneJob
from napari_nucseg.teaching.selection import picked_by_error


def lessons_of(folder, *, review_all):
    """Of a synthetic image the model misses every third nucleus, which a person adds."""
    sample = synthetic_fluorescence((256, 256), seed=3)
    missed = np.isin(sample.labels, np.unique(sample.labels)[1::3])
    trust = np.full(sample.labels.shape, Trust.REVIEWED if review_all else Trust.UNKNOWN, np.uint8)
    prediction = np.where(missed, 0, sample.labels).astype(np.int32)
    corrections = CorrectionSet(sample.image, "YX", sample.labels, trust, prediction)
    save_correction_set(folder, corrections)
    return read_examples(FinetuneJob(model="nuclei-unet", examples=(Example(path=folder),))).lessons


@pytest.mark.parametrize(
    "review_all", [pytest.param(True, id="all reviewed"), pytest.param(False, id="only what was wrong")]
)
def test_a_choice_of_wrong_nuclei_alone_is_told(tmp_path, review_all):
    warnings = picked_by_error(lessons_of(tmp_path / "a", review_all=review_all))
    assert bool(warnings) is not review_all
    for warning in warnings:
        assert "right nuclei included" in warning


def test_outlines_that_were_made_better_are_no_wrong_nuclei(tmp_path):
    """Everything in an area was gone over: each nucleus is changed, none was lost, and others were not reviewed."""
    sample = synthetic_fluorescence((256, 256), seed=3)
    gone_over = np.zeros(sample.labels.shape, bool)
    gone_over[:, :100] = True
    prediction = expand_labels(sample.labels, 1)
    labels = np.where(gone_over, sample.labels, prediction)
    trust = np.where(gone_over, Trust.REVIEWED, Trust.UNKNOWN).astype(np.uint8)
    save_correction_set(tmp_path, CorrectionSet(sample.image, "YX", labels, trust, prediction))
    lessons = read_examples(FinetuneJob(model="nuclei-unet", examples=(Example(path=tmp_path),))).lessons
    assert lessons[0].changed.size
    assert picked_by_error(lessons) == ()
