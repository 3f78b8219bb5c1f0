"""Which images are learned from, which are held back, which are no use; and how they are cut."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.segmentation import find_boundaries
from tifffile import imwrite

from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.sample import Sample
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.errors import DatasetError, TrainingError
from napari_nucseg.learning.examples import hold_back, hold_back_images, load_examples
from napari_nucseg.learning.instances import why_no_instances
from napari_nucseg.learning.job import TrainingJob
from napari_nucseg.learning.patches import cut, pack_patches

INDEX = [
    "dataset,name,group,split,kind",
    *(f"mine,{i},g{i},{'train' if i else 'val'},fluorescence" for i in range(4)),
    "other,elsewhere,g9,train,histology",
]


@pytest.fixture
def index(tmp_path):
    (tmp_path / "index.csv").write_text("\n".join(INDEX))
    return str(tmp_path / "index.csv")


def make_samples(kinds=("a", "b"), groups=5, images=3):
    return [
        Sample(f"{kind}{group}{i}", np.zeros((4, 4)), metadata={"kind": kind, "group": f"{kind}{group}"})
        for kind in kinds
        for group in range(groups)
        for i in range(images)
    ]


def test_one_index_may_describe_several_datasets(folder, index):
    job = TrainingJob(data=[{"path": folder, "index": index}], validation={"share": 0})
    learned = load_examples(job).learned
    assert [(s.name, s.metadata["group"]) for s in learned] == [("1", "g1"), ("2", "g2"), ("3", "g3")]


def test_rows_of_another_dataset_do_not_speak_for_images_of_the_same_name(folder, index, tmp_path):
    (tmp_path / "index.csv").write_text("\n".join([*INDEX, "other,2,g2,val,histology"]))
    source = {"path": folder, "index": index}
    with pytest.raises(DatasetError, match=r"names 2 in mine and in other.*dataset beside the path"):
        load_examples(TrainingJob(data=[source]))
    learned = load_examples(
        TrainingJob(data=[{**source, "dataset": "mine"}], validation={"share": 0})
    ).learned
    assert [s.name for s in learned] == ["1", "2", "3"]


def test_images_to_score_on_can_be_named_and_are_never_learned_from(folder, index):
    val = {"path": folder, "index": index, "split": "val"}
    named = load_examples(TrainingJob(data=[{"path": folder, "index": index}], validation={"data": [val]}))
    assert [s.name for s in named.held_back] == ["0"]
    assert named.problems == ()
    everything = load_examples(TrainingJob(data=[{"path": folder}], validation={"data": [val]}))
    assert [s.name for s in everything.learned] == ["1", "2", "3"]
    assert everything.problems == ("1 image to be scored on: 0",)
    with pytest.raises(TrainingError, match=r"validation\.data"):
        load_examples(TrainingJob(data=[val], validation={"data": [val]}))


def test_images_to_score_on_are_known_by_where_they_lie_however_that_is_written(folder, monkeypatch):
    monkeypatch.chdir(folder)
    one = {"path": "labels/../images/0.tif"}
    examples = load_examples(TrainingJob(data=[{"path": folder}], validation={"data": [one]}))
    assert [s.name for s in examples.learned] == ["1", "2", "3"]


def test_what_cannot_be_scored_is_said_and_refused_where_training_is_to_stop_by_it(folder, index):
    one = {"path": folder / "images" / "0.tif"}
    (remark,) = load_examples(TrainingJob(data=[one])).remarks
    assert "Of 1 image none can be held back: nothing is scored" in remark
    assert load_examples(TrainingJob(data=[one], validation={"share": 0})).remarks == ()
    with pytest.raises(
        TrainingError,
        match=r"early_stop needs images that are held back.*finetune --examples .*recipes, with --job",
    ):
        load_examples(TrainingJob(data=[one], early_stop={}))
    with pytest.raises(TrainingError, match=r"early_stop needs images that are held back"):
        load_examples(TrainingJob(data=[one, one], validation={"images": 1}, early_stop={}))
    nothing = {"path": folder, "index": index, "dataset": "other"}
    with pytest.raises(TrainingError, match=r"not one image with labels to score on"):
        load_examples(TrainingJob(data=[{"path": folder}], validation={"data": [nothing]}))


def test_weights_of_kinds_that_no_image_has_are_told(folder):
    source = {"path": folder, "kind": "histology"}
    job = TrainingJob(data=[source], kind_weights={"histolgy": 1, "histology": 2})
    assert load_examples(job).remarks == (
        "kind_weights of histolgy change nothing: no image is of such a kind; there are: histology.",
    )


def test_no_data_is_said(tmp_path):
    with pytest.raises(TrainingError, match="no data at all"):
        load_examples(TrainingJob(output=tmp_path))


def test_pairs_that_cannot_be_learned_from_are_listed(tmp_path):
    for sub in ("images", "labels"):
        (tmp_path / sub).mkdir()
    good = synthetic_fluorescence((64, 64), seed=0)
    for name in ("good", "lonely", "larger", "empty", "stack", "damaged"):
        imwrite(tmp_path / "images" / f"{name}.tif", good.image)
        imwrite(tmp_path / "labels" / f"{name}.tif", good.labels)
    (tmp_path / "labels" / "lonely.tif").unlink()
    imwrite(tmp_path / "labels" / "larger.tif", np.pad(good.labels, 8))
    imwrite(tmp_path / "labels" / "empty.tif", np.zeros_like(good.labels))
    imwrite(tmp_path / "images" / "stack.tif", np.stack([good.image] * 5), metadata={"axes": "ZYX"})
    (tmp_path / "images" / "damaged.tif").write_bytes(b"II*\x00rubbish")
    examples = load_examples(TrainingJob(data=[{"path": tmp_path}]))
    assert [s.name for s in examples.learned] == ["good"]
    problems = "\n".join(examples.problems)
    assert len(examples.problems) == 5
    assert "1 image without labels: lonely" in problems
    assert "no nucleus: empty" in problems
    for name in ("larger", "damaged"):
        assert f"{name}: " in problems
    assert problems.endswith("as images): stack")
    (tmp_path / "images" / "good.tif").unlink()
    where = r"not one image with labels to learn from\. Check the path\. Labels lie in labels/ .*NAME_labels"
    with pytest.raises(
        TrainingError, match=rf"{where}.* Left out: 1 file of labels without an image: .*good"
    ):
        load_examples(TrainingJob(data=[{"path": tmp_path}]))


def test_labels_that_cannot_be_read_are_not_missing(folder, tmp_path):
    data = shutil.copytree(folder, tmp_path / "data")
    (data / "labels" / "1.tif").unlink()
    np.save(data / "labels" / "1.npy", np.zeros((160, 160), int))
    [problem] = load_examples(TrainingJob(data=[{"path": data}])).problems
    assert problem.endswith("a kind that is not read (save them as PNG or TIFF): 1")


def classes(labels):
    return np.where(find_boundaries(labels, mode="inner"), 2, labels > 0)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(lambda labels: labels + 1, "no background", id="background 1"),
        pytest.param(classes, "lie in pieces", id="inside and border"),
        pytest.param(
            lambda labels: np.where(labels, labels % 3 + 1, 0), "lie in pieces", id="few nuclei a class"
        ),
        pytest.param(lambda labels: gaussian_filter(255.0 * (labels > 0), 1), "lie in pieces", id="smoothed"),
    ],
)
def test_labels_that_are_not_of_nuclei_one_by_one_are_left_out(tmp_path, spoil, words):
    made = synthetic_fluorescence((160, 160), seed=0)
    for sub, pixels in (("images", made.image), ("labels", spoil(made.labels).astype(np.uint16))):
        (tmp_path / sub).mkdir()
        imwrite(tmp_path / sub / "a.tif", pixels)
    with pytest.raises(TrainingError, match=rf"{words}.*: a"):
        load_examples(TrainingJob(data=[{"path": tmp_path}]))


def test_few_nuclei_may_have_stray_pixels_and_a_lone_one_may_divide():
    labels = np.zeros((60, 60), np.int32)
    labels[5:20, 5:20], labels[30:45, 5:20] = 1, 2
    labels[22, 22:24], labels[50, 22:25] = 1, 2
    assert not why_no_instances(labels)
    dividing = np.where(labels[:, :21] > 0, 1, 0)
    assert not why_no_instances(dividing)
    assert why_no_instances(np.hstack([dividing, 2 * dividing]))


def test_true_labels_are_never_taken_for_anything_else(test_data):
    for layout in ("tnbc", "monuseg", "lizard"):
        assert not any(why_no_instances(s.labels) for s in open_dataset(test_data / layout)[:8].valid())


def test_masks_in_place_of_labels_are_told(tmp_path):
    made = synthetic_fluorescence((96, 96), seed=0)
    for sub, pixels in (("images", made.image), ("masks", 255 * (made.labels > 0).astype(np.uint8))):
        (tmp_path / sub).mkdir()
        imwrite(tmp_path / sub / "a.tif", pixels)
    examples = load_examples(TrainingJob(data=[{"path": tmp_path}]))
    assert examples.problems == ()
    assert "In 1 image the labels are a mask" in examples.remarks[0]


@pytest.mark.parametrize("n_channels", [2, 3, 4])
def test_of_channels_the_one_that_is_said_is_learned_from_and_none_is_guessed(tmp_path, n_channels):
    made = synthetic_fluorescence((64, 64), seed=0)
    channels = np.stack([made.image, *[made.image[::-1] * 2] * (n_channels - 1)]).astype(np.uint16)
    for sub, pixels in (("images", channels), ("labels", made.labels.astype(np.uint16))):
        (tmp_path / sub).mkdir()
        imwrite(tmp_path / sub / "a.tif", pixels, imagej=True)
    with pytest.raises(
        TrainingError,
        match=rf"1 image with {n_channels} channels: say .* --channel 0 to {n_channels - 1}, .*: a",
    ):
        load_examples(TrainingJob(data=[{"path": tmp_path}]))
    examples = load_examples(TrainingJob(data=[{"path": tmp_path, "channel": 0}]))
    np.testing.assert_array_equal(examples.learned[0].image, channels[0])


def test_groups_are_never_split_and_no_kind_is_left_empty():
    samples = make_samples()
    learned, held = hold_back(samples, 0.2)
    assert {s.metadata["group"] for s in learned}.isdisjoint(s.metadata["group"] for s in held)
    assert {s.metadata["kind"] for s in held} == {"a", "b"}
    assert len(learned) + len(held) == len(samples)
    assert hold_back(samples[:3], 0.5)[1] == []


@pytest.mark.parametrize(("wanted", "held"), [(1, 0), (3, 3), (8, 6), (27, 27)])
def test_a_number_of_images_is_held_back_in_whole_groups(wanted, held):
    samples = make_samples()
    learned, found = hold_back_images(samples, wanted)
    assert len(found) == held
    assert {s.metadata["group"] for s in learned}.isdisjoint(s.metadata["group"] for s in found)
    assert hold_back_images(samples[::-1], wanted)[1] == found[::-1]


def test_not_all_images_can_be_held_back():
    with pytest.raises(TrainingError, match=r"nothing is left.*--job"):
        hold_back_images(make_samples(), 30)


def test_patches_are_at_the_canonical_scale_or_at_their_own():
    sample = synthetic_fluorescence((256, 256), seed=0, diameter_px=12)
    bank = pack_patches([sample], canonical_diameter_px=24, patch_px=128)
    assert bank.fields.dtype == torch.uint8
    assert bank.fields.shape[1:] == (5, 128, 128)
    assert 14 <= len(bank) <= 25
    native = pack_patches([sample], canonical_diameter_px=None, patch_px=128)
    assert len(native) == 4
    np.testing.assert_array_equal(native.fields[0, 3].numpy() > 127, sample.labels[:128, :128] > 0)


def test_patches_of_equalised_images_have_more_contrast():
    sample = synthetic_fluorescence((128, 128), seed=0)
    spreads = [
        pack_patches([sample], canonical_diameter_px=None, patch_px=128, clahe=clahe)
        .fields[:, :3]
        .float()
        .std()
        for clahe in (False, True)
    ]
    assert spreads[1] > spreads[0]


def test_a_black_frame_is_filled_with_tissue_and_its_nuclei():
    made = synthetic_histology((180, 140), seed=3)
    framed = replace(
        made,
        image=np.pad(made.image, ((0, 0), (40, 0), (0, 0))),
        labels=np.pad(made.labels, ((0, 0), (40, 0))),
    )
    (fields,) = pack_patches([framed], canonical_diameter_px=None, patch_px=180).fields.numpy()
    np.testing.assert_array_equal(fields[:4, :, 1:40], fields[:4, :, 79:40:-1])
    assert fields[3, :, 1:40].any()
    (alone,) = pack_patches([made], canonical_diameter_px=None, patch_px=140).fields.numpy()[:1]
    np.testing.assert_allclose(fields[:3, :140, 40:].astype(int), alone[:3], atol=8)  # as if there were none


@pytest.mark.parametrize("shape", [(10, 300), (128, 128), (129, 500)])
def test_patches_cover_the_image(shape):
    fields = np.arange(np.prod(shape), dtype=np.int64).reshape(1, *shape)
    patches = cut(fields, 128)
    assert all(p.shape == (1, 128, 128) for p in patches)
    assert set(np.unique(fields)) <= set(np.unique(np.stack(patches)))


def test_kinds_are_drawn_by_their_weights_and_groups_by_the_root_of_their_size():
    make = synthetic_fluorescence((64, 64), seed=0)
    samples = [
        Sample(str(i), make.image, make.labels, metadata={"kind": kind, "group": group})
        for i, (kind, group) in enumerate([("a", "x")] * 4 + [("a", "y")] + [("b", "z")])
    ]
    bank = pack_patches(samples, canonical_diameter_px=24, patch_px=64)
    weights = bank.sampling_weights({"a": 0.75, "b": 0.25})
    by_group = {g: weights[[bank.groups[s] == g for s in bank.sources]].sum() for g in "xyz"}
    assert by_group["z"] == pytest.approx(0.25)
    assert by_group["x"] == pytest.approx(2 * by_group["y"])


def test_patches_with_more_nuclei_are_drawn_more_often_within_their_kind():
    crowded = synthetic_fluorescence((64, 64), seed=0)
    empty = Sample("empty", crowded.image, np.zeros_like(crowded.labels), metadata={"kind": "a"})
    full = Sample("full", crowded.image, crowded.labels, metadata={"kind": "a"})
    bank = pack_patches([empty, full], canonical_diameter_px=None, patch_px=64)
    n_nuclei = bank.count_nuclei()
    assert n_nuclei[0] == 0 and n_nuclei[1] > 1
    assert bank.sampling_weights({}).tolist() == pytest.approx([0.5, 0.5])
    weights = bank.sampling_weights({}, crowding=0.5)
    assert weights[1] / weights[0] == pytest.approx((1 + n_nuclei[1]) ** 0.5)


def test_a_nucleus_with_stray_pixels_is_a_nucleus() -> None:
    labels = np.zeros((60, 60), np.int32)
    labels[10:30, 10:30] = labels[40, 40] = labels[50, 50] = 3
    assert not why_no_instances(labels)
    labels[::4, 50::4] = labels[45::4, ::4] = 3
    assert why_no_instances(labels)


def test_pieces_that_touch_at_a_corner_are_one_in_a_mask_and_among_other_nuclei() -> None:
    mask = np.zeros((80, 60), np.int32)
    for place in range(0, 48, 4):
        mask[place : place + 4, place : place + 4] = 3
    among_others = mask.copy()
    among_others[60:70, 5:15] = 9
    assert not why_no_instances(mask)
    assert not why_no_instances(among_others)
    apart = np.zeros_like(mask)
    apart[:48:6, :48:6] = 3
    assert why_no_instances(apart)


def write_pair(folder, name, image, labels, **told):
    for sub, pixels in (("images", image), ("labels", labels)):
        (folder / sub).mkdir(parents=True, exist_ok=True)
        imwrite(folder / sub / f"{name}.tif", pixels, **(told if sub == "images" else {}))


def test_of_grey_images_among_others_the_one_channel_is_learned_from(tmp_path):
    made = synthetic_fluorescence((96, 96), seed=0)
    colours = np.stack([made.image, made.image // 2, made.image // 3], -1).astype(np.uint8)
    write_pair(tmp_path, "grey", made.image, made.labels)
    write_pair(tmp_path, "rgb", colours, made.labels, photometric="rgb")
    examples = load_examples(TrainingJob(data=[{"path": tmp_path, "channel": 1}], validation={"share": 0}))
    assert not examples.problems
    assert examples.remarks == (
        "In 1 image there is only one channel, which is taken whichever one was chosen: grey",
    )
    found = {sample.name: sample.image for sample in examples.learned}
    np.testing.assert_array_equal(found["grey"], made.image)
    np.testing.assert_array_equal(found["rgb"], colours[..., 1])
    other = load_examples(TrainingJob(data=[{"path": tmp_path, "channel": 7}], validation={"share": 0}))
    assert other.problems == (
        "1 image with 3 channels: none has number 7, choose one with --channel 0 to 2, "
        "in a job file with channel beside path: rgb",
    )


def test_pages_of_which_a_file_says_nothing_are_channels_where_one_is_said(tmp_path):
    made = synthetic_fluorescence((96, 96), seed=0)
    pages = np.stack([made.image + page for page in range(5)])
    write_pair(tmp_path, "a", pages, made.labels, metadata=None, photometric="minisblack")
    with pytest.raises(TrainingError, match=r"does not tell what its 5 pages are: .*--channel 0 to 4, .*: a"):
        load_examples(TrainingJob(data=[{"path": tmp_path}]))
    examples = load_examples(TrainingJob(data=[{"path": tmp_path, "channel": 3}]))
    np.testing.assert_array_equal(examples.learned[0].image, pages[3])


def test_images_in_a_folder_called_test_are_not_learned_from_without_a_word(tmp_path):
    made = synthetic_fluorescence((96, 96), seed=0)
    for name in ("train/a", "train/b", "Test/c", "val/d"):
        folder, image = name.split("/")
        write_pair(tmp_path / folder, image, made.image, made.labels)
    [said] = load_examples(TrainingJob(data=[{"path": tmp_path}], validation={"share": 0})).remarks
    assert said.startswith("Images in test/ and val/ are learned from like the others: c, d.")
    every = {"data": [{"path": tmp_path}], "validation": {"data": [{"path": tmp_path / "val"}]}}
    [said] = load_examples(TrainingJob(**every)).remarks
    assert said.startswith("Images in test/ are")
    assert "FOLDER/train" in said
    kept_out = TrainingJob(
        data=[{"path": tmp_path / "train"}], validation={"data": [{"path": tmp_path / "Test"}]}
    )
    assert not load_examples(kept_out).remarks
