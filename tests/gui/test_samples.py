"""Samples through napari's own ways: ``open_sample``, the File menu, and the dialogs before a download."""

from __future__ import annotations

import shutil
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QApplication

from napari_nucseg.data.sample_data import find_sample, remember_folder


@pytest.mark.parametrize("sample", ["synthetic_fluorescence", "synthetic_histology"])
def test_made_samples_come_with_truth(viewer, sample):
    image, truth = viewer.open_sample("napari-nucseg", sample)
    assert isinstance(image, Image) and isinstance(truth, Labels)
    assert truth.data.shape == image.data.shape[:2]
    assert truth.data.max() > 10


def test_immunohistochemistry_is_real_and_offline(viewer):
    (image,) = viewer.open_sample("napari-nucseg", "immunohistochemistry")
    assert image.data.shape == (512, 512, 3)
    assert image.rgb


def test_sample_from_the_menu(viewer, widget, qtbot):
    action = _find_action("Synthetic histology")
    action.trigger()
    assert [type(layer) for layer in viewer.layers] == [Image, Labels]
    assert widget.form.image.currentText() == "Synthetic histology"


def test_widget_from_the_layers_menu(viewer):
    _find_action("Segment nuclei (NucSeg)").trigger()
    assert any("Segment nuclei" in name for name in viewer.window.dock_widgets)


@pytest.fixture
def server(tmp_path, test_data, monkeypatch):
    """Serve a zip of real DSB2018 images as the official archive is; no ranges."""
    place = tmp_path / "server"
    place.mkdir()
    wanted = find_sample("dsb2018-fluorescence").image_ids
    with zipfile.ZipFile(place / "stage1_train.zip", "w") as archive:
        for file in sorted(
            f for i in wanted for f in (test_data / "dsb2018/stage1_train" / i).rglob("*.png")
        ):
            archive.write(file, file.relative_to(test_data / "dsb2018/stage1_train"))
    handler = partial(SimpleHTTPRequestHandler, directory=str(place))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *a: None)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    monkeypatch.setenv("NUCSEG_URL_DSB2018", f"http://127.0.0.1:{httpd.server_port}/")
    yield place
    httpd.shutdown()
    httpd.server_close()


def test_download_is_asked_for_then_cached(viewer, qtbot, server, answer, press):
    seen = []

    def accept(dialog) -> None:
        seen.append(dialog.about.text())
        press("Download")(dialog)

    answer(accept)
    layers = viewer.open_sample("napari-nucseg", "dsb2018_fluorescence")
    assert "CC0" in seen[0] and "MB" in seen[0]
    assert len(layers) == 10, "five images, each with its truth"
    assert [layer.visible for layer in layers].count(True) == 1
    viewer.layers.clear()
    assert len(viewer.open_sample("napari-nucseg", "dsb2018_fluorescence")) == 10, "without a dialog now"


def test_cancelled_download_leaves_no_layer_and_no_traceback(viewer, server, answer, press):
    before = len(notification_manager.records)
    answer(press("Cancel"))
    assert viewer.open_sample("napari-nucseg", "dsb2018_fluorescence") == []
    assert len(viewer.layers) == 0
    assert not [r for r in notification_manager.records[before:] if "Error" in type(r).__name__]


def test_failed_download_says_why_and_offers_another_try(viewer, qtbot, server, answer, press):
    (server / "stage1_train.zip").rename(server / "elsewhere.zip")
    said = []

    def try_then_cancel(dialog) -> None:
        press("Download")(dialog)
        qtbot.waitUntil(lambda: dialog.problem.isVisible() and dialog.download.isEnabled(), timeout=20_000)
        said.append(dialog.problem.text())
        assert dialog.download.text() == "Try again"
        press("Cancel")(dialog)

    answer(try_then_cancel)
    assert viewer.open_sample("napari-nucseg", "dsb2018_fluorescence") == []
    assert "404" in said[0]


@pytest.mark.parametrize(
    ("sample", "folder", "kind"),
    [
        pytest.param("lizard", "lizard", "folder", id="lizard"),
        pytest.param("cpm", "cpm15", "folder", id="cpm"),
        pytest.param("cpm", "cpm15", "zip", id="zip"),
    ],
)
def test_place_is_asked_for_then_remembered(
    viewer, test_data, tmp_path, answer, choose, press, sample, folder, kind
):
    place, seen = test_data / folder, []
    if kind == "zip":
        place = Path(shutil.make_archive(str(tmp_path / folder), "zip", place))

    def click_choose(dialog) -> None:
        seen.append(dialog.about.text())
        answer(choose(place))
        press(f"Choose {kind}…")(dialog)

    answer(click_choose)
    layers = viewer.open_sample("napari-nucseg", sample)
    assert find_sample(sample).source.page in seen[0] and "Licence" in seen[0]
    assert [type(layer) for layer in layers] == [Image, Labels]
    viewer.layers.clear()
    assert len(viewer.open_sample("napari-nucseg", sample)) == 2, "without a dialog now"


def test_wrong_folder_is_refused_in_words(viewer, tmp_path, answer, choose, press):
    said = []

    def choose_wrong(dialog) -> None:
        answer(choose(tmp_path))
        press("Choose folder…")(dialog)
        said.append(dialog.problem.text())
        press("Cancel")(dialog)

    answer(choose_wrong)
    assert viewer.open_sample("napari-nucseg", "lizard") == []
    assert str(tmp_path) in said[0]


def test_a_sample_that_is_damaged_meanwhile_is_said_to_be(viewer, test_data, tmp_path):
    for name in ("image01.png", "image01_mask.txt"):
        shutil.copy(test_data / "cpm15" / name, tmp_path / name)
    remember_folder("cpm", tmp_path)
    (tmp_path / "image01.png").write_bytes(b"cut short")
    assert viewer.open_sample("napari-nucseg", "cpm") == []
    assert "image01" in notification_manager.records[-1].message


def test_without_a_window_errors_are_raised(monkeypatch):
    from napari_nucseg._napari import samples
    from napari_nucseg.errors import DownloadError

    monkeypatch.setenv("NUCSEG_URL_DSB2018", "http://127.0.0.1:9/")
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1"):
        samples.dsb2018_histology()
    ((image, _, kind), _) = samples.synthetic_fluorescence()
    assert kind == "image" and np.asarray(image).ndim == 2


def _find_action(text: str):
    """Menu entry by its text, wherever napari put it."""
    for window in QApplication.topLevelWidgets():
        if hasattr(window, "menuBar"):
            for action in _walk(window.menuBar().actions()):
                if action.text().replace("&", "") == text:
                    return action
    raise AssertionError(f"no menu entry {text!r}")


def _walk(actions):
    for action in actions:
        if action.menu() is not None:
            action.menu().aboutToShow.emit()
            yield from _walk(action.menu().actions())
        else:
            yield action
