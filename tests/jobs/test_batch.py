"""Many files: what is written, and that one bad file never stops the others."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_nucseg.data.images import read_image
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.errors import ImageError, ModelFileError, OutputError, SettingsError
from napari_nucseg.jobs import batch
from napari_nucseg.jobs.batch import BatchProgress, segment_files
from napari_nucseg.jobs.batch_files import Outputs, find_images, output_names
from napari_nucseg.segmentation.segment import segment

if TYPE_CHECKING:
    from napari_nucseg.data.image_file import ImageFile
    from napari_nucseg.jobs.batch_outputs import FileResult


def drain(steps) -> tuple[list[BatchProgress], tuple[FileResult, ...]]:
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return seen, end.value


def write_image(path: Path, shape: tuple[int, ...] = (70, 90), **tags: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, **tags)
    else:
        Image.fromarray(pixels).save(path)
    return path


CHOICES = {"model": "tiny", "device": "cpu", "diameter_px": 24.0}


def test_everything_asked_for_is_written(tmp_path: Path, tiny_model: str) -> None:
    tags = {"imagej": True, "resolution": (2, 2), "metadata": {"unit": "micron", "axes": "YX"}}
    image = write_image(tmp_path / "a.tif", **tags)
    outputs = Outputs(tmp_path / "out", overlay=True, table=True, outlines=True)
    progress, (result,) = drain(segment_files([image], outputs, CHOICES))
    names = ["a_labels.tif", "a_outlines.geojson", "a_overlay.png", "a_table.csv"]
    assert sorted(os.listdir(tmp_path / "out")) == names
    labels = read_image(result.labels)
    assert labels.pixels.shape == (70, 90)
    assert labels.pixel_size_um == result.pixel_size_um == pytest.approx(0.5)
    assert labels.pixels.max() == result.n_nuclei == len(json.loads(result.outlines.read_text())["features"])
    header = (tmp_path / "out" / "a_table.csv").read_text().splitlines()[0]
    assert "area_um2" in header
    assert "mean_intensity" in header
    stages = list(dict.fromkeys(p.step.stage for p in progress if p.step and p.step.stage != "outline"))
    assert stages == ["normalise", "size", "network", "decode", "draw", "measure", "write"]
    assert progress[-1].result is result
    assert (result.model, result.diameter_px, result.diameter_confidence) == ("tiny", 24.0, None)


@pytest.mark.parametrize("axes", ["YX", "ZYX"])
def test_what_no_longer_fits_new_labels_is_named_and_kept(tmp_path: Path, tiny_model: str, axes: str) -> None:
    image, out = (
        write_image(tmp_path / "a.tif", (2, 70, 90)[-len(axes) :], metadata={"axes": axes}),
        tmp_path / "out",
    )
    few, other = {**CHOICES, "min_area_px": 3}, CHOICES
    _, (first,) = drain(segment_files([image], Outputs(out, True, True, True), few))
    _, (same,) = drain(segment_files([image], Outputs(out), few))
    _, (changed,) = drain(segment_files([image], Outputs(out), other))
    _, (skipped,) = drain(segment_files([image], Outputs(out, overlay=True, skip_done=True), other))
    _, (renewed,) = drain(segment_files([image], Outputs(out, True, True, True), other))
    assert changed.n_nuclei != first.n_nuclei
    assert first.notes == same.notes == renewed.notes
    overlay = first.overlay.name
    assert (
        f"{overlay}, a_table.csv, a_outlines.geojson beside the labels do not fit them" in changed.notes[-1]
    )
    assert "a_table.csv, a_outlines.geojson beside the labels do not fit them" in skipped.notes[-1]
    assert sorted(os.listdir(out)) == ["a_labels.tif", "a_outlines.geojson", overlay, "a_table.csv"]


def test_only_labels_unless_more_is_asked(tmp_path: Path, tiny_model: str) -> None:
    drain(segment_files([write_image(tmp_path / "a.png")], Outputs(tmp_path / "out"), CHOICES))
    assert os.listdir(tmp_path / "out") == ["a_labels.tif"]


def test_run_lengths_of_all_images_are_read_back_as_their_labels(tmp_path: Path, tiny_model: str) -> None:
    tree = tmp_path / "stage1_train"
    images = [write_image(tree / name / "images" / f"{name}.png") for name in ("a", "b", "c")]
    Image.fromarray(np.zeros((70, 90), np.uint8)).save(images[1])
    images[2].write_bytes(b"no image at all")
    outputs = Outputs(tmp_path / "out", run_lengths=tree / "labels.csv")
    _, results = drain(segment_files(images, outputs, {**CHOICES, "min_area_px": 3}))
    write_image(images[2])
    lines = (tree / "labels.csv").read_text().splitlines()
    n_nuclei = [result.n_nuclei for result in results[:2]]
    assert lines[0] == "ImageId,EncodedPixels"
    assert n_nuclei[0] > 3
    assert [line.split(",")[0] for line in lines[1:]] == ["a"] * n_nuclei[0] + ["b"] * max(1, n_nuclei[1])
    dataset = open_dataset(tree)
    for name, result in zip("ab", results, strict=False):
        np.testing.assert_array_equal(dataset.read(name).labels, read_image(result.labels).pixels)
    assert dataset.read("c").labels is None, "an image that could not be read has no row"


@pytest.mark.parametrize("cancelled", [True, False])
def test_run_lengths_are_whole_or_absent(tmp_path: Path, tiny_model: str, cancelled: bool) -> None:
    images = [write_image(tmp_path / f"{name}.png") for name in "ab"]
    table = tmp_path / "lengths.csv"
    table.write_text("older")
    outputs = Outputs(tmp_path / "out", run_lengths=table, overwrite=True)
    steps = segment_files(images, outputs, CHOICES)
    while next(steps).result is None:
        pass
    assert table.read_text() == "older", "the first image is done, the second is not"
    if cancelled:
        steps.close()
        assert table.read_text() == "older"
    else:
        drain(steps)
        assert table.read_text().startswith("ImageId")
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.png", "lengths.csv", "out"]


def test_what_a_killed_run_left_half_written_goes_a_day_later(tmp_path: Path, tiny_model: str) -> None:
    (tmp_path / "out").mkdir()
    old, other, new = (
        tmp_path / "out" / name
        for name in (".b_labels.tif.0a1b2c3d.part", ".mine.tif.0a1b2c3d.part", ".b_table.csv.0a1b2c3d.part")
    )
    for part in (old, other, new):
        part.write_bytes(b"half")
        os.utime(part, (1, 1) if part is not new else None)
    drain(segment_files([write_image(tmp_path / "a.png")], Outputs(tmp_path / "out"), CHOICES))
    assert sorted(os.listdir(tmp_path / "out")) == [new.name, other.name, "a_labels.tif"]


def test_run_lengths_replace_a_file_only_if_asked(tmp_path: Path, tiny_model: str) -> None:
    image, table = write_image(tmp_path / "a.png"), tmp_path / "lengths.csv"
    table.write_text("ImageId,EncodedPixels\nprecious,1 5\n")
    with pytest.raises(OutputError, match=r"lengths.csv: it is there already.*--overwrite"):
        drain(segment_files([image], Outputs(tmp_path / "out", run_lengths=table), CHOICES))
    assert "precious" in table.read_text()
    assert not (tmp_path / "out").exists(), "it is said before the first image"
    drain(segment_files([image], Outputs(tmp_path / "out", run_lengths=table, overwrite=True), CHOICES))
    assert "precious" not in table.read_text()


def test_one_table_holds_the_nuclei_of_all_images_also_of_those_done_before(
    tmp_path: Path, tiny_model: str
) -> None:
    images = [write_image(tmp_path / folder / "cells.png") for folder in "ab"]
    table, written = tmp_path / "all.csv", {"table": True, "one_table": tmp_path / "all.csv"}
    few = {**CHOICES, "min_area_px": 3}
    with_one_gone = [images[0], tmp_path / "gone.png", images[1]]
    _, results = drain(segment_files(with_one_gone, Outputs(tmp_path, **written), few))
    before = table.read_text()
    named = [line.split(",")[0] for line in before.splitlines()]
    counts = [result.n_nuclei or 0 for result in results]
    assert min(counts[0], counts[2]) > 0
    assert named == ["image"] + ["a_cells"] * counts[0] + ["b_cells"] * counts[2]
    with pytest.raises(OutputError, match=r"all.csv: it is there already"):
        drain(segment_files(images, Outputs(tmp_path, **written, skip_done=True), few))
    table.unlink()
    drain(segment_files(images, Outputs(tmp_path, **written, skip_done=True), few))
    assert table.read_text() == before


def test_run_lengths_of_a_run_that_ended_first_are_kept(tmp_path: Path, tiny_model: str) -> None:
    table = tmp_path / "lengths.csv"
    first, second = (
        segment_files([write_image(tmp_path / f"{name}.png")], Outputs(tmp_path, run_lengths=table), CHOICES)
        for name in "ab"
    )
    next(second)
    drain(first)
    with pytest.raises(OutputError, match=r"lengths.csv: it is there already"):
        drain(second)
    ids = {line.split(",")[0] for line in table.read_text().splitlines()[1:]}
    assert ids == {"a"}, "they were replaced in silence"
    assert (tmp_path / "b_labels.tif").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["a_labels.tif", "A_table.csv", "../out/a_overlay.png", "a_overlay.tif"])
def test_run_lengths_have_a_place_of_their_own(tmp_path: Path, tiny_model: str, name: str) -> None:
    folder = tmp_path / "out"
    outputs = Outputs(folder, True, True, run_lengths=folder / name, overwrite=True)
    with pytest.raises(OutputError, match="another result of this run has that name"):
        drain(segment_files([write_image(tmp_path / "a.png")], outputs, CHOICES))
    assert not folder.exists()


def test_an_impossible_place_for_run_lengths_is_said_before_the_first_image(
    tmp_path: Path, tiny_model: str
) -> None:
    outputs = Outputs(tmp_path / "out", run_lengths=tmp_path)
    with pytest.raises(OutputError, match="cannot write"):
        next(segment_files([write_image(tmp_path / "a.png")], outputs, CHOICES))


def test_one_broken_file_stops_nothing(tmp_path: Path, tiny_model: str) -> None:
    (tmp_path / "b.png").write_bytes(b"no image at all")
    channels = write_image(tmp_path / "d.tif", (5, 40, 40), metadata={"axes": "CYX"})
    images = [write_image(tmp_path / "a.png"), tmp_path / "b.png", tmp_path / "c.png", channels]
    images.append(write_image(tmp_path / "e.png", (64, 64, 3)))
    _, results = drain(segment_files(images, Outputs(tmp_path / "out"), CHOICES))
    assert [r.image for r in results] == images
    assert [r.error is None for r in results] == [True, False, False, False, True]
    assert str(images[1]) in results[1].error
    assert "5 channels" in results[3].error
    assert sorted(os.listdir(tmp_path / "out")) == ["a_labels.tif", "e_labels.tif"]


@pytest.mark.parametrize(
    ("shape", "axes", "channel"),
    [
        pytest.param((3, 40, 50), "ZYX", None, id="stack"),
        pytest.param((3, 40, 50), "TYX", None, id="series"),
        pytest.param((2, 3, 40, 50), "TZYX", None, id="series of stacks"),
        pytest.param((3, 2, 40, 50), "ZCYX", 1, id="stack with channels"),
    ],
)
def test_stacks_are_segmented_slice_by_slice(
    tmp_path: Path, tiny_model: str, shape: tuple[int, ...], axes: str, channel: int | None
) -> None:
    tags = {"imagej": True, "resolution": (2, 2), "metadata": {"unit": "micron", "axes": axes}}
    image = write_image(tmp_path / "s.tif", shape, **tags)
    outputs = Outputs(tmp_path / "out", overlay=True, table=True, run_lengths=tmp_path / "lengths.csv")
    choices = {**CHOICES, "channel": channel, "min_area_px": 3}
    progress, (result,) = drain(segment_files([image], outputs, choices))
    pixels = tifffile.imread(image)
    slices = (pixels if channel is None else pixels[:, channel]).reshape(-1, 40, 50)
    expected = [segment(each, **{**choices, "channel": None}).labels for each in slices]
    kept = axes.replace("C", "")
    labels = read_image(result.labels)
    assert labels.axes == kept
    assert labels.pixels.shape == (*shape[: len(kept) - 2], 40, 50)
    for found, alone in zip(labels.pixels.reshape(-1, 40, 50), expected, strict=True):
        np.testing.assert_array_equal(
            np.where(found > 0, found - found[found > 0].min(initial=9999) + 1, 0), alone
        )
    assert np.unique(labels.pixels).tolist() == list(range(result.n_nuclei + 1)), "no number twice"
    assert f"{result.n_nuclei} nuclei in {len(slices)} slices" in result.summary
    overlay = read_image(result.overlay)
    assert (overlay.pixels.shape, overlay.axes) == ((*labels.pixels.shape, 3), f"{kept}C")
    assert overlay.pixel_size_um == labels.pixel_size_um == pytest.approx(0.5)
    header, *rows = result.table.read_text().splitlines()
    assert header.startswith(",".join(kept[:-2].lower()) + ",label,")
    assert len(rows) == result.n_nuclei
    names = {line.split(",")[0] for line in (tmp_path / "lengths.csv").read_text().splitlines()[1:]}
    assert len(names) == len(slices)
    assert all(name.startswith(f"s_{kept[0].lower()}") for name in names)
    stages = {p.step.stage for p in progress if p.step}
    assert f"slice {len(slices)}/{len(slices)}, network" in stages


def test_of_a_stack_the_slice_that_cannot_be_segmented_is_named(tmp_path: Path, tiny_model: str) -> None:
    image = write_image(tmp_path / "s.tif", (3, 5, 40, 50), metadata={"axes": "ZCYX"})
    _, (result,) = drain(segment_files([image], Outputs(tmp_path / "out"), CHOICES))
    assert "slice z0: got 5 channels" in result.error
    assert not (tmp_path / "out").exists()


def test_auto_is_chosen_by_the_image_and_once_a_stack(tmp_path: Path) -> None:
    dark, bright = np.zeros((40, 48), np.uint8), np.full((40, 48), 250, np.uint8)
    dark[10:20, 10:20], bright[10:20, 10:20] = 200, 20
    for name, pixels in {"dark": dark, "bright": bright, "both": np.stack([bright, dark])}.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels, metadata={"axes": "ZYX"[-pixels.ndim :]})
    images = [tmp_path / f"{name}.tif" for name in ("dark", "bright", "both")]
    _, results = drain(segment_files(images, Outputs(tmp_path / "out"), CHOICES | {"model": "auto"}))
    assert [result.model for result in results] == ["nuclei-unetpp", "nuclei-unet", "nuclei-unet"]


def test_what_was_not_read_of_a_file_is_noted(tmp_path: Path, tiny_model: str) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for side in (20, 40):
            tiff.write(np.zeros((side, side), np.uint8), photometric="minisblack")
    _, (result,) = drain(segment_files([tmp_path / "a.tif"], Outputs(tmp_path / "out"), CHOICES))
    assert result.notes[0].startswith("The file holds 2 images; only the largest was read")
    assert tifffile.imread(result.labels).shape == (40, 40)


def test_too_little_space_and_memory_are_said_in_words(tmp_path: Path, tiny_model: str) -> None:
    image = write_image(tmp_path / "a.tif")
    content = bytearray(image.read_bytes())
    with tifffile.TiffFile(image) as tiff:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip", "StripByteCounts"):
            tag = tiff.pages[0].tags[name]
            size = {3: 2, 4: 4}[tag.dtype]
            content[tag.valueoffset : tag.valueoffset + size] = (1 << (8 * size - 2)).to_bytes(size, "little")
    image.write_bytes(content)
    _, (result,) = drain(segment_files([image], Outputs(tmp_path / "out"), CHOICES))
    assert "does not fit on the disk" in result.error
    with pytest.raises(ImageError, match="too large for this computer's memory: crop it"):
        read_image(image)


def test_empty_slices_choose_no_model_and_tell_no_diameter(tmp_path: Path) -> None:
    lit = synthetic_fluorescence((96, 96), seed=0).image
    blank = np.zeros_like(lit)
    stack = np.stack([blank, blank, lit, blank])
    tifffile.imwrite(tmp_path / "lit.tif", lit)
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    images = [tmp_path / "lit.tif", tmp_path / "stack.tif"]
    _, (alone, result) = drain(segment_files(images, Outputs(tmp_path / "out"), {"device": "cpu"}))
    assert result.model == alone.model == "nuclei-unetpp"
    assert result.n_nuclei == alone.n_nuclei > 0
    assert result.diameter_px == pytest.approx(alone.diameter_px)
    assert result.diameter_confidence == pytest.approx(alone.diameter_confidence)
    assert any(note.startswith("slices z0–z1, z3: All pixels") for note in result.notes)


def test_colours_are_not_taken_for_a_side_of_slices(tmp_path: Path, tiny_model: str) -> None:
    images = [
        write_image(tmp_path / "colour.png", (70, 90, 3)),
        write_image(tmp_path / "stack.tif", (3, 40, 50), photometric="minisblack"),
    ]
    _, (colour, stack) = drain(segment_files(images, Outputs(tmp_path / "out"), {**CHOICES, "axes": "zyx"}))
    assert "got axes 'ZYX', but the image is in colour: its axes are YXC (shape (70, 90, 3))" in colour.error
    assert stack.error is None
    assert not (tmp_path / "out" / "colour_labels.tif").exists()


def test_axes_that_do_not_fit_a_stack_are_said(tmp_path: Path, tiny_model: str) -> None:
    image = write_image(tmp_path / "s.tif", (3, 40, 50), photometric="minisblack", metadata={"axes": "ZYX"})
    _, (result,) = drain(segment_files([image], Outputs(tmp_path / "out"), {**CHOICES, "axes": "TZYX"}))
    assert "4 axes" in result.error


def test_names_do_not_depend_on_how_paths_are_written(tmp_path: Path, monkeypatch) -> None:
    names = ("x/a.png", "y/a.png", "y/a.tif", "y/b.png")
    whole = [write_image(tmp_path / "data" / name) for name in names]
    expected = ["x_a", "y_a.png", "y_a.tif", "b"]
    assert list(output_names(whole).values()) == expected
    for folder, written in ((tmp_path / "data", ""), (tmp_path, "data/"), (whole[0].parent, "../")):
        monkeypatch.chdir(folder)
        assert list(output_names([Path(written + name) for name in names]).values()) == expected


@pytest.mark.parametrize(
    ("names", "name_of_other"),
    [
        pytest.param(("a.png", "a.tif"), "a.tif", id="suffix"),
        pytest.param(("b/a.png", "a.png"), "a_2", id="folder"),
    ],
)
def test_what_was_done_before_a_namesake_came_is_done(
    tmp_path: Path, tiny_model: str, names: tuple[str, str], name_of_other: str
) -> None:
    image, other = tmp_path / names[0], tmp_path / names[1]
    outputs = Outputs(tmp_path / "out", skip_done=True)
    write_image(image)
    _, (first,) = drain(segment_files([image], outputs, CHOICES))
    other.write_bytes(image.read_bytes())
    for _ in range(2):
        _, (namesake, again) = drain(segment_files([other, image], outputs, CHOICES))
        assert (again.labels, again.skipped) == (first.labels, True)
        assert namesake.labels == tmp_path / "out" / f"{name_of_other}_labels.tif"
    assert namesake.skipped


@pytest.mark.parametrize(
    "names",
    [
        ("cell_.tif", "cell.tif"),
        ("d1/a.tif", "d2/a.tif", "d1_a.tif"),
        ("a.tif", "x/../a.tif"),
        ("A.tif", "a.png"),
    ],
)
def test_each_image_has_results_of_its_own(tmp_path: Path, tiny_model: str, names: tuple[str, ...]) -> None:
    (tmp_path / "x").mkdir()
    images = [write_image(tmp_path / name) for name in names]
    _, results = drain(segment_files(images, Outputs(tmp_path / "out"), CHOICES))
    assert len({str(result.labels).casefold() for result in results}) == len(images)


def test_a_result_that_cannot_be_written_stops_no_other(tmp_path: Path, tiny_model: str) -> None:
    (tmp_path / "out" / "a_labels.tif").mkdir(parents=True)
    long = (f"{'x' * 245}.png", f"{'y' * 250}.png")
    images = [write_image(tmp_path / name) for name in ("a.png", *long, "b.png", f"{'z' * 244}.png")]
    seen, results = drain(segment_files(images, Outputs(tmp_path / "out"), CHOICES))
    assert [(result.error or "")[:12] for result in results] == ["cannot write"] * 3 + [""] * 2
    assert "the name is too long" in results[1].error
    assert results[3].labels == tmp_path / "out" / "b_labels.tif"
    assert {progress.image for progress in seen if progress.step} == set(images[3:])  # said before the work


def test_a_name_too_long_stops_no_other_before_there_is_a_folder(tmp_path: Path, tiny_model: str) -> None:
    images = [write_image(tmp_path / name) for name in (f"{'x' * 250}.png", "b.png")]
    _, results = drain(segment_files(images, Outputs(tmp_path / "new" / "out"), CHOICES))
    assert [bool(result.error) for result in results] == [True, False]


def test_diameter_in_um_takes_the_pixel_size_of_each_file(tmp_path: Path, tiny_model: str) -> None:
    fine = write_image(tmp_path / "fine.tif", imagej=True, resolution=(4, 4), metadata={"unit": "micron"})
    unknown = write_image(tmp_path / "unknown.png")
    choices = {"model": "tiny", "device": "cpu", "diameter_um": 6.0}
    _, (first, second) = drain(segment_files([fine, unknown], Outputs(tmp_path / "out"), choices))
    assert first.diameter_px == pytest.approx(24)
    assert "pixel_size_um" in second.error


def test_channel_is_chosen_for_all(tmp_path: Path, tiny_model: str) -> None:
    image = write_image(tmp_path / "a.tif", (2, 40, 50), metadata={"axes": "CYX"})
    _, (without,) = drain(segment_files([image], Outputs(tmp_path / "out"), CHOICES))
    _, (chosen,) = drain(segment_files([image], Outputs(tmp_path / "out"), {**CHOICES, "channel": 1}))
    assert "choose a channel" in without.error
    assert without.error.endswith("With nucseg segment: --channel NUMBER, or --axes.")
    assert chosen.error is None


@pytest.mark.parametrize("axes", ["CYX", "ZCYX"])
def test_channels_to_choose_from_are_named_where_the_file_tells(
    tmp_path: Path, tiny_model: str, axes: str
) -> None:
    metadata = {"axes": axes, "Channel": {"Name": ["GFP", "RFP"]}}
    image = write_image(tmp_path / "a.ome.tif", (3, 2, 40, 50)[-len(axes) :], metadata=metadata)
    for choices in (CHOICES, CHOICES | {"channel": 2}):
        _, (result,) = drain(segment_files([image], Outputs(tmp_path / "out"), choices))
        assert "The file calls them 0 GFP, 1 RFP. With nucseg segment: --channel NUMBER" in result.error


def test_the_channel_that_a_file_names_for_nuclei_is_taken_unless_another_is_chosen(tmp_path: Path) -> None:
    nuclei = synthetic_fluorescence((128, 128)).image
    image = tmp_path / "a.ome.tif"
    metadata = {"axes": "CYX", "Channel": {"Name": ["GFP", "DAPI"]}}
    tifffile.imwrite(image, np.stack([np.zeros_like(nuclei), nuclei]), metadata=metadata)
    for choice, n_least, said in (({}, 1, True), ({"channel": 1}, 1, False), ({"channel": 0}, 0, False)):
        outputs = Outputs(tmp_path / str(choice.get("channel")))
        _, (result,) = drain(segment_files([image], outputs, {"diameter_px": 24.0, **choice}))
        assert min(result.n_nuclei, 1) == n_least
        assert any("channel 1 (DAPI)" in note for note in result.notes) == said


@pytest.mark.parametrize(
    ("choices", "error"),
    [
        pytest.param({"model": "no-such-model"}, ModelFileError, id="model"),
        pytest.param({"model": "tiny", "device": "quantum"}, SettingsError, id="device"),
        pytest.param({"model": "tiny", "foreground_threshold": 7}, SettingsError, id="bounds"),
        pytest.param({"model": "tiny", "diametre": 7}, SettingsError, id="name"),
    ],
)
def test_choices_that_fit_no_file_are_refused_at_once(
    tmp_path: Path, tiny_model: str, choices: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        drain(segment_files([write_image(tmp_path / "a.png")], Outputs(tmp_path / "out"), choices))
    assert not (tmp_path / "out").exists()


def test_unwritable_place_stops_at_once(tmp_path: Path, tiny_model: str) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    images = [write_image(tmp_path / "a.png"), write_image(tmp_path / "b.png")]
    with pytest.raises(OutputError, match="cannot write"):
        next(segment_files(images, Outputs(tmp_path / "out"), CHOICES))


def test_closing_the_generator_cancels(tmp_path: Path, tiny_model: str) -> None:
    steps = segment_files([write_image(tmp_path / "a.png")], Outputs(tmp_path / "out"), CHOICES)
    next(steps)
    steps.close()
    assert not (tmp_path / "out").exists()


def test_folders_stand_for_their_images(tmp_path: Path) -> None:
    first, second = write_image(tmp_path / "d" / "b.png"), write_image(tmp_path / "d" / "a.tif")
    (tmp_path / "d" / "notes.txt").write_text("no image")
    single = tmp_path / "anything"
    assert find_images([tmp_path / "d", single, first]) == (second, first, single)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="no image"):
        find_images([tmp_path / "empty"])


def test_slides_are_images_and_zarr_is_none(tmp_path: Path) -> None:
    slide, zarr = tmp_path / "slide.SVS", tmp_path / "cells.zarr"
    (zarr / "0").mkdir(parents=True)
    (zarr / "zarr.json").write_text("{}")
    (tmp_path / "cells.czi").touch()
    for named in (zarr, zarr / "zarr.json", tmp_path):
        with pytest.raises(ImageError, match="zarr is not read"):
            find_images([named])
    slide.touch()
    assert find_images([tmp_path]) == (slide,)
    slide.unlink()
    shutil.rmtree(zarr)
    with pytest.raises(ImageError, match=r"found 1 x \.czi: name the folder"):
        find_images([tmp_path])


def test_a_link_to_nothing_is_an_image_that_failed(tmp_path: Path, tiny_model: str) -> None:
    folder = tmp_path / "linked"
    image, link = write_image(folder / "a.png"), folder / "b.png"
    try:
        link.symlink_to(tmp_path / "on a drive that is not there.png")
    except OSError:
        pytest.skip("links may not be made here")
    _, results = drain(segment_files(find_images([folder]), Outputs(tmp_path / "out"), CHOICES))
    assert [result.image for result in results] == [image, link]
    assert f"{link} cannot be opened" in results[1].error


def test_a_folder_of_folders_names_the_first_of_them(tmp_path: Path) -> None:
    for plate in ("plate 2", "plate 1"):
        write_image(tmp_path / plate / "a.tif")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ImageError, match=r"found 1 x \.txt: .* such as .*plate 1$"):
        find_images([tmp_path])


def test_results_and_hidden_files_in_a_folder_are_no_images(tmp_path: Path, tiny_model: str) -> None:
    image = write_image(tmp_path / "a.png")
    alone = write_image(tmp_path / "b_labels.png")
    (tmp_path / "._a.png").write_bytes(b"what a Mac leaves on other disks")
    outputs = Outputs(tmp_path, overlay=True, table=True)
    for _ in range(2):
        assert find_images([tmp_path]) == (image, alone)
        drain(segment_files([image], outputs, CHOICES))
    assert (tmp_path / "a_overlay.png").is_file()


def test_a_pattern_the_shell_left_alone_stands_for_its_files(tmp_path: Path) -> None:
    images = [write_image(tmp_path / name) for name in ("a.tif", "b.tif", "c[1].png", "d.png")]
    assert find_images([tmp_path / "*.tif", images[2]]) == tuple(images[:3])
    assert find_images([tmp_path / "*.jpg"]) == (tmp_path / "*.jpg",), "it is named as what is missing"


def test_a_pattern_stands_for_no_results(tmp_path: Path, tiny_model: str) -> None:
    images = [write_image(tmp_path / name) for name in ("a.png", "b.png")]
    drain(segment_files(images, Outputs(tmp_path, overlay=True, table=True, outlines=True), CHOICES))
    assert find_images([tmp_path / "*"]) == tuple(images)
    with pytest.raises(ImageError, match="nothing but results"):
        find_images([tmp_path / "*_overlay.png"])


def test_a_second_run_takes_the_same_images(tmp_path: Path, tiny_model: str) -> None:
    images = [write_image(tmp_path / name) for name in ("E.png", "_b.png", "a.png", "a.tif")]
    if not (tmp_path / "e.PNG").exists():  # where case counts
        images.append(write_image(tmp_path / "e.png"))
    outputs = Outputs(tmp_path, overlay=True, table=True)
    for _ in range(2):
        assert find_images([tmp_path]) == tuple(images)
        _, results = drain(segment_files(images, outputs, CHOICES))
        assert not any(result.error for result in results)


def test_a_pattern_the_shell_expanded_has_no_results_of_its_images(tmp_path: Path, tiny_model: str) -> None:
    images = [write_image(tmp_path / name) for name in ("_b.png", "a.png")]
    for _ in range(2):
        named = sorted(tmp_path.glob("*.png"))
        assert find_images(named) == tuple(images)
        drain(segment_files(find_images(named), Outputs(tmp_path, overlay=True), CHOICES))
    assert find_images([tmp_path / "a_overlay.png"]) == (tmp_path / "a_overlay.png",), "named, and alone"


def test_labels_that_no_batch_wrote_are_replaced_only_if_asked(tmp_path: Path, tiny_model: str) -> None:
    image, by_hand = write_image(tmp_path / "cell.png"), tmp_path / "cell_labels.tif"
    tifffile.imwrite(by_hand, np.ones((70, 90), np.uint16))
    before = by_hand.read_bytes()
    (found,) = find_images([tmp_path])
    _, (result,) = drain(segment_files([found], Outputs(tmp_path, overlay=True), CHOICES))
    assert found == image
    assert f"{by_hand}: it is there already" in result.error
    assert re.search(
        "results of earlier versions bear no such mark.* replace it with --overwrite", result.error
    )
    assert by_hand.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["cell.png", "cell_labels.tif"]
    _, (result,) = drain(segment_files([found], Outputs(tmp_path, overwrite=True), CHOICES))
    assert result.error is None
    assert by_hand.read_bytes() != before


@pytest.mark.parametrize("name", ["a_overlay.png", "a_table.csv"])
def test_what_is_not_ours_beside_the_labels_is_kept_too(tmp_path: Path, tiny_model: str, name: str) -> None:
    image = write_image(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("x,y\n1,2\n")
    _, (result,) = drain(segment_files([image], Outputs(tmp_path / "out", True, True), CHOICES))
    assert f"{name}: it is there already" in result.error
    assert os.listdir(tmp_path / "out") == [name]


@pytest.mark.parametrize("overlay", [False, True])
def test_the_result_of_another_image_is_kept(tmp_path: Path, tiny_model: str, overlay: bool) -> None:
    image, other = (
        write_image(tmp_path / "a" / "cell.png"),
        write_image(tmp_path / "b" / "cell.png", (40, 50)),
    )
    outputs = Outputs(tmp_path / "out", overlay=True)
    _, (result,) = drain(segment_files([image], outputs, CHOICES))
    labels = result.labels.read_bytes()
    if overlay:
        result.labels.unlink()
    _, (refused,) = drain(segment_files([other], outputs, CHOICES))
    assert "already, the result of another image of this name, ../a/cell.png" in refused.error
    assert "Choose another folder for the results, or replace it with --overwrite" in refused.error
    assert overlay or result.labels.read_bytes() == labels
    _, (replaced,) = drain(segment_files([other], Outputs(tmp_path / "out", True, overwrite=True), CHOICES))
    assert replaced.error is None


def test_of_two_runs_at_once_the_later_keeps_the_result_of_the_other(tmp_path: Path, tiny_model: str) -> None:
    mine, other = (write_image(tmp_path / folder / "x.png") for folder in "ab")
    Image.fromarray(np.full((50, 60), 9, np.uint8)).save(other)
    out = tmp_path / "out"
    steps = segment_files([mine], Outputs(out, table=True), CHOICES)
    while (progress := next(steps)).step is None or progress.step.stage != "network":
        pass  # that it is there is checked already, and nothing is
    options = ["--model", tiny_model, "--device", "cpu", "--diameter", "24", "--table"]
    subprocess.run(
        [sys.executable, "-m", "napari_nucseg", "segment", str(other), "-o", str(out), *options], check=True
    )
    written = {path: path.read_bytes() for path in out.iterdir()}
    _, (result,) = drain(steps)
    assert "the result of another image of this name, ../b/x.png" in (result.error or "")
    assert {path: path.read_bytes() for path in out.iterdir()} == written


def test_the_same_image_is_known_changed_or_moved(tmp_path: Path, tiny_model: str) -> None:
    image, outputs = write_image(tmp_path / "a" / "cell.png"), Outputs(tmp_path / "out", overlay=True)
    drain(segment_files([image], outputs, CHOICES))
    (tmp_path / "a").rename(tmp_path / "b")
    _, (moved,) = drain(segment_files([tmp_path / "b" / "cell.png"], outputs, CHOICES))
    write_image(tmp_path / "b" / "cell.png", (40, 50))
    _, (changed,) = drain(segment_files([tmp_path / "b" / "cell.png"], outputs, CHOICES))
    assert (moved.error, changed.error) == (None, None)


@pytest.mark.parametrize("axes", ["YX", "ZYX"])
def test_what_was_done_is_taken_and_the_rest_made_from_it(tmp_path: Path, tiny_model: str, axes: str) -> None:
    tags = {"imagej": True, "resolution": (2, 2), "metadata": {"unit": "micron", "axes": axes}}
    image = write_image(tmp_path / "a.tif", (3, 40, 50)[-len(axes) :], **tags)
    choices = {**CHOICES, "min_area_px": 3}
    every = {"overlay": True, "table": True, "outlines": True}
    outputs = Outputs(tmp_path / "whole", **every, run_lengths=tmp_path / "whole.csv")
    _, (whole,) = drain(segment_files([image], outputs, choices))
    drain(segment_files([image], Outputs(tmp_path / "out"), choices))
    labels = tmp_path / "out" / "a_labels.tif"
    before = labels.stat().st_mtime_ns
    outputs = Outputs(tmp_path / "out", **every, run_lengths=tmp_path / "r.csv", skip_done=True)
    progress, (result,) = drain(segment_files([image], outputs, choices))
    assert result.skipped
    assert {p.step.stage for p in progress if p.step} <= {"draw", "measure", "outline"}, (
        "nothing was segmented"
    )
    assert labels.stat().st_mtime_ns == before
    told = {"n_nuclei", "median_area_px", "model", "device", "diameter_px"}
    assert {name: getattr(result, name) for name in told} == {name: getattr(whole, name) for name in told}
    assert (tmp_path / "r.csv").read_text() == (tmp_path / "whole.csv").read_text()
    assert result.table.read_text() == whole.table.read_text()
    first, *features = result.outlines.read_text().splitlines()
    assert features == whole.outlines.read_text().splitlines()[1:]
    assert "nucseg segment" in first
    np.testing.assert_array_equal(read_image(result.overlay).pixels, read_image(whole.overlay).pixels)


def test_what_was_done_is_taken_where_nothing_can_be_written(tmp_path: Path, tiny_model: str) -> None:
    image, out = write_image(tmp_path / "a.tif"), tmp_path / "out"
    drain(segment_files([image], Outputs(out), CHOICES))
    (out / ".a.lock").mkdir()  # stands for a folder without permission, which an administrator has everywhere
    _, (result,) = drain(segment_files([image], Outputs(out, skip_done=True), CHOICES))
    assert (result.error, result.skipped) == (None, True)


def test_only_the_same_image_and_settings_are_done(tmp_path: Path, tiny_model: str) -> None:
    images = [write_image(tmp_path / name) for name in ("a.png", "b.png")]
    outputs = Outputs(tmp_path / "out", skip_done=True)

    def skipped(**choices: Any) -> list[bool]:
        _, results = drain(segment_files(images, outputs, CHOICES | choices))
        assert not any(result.error for result in results)
        return [result.skipped for result in results]

    assert skipped() == [False, False]
    assert skipped(tile_px=64, precision="auto") == [True, True]
    write_image(images[1], (40, 50))
    assert skipped() == [True, False]
    assert skipped(foreground_threshold=0.3) == [False, False]
    assert skipped(foreground_threshold=0.3) == [True, True]
    assert skipped(precision="float32") == [False, False]
    assert skipped(precision="float32") == [True, True]
    assert skipped(precision="bfloat16") == [False, False]
    tifffile.imwrite(tmp_path / "out" / "a_labels.tif", np.ones((70, 90), np.uint16))
    _, (by_hand,) = drain(segment_files(images[:1], outputs, CHOICES))
    assert "does not say that nucseg segment made it" in by_hand.error


def test_an_image_that_changes_while_it_is_read_has_no_result(
    tmp_path: Path, tiny_model: str, monkeypatch
) -> None:
    image = write_image(tmp_path / "a.tif")

    def read_and_replaced(path: Path, **options: Any) -> ImageFile:
        content = read_image(path, **options)
        write_image(path, (40, 50))
        return content

    monkeypatch.setattr(batch, "read_image", read_and_replaced)
    _, (result,) = drain(segment_files([image], Outputs(tmp_path / "out"), CHOICES))
    assert result.error == f"{image} changed while it was read: run again once it is written"
    assert not (tmp_path / "out").exists()


def test_results_of_earlier_versions_that_name_no_image_are_replaced(tmp_path: Path, tiny_model: str) -> None:
    image = write_image(tmp_path / "cell.png")
    earlier = tmp_path / "out" / "cell_labels.tif"
    earlier.parent.mkdir()
    tifffile.imwrite(earlier, np.ones((70, 90), np.uint16), imagej=True, software="nucseg segment")
    before = earlier.read_bytes()
    _, (result,) = drain(segment_files([image], Outputs(tmp_path / "out"), CHOICES))
    assert result.error is None
    assert earlier.read_bytes() != before


@pytest.mark.parametrize(
    "tags", [{"metadata": {"axes": "ZYX"}}, {"resolution": (2, 2), "metadata": {"axes": "TYX"}}]
)
def test_a_table_with_a_column_of_ones_own_is_kept(
    tmp_path: Path, tiny_model: str, tags: dict[str, Any]
) -> None:
    tags["metadata"]["unit"] = "micron"
    image = write_image(tmp_path / "a.tif", (3, 40, 50), imagej=True, **tags)
    outputs = Outputs(tmp_path / "out", table=True)
    for _ in range(2):
        _, (result,) = drain(segment_files([image], outputs, CHOICES))
        assert result.error is None, "its own table is replaced"
    header, *rows = result.table.read_text().splitlines()
    edited = "\n".join([f"{header},class", *(f"{row},mitotic" for row in rows)])
    result.table.write_text(edited)
    _, (refused,) = drain(segment_files([image], outputs, CHOICES))
    assert f"{result.table}: it is there already" in refused.error
    assert result.table.read_text() == edited


def test_no_result_replaces_an_image_of_the_batch(tmp_path: Path, tiny_model: str) -> None:
    image, other = write_image(tmp_path / "s1.png"), write_image(tmp_path / "s1_overlay.png")
    before = other.read_bytes()
    outputs = Outputs(tmp_path, overlay=True, overwrite=True)
    _, (first, second) = drain(segment_files([image, other], outputs, CHOICES))
    assert "s1_overlay.png: it is one of the images to be segmented" in first.error
    assert second.error is None
    assert other.read_bytes() == before
    with pytest.raises(OutputError, match="one of the images"):
        drain(segment_files([image], Outputs(tmp_path / "out", run_lengths=image), CHOICES))


def test_an_empty_name_is_not_the_current_folder() -> None:
    with pytest.raises(ImageError, match="empty name"):
        find_images([""])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_names_that_are_no_text_have_run_lengths(tmp_path: Path, tiny_model: str) -> None:
    image = write_image(tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    table = tmp_path / "lengths.csv"
    _, (result,) = drain(segment_files([image], Outputs(tmp_path / "out", run_lengths=table), CHOICES))
    assert result.error is None
    assert table.read_bytes().splitlines()[1].startswith(b"caf\xe9,")
