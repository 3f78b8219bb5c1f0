"""What all tests share: where the real data lies, how partitions are compared, a real HTTP server for downloads."""

from __future__ import annotations

import csv
import importlib
import io
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.color import combine_stains, hed_from_rgb, rgb_from_hed, separate_stains

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from numpy.typing import NDArray

    from napari_nucseg.data.sample import Dataset

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
DEFAULT_TEST_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real microscopy images (or NUCSEG_TEST_DATA); tests skip where it is absent."""
    folder = Path(os.environ.get("NUCSEG_TEST_DATA", DEFAULT_TEST_DATA))
    if not (folder / "index.csv").is_file():
        pytest.skip(f"real test data is not at {folder}: set NUCSEG_TEST_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def dsb2018(test_data: Path) -> Dataset:
    """DSB2018, opened: to list its 30,000 files takes longer than to read a few of its images."""
    from napari_nucseg.data.opening import open_dataset

    return open_dataset(test_data / "dsb2018")


@pytest.fixture(scope="session")
def known_images(test_data: Path) -> dict[tuple[str, str], dict[str, int]]:
    """Height, width and number of nuclei of the real images, by dataset and name, as their index tells besides."""
    with (test_data / "index.csv").open(encoding="utf8", newline="") as file:
        return {
            (line["dataset"], line["name"]): {k: int(line[k]) for k in ("height", "width", "n_nuclei")}
            for line in csv.DictReader(file)
        }


@pytest.fixture(scope="session")
def same_partition() -> Callable[..., bool]:
    """Return a test of whether two label images differ in nothing but numbers."""

    def compare(a: NDArray[np.integer], b: NDArray[np.integer]) -> bool:
        pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
        return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]

    return compare


@pytest.fixture(scope="session")
def in_brown() -> Callable[..., NDArray[np.uint8]]:
    """Recolour a share of the nuclei of stained tissue as immunohistochemistry shows a nuclear protein (DAB)."""

    def recolour(image: NDArray[np.uint8], labels: NDArray[np.integer], share: float) -> NDArray[np.uint8]:
        numbers = np.unique(labels[labels > 0])
        brown = np.random.default_rng(0).permutation(numbers)[: max(1, round(share * numbers.size))]
        positive = gaussian_filter(np.isin(labels, brown).astype(float), 0.7)
        blue, pink, _ = np.moveaxis(separate_stains(image, hed_from_rgb), -1, 0)
        stains = np.stack([blue * (1 - 0.8 * positive), 0.15 * pink, 1.5 * blue * positive], axis=-1)
        return (combine_stains(stains, rgb_from_hed).clip(0, 1) * 255).astype(np.uint8)

    return recolour


@pytest.fixture
def as_anybody(tmp_path: Path) -> Callable[..., list[str]]:
    """Run code in ``tmp_path`` in a process that permissions hold for, of root too; returns the lines it prints."""

    def run(code: str, **environment: str) -> list[str]:
        command = [sys.executable, "-c", code]
        if os.geteuid() == 0:
            setpriv = shutil.which("setpriv")
            if setpriv is None:
                pytest.skip("root may write anywhere, and there is no setpriv")
            command = [setpriv, "--inh-caps=-all", "--bounding-set=-all", *command]
        settings = {**os.environ, **environment}
        done = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    if sys.platform == "win32":
        pytest.skip("permissions of folders are other ones here")
    return run


@pytest.fixture
def benchmark_script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a script of the benchmarks, from whose folder it is run; tests skip where that is absent."""
    if not BENCHMARKS.is_dir():
        pytest.skip("no repository around these tests")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


class LoopbackServer:
    """A real HTTP server on this machine: serves ``files``, with or without ranges, and can cut a connection.

    ``requests`` lists path and Range header of each request; ``bytes_sent`` counts the bodies' bytes.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.cut_after_bytes: int | None = None
        self.requests: list[tuple[str, str | None]] = []
        self.bytes_sent = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # ``self`` is the handler's within
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                server.requests.append((self.path, wanted))
                data = server.files.get(self.path.lstrip("/"))
                if data is None:
                    self.send_error(404)
                    return
                start, stop = 0, len(data)
                if server.ranges and wanted:
                    first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted).groups()
                    start, stop = int(first), min(int(last) + 1 if last else len(data), len(data))
                    if start >= len(data):
                        self.send_error(416)
                        return
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
                else:
                    self.send_response(200)
                self.send_header("Content-Length", str(stop - start))
                self.end_headers()
                self._send(data[start:stop])

            def _send(self, body: bytes) -> None:
                if server.cut_after_bytes is not None:
                    body = body[: max(0, server.cut_after_bytes - server.bytes_sent)]
                try:
                    for at in range(0, len(body), 65536):
                        self.wfile.write(body[at : at + 65536])
                        server.bytes_sent += len(body[at : at + 65536])
                except ConnectionError:
                    pass  # the client cancelled

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def loopback():
    """A LoopbackServer without files."""
    server = LoopbackServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def dsb2018_archive(test_data: Path) -> bytes:
    """``stage1_train.zip`` in the official layout, made of the real images the samples fetch and some more."""
    from napari_nucseg.data.sample_data import SAMPLES

    train = test_data / "dsb2018" / "stage1_train"
    image_ids = {image_id for sample in SAMPLES for image_id in sample.image_ids}
    image_ids |= {folder.name for folder in sorted(train.iterdir())[:20]}
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(file for image_id in image_ids for file in (train / image_id).rglob("*.png")):
            archive.write(file, file.relative_to(train).as_posix())
    return memory.getvalue()


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``tiny.safetensors``: a real model file of a small network with random weights.

    For tests of what surrounds a network; what it finds means nothing.
    """
    from napari_nucseg._napari.torch_import import make_torch_safe

    make_torch_safe()  # a window of another test may be open
    import torch

    from napari_nucseg.network.architectures import Architecture, build_network
    from napari_nucseg.network.model_card import ModelCard
    from napari_nucseg.network.model_file import save_model

    torch.manual_seed(1)  # it finds something nearly everywhere
    architecture = Architecture(
        encoder="plain",  # any other brings timm, which loads as long as torch
        encoder_depth=3,
        encoder_widths=(8, 8, 16, 16),
        encoder_convolutions=(1, 1, 1, 1),
        decoder_channels=(16, 8, 8),
    )
    card = ModelCard(name="tiny", title="Tiny", architecture=architecture, canonical_diameter_px=24)
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "tiny.safetensors", card, build_network(architecture))
    return folder


@pytest.fixture
def tiny_model(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a small untrained model that is installed for the test."""
    monkeypatch.setenv("NUCSEG_MODELS", str(tiny_models))
    return "tiny"
