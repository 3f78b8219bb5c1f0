import numpy as np
import pytest
from scipy import ndimage

from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import EditError
from napari_nucseg.nuclei.decoding import decode
from napari_nucseg.nuclei.review import review_steps
from napari_nucseg.nuclei.targets import make_targets
from napari_nucseg.steps import drain


@pytest.fixture(scope="module")
def maps():
    truth = synthetic_fluorescence((256, 256), seed=2, diameter_px=24).labels
    return np.stack([ndimage.gaussian_filter(m, 1) for m in make_targets(truth)]).astype(np.float32)


def test_a_pale_nucleus_comes_first_and_says_why(maps):
    labels = decode(maps, diameter_px=24)
    pale = int(np.median(labels[labels > 0]))
    doubtful = maps.copy()
    doubtful[0][labels == pale] = 0.52
    queue = drain(review_steps(labels, doubtful, diameter_px=24))
    first = queue.nuclei[0]
    assert first.number == pale
    assert "uncertain" in first.reasons
    assert "unstable" in first.reasons
    rows, columns = first.box
    assert (labels[rows, columns] == pale).sum() == (labels == pale).sum()
    scores = [doubt.score for doubt in queue.nuclei]
    assert scores == sorted(scores, reverse=True)
    assert {doubt.number for doubt in queue.nuclei} == set(range(1, labels.max() + 1))


def test_without_maps_size_and_shape_decide():
    labels = np.zeros((120, 420), np.int32)
    for place in range(20):
        labels[10:30, 20 * place + 1 : 20 * place + 19] = place + 1
    labels[60:115, 5:75] = 50
    labels[60:62, 100:180] = 51
    queue = drain(review_steps(labels))
    assert {doubt.number for doubt in queue.nuclei[:2]} == {50, 51}
    assert queue.nuclei[0].reasons == "unusual"


def test_numbers_below_zero_are_no_nuclei(maps):
    labels = decode(maps, diameter_px=24)
    labels[labels == 1] = -3
    assert {doubt.number for doubt in drain(review_steps(labels, maps)).nuclei} == set(
        range(2, labels.max() + 1)
    )


def test_what_the_edge_cuts_is_not_unusual_for_that():
    labels = np.zeros((120, 420), np.int32)
    for place in range(20):
        labels[10:30, 20 * place + 1 : 20 * place + 19] = place + 1
    labels[117:, 100:104] = 50
    last = drain(review_steps(labels)).nuclei[-1]
    assert (last.number, last.score, last.reasons) == (50, 0, "nothing stands out")


def test_walking_the_queue(maps):
    queue = drain(review_steps(decode(maps, diameter_px=24)))
    order = [doubt.number for doubt in queue.nuclei]
    assert queue.after(None).number == order[0]
    assert queue.after(order[0]).number == order[1]
    assert queue.after(order[0], -1).number == order[-1]
    assert queue.after(999_999).number == order[0], "a nucleus that was split is in no queue"
    queue = queue.marked(order[1]).marked(999_999)
    assert queue.summary == f"1 of {len(order)} checked"
    assert queue.after(order[0]).number == order[2]
    queue = queue.without([order[1]])
    assert queue.summary == f"0 of {len(order) - 1} checked"
    for number in order:
        queue = queue.marked(number)
    assert queue.after(order[0]) is None


@pytest.mark.parametrize("with_maps", [False, True])
def test_no_nuclei(with_maps):
    empty = np.zeros((40, 50), np.int32)
    queue = drain(review_steps(empty, np.zeros((3, 40, 50), np.float32) if with_maps else None))
    assert queue.nuclei == ()
    assert queue.after(None) is None
    assert queue.summary == "0 of 0 checked"


def test_what_does_not_fit_is_refused(maps):
    with pytest.raises(EditError, match="maps"):
        drain(review_steps(np.zeros((5, 5), np.int32), maps))
    with pytest.raises(EditError, match="integers"):
        drain(review_steps(np.zeros((5, 5))))
