"""Samples are fetched from a real HTTP server on loopback which serves zips made of the real images."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from hashlib import sha256

import numpy as np
import pytest

from napari_nucseg.data.download import DownloadProgress, fetch_file
from napari_nucseg.data.sample_data import (
    SAMPLES,
    FolderNeeded,
    find_cached,
    find_sample,
    remember_folder,
    sample_steps,
)
from napari_nucseg.data.sources import SOURCES, Archive, find_source
from napari_nucseg.errors import DatasetError, DownloadError, OutputError, SettingsError

FETCHED = "dsb2018-histology"


def drain(steps):
    """All progress, and the result of a generator."""
    progress = []
    while True:
        try:
            progress.append(next(steps))
        except StopIteration as end:
            return progress, end.value


@pytest.fixture
def server(loopback, dsb2018_archive):
    loopback.files["stage1_train.zip"] = dsb2018_archive
    return loopback


@pytest.fixture
def source(server):
    return SOURCES["dsb2018"].at(server.url)


@pytest.fixture(scope="module")
def assert_whole(dsb2018):
    """Compare what was fetched with the real images, which are read once."""
    names = find_sample(FETCHED).image_ids
    truth = list(dsb2018.select(names))

    def compare(dataset):
        assert dataset.names == names
        for got, expected in zip(dataset, truth, strict=True):
            np.testing.assert_array_equal(got.image, expected.image)
            np.testing.assert_array_equal(got.labels, expected.labels)

    return compare


def test_by_ranges_only_what_is_needed_comes(server, source, assert_whole, tmp_path):
    progress, dataset = drain(sample_steps(FETCHED, tmp_path, source))
    assert_whole(dataset)
    assert server.bytes_sent < 0.75 * len(server.files["stage1_train.zip"])
    assert len(server.requests) < 40
    assert all(isinstance(step, DownloadProgress) for step in progress)
    assert all(step.bytes_done <= step.bytes_total for step in progress)
    assert "CC0" in (tmp_path / FETCHED / "SOURCE.txt").read_text()


def test_the_second_time_nothing_is_asked(server, source, tmp_path):
    drain(sample_steps(FETCHED, tmp_path, source))
    server.requests.clear()
    progress, dataset = drain(sample_steps(FETCHED, tmp_path, source))
    assert (progress, server.requests) == ([], [])
    assert len(dataset) == 5
    assert find_cached(FETCHED, tmp_path).names == dataset.names


def test_without_ranges_the_whole_archive_comes(server, source, assert_whole, tmp_path):
    server.ranges = False
    progress, dataset = drain(sample_steps(FETCHED, tmp_path, source))
    assert_whole(dataset)
    assert progress[-1].bytes_done == progress[-1].bytes_total == len(server.files["stage1_train.zip"])
    server.files.clear()  # the other sample comes out of the archive that lies here now
    assert len(drain(sample_steps("dsb2018-fluorescence", tmp_path, source))[1]) == 5


@pytest.mark.parametrize("ranges", [pytest.param(True, id="ranges"), pytest.param(False, id="whole")])
def test_a_cut_connection_is_told_and_gone_on_with(ranges, server, source, assert_whole, tmp_path):
    server.ranges = ranges
    server.cut_after_bytes = int(0.4 * len(server.files["stage1_train.zip"]))
    with pytest.raises(DownloadError, match="cut"):
        drain(sample_steps(FETCHED, tmp_path, source))
    assert find_cached(FETCHED, tmp_path) is None
    server.cut_after_bytes = None
    assert_whole(drain(sample_steps(FETCHED, tmp_path, source))[1])


@pytest.mark.parametrize("ranges", [pytest.param(True, id="ranges"), pytest.param(False, id="whole")])
@pytest.mark.parametrize("n_steps", [1, 2, 3])
def test_cancelling_leaves_nothing_damaged(ranges, n_steps, server, source, assert_whole, tmp_path):
    server.ranges = ranges
    steps = sample_steps(FETCHED, tmp_path, source)
    for _ in range(n_steps):
        next(steps)
    steps.close()
    assert find_cached(FETCHED, tmp_path) is None
    assert not (tmp_path / FETCHED).exists()
    assert not (tmp_path / "stage1_train.zip").exists() or zipfile.is_zipfile(tmp_path / "stage1_train.zip")
    assert_whole(drain(sample_steps(FETCHED, tmp_path, source))[1])


@pytest.mark.parametrize("ranges", [pytest.param(True, id="ranges"), pytest.param(False, id="whole")])
@pytest.mark.parametrize("n_steps", [(1, 1), (3, 1), (1, 3)])
def test_two_programs_fetch_the_same(ranges, n_steps, server, source, assert_whole, tmp_path):
    server.ranges = ranges
    first, second = (sample_steps(FETCHED, tmp_path, source) for _ in range(2))
    for steps, n in zip((first, second), n_steps, strict=True):
        for _ in range(n):
            next(steps)
    for steps in (first, second):
        assert_whole(drain(steps)[1])
    archive = [] if ranges else ["stage1_train.zip"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [FETCHED, *archive]


@pytest.mark.parametrize("ranges", [pytest.param(True, id="ranges"), pytest.param(False, id="whole")])
def test_not_found(ranges, server, source, tmp_path):
    server.ranges = ranges
    server.files.clear()
    with pytest.raises(DownloadError, match="404"):
        drain(sample_steps(FETCHED, tmp_path, source))


def damaged(archive: bytes, image_id: str) -> bytes:
    """The archive with one byte of an image's data flipped: its CRC no longer fits."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        info = opened.getinfo(f"{image_id}/images/{image_id}.png")
    at = info.header_offset + 30 + len(info.filename) + info.compress_size // 2
    return archive[:at] + bytes([archive[at] ^ 0xFF]) + archive[at + 1 :]


@pytest.mark.parametrize("ranges", [pytest.param(True, id="ranges"), pytest.param(False, id="whole")])
def test_a_wrong_crc_is_noticed(ranges, server, source, dsb2018_archive, assert_whole, tmp_path):
    server.ranges = ranges
    server.files["stage1_train.zip"] = damaged(dsb2018_archive, find_sample(FETCHED).image_ids[2])
    with pytest.raises(DownloadError, match="damaged"):
        drain(sample_steps(FETCHED, tmp_path, source))
    assert find_cached(FETCHED, tmp_path) is None
    server.files["stage1_train.zip"] = dsb2018_archive
    assert_whole(drain(sample_steps(FETCHED, tmp_path, source))[1])


def test_a_page_instead_of_a_zip_is_noticed(server, source, tmp_path):
    server.files["stage1_train.zip"] = b"<html>please log in</html>" * 100
    with pytest.raises(DownloadError, match="not a zip"):
        drain(sample_steps(FETCHED, tmp_path, source))


def test_an_archive_without_the_images_is_told(server, source, tmp_path):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("readme.txt", "moved")
    server.files["stage1_train.zip"] = memory.getvalue()
    with pytest.raises(DownloadError, match="no longer holds"):
        drain(sample_steps(FETCHED, tmp_path, source))


def test_no_network_is_told(loopback, tmp_path):
    url = loopback.url
    loopback.stop()
    loopback.stop = lambda: None
    with pytest.raises(DownloadError, match="network"):
        drain(sample_steps(FETCHED, tmp_path, SOURCES["dsb2018"].at(url)))


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize("ranges", [pytest.param(True, id="ranges"), pytest.param(False, id="whole")])
def test_a_full_disk_is_told(ranges, server, tmp_path):
    """A child process may write no file above 20 kB: the system refuses as a full disk or quota does."""
    server.ranges = ranges
    code = f"""
import resource, pathlib
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from napari_nucseg.data.sample_data import sample_steps
from napari_nucseg.data.sources import SOURCES
from napari_nucseg.errors import DownloadError
try:
    list(sample_steps({FETCHED!r}, pathlib.Path({str(tmp_path)!r}), SOURCES["dsb2018"].at({server.url!r})))
except DownloadError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "disk is full" in done.stdout, done.stdout + done.stderr
    assert find_cached(FETCHED, tmp_path) is None


def test_a_write_protected_cache_is_told(as_anybody, server, tmp_path):
    (tmp_path / "cache").mkdir(mode=0o500)
    code = f"""
from napari_nucseg.data.download import DownloadError
from napari_nucseg.data.sample_data import sample_steps
from napari_nucseg.data.sources import SOURCES
from pathlib import Path
try:
    list(sample_steps({FETCHED!r}, Path("cache"), SOURCES["dsb2018"].at({server.url!r})))
except DownloadError as error:
    print(error)
"""
    [said] = as_anybody(code)
    assert "cannot be written" in said


def test_a_mirror_is_named_in_the_environment(server, monkeypatch, tmp_path):
    monkeypatch.setenv("NUCSEG_URL_DSB2018", server.url)
    monkeypatch.setenv("NUCSEG_CACHE", str(tmp_path / "cache"))
    assert len(drain(sample_steps(FETCHED))[1]) == 5
    assert (tmp_path / "cache" / FETCHED).is_dir()


@pytest.mark.parametrize("name", [sample.name for sample in SAMPLES if sample.make])
def test_made_samples_need_nothing(name, tmp_path):
    progress, dataset = drain(sample_steps(name, tmp_path))
    assert progress == []
    assert dataset[0].image.size > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["lizard", "cpm"])
def test_what_a_person_has_to_fetch_says_where(name, tmp_path):
    with pytest.raises(FolderNeeded) as caught:
        drain(sample_steps(name, tmp_path))
    assert caught.value.source.page in str(caught.value)
    assert caught.value.source.licence in str(caught.value)
    assert str(caught.value).startswith(f"this program does not fetch {caught.value.source.title}")


@pytest.mark.parametrize(
    ("name", "folder", "n"),
    [
        pytest.param("lizard", "lizard", 16, id="lizard"),
        pytest.param("cpm", "cpm15", 11, id="cpm challenge"),
        pytest.param("cpm", "cpm15_hovernet", 11, id="cpm hovernet"),
    ],
)
def test_a_named_folder_is_remembered(name, folder, n, test_data, tmp_path):
    assert find_cached(name, tmp_path) is None
    assert len(remember_folder(name, test_data / folder, tmp_path)) == n
    assert len(drain(sample_steps(name, tmp_path))[1]) == n


def test_a_folder_of_something_else_is_refused(test_data, tmp_path):
    with pytest.raises(DatasetError, match="Lizard is lizard"):
        remember_folder("lizard", test_data / "cpm15", tmp_path)
    assert find_cached("lizard", tmp_path) is None


def test_a_cache_that_is_a_file_is_said(test_data, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError, match="cache is a file, not a folder"):
        remember_folder("cpm", test_data / "cpm15", tmp_path / "cache")


def test_a_remembered_folder_that_went_away_is_asked_for_again(test_data, tmp_path):
    (tmp_path / "gone").symlink_to(test_data / "cpm15")
    remember_folder("cpm", tmp_path / "gone", tmp_path)
    (tmp_path / "gone").unlink()
    assert find_cached("cpm", tmp_path) is None


def test_unknown_names():
    with pytest.raises(SettingsError, match="synthetic-fluorescence"):
        find_sample("x")
    with pytest.raises(SettingsError, match="dsb2018"):
        find_source("x")


def test_size_and_sum_are_checked(server, tmp_path):
    data = server.files["stage1_train.zip"]
    target = tmp_path / "whole.zip"
    url = server.url + "stage1_train.zip"
    with pytest.raises(DownloadError, match="SHA256"):
        drain(fetch_file(url, target, sha256="0" * 64))
    with pytest.raises(DownloadError, match="expected"):
        drain(fetch_file(url, target, size_bytes=len(data) - 1))
    assert list(tmp_path.iterdir()) == []
    drain(fetch_file(url, target, size_bytes=len(data), sha256=sha256(data).hexdigest()))
    assert target.read_bytes() == data


def test_a_file_is_gone_on_with(server, tmp_path):
    data = server.files["stage1_train.zip"]
    (tmp_path / "whole.zip.part").write_bytes(data[:100_000])
    progress, target = drain(fetch_file(server.url + "stage1_train.zip", tmp_path / "whole.zip"))
    assert server.requests == [("/stage1_train.zip", "bytes=100000-")]
    assert target.read_bytes() == data
    assert progress[-1].bytes_total == len(data)


def test_official_sizes_are_checked_when_the_official_place_is_used():
    source = SOURCES["dsb2018"]
    assert source.archive.size_bytes == 82_923_446
    assert source.at("http://127.0.0.1:1/").archive == Archive("http://127.0.0.1:1/stage1_train.zip")
