"""A real napari viewer with the real dock widget, small images with nuclei, and a user who clicks."""

from __future__ import annotations

import gc
import json
import os
import sys
from functools import lru_cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

os.environ["NAPARI_CONFIG"] = ""  # no window writes the settings of who runs the tests
pytest.importorskip("napari", reason="the window's tests need napari and Qt: pip install napari-nucseg[test]")

import numpy as np
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from npe2 import PluginManifest
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QClipboard, QOpenGLContext
from qtpy.QtWidgets import QAbstractButton, QApplication, QDialogButtonBox, QLineEdit

from napari_nucseg._napari.torch_import import make_torch_safe
from napari_nucseg.data.file_lock import one_at_a_time
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.jobs.finetune_child import child_steps
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import napari
    from napari.layers import Labels
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QDialog

    from napari_nucseg._napari.correct_widget import CorrectWidget
    from napari_nucseg._napari.segment_widget import SegmentWidget

TIMEOUT_MS = 60_000


class User:
    """What a user does with the widget: click, wait, answer a box."""

    def __init__(self, qtbot: QtBot, widget: SegmentWidget) -> None:
        self.qtbot = qtbot
        self.widget = widget

    def click(self, button: QAbstractButton) -> None:
        """Press and release the left mouse button on a visible, enabled button."""
        assert button.isVisible(), f"{button.text()!r} is not visible"
        assert button.isEnabled(), f"{button.text()!r} is not enabled"
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def segment(self) -> Labels:
        """Click the big button, wait for the result, return its layer."""
        with self.qtbot.waitSignal(self.widget.controller.done, timeout=TIMEOUT_MS) as done:
            self.click(self.widget.form.run)
        self.wait_until_idle()
        return done.args[0]

    def wait_until_idle(self) -> None:
        """Wait until neither a run nor a slider's decoding is under way, and what came of it is said."""
        widget = self.widget
        self.qtbot.waitUntil(
            lambda: not (widget.controller.running or widget.live.busy or widget.summaries.busy),
            timeout=TIMEOUT_MS,
        )

    def said(self) -> str:
        """Return the line below the button."""
        return self.widget.form.status.text().replace("\N{NO-BREAK SPACE}", " ")


class Hand:
    """A mouse on the canvas: presses, moves and releases as napari's canvas passes them to the active layer."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer = viewer

    def draw(self, *points: tuple[float, float]) -> None:
        """Press at the first point (row, column) of the active layer, drag over the others, release."""
        layer = self.viewer.layers.selection.active
        event = SimpleNamespace(type="mouse_press", button=1, is_dragging=True, modifiers=(), position=None)
        event.position = self._world(layer, points[0])
        mouse_press_callbacks(layer, event)
        for point in points[1:]:
            event.type, event.position = "mouse_move", self._world(layer, point)
            mouse_move_callbacks(layer, event)
        event.type = "mouse_release"
        mouse_release_callbacks(layer, event)

    def _world(self, layer: Labels, point: tuple[float, float]) -> tuple[float, ...]:
        index = tuple(round(p) for p in layer.world_to_data(self.viewer.dims.point)[:-2])
        return tuple(layer.data_to_world((*index, *point)))


class Chunked:
    """Stack whose slices are read when they are asked for, as dask and zarr do; one of them is lost."""

    def __init__(self, stack: np.ndarray, lost: int) -> None:
        self.stack, self.lost = stack, lost
        self.shape, self.dtype, self.ndim = stack.shape, stack.dtype, stack.ndim

    def __getitem__(self, key: Any) -> np.ndarray:
        number = key[0] if isinstance(key, tuple) else key
        if number == self.lost:
            raise OSError("tile 7 lost")
        return self.stack[key]


def answer_next_dialog(act: Callable[[QDialog], None], tries: int = 400) -> None:
    """Act on the next modal dialog that opens, from within its own event loop."""

    def look(left: int) -> None:
        dialog = QApplication.activeModalWidget()
        if dialog is not None and dialog.isVisible():
            try:
                act(dialog)
            except BaseException:
                dialog.close()  # a dialog that nobody answers would hang the test
                raise
        elif left:
            QTimer.singleShot(50, lambda: look(left - 1))

    QTimer.singleShot(50, lambda: look(tries))


def choose_path(path: Path) -> Callable[[QDialog], None]:
    """Choose a file or folder in Qt's file dialog, as typing its name and pressing the button does."""

    def act(dialog: QDialog) -> None:
        dialog.findChild(QLineEdit).setText(str(path))
        buttons = dialog.findChild(QDialogButtonBox)
        standard = QDialogButtonBox.StandardButton
        (buttons.button(standard.Save) or buttons.button(standard.Open)).click()

    return act


def press_button(text: str) -> Callable[[QDialog], None]:
    """Press the button of a dialog that has this text."""

    def act(dialog: QDialog) -> None:
        buttons = dialog.findChildren(QAbstractButton)
        next(button for button in buttons if button.text().replace("&", "") == text).click()

    return act


def largest_nucleus(labels: np.ndarray) -> int:
    """Number of the nucleus with the most pixels."""
    counts = np.bincount(labels.ravel())
    counts[0] = 0
    return int(counts.argmax())


@pytest.fixture(scope="module", autouse=True)
def _what_stays_is_no_garbage() -> None:
    """Spare the garbage collector what modules hold: each viewer's end calls it three times."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _manifests_are_read_once() -> Iterator[None]:
    """No plugin comes or goes while the tests run, though every viewer looks for them anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManifest, "from_file", lru_cache(PluginManifest.from_file))
        yield


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model, run, sample or journal of the person who runs the tests gets in the way."""
    monkeypatch.setenv("NUCSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("NUCSEG_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("NUCSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NUCSEG_JOURNAL", str(tmp_path / "journals"))
    monkeypatch.setenv("NUCSEG_WORK", str(tmp_path / "work"))


@pytest.fixture(scope="session")
def open_gl(qapp: QApplication) -> None:
    """Skip where napari itself can show no layer, as off screen on Linux."""
    make_torch_safe()  # tests may import torch after this
    if not QOpenGLContext().create():
        pytest.skip(
            "napari draws by OpenGL, which Qt has not here: run the tests on a screen, or a virtual one (Xvfb)"
        )


@pytest.fixture
def viewer(open_gl: None, make_napari_viewer: Callable[..., napari.Viewer]) -> napari.Viewer:
    """Shown viewer that knows installed plugins."""
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # what goes of the viewer before goes now
    gc.collect()
    gc.freeze()  # napari leaves menus of each viewer behind, which the collector would look through at every end
    return make_napari_viewer(show=True)


@pytest.fixture
def script_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let *Fine-tune* start ``scripted_child.py``, and return a function that says what that does."""
    script, child = tmp_path / "script.json", Path(__file__).with_name("scripted_child.py")

    def estimate_nothing(model: str, device: str) -> Iterator[None]:
        """Real steps, which are timed, take longer than a scripted child."""
        yield
        return {}

    def say(
        model: Path, result: dict[str, Any], *, steps: int = 20, seconds: float = 0.0, **more: Any
    ) -> None:
        content = {"steps": steps, "seconds": seconds, "model": str(model), "result": result, **more}
        script.write_text(json.dumps(content))

    monkeypatch.setenv("NUCSEG_TEST_SCRIPT", str(script))
    scripted = partial(child_steps, command=(sys.executable, str(child)))
    monkeypatch.setattr("napari_nucseg._napari.teach_run.child_steps", scripted)
    monkeypatch.setattr("napari_nucseg._napari.teach_widget.estimate_presets", estimate_nothing)
    return say


@pytest.fixture
def widget(viewer: napari.Viewer, qtbot: QtBot) -> SegmentWidget:
    """Dock widget opened as napari opens it, with its models listed."""
    _, opened = viewer.window.add_plugin_dock_widget("napari-nucseg", "Segment nuclei")
    qtbot.waitUntil(lambda: opened.form.device.count() > 1, timeout=TIMEOUT_MS)
    return opened


@pytest.fixture
def corrector(viewer: napari.Viewer) -> Iterator[CorrectWidget]:
    """*Correct nuclei* in its dock, its journals in the test's own folder."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-nucseg", "Correct nuclei")
    yield widget
    widget.shut()


@pytest.fixture
def user(qtbot: QtBot, widget: SegmentWidget) -> User:
    """Somebody at the mouse."""
    return User(qtbot, widget)


@pytest.fixture
def hand(viewer: napari.Viewer) -> Hand:
    """Draw on the canvas."""
    return Hand(viewer)


@pytest.fixture
def click(qtbot: QtBot) -> Callable[[QAbstractButton], None]:
    """Press and release the left mouse button on a button, once it is visible and enabled."""

    def press(button: QAbstractButton) -> None:
        qtbot.waitUntil(lambda: button.isVisible() and button.isEnabled(), timeout=TIMEOUT_MS)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    return press


@pytest.fixture
def answer() -> Callable[..., None]:
    """Answer the next modal dialog."""
    return answer_next_dialog


@pytest.fixture
def clipboard(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QClipboard]:
    """The screen's clipboard, which tests beside this one would write to."""
    shared = tmp_path_factory.getbasetemp().parent
    with drain(one_at_a_time(shared / "clipboard.lock")):
        yield qapp.clipboard()


@pytest.fixture
def choose() -> Callable[[Path], Callable[[QDialog], None]]:
    """Choose a path in a file dialog."""
    return choose_path


@pytest.fixture
def press() -> Callable[[str], Callable[[QDialog], None]]:
    """Press a button of a dialog."""
    return press_button


@pytest.fixture
def largest() -> Callable[[np.ndarray], int]:
    """Find the largest nucleus."""
    return largest_nucleus


@pytest.fixture
def chunked() -> type[Chunked]:
    """Make a stack with a slice that cannot be read."""
    return Chunked


@pytest.fixture(scope="session")
def nuclei() -> np.ndarray:
    """Fluorescence (192, 192) with nuclei of about 24 px."""
    return synthetic_fluorescence((192, 192), seed=3, diameter_px=24).image
