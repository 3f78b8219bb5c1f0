"""A user's own folder, jobs with a tiny network, and a training run with all it told on the way."""

import pytest
import yaml
from tifffile import imwrite

from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.learning import training
from napari_nucseg.learning.job import load_job
from napari_nucseg.learning.training import train_steps

TINY = {
    "encoder": "plain",
    "encoder_depth": 2,
    "encoder_widths": [8, 8, 8],
    "encoder_convolutions": [1, 1, 1],
}
NETWORKS = {
    "unet": {**TINY, "kind": "unet", "decoder_channels": [8, 8], "full_size_channels": 4},
    "unetplusplus": {
        **TINY,
        "kind": "unetplusplus",
        "encoder_depth": 3,
        "encoder_widths": [8, 8, 8, 8],
        "encoder_convolutions": [1, 1, 1, 1],
        "decoder_channels": [8, 8, 8],
    },
}
SMALL = {
    "name": "tiny",
    "architecture": NETWORKS["unet"],
    "patch_px": 96,
    "augment": {"crop_px": 64},
    "batch_size": 4,
    "warmup_steps": 5,
    "checkpoint_seconds": 0.001,
    "size": None,  # to teach these two takes longer than all the rest
    "judge": None,
    "device": "cpu",
    "precision": "float32",
}


@pytest.fixture(autouse=True)
def _halo_of_two_views(monkeypatch):
    """Few patches tell how far a tiny network looks, at the end of every run."""
    monkeypatch.setattr(training, "HALO_VIEWS", 2)


def write_pairs(root, n, size=160):
    for sub in ("images", "labels"):
        (root / sub).mkdir(parents=True)
    for i in range(n):
        sample = synthetic_fluorescence((size, size), seed=i)
        imwrite(root / "images" / f"{i}.tif", sample.image)
        imwrite(root / "labels" / f"{i}.tif", sample.labels)
    return root


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Return a user's own folder: images/ and labels/ side by side."""
    return write_pairs(tmp_path_factory.mktemp("mine"), 4)


@pytest.fixture
def write_job(tmp_path, folder):
    """Return a function that writes a job file of a small run; keywords change settings."""

    def write(kind="unet", **changes):
        path = tmp_path / "job.yaml"
        content = {**SMALL, "architecture": NETWORKS[kind], "data": [{"path": str(folder)}]}
        path.write_text(yaml.safe_dump({**content, "output": str(tmp_path / "runs"), **changes}))
        return path

    return write


@pytest.fixture
def train():
    """Return a function that runs a job: (path of the model, all progress)."""

    def run(path, *, resume=False, steps=None):
        seen, going = [], train_steps(load_job(path), resume=resume)
        while True:
            try:
                seen.append(next(going))
            except StopIteration as end:
                return end.value, seen
            if steps and seen[-1].step == steps:
                going.close()
                return None, seen

    return run
