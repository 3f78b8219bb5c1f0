"""Nothing is lost: journals cut at every byte, damaged, killed while they are written, and on a full disk."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
import zlib
from datetime import datetime, timedelta

import numpy as np
import pytest

from napari_nucseg.data.journal import (
    SUFFIX,
    Journal,
    JournalHeader,
    Part,
    abandoned_journals,
    fingerprint,
    replay,
)
from napari_nucseg.data.journal_format import MAGIC, framed
from napari_nucseg.errors import JournalError, OutputError


def _header(labels, **more):
    return JournalHeader(shape=labels.shape, dtype=str(labels.dtype), base=fingerprint(labels), **more)


@pytest.fixture
def base():
    labels = np.zeros((60, 1100), np.int32)
    labels[10:20, 5:30] = 3
    labels[40:50, 1050:1080] = 70_000
    return labels


@pytest.fixture
def journal(tmp_path, base):
    opened = Journal.create(tmp_path / f"a{SUFFIX}", _header(base), {Part.LABELS: base})
    yield opened
    opened.close()


def test_edits_of_labels_trust_and_prediction_come_back(tmp_path, base):
    header = _header(base, image_name="cells", notes={"model": "nuclei-unet"})
    prediction = base + (base > 0)
    path = tmp_path / f"b{SUFFIX}"
    journal = Journal.create(path, header, {Part.LABELS: base, Part.PREDICTION: prediction})
    labels, trust = base.copy(), np.zeros(base.shape, np.uint8)
    labels[12:15, 3:9] = 8
    journal.record(Part.LABELS, (12, 3), labels[12:15, 3:9])
    trust[0:5] = 1
    journal.record(Part.TRUST, (0, 0), trust[0:5])
    journal.close()
    found = replay(path)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.trust, trust)
    np.testing.assert_array_equal(found.prediction, prediction)
    assert (found.n_edits, found.lost_bytes) == (2, 0)
    assert found.header == header.model_copy(update={"has_prediction": True})


def test_what_nobody_edited_yet_is_compressed_once_for_labels_and_prediction(tmp_path, base, monkeypatch):
    compress, compressed = zlib.compress, []
    monkeypatch.setattr(
        zlib, "compress", lambda pixels, level: compressed.append(1) or compress(pixels, level)
    )
    prediction = base.copy()
    prediction[40:50, 1050:1080] = 4
    trust = np.ones(base.shape, np.uint8)
    arrays = {Part.LABELS: base, Part.PREDICTION: prediction, Part.TRUST: trust}
    journal = Journal.create(tmp_path / f"d{SUFFIX}", _header(base), arrays)
    journal.close()
    assert len(compressed) == 1 + 2 + 3
    found = replay(journal.path)
    for array, came_back in zip(arrays.values(), (found.labels, found.prediction, found.trust), strict=True):
        np.testing.assert_array_equal(came_back, array)


def test_stacks_and_other_types(tmp_path):
    labels = np.zeros((3, 30, 40), np.uint16)
    labels[1, 5:9, 5:9] = 4
    journal = Journal.create(tmp_path / f"c{SUFFIX}", _header(labels), {Part.LABELS: labels})
    labels[2, 1:3, 1:3] = 9
    journal.record(Part.LABELS, (2, 1, 1), labels[2:3, 1:3, 1:3])
    journal.close()
    np.testing.assert_array_equal(replay(journal.path).labels, labels)


def test_a_stroke_costs_as_much_as_its_rectangle(journal, base):
    before = journal.path.stat().st_size
    journal.record(Part.LABELS, (1, 1), base[1:20, 1:20])
    assert journal.path.stat().st_size - before < 200


def test_cut_at_every_byte_it_loses_the_stroke_in_hand_at_most(journal, base, tmp_path):
    rng = np.random.default_rng(0)
    states, ends, labels = [base.copy()], [journal.path.stat().st_size], base.copy()
    for _ in range(4):
        labels[5:12, 7:19] = rng.integers(0, 9, (7, 12))
        journal.record(Part.LABELS, (5, 7), labels[5:12, 7:19])
        states.append(labels.copy())
        ends.append(journal.path.stat().st_size)
    whole = journal.path.read_bytes()
    torn = tmp_path / "torn"
    for size in range(ends[0], ends[-1] + 1):
        torn.write_bytes(whole[:size])
        n_whole = sum(end <= size for end in ends) - 1
        found = replay(torn)
        assert found.n_edits == n_whole
        assert found.lost_bytes == size - ends[n_whole]
        np.testing.assert_array_equal(found.labels, states[n_whole])


@pytest.mark.parametrize("place", [1, 5, 9, 20])
def test_a_flipped_bit_ends_the_journal_before_it(journal, base, place):
    journal.record(Part.LABELS, (0, 0), base[:10, :10])
    end = journal.path.stat().st_size
    journal.record(Part.LABELS, (0, 0), base[:10, :10] + 1)
    damaged = bytearray(journal.path.read_bytes())
    damaged[end + place] ^= 16
    journal.path.write_bytes(damaged)
    assert replay(journal.path).n_edits == 1


def test_resuming_cuts_a_torn_tail_off_and_goes_on(journal, base):
    journal.record(Part.LABELS, (0, 0), base[:4, :4] + 1)
    journal.close()
    with journal.path.open("ab") as file:
        file.write(b"half a rec")
    again, found = Journal.resume(journal.path)
    assert (found.n_edits, found.lost_bytes) == (1, 10)
    again.record(Part.LABELS, (8, 8), base[:4, :4] + 2)
    again.close()
    found = replay(journal.path)
    assert (found.n_edits, found.lost_bytes) == (2, 0)
    assert found.labels[9, 9] == 2


def test_compaction_keeps_what_is_and_shrinks_the_file(journal, base):
    labels = base.copy()
    rng = np.random.default_rng(0)
    for _ in range(30):
        labels[:50, :50] = rng.integers(0, 1000, (50, 50))
        journal.record(Part.LABELS, (0, 0), labels[:50, :50])
    grown = journal.path.stat().st_size
    assert not journal.wants_compaction, "small journals are left alone"
    journal.compact({Part.LABELS: labels})
    assert journal.path.stat().st_size < grown / 5
    journal.record(Part.LABELS, (55, 0), labels[55:57, :3] + 7)
    found = replay(journal.path)
    assert found.labels[56, 1] == 7
    np.testing.assert_array_equal(found.labels[:50], labels[:50])


def test_a_journal_in_use_is_not_offered_and_not_opened_twice(journal, base, tmp_path):
    assert abandoned_journals(tmp_path) == []
    with pytest.raises(JournalError, match="in use"):
        Journal.resume(journal.path)
    journal.close()
    (tmp_path / f"x{SUFFIX}").write_bytes(b"no journal")
    ((path, header),) = abandoned_journals(tmp_path)
    assert (path, header.base) == (journal.path, fingerprint(base))
    assert abandoned_journals(tmp_path / "missing") == []


def test_after_two_months_nobody_asks_for_it_any_more(tmp_path, base):
    long_ago = datetime.now().astimezone() - timedelta(days=61)
    Journal.create(tmp_path / f"old{SUFFIX}", _header(base, started=long_ago), {Part.LABELS: base}).close()
    Journal.create(tmp_path / f"new{SUFFIX}", _header(base), {Part.LABELS: base}).close()
    assert [path.name for path, _ in abandoned_journals(tmp_path)] == [f"new{SUFFIX}"]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_said_and_harms_nothing(journal, base):
    """Of a drive that is gone, not even the end of what was half written can be cut off."""
    journal.record(Part.LABELS, (0, 0), base[:4, :4] + 1)
    kept, journal._file = journal._file, open("/dev/full", "r+b", buffering=0)
    with pytest.raises(OutputError, match="Free some space"):
        journal.record(Part.LABELS, (0, 0), base[:4, :4] + 2)
    journal._file.close()
    journal._file = kept
    found = replay(journal.path)
    assert (found.n_edits, found.lost_bytes) == (1, 0)


def test_what_is_half_written_when_the_disk_is_full_is_written_over(journal, base):
    class Full:
        def __init__(self, file):
            self._file = file

        def write(self, record):
            return self._file.write(record[:30])

        def __getattr__(self, name):
            return getattr(self._file, name)

    whole, journal._file = journal._file, Full(journal._file)
    with pytest.raises(OutputError, match=r"only 30 of \d+ bytes were written. Free some space"):
        journal.record(Part.LABELS, (0, 0), base[:4, :4] + 1)
    assert replay(journal.path).lost_bytes == 0
    journal._file = whole
    journal.record(Part.LABELS, (0, 0), base[:4, :4] + 2)
    assert replay(journal.path).labels[0, 0] == 2


def test_where_it_cannot_be_written_anew_the_old_one_goes_on(journal, base, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(OutputError, match="the disk is full"):
            journal.compact({Part.LABELS: base + 5})
    journal.record(Part.LABELS, (0, 0), base[:4, :4] + 2)
    found = replay(journal.path)
    assert (found.labels[0, 0], found.labels[30, 30], found.n_edits) == (2, 0, 1)
    assert list(tmp_path.iterdir()) == [journal.path]
    journal.path.unlink()
    journal.path.mkdir()
    with pytest.raises(JournalError, match="cannot be opened"):
        journal.compact({Part.LABELS: base})
    journal.path.rmdir()
    journal.compact({Part.LABELS: base + 5})
    assert replay(journal.path).labels[30, 30] == 5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "no journal", id="empty"),
        pytest.param(b"PNG....................", "no journal", id="something else"),
        pytest.param(MAGIC, "within its header", id="no header"),
        pytest.param(MAGIC + framed(b"{")[:-1], "within its header", id="torn header"),
        pytest.param(MAGIC + framed(b"{"), "no JSON", id="no JSON"),
        pytest.param(MAGIC + framed(b'{"version": 2}'), "version 2", id="newer"),
        pytest.param(MAGIC + framed(b'{"version": 1}'), "header", id="fields missing"),
        pytest.param(
            MAGIC + framed(b'{"version": 1, "shape": [5, 5], "dtype": "object", "base": ""}'),
            "allowed",
            id="type",
        ),
        pytest.param(
            MAGIC + framed(b'{"version": 1, "shape": [5, 5], "dtype": "int32", "base": ""}'),
            "before its first edit",
            id="torn at the start",
        ),
        pytest.param(
            MAGIC + framed(b'{"version": 1, "shape": [5, 5], "dtype": "int32", "base": ""}') + framed(b"zzz"),
            "cannot read",
            id="strange record",
        ),
    ],
)
def test_what_is_no_whole_journal_says_so(tmp_path, content, words):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=words):
        replay(path)
    with pytest.raises(JournalError, match="cannot be read"):
        replay(tmp_path / "missing")


WRITER = textwrap.dedent("""
    import sys
    import numpy as np
    from napari_nucseg.data.journal import Journal, JournalHeader, Part
    labels = np.zeros((400, 400), np.int32)
    header = JournalHeader(shape=labels.shape, dtype="int32", base="")
    journal = Journal.create(sys.argv[1], header, {Part.LABELS: labels})
    stroke = 0
    while True:
        stroke += 1
        labels[:300, :300] = stroke
        journal.record(Part.LABELS, (0, 0), labels[:300, :300])
        print(stroke, flush=True)
""")


def test_killed_while_writing_it_has_every_stroke_that_was_told(tmp_path):
    rng = np.random.default_rng(1)
    for turn in range(5):
        path = tmp_path / f"k{turn}{SUFFIX}"
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        first = writer.stdout.readline()
        time.sleep(float(rng.uniform(0, 0.2)))
        writer.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        told = [int(line) for line in (first + writer.stdout.read()).split(b"\n")[:-1]]
        writer.wait()
        writer.stdout.close()
        ((found_path, _),) = [pair for pair in abandoned_journals(tmp_path) if pair[0] == path]
        found = replay(found_path)
        assert told[-1] <= found.n_edits <= told[-1] + 1
        assert (found.labels[:300, :300] == found.n_edits).all()


def test_what_killed_writers_left_half_written_is_swept_up_a_day_later(tmp_path):
    """By whoever looks for journals next; one that is being written stays."""
    old, new, foreign = (
        tmp_path / name for name in (f".a{SUFFIX}.0f.part", f".b{SUFFIX}.1e.part", ".mine.txt.2d.part")
    )
    for path in (old, new, foreign):
        path.write_bytes(b"half")
    for path in (old, foreign):
        os.utime(path, (time.time() - 90_000,) * 2)
    assert abandoned_journals(tmp_path) == []
    assert sorted(tmp_path.iterdir()) == sorted([new, foreign])


def test_fingerprints_tell_images_apart():
    image = np.arange(200, dtype=np.uint8).reshape(10, 20)
    assert fingerprint(image) == fingerprint(image.copy())
    assert (
        len({fingerprint(x) for x in (image, image + 1, image.reshape(20, 10), image.astype(np.uint16))}) == 4
    )
    assert fingerprint(np.zeros((0, 5))) == fingerprint(np.zeros((0, 5)))
