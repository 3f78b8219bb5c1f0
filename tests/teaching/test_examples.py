"""Examples of every kind become lessons; what is held out is not empty where it need not be, and shares no nucleus."""

import json
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from tifffile import imwrite

from napari_nucseg.data.correction_set import CorrectionSet, save_correction_set
from napari_nucseg.data.same_pixels import sha256_of_pixels
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import TrainingError
from napari_nucseg.nuclei.trust import Trust
from napari_nucseg.teaching.examples import Lessons, describe_examples, read_examples
from napari_nucseg.teaching.holdout import hold_out, vouched_for
from napari_nucseg.teaching.job import Example, FinetuneJob
from napari_nucseg.teaching.pages import Page, read_pages
from napari_nucseg.teaching.references import describe_pinned

SIZE = 192


def corrected(folder, seed=0, reviewed=(slice(None), slice(None)), prediction=None, **changes):
    """Save a correction set of a synthetic image, reviewed in one rectangle."""
    sample = synthetic_fluorescence((SIZE, SIZE), seed=seed)
    trust = np.zeros(sample.labels.shape, np.uint8)
    if reviewed is not None:
        trust[reviewed] = Trust.REVIEWED
    parts = {"image": sample.image, "axes": "YX", "labels": sample.labels, "trust": trust}
    return save_correction_set(folder, CorrectionSet(**parts | {"prediction": prediction} | changes))


def job(*examples, **changes):
    return FinetuneJob(model="nuclei-unet", examples=[Example(path=path) for path in examples], **changes)


def count_nuclei(lessons):
    """Nuclei to learn from, and nuclei held out."""
    return tuple(
        sum(vouched_for(lesson.labels, getattr(lesson, side)).size for lesson in lessons.lessons)
        for side in ("learned", "held_out")
    )


def assert_split_well(lessons):
    learned, held = count_nuclei(lessons)
    assert held >= 1
    assert learned >= 1
    assert 0.1 <= held / (learned + held) <= 0.5
    for lesson in lessons.lessons:
        assert not (lesson.learned & lesson.held_out).any()
        sides = [set(np.unique(lesson.labels[mask])) - {0} for mask in (lesson.learned, lesson.held_out)]
        assert not sides[0] & sides[1]


def test_one_reviewed_area_is_cut_in_two_with_a_gap(tmp_path):
    lessons = read_examples(job(corrected(tmp_path / "a", reviewed=(slice(20, 120), slice(10, 180)))))
    assert_split_well(lessons)
    (use,) = lessons.uses
    assert use.use == "cut in two"
    (lesson,) = lessons.lessons
    columns = [np.flatnonzero(mask.any(axis=0)) for mask in (lesson.learned, lesson.held_out)]
    assert abs(columns[0].mean() - columns[1].mean()) > 40  # across the longer side
    assert lesson.taught.sum() < 100 * 170  # the gap belongs to nobody


def test_of_two_images_of_one_size_only_a_part_of_one_is_held_out(tmp_path):
    lessons = read_examples(job(*(corrected(tmp_path / str(i), seed=i) for i in range(2))))
    assert_split_well(lessons)
    assert sorted(use.use for use in lessons.uses) == ["cut in two", "learned"]


def test_of_many_images_whole_ones_are_held_out(tmp_path):
    for i in range(6):
        corrected(tmp_path / "work" / str(i), seed=i)
    (tmp_path / "work" / "worklist.json").write_text("{}")
    lessons = read_examples(job(tmp_path / "work"))
    assert_split_well(lessons)
    assert {bool(lesson.learned.any()) ^ bool(lesson.held_out.any()) for lesson in lessons.lessons} == {True}
    (use,) = lessons.uses
    assert (use.use, use.n_images) == ("partly held out", 6)


def test_of_areas_that_lie_apart_one_is_held_out(tmp_path):
    trust = np.zeros((SIZE, SIZE), np.uint8)
    for y in (slice(0, 70), slice(120, SIZE)):
        for x in (slice(0, 70), slice(120, SIZE)):
            trust[y, x] = Trust.REVIEWED
    lessons = read_examples(job(corrected(tmp_path / "a", trust=trust)))
    assert_split_well(lessons)
    (lesson,) = lessons.lessons
    assert lesson.held_out.sum() > 60 * 60


def test_many_changed_nuclei_take_no_more_memory_than_few():
    labels = np.kron(np.arange(1, 401).reshape(20, 20), np.pad(np.ones((6, 6), np.int32), 22)).astype(
        np.int32
    )
    blank = np.zeros(0, np.int32)
    page = Page("a", 0, "auto", None, labels, labels > 0, None, blank, 6.0, "", "", "a")
    tracemalloc.start()
    ((learned, held),) = hold_out([page])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * labels.size, "bytes; not one mask of the page for each nucleus"
    assert ((learned | held) == page.taught).all()
    assert not np.intersect1d(labels[learned], labels[held]).size
    assert vouched_for(labels, held).size == 100, "a quarter of 400"


def test_two_images_with_a_single_nucleus_each_leave_one_to_check(tmp_path):
    for seed, name in enumerate("ab"):
        labels = synthetic_fluorescence((SIZE, SIZE), seed=seed).labels
        one = int(labels[SIZE // 2 - 20 : SIZE // 2 + 20].max())
        corrected(tmp_path / name, seed=seed, labels=np.where(labels == one, 1, 0).astype(np.int32))
    assert count_nuclei(read_examples(job(tmp_path / "a", tmp_path / "b"))) == (1, 1)


def test_a_cut_that_leaves_no_nucleus_to_check_on_is_none(tmp_path):
    labels = np.zeros((SIZE, SIZE), np.int32)
    for number, (y, x) in enumerate([(20, 20), (20, 150), (90, 90), (150, 20), (150, 150)], start=1):
        labels[y : y + 20, x : x + 20] = number
    lessons = read_examples(job(corrected(tmp_path / "a", labels=labels)))
    assert count_nuclei(lessons) == (5, 0)
    assert [use.use for use in lessons.uses] == ["learned"]


def test_an_image_of_one_value_teaches_nothing_and_it_is_said(tmp_path):
    for name in ("a", "b"):
        corrected(tmp_path / name, image=np.full((SIZE, SIZE), 7, np.uint16))
    corrected(tmp_path / "c")
    lessons = read_examples(job(tmp_path / "a", tmp_path / "c"))
    assert [use.use for use in lessons.uses] == ["left out", "cut in two"]
    assert lessons.problems == ("Left out “a”: all pixels have the same value.",)
    with pytest.raises(
        TrainingError, match=r"nothing to learn from\. Left out “a”: all pixels have the same"
    ):
        read_examples(job(tmp_path / "a"))
    imwrite(tmp_path / "dataset.tif", np.full((SIZE, SIZE), np.nan, np.float32))
    imwrite(tmp_path / "dataset_labels.tif", synthetic_fluorescence((SIZE, SIZE)).labels)
    (use,) = describe_examples([Example(path=tmp_path / "dataset.tif")])
    assert use.problem.endswith("all pixels have the same value.")


def test_what_is_named_for_the_check_is_never_learned(tmp_path):
    learn, check = (corrected(tmp_path / name, seed=i) for i, name in enumerate("ab"))
    examples = (Example(path=learn), Example(path=check, use="check"))
    lessons = read_examples(FinetuneJob(model="nuclei-unet", examples=examples))
    assert [use.use for use in lessons.uses] == ["learned", "held out"]
    assert not lessons.lessons[1].learned.any()


class TestOneImageTwice:
    """Yesterday's corrections and today's, saved beside each other."""

    def test_it_is_cut_at_the_same_place_and_checked_once(self, tmp_path):
        days = [corrected(tmp_path / day, name="slide 7") for day in ("monday", "tuesday", "wednesday")]
        lessons = read_examples(job(*days))
        checked = np.any([lesson.held_out for lesson in lessons.lessons], axis=0)
        for lesson in lessons.lessons:
            assert lesson.learned.any()
            assert not (lesson.learned & checked).any()
            numbers = set(np.unique(lesson.labels[lesson.learned])) - {0}
            assert not numbers & set(np.unique(lesson.labels[checked]))
        assert sum(lesson.held_out.sum() for lesson in lessons.lessons) == checked.sum(), "once"
        assert_split_well(Lessons(lessons.lessons[:1], ()))
        assert "“slide 7” in tuesday shows the same image as “slide 7” in monday" in lessons.uses[1].problem
        assert [bool(use.problem) for use in lessons.uses] == [False, True, True]
        examples = [Example(path=day, name=f"layer {i}") for i, day in enumerate(days)]
        assert "“layer 1” shows the same image as “layer 0”:" in describe_examples(examples)[1].problem

    @pytest.mark.parametrize("value", [0, 255, np.nan])
    def test_blank_planes_are_no_image_twice(self, value):
        assert sha256_of_pixels(np.full((1, 8, 8), value, np.float32)) == ""
        assert sha256_of_pixels(np.eye(8, dtype=np.float32)[None]) != ""

    def test_an_image_with_a_damaged_pixel_is_known_again(self, tmp_path):
        damaged = synthetic_fluorescence((SIZE, SIZE)).image.astype(np.float32)
        damaged[0, 0] = np.nan
        days = [corrected(tmp_path / day, image=damaged) for day in ("monday", "tuesday")]
        assert "same image" in describe_examples([Example(path=day) for day in days])[1].problem

    def test_beside_other_images_it_is_on_one_side(self, tmp_path):
        for i in range(4):
            for day in ("monday", "tuesday"):
                corrected(tmp_path / day / str(i), seed=i)
        lessons = read_examples(job(tmp_path / "monday", tmp_path / "tuesday"))
        learned, checked = (
            {lesson.pixels.tobytes() for lesson in side} for side in (lessons.learned, lessons.held_out)
        )
        assert learned
        assert checked
        assert not learned & checked

    def test_what_is_named_for_the_check_is_learned_in_no_other_set(self, tmp_path):
        left = corrected(tmp_path / "left", reviewed=(slice(None), slice(0, 110)))
        right = corrected(tmp_path / "right", reviewed=(slice(None), slice(90, None)))
        examples = (Example(path=left), Example(path=right, use="check"))
        lessons = read_examples(FinetuneJob(model="nuclei-unet", examples=examples))
        assert [use.use for use in lessons.uses] == ["learned", "held out"]
        learned, checked = lessons.lessons[0].learned, lessons.lessons[1].held_out
        assert learned.any()
        assert not learned[:, 90:].any()
        assert checked[:, 90:].all()

    def test_nothing_is_left_to_learn_where_all_of_it_is_checked(self, tmp_path):
        one, other = (corrected(tmp_path / day, name="slide 7") for day in ("monday", "tuesday"))
        examples = (Example(path=one), Example(path=other, use="check"))
        with pytest.raises(TrainingError, match=r"none is left to learn from.*shows the same image"):
            read_examples(FinetuneJob(model="nuclei-unet", examples=examples))


class TestPinned:
    """Images to keep good on, among the examples as well."""

    @pytest.fixture
    def pinned(self, tmp_path):
        return describe_pinned(corrected(tmp_path / "pinned", reviewed=(slice(0, 90),)), "pinned").images

    def test_a_copy_is_left_out_and_the_rest_is_split_as_without_it(self, tmp_path, pinned):
        for i in range(7):
            corrected(tmp_path / "sets" / str(i), seed=i)
        lessons = read_examples(job(tmp_path / "sets"), pinned=pinned)
        assert [lesson.name for lesson in lessons.lessons] == [str(i) for i in range(1, 7)]
        assert_split_well(lessons)
        (use,) = lessons.uses
        assert (use.n_images, use.use) == (6, "partly held out")
        assert use.problem.startswith("“0” shows a pinned image: what is pinned is not learned from.")
        assert lessons.problems == (use.problem,)
        assert describe_examples([Example(path=tmp_path / "sets")], pinned=pinned) == (use,)

    def test_other_planes_of_its_stack_show_the_same_nuclei(self, tmp_path, pinned):
        samples = [synthetic_fluorescence((SIZE, SIZE), seed=i) for i in range(2)]
        image, labels = (np.stack([getattr(s, part) for s in samples]) for part in ("image", "labels"))
        corrected(
            tmp_path / "z", image=image, axes="ZYX", labels=labels, trust=np.ones(labels.shape, np.uint8)
        )
        corrected(tmp_path / "a", seed=2)
        lessons = read_examples(job(tmp_path / "z", tmp_path / "a"), pinned=pinned)
        assert [lesson.name for lesson in lessons.lessons] == ["a"]
        assert "“z [1]” in z lies in a stack with a pinned one" in lessons.uses[0].problem

    def test_nothing_is_left_to_learn_where_all_is_pinned(self, tmp_path, pinned):
        with pytest.raises(
            TrainingError, match=r"nothing to learn from\. “a” shows a pinned .*Unpin it, or add"
        ):
            read_examples(job(corrected(tmp_path / "a")), pinned=pinned)

    def test_what_is_named_for_the_check_is_checked_all_the_same(self, tmp_path, pinned):
        examples = (
            Example(path=corrected(tmp_path / "a"), use="check"),
            Example(path=corrected(tmp_path / "b", seed=1)),
        )
        lessons = read_examples(FinetuneJob(model="nuclei-unet", examples=examples), pinned=pinned)
        assert [(use.use, use.problem) for use in lessons.uses] == [("held out", ""), ("learned", "")]


def test_what_the_old_model_learned_is_not_what_it_is_checked_on(tmp_path):
    images = [corrected(tmp_path / str(i), seed=i) for i in range(4)]
    pages, _ = read_pages([Example(path=image) for image in images])
    for n_known in range(1, 4):
        known = {page.image_sha256 for page in pages[:n_known]}
        masks = hold_out(pages, known)
        checked = [bool(held.any()) for _, held in masks]
        assert not any(checked[:n_known])
        assert any(checked)
        assert any(learned.any() for learned, _ in masks[n_known:]), "something new is learned, too"
    assert [held.sum() for _, held in hold_out(pages, {p.image_sha256 for p in pages})] == [
        held.sum() for _, held in hold_out(pages)
    ]


@pytest.mark.parametrize("n_new", [1, 2, 6])
def test_beside_known_images_a_quarter_of_all_nuclei_is_kept_aside_but_at_most_half_of_the_new_ones(
    tmp_path, n_new
):
    pages, _ = read_pages([Example(path=corrected(tmp_path / str(i), seed=i)) for i in range(8)])
    masks = hold_out(pages, {page.image_sha256 for page in pages[n_new:]})
    held = [vouched_for(page.labels, mask).size for page, (_, mask) in zip(pages, masks, strict=True)]
    n_nuclei = [vouched_for(page.labels, page.taught).size for page in pages]
    aim = min(sum(n_nuclei) / 4, sum(n_nuclei[:n_new]) / 2)
    assert not any(held[n_new:])
    assert 0.7 * aim <= sum(held) <= min(1.6 * aim, sum(n_nuclei[:n_new]) / 2)


def test_changed_nuclei_are_taught_without_any_review_and_ignored_pixels_never_are(tmp_path):
    sample = synthetic_fluorescence((SIZE, SIZE))
    numbers = np.unique(sample.labels)[1:9]
    prediction = np.where(np.isin(sample.labels, numbers), 0, sample.labels).astype(np.int32)
    trust = np.zeros(sample.labels.shape, np.uint8)
    ignored = sample.labels == numbers[0]
    trust[ignored] = Trust.IGNORE
    lessons = read_examples(job(corrected(tmp_path / "a", trust=trust, prediction=prediction)))
    (lesson,) = lessons.lessons
    taught = set(np.unique(lesson.labels[lesson.taught])) - {0}
    assert taught == set(numbers[1:])
    assert set(lesson.changed) == set(numbers)
    assert vouched_for(lesson.labels, lesson.taught).size == 7


def test_a_stack_gives_a_lesson_for_every_plane_in_which_something_is_taught(tmp_path):
    samples = [synthetic_fluorescence((SIZE, SIZE), seed=i) for i in range(3)]
    channels = np.stack([np.stack([s.image, np.zeros_like(s.image)]) for s in samples])  # ZCYX
    trust = np.full((3, SIZE, SIZE), Trust.REVIEWED, np.uint8)
    trust[1] = 0
    parts = {
        "image": channels,
        "axes": "ZCYX",
        "labels": np.stack([s.labels for s in samples]),
        "trust": trust,
        "settings": {"channel": 0},
        "name": "stack",
    }
    lessons = read_examples(job(save_correction_set(tmp_path / "z", CorrectionSet(**parts))))
    assert [lesson.name for lesson in lessons.lessons] == ["stack [0]", "stack [2]"]
    assert lessons.lessons[0].image.shape == (3, SIZE, SIZE)
    assert lessons.lessons[0].image.std() > 0.05


@pytest.mark.parametrize("shift", [pytest.param(0, id="as it is"), pytest.param(2, id="drifting")])
def test_no_nucleus_of_a_stack_is_learned_in_one_plane_and_checked_in_the_next(tmp_path, shift):
    sample = synthetic_fluorescence((SIZE + 8, SIZE))
    windows = [slice(k * shift, k * shift + SIZE) for k in range(4)]
    image, labels = (np.stack([part[window] for window in windows]) for part in (sample.image, sample.labels))
    corrected(tmp_path / "z", image=image, axes="ZYX", labels=labels, trust=np.ones(labels.shape, np.uint8))
    lessons = read_examples(job(tmp_path / "z"))
    assert_split_well(lessons)
    assert lessons.uses[0].use == "partly held out"
    learned, held = (
        {n for lesson in lessons.lessons for n in vouched_for(lesson.labels, getattr(lesson, side))}
        for side in ("learned", "held_out")
    )
    assert learned
    assert held
    assert not learned & held


def test_of_several_stacks_whole_ones_are_held_out(tmp_path):
    for i in range(5):
        planes = [synthetic_fluorescence((SIZE, SIZE), seed=10 * i + k) for k in range(2)]
        image, labels = np.stack([p.image for p in planes]), np.stack([p.labels for p in planes])
        trust = np.ones(labels.shape, np.uint8)
        corrected(tmp_path / "sets" / str(i), image=image, axes="ZYX", labels=labels, trust=trust)
    lessons = read_examples(job(tmp_path / "sets"))
    assert_split_well(lessons)
    sides = [bool(lesson.held_out.any()) for lesson in lessons.lessons]
    assert sides[::2] == sides[1::2]
    (use,) = lessons.uses
    assert (use.n_images, use.n_planes) == (5, 10)


def test_channels_that_nobody_chose_are_said_before_anything_is_learned(tmp_path):
    image = np.zeros((2, SIZE, SIZE), np.uint16)
    use = describe_examples([Example(path=corrected(tmp_path / "a", image=image, axes="CYX"))])[0]
    assert use.taught_px == 0
    assert "channel" in use.problem


def test_a_dataset_with_labels_counts_as_reviewed(tmp_path):
    for sub in ("images", "labels"):
        (tmp_path / sub).mkdir()
    sample = synthetic_fluorescence((SIZE, SIZE))
    imwrite(tmp_path / "images" / "a.tif", sample.image)
    imwrite(tmp_path / "labels" / "a.tif", sample.labels)
    imwrite(tmp_path / "images" / "b.tif", sample.image)
    lessons = read_examples(job(tmp_path))
    assert lessons.lessons[0].taught.mean() > 0.8
    assert any("b" in line and "no labels" in line for line in lessons.problems)


def test_a_broken_set_is_left_out_of_a_folder_and_said(tmp_path):
    for i in range(2):
        corrected(tmp_path / "sets" / str(i), seed=i)
    (tmp_path / "sets" / "1" / "labels.tif").write_bytes(b"rubbish")
    lessons = read_examples(job(tmp_path / "sets"))
    assert len(lessons.lessons) == 1
    (use,) = lessons.uses
    assert "Left out 1" in use.problem


def test_a_mask_without_numbers_is_left_out_and_said(tmp_path):
    mask = (synthetic_fluorescence((SIZE, SIZE)).labels > 0).astype(np.int32)
    (use,) = describe_examples([Example(path=corrected(tmp_path / "a", labels=mask), name="my mask")])
    assert (use.use, use.n_nuclei) == ("left out", 0)
    assert "“my mask”, whose pieces all have one number, as in a mask" in use.problem
    with pytest.raises(TrainingError, match=r"nothing to learn from.*one number.*skimage\.measure\.label"):
        read_examples(job(tmp_path / "a"))
    image, labels = np.stack([synthetic_fluorescence((SIZE, SIZE)).image] * 3), np.stack([mask, mask, mask])
    labels[0] = synthetic_fluorescence((SIZE, SIZE)).labels
    planes = {"image": image, "axes": "ZYX", "labels": labels, "trust": np.ones(labels.shape, np.uint8)}
    (use,) = describe_examples([Example(path=save_correction_set(tmp_path / "b", CorrectionSet(**planes)))])
    assert use.n_images == 1
    assert "one number" in use.problem
    assert "1 more plane" in use.problem


def test_classes_in_place_of_labels_are_left_out_of_a_dataset_and_said(tmp_path):
    for sub in ("images", "labels"):
        (tmp_path / sub).mkdir()
    sample = synthetic_fluorescence((SIZE, SIZE))
    for name, labels in (("a", sample.labels), ("b", np.where(sample.labels > 0, sample.labels % 2 + 1, 0))):
        imwrite(tmp_path / "images" / f"{name}.tif", sample.image)
        imwrite(tmp_path / "labels" / f"{name}.tif", labels)
    (use,) = describe_examples([Example(path=tmp_path)])
    assert use.n_images == 1
    assert "Left out b: it is an image most of whose labels lie in pieces" in use.problem


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        pytest.param(lambda t: [], "no examples", id="nothing"),
        pytest.param(lambda t: [t / "nowhere"], r"learn from\. .*nowhere does not exist", id="missing"),
        pytest.param(
            lambda t: [corrected(t / "a", reviewed=None)],
            "nothing in it is reviewed or changed. Mark what",
            id="unreviewed",
        ),
        pytest.param(
            lambda t: [corrected(t / "a", labels=np.zeros((SIZE, SIZE), np.int32))],
            "no nucleus",
            id="no nucleus",
        ),
    ],
)
def test_why_it_cannot_start(tmp_path, prepare, words):
    with pytest.raises(TrainingError, match=words):
        read_examples(job(*prepare(tmp_path)))


def test_only_examples_to_check_on_leave_nothing_to_learn(tmp_path):
    with pytest.raises(TrainingError, match="none is left to learn from"):
        read_examples(FinetuneJob(examples=(Example(path=corrected(tmp_path / "a"), use="check"),)))


def test_describing_says_the_same_as_reading_and_loads_no_torch(tmp_path):
    corrected(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    examples = (Example(path=tmp_path / "a"), Example(path=tmp_path / "empty"))
    described = describe_examples(examples)
    assert described == read_examples(FinetuneJob(examples=examples)).uses
    assert (described[1].use, bool(described[1].problem)) == ("left out", True)
    code = (
        "import sys, json; from pathlib import Path; from napari_nucseg.teaching.examples import describe_examples;"
        "from napari_nucseg.teaching.job import Example;"
        f"uses = describe_examples([Example(path=Path({str(tmp_path / 'a')!r}))]);"
        "print(json.dumps([uses[0].n_nuclei, 'torch' in sys.modules]))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(out) == [described[0].n_nuclei, False]
