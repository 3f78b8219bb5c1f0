import json
import shutil
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tifffile import imwrite

from napari_nucseg.data.correction_set import (
    is_correction_set,
    open_correction_set,
    save_correction_set,
    stamp_of,
)
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import CorrectionSetError, DatasetError, OutputError
from napari_nucseg.jobs import work_sets
from napari_nucseg.jobs.work_item import Status
from napari_nucseg.jobs.work_outcomes import Outcome, segmented_in_words, with_outcomes
from napari_nucseg.jobs.work_segmentation import segment_remaining
from napari_nucseg.jobs.work_sets import begin_anew, keep, new_corrections
from napari_nucseg.jobs.worklist import open_worklist
from napari_nucseg.steps import drain


@pytest.fixture
def folder(tmp_path):
    """Three small images."""
    images = tmp_path / "slides"
    images.mkdir()
    for seed, name in enumerate(("a", "b", "c")):
        Image.fromarray(synthetic_fluorescence((64, 64), seed=seed).image.astype(np.uint8)).save(
            images / f"{name}.png"
        )
    return images


def _open(folder):
    return open_worklist(folder, folder.parent / "work")


def test_tomorrow_it_goes_on_where_it_was(folder):
    work = _open(folder)
    assert work.summary == "0 of 3 done"
    assert work.step() == "a"
    work = work.at("a").with_status("a", Status.DONE).at("b").with_status("b", Status.IN_WORK)
    work.save()
    again = _open(folder)
    assert again == work
    assert again.summary == "1 of 3 done"
    assert (again.current, again.step(), again.step(-1)) == ("b", "c", "a")
    assert again.at("c").step() is None
    assert [item.name for item in again.remaining] == ["c"]


def test_what_comes_next_is_not_done_and_can_be_opened(folder):
    work = _open(folder).at("b").with_status("b", Status.DONE)
    assert work.next_undone() == "c"
    work = work.with_status("c", Status.UNTOUCHED, "torn", unreadable=True)
    assert work.next_undone() == "a"
    assert work.with_status("a", Status.DONE).next_undone() is None
    assert work.with_status("c", Status.UNTOUCHED, "several channels").next_undone() == "c"


def test_what_was_segmented_is_said(folder):
    work = _open(folder).with_status("a", Status.SEGMENTED)
    torn = Outcome("b", error="torn", unreadable=True)
    assert segmented_in_words(work, "ab", [Outcome("a"), torn]).startswith("1 segmented, 1 could not be")
    assert segmented_in_words(work, "abc", [Outcome("a")]) == "1 segmented; 2 left."
    assert segmented_in_words(work.with_status("c", Status.IN_WORK), "ac", []) == "1 segmented."
    work = with_outcomes(work, [torn])
    assert (work.item("b").error, work.item("b").unreadable) == ("torn", True)


def test_two_windows_on_one_list_keep_what_the_other_entered(folder):
    one, two = _open(folder).save(), _open(folder).save()
    one = one.with_status("a", Status.DONE).save().with_status("b", Status.IN_WORK).save()
    two = two.at("c").with_status("c", Status.IN_WORK).save()
    assert [item.status for item in two.items] == [Status.DONE, Status.IN_WORK, Status.IN_WORK]
    assert _open(folder).items == two.items
    two.with_status("b", Status.DONE).save()
    assert one.save().item("b").status is Status.DONE


def test_what_a_window_finds_segmented_is_no_less_done(folder):
    one, two = _open(folder).save(), _open(folder).save()
    one.with_status("a", Status.DONE).save()
    assert two.with_status("a", Status.SEGMENTED).save().item("a").status is Status.DONE
    assert _open(folder).item("a").status is Status.DONE


def test_images_come_and_go(folder):
    _open(folder).with_status("b", Status.DONE).at("b").save()
    (folder / "b.png").rename(folder / "d.png")
    work = _open(folder)
    assert [item.name for item in work.present] == ["a", "c", "d"]
    assert work.item("b").missing
    assert work.step() == "a", "what was worked on is gone"
    assert work.summary == "0 of 3 done"
    work.save()
    (folder / "d.png").rename(folder / "b.png")
    work = _open(folder)
    assert work.item("b").status is Status.DONE
    assert work.item("d").missing


def _correct(work, name):
    save_correction_set(
        work.folder_of(name), new_corrections(work.dataset.read(name), None, is_prediction=False)
    )
    return work.with_status(name, Status.IN_WORK)


@pytest.mark.parametrize("older", [False, True], ids=["now", "set of an older version"])
def test_a_corrected_image_keeps_its_line_when_its_file_is_renamed(folder, older):
    work = _correct(_open(folder).at("b"), "b")
    work.save()
    if older:
        path = work.folder_of("b") / "correction.json"
        record = json.loads(path.read_text())
        del record["image"]["size_bytes"]
        path.write_text(json.dumps(record))
    (folder / "b.png").rename(folder / "well 7.png")
    shutil.copy(folder / "a.png", folder / "new.png")
    work = _open(folder)
    assert [item.name for item in work.items] == ["a", "c", "new", "well 7"]
    assert (work.item("well 7").status, work.item("well 7").folder) == (Status.IN_WORK, "b")
    assert work.item("new").status is Status.UNTOUCHED
    assert work.current == "well 7"
    assert open_correction_set(work.folder_of("well 7"), work.dataset.path_of("well 7")).labels.shape == (
        64,
        64,
    )


def test_a_renamed_folder_of_renamed_images_is_the_same_list(folder, tmp_path):
    _correct(_open(folder), "b").save()
    moved = folder.rename(tmp_path / "moved")
    for name in "abc":
        (moved / f"{name}.png").rename(moved / f"{name}{name}.png")
    work = open_worklist(moved, tmp_path / "work")
    assert [item.status for item in work.present] == [Status.UNTOUCHED, Status.IN_WORK, Status.UNTOUCHED]


def test_the_list_is_in_the_order_people_count_in(folder):
    for name in ("well 10", "well 2", "Well 1", "well 11"):
        shutil.copy(folder / "a.png", folder / f"{name}.png")
    names = [item.name for item in _open(folder).items]
    assert names == ["a", "b", "c", "Well 1", "well 2", "well 10", "well 11"]


def test_a_namesake_changes_the_name_and_not_what_was_done(folder):
    _open(folder).with_status("a", Status.DONE).at("a").save()
    shutil.copy(folder / "b.png", folder / "a.bmp")
    work = _open(folder)
    assert [item.name for item in work.items] == ["a.bmp", "a.png", "b", "c"]
    assert [item.status for item in work.items] == [Status.UNTOUCHED, Status.DONE, *[Status.UNTOUCHED] * 2]
    assert work.item("a.png").folder == "a"
    assert work.current == "a.png"
    work.save()
    (folder / "a.bmp").unlink()
    work = _open(folder)
    assert work.item("a").status is Status.DONE
    assert work.current == "a"
    assert [item.name for item in work.items if item.missing] == ["a.bmp"]


def test_an_image_that_takes_the_name_of_one_that_is_gone_takes_nothing_else(folder, tmp_path):
    for part in "xy":
        (tmp_path / "set" / part / "images").mkdir(parents=True)
        shutil.copy(folder / "a.png", tmp_path / "set" / part / "images" / "same.png")
    work = open_worklist(tmp_path / "set", tmp_path / "work")
    first, second = (item.name for item in work.items)
    work.with_status(first, Status.DONE).with_status(second, Status.IN_WORK).save()
    shutil.rmtree(tmp_path / "set" / "x")
    work = open_worklist(tmp_path / "set", tmp_path / "work")
    assert [item.status for item in work.items if item.name == "same"] == [Status.IN_WORK]
    assert [item.status for item in work.items if item.missing] == [Status.DONE]
    assert len({item.name for item in work.items}) == 2


def test_a_list_without_files_is_matched_by_name(folder):
    path = folder.parent / "work" / "worklist.json"
    _open(folder).with_status("b", Status.DONE).save()
    content = json.loads(path.read_text())
    for item in content["items"]:
        del item["file"]
    path.write_text(json.dumps(content))
    work = _open(folder)
    assert work.item("b").status is Status.DONE
    assert work.item("b").file == "b.png"


def test_a_folder_that_was_moved_keeps_its_list_and_another_one_does_not_take_it(folder, tmp_path):
    _open(folder).with_status("a", Status.DONE).save()
    moved = folder.rename(tmp_path / "moved")
    assert open_worklist(moved, tmp_path / "work").summary == "1 of 3 done"
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(moved / "a.png", other / "z.png")
    with pytest.raises(DatasetError, match="shares no image"):
        open_worklist(other, tmp_path / "work")


@pytest.mark.parametrize("content", ["", "{", '{"version": 2}', "[]"], ids=["empty", "torn", "newer", "list"])
def test_a_damaged_list_is_never_overwritten(folder, content):
    path = folder.parent / "work" / "worklist.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(OutputError, match="damaged"):
        _open(folder)
    assert path.read_text() == content


def test_a_set_without_its_line_is_found(folder):
    work = _open(folder)
    corrections = new_corrections(work.dataset.read("b"), None, is_prediction=True)
    save_correction_set(work.folder_of("b"), corrections)
    assert _open(folder).item("b").status is Status.SEGMENTED


def test_an_image_is_begun_anew_and_what_was_made_of_it_is_kept(folder):
    work = _open(folder)
    for number in (1, 2):
        corrections = new_corrections(
            work.dataset.read("b"), np.full((64, 64), number, np.int32), is_prediction=False
        )
        save_correction_set(work.folder_of("b"), corrections)
        work = begin_anew(work.with_status("b", Status.DONE).save(), "b").save()
        assert work.item("b").status is Status.UNTOUCHED
        assert not is_correction_set(work.folder_of("b"))
    (folder.parent / "work" / ".b.before").mkdir()
    (folder.parent / "work" / ".b.before" / "correction.json").write_text("left by a crash")
    begin_anew(work, "b")
    assert not is_correction_set(work.folder_of("b"))
    kept = folder.parent / "work" / "set aside"
    assert sorted(path.name for path in kept.iterdir()) == ["b", "b_2", "b_3"]
    other = open_worklist(folder, folder.parent / "other")
    _correct(other, "b")
    (folder.parent / "other" / "set aside").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="cannot write"):
        begin_anew(other, "b")


def test_a_set_that_cannot_be_written_leaves_that_of_another_window_in_its_place(folder):
    work = _open(folder).save()
    corrections = new_corrections(work.dataset.read("b"), None, is_prediction=False)
    place = work.folder_of("b")
    assert keep(place, corrections, ()) is None
    there = stamp_of(place)
    other = replace(corrections, trust=np.ones_like(corrections.trust))
    with pytest.raises(CorrectionSetError):
        keep(place, replace(other, axes="YXC"), ())
    assert stamp_of(place) == there
    assert open_correction_set(place).image_path == corrections.image_path
    assert not list((place.parent / "set aside").iterdir())
    assert keep(place, corrections, (there,)) is None
    assert keep(place, corrections, (there,)) is None, "the same nuclei, whoever saved them"
    assert keep(place, other, (there,)) == place.parent / "set aside" / "b"


def test_a_damaged_set_of_another_window_is_moved_aside_too(folder):
    work = _open(folder).save()
    corrections = new_corrections(work.dataset.read("b"), None, is_prediction=False)
    place = work.folder_of("b")
    keep(place, corrections, ())
    (place / "labels.tif").write_bytes(b"torn")
    aside = keep(place, corrections, ())
    assert (aside / "labels.tif").read_bytes() == b"torn"
    np.testing.assert_array_equal(open_correction_set(place).labels, corrections.labels)


def test_a_set_stays_where_a_full_disk_cannot_take_note_of_its_new_place(folder, monkeypatch):
    work = _open(folder).save()
    corrections = new_corrections(work.dataset.read("b"), None, is_prediction=False)
    place = work.folder_of("b")
    keep(place, corrections, ())

    def full(path):
        raise OutputError("the disk is full")

    monkeypatch.setattr(work_sets, "written_whole", full)
    other = replace(corrections, trust=np.ones_like(corrections.trust))
    for _ in range(2):
        with pytest.raises(OutputError, match="full"):
            keep(place, other, ())
        assert open_correction_set(place).image_path == corrections.image_path


@pytest.mark.parametrize("gone", ["work", "work/worklist.json"])
def test_nothing_is_made_anew_where_a_list_was_and_is_gone(folder, gone, tiny_model):
    """A drive went away: what is written at its mount point is out of sight once it is back."""
    work = _open(folder).save()
    corrections = new_corrections(work.dataset.read("b"), None, is_prediction=False)
    gone = folder.parent / gone
    gone.rename(folder.parent / "away")
    writes = (
        work.save,
        lambda: keep(work.folder_of("b"), corrections, ()),
        lambda: drain(segment_remaining(work, {"model": tiny_model, "diameter_px": 24})),
    )
    for write in writes:
        with pytest.raises(OutputError, match=rf"{gone.name} is no longer there"):
            write()
    assert not gone.exists()
    (folder.parent / "away").rename(gone)
    keep(work.folder_of("b"), corrections, ())
    assert work.save().items == work.items


def test_nowhere_to_write(folder):
    with pytest.raises(OutputError, match="cannot be read"):
        open_worklist(folder, folder / "a.png")
    work = open_worklist(folder, folder.parent / "work")
    (folder.parent / "work").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="cannot write"):
        work.save()
    with pytest.raises(DatasetError):
        open_worklist(folder.parent / "missing", folder.parent)


def test_names_that_are_no_file_names_get_folders_of_their_own(tmp_path):
    for part in ("x", "y"):
        (tmp_path / "set" / part / "images").mkdir(parents=True)
        shape = (64, 64)
        image = Image.fromarray(synthetic_fluorescence(shape, seed=1).image.astype(np.uint8))
        image.save(tmp_path / "set" / part / "images" / "same name?.png")
    work = open_worklist(tmp_path / "set", tmp_path / "work")
    folders = [item.folder for item in work.items]
    assert len(set(folders)) == 2
    assert not any(set(name) & set('/\\:*?"<>|') for name in folders)


class TestSegmentRemaining:
    def test_untouched_images_become_sets_and_one_broken_stops_nothing(self, folder, tiny_model):
        (folder / "b.png").write_bytes(b"no image")
        work = _open(folder).save()
        steps = segment_remaining(
            work.with_status("a", Status.DONE), {"model": tiny_model, "diameter_px": 24}
        )
        outcomes = drain(steps)
        assert [outcome.name for outcome in outcomes] == ["b", "c"]
        assert outcomes[0].error
        assert [outcome.unreadable for outcome in outcomes] == [True, False]
        corrections = open_correction_set(work.folder_of("c"))
        np.testing.assert_array_equal(corrections.labels, corrections.prediction)
        assert corrections.model_name == "tiny"
        assert corrections.settings["diameter_px"] == 24
        assert corrections.image_path == folder / "c.png"
        assert not work.folder_of("a").exists()

    def test_an_image_with_several_channels_says_what_to_do_in_the_window(self, folder, tiny_model):
        image = np.zeros((2, 64, 64), np.uint8)
        imwrite(folder / "b.tif", image, imagej=True, metadata={"axes": "CYX"})
        (folder / "b.png").unlink()
        work = _open(folder).save()
        for name in "ac":
            work = work.with_status(name, Status.DONE)
        (outcome,) = drain(segment_remaining(work, {"model": tiny_model, "diameter_px": 24}))
        assert outcome.error.startswith("b has several channels")
        assert "Channel in Segment nuclei" in outcome.error
        assert not outcome.unreadable, "Done leads to it"

    def test_a_stack_is_refused_and_what_another_window_began_is_left_to_it(self, folder, tiny_model):
        imwrite(folder / "b.tif", np.zeros((2, 64, 64), np.uint8), imagej=True, metadata={"axes": "ZYX"})
        (folder / "b.png").unlink()
        work = _open(folder).save()
        mine = new_corrections(work.dataset.read("a"), np.full((64, 64), 7, np.int32), is_prediction=False)
        save_correction_set(work.folder_of("a"), mine)
        stack, _ = drain(segment_remaining(work, {"model": tiny_model, "diameter_px": 24}))
        assert "“b” is a stack (axes ZYX)" in stack.error
        assert stack.unreadable
        np.testing.assert_array_equal(open_correction_set(work.folder_of("a")).labels, mine.labels)

    def test_the_channel_that_a_file_names_for_nuclei_is_taken(self, folder, tiny_model):
        image = np.random.default_rng(0).integers(0, 255, (3, 64, 64), np.uint8)
        metadata = {"axes": "CYX", "Channel": {"Name": ["GFP", "RFP", "DAPI"]}}
        imwrite(folder / "b.ome.tif", image, photometric="minisblack", metadata=metadata)
        (folder / "b.png").unlink()
        work = _open(folder).save()
        for name in "ac":
            work = work.with_status(name, Status.DONE)
        drain(segment_remaining(work, {"model": tiny_model, "diameter_px": 24}))
        settings = open_correction_set(work.folder_of("b")).settings
        assert (settings["axes"], settings["channel"]) == ("CYX", 2)
        untouched = new_corrections(work.dataset.read("b"), None, is_prediction=False)
        assert untouched.settings["channel"] == 2, "what a person draws is of that, too"

    def test_what_a_person_corrects_meanwhile_is_left_to_them(self, folder, tiny_model):
        work, on_show = _open(folder).save(), ""
        mine = np.full((64, 64), 7, np.int32)

        def free(name):
            return nullcontext(name != on_show)

        outcomes = ()
        for progress in segment_remaining(work, {"model": tiny_model, "diameter_px": 24}, free):
            outcomes = progress.outcomes
            if progress.name == "a" and progress.step is not None and not work.folder_of("a").exists():
                corrections = new_corrections(work.dataset.read("a"), mine, is_prediction=False)
                save_correction_set(work.folder_of("a"), corrections)
            if progress.name == "b" and progress.step is not None:
                on_show = "b"
        assert [outcome.name for outcome in outcomes] == ["c"]
        np.testing.assert_array_equal(open_correction_set(work.folder_of("a")).labels, mine)
        assert not work.folder_of("b").exists()

    def test_cancelled_half_way_the_rest_stays_untouched(self, folder, tiny_model):
        work = _open(folder).save()
        steps = segment_remaining(work, {"model": tiny_model, "diameter_px": 24})
        for progress in steps:
            if progress.outcomes:
                break
        steps.close()
        assert [item.status for item in _open(folder).items] == [Status.SEGMENTED, *[Status.UNTOUCHED] * 2]

    def test_progress_always_tells_all_outcomes_so_far(self, folder, tiny_model):
        seen = [
            p.outcomes
            for p in segment_remaining(_open(folder).save(), {"model": tiny_model, "diameter_px": 24})
        ]
        assert [len(outcomes) for outcomes in seen] == sorted(len(outcomes) for outcomes in seen)
        assert len(seen[-1]) == 3


def test_the_list_is_plain_json(folder):
    _open(folder).save()
    content = json.loads((folder.parent / "work" / "worklist.json").read_text())
    assert content["items"][0] == {
        "name": "a",
        "folder": "a",
        "file": "a.png",
        "status": "untouched",
        "error": "",
        "unreadable": False,
        "missing": False,
    }
