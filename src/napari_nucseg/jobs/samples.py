"""Sample images as files, for a demonstration or for a room without a network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg.data.sample_data import find_cached, find_sample, sample_steps
from napari_nucseg.errors import OutputError
from napari_nucseg.jobs.export import write_image, write_labels

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_nucseg.data.download import DownloadProgress
    from napari_nucseg.data.sample import Sample


def save_sample(name: str, folder: Path) -> Generator[DownloadProgress, None, Path]:
    """Put one sample of ``data.sample_data.SAMPLES`` into ``folder/<name>`` and return that place.

    Made samples become ``images/`` and ``labels/`` (TIFF with pixel size); datasets keep their own layout, so
    that ``folder`` can serve as the cache (``NUCSEG_CACHE``) of a computer without a network.

    Raises
    ------
    FolderNeeded
        Where a person has to fetch the dataset and has not named its folder yet.
    DownloadError
        Where fetching failed.
    OutputError
        If the files cannot be written.
    """
    target = folder / name
    if find_sample(name).make is not None:
        dataset = yield from sample_steps(name)
        for sample in dataset:
            _write(sample, target)
        return target
    if not target.exists() and (cached := find_cached(name)) is not None:
        _copy(Path(cached.root), target)
    yield from sample_steps(name, cache=folder)
    return target


def _write(sample: Sample, folder: Path) -> None:
    axes, pixel_size_um = sample.metadata["axes"], sample.metadata.get("pixel_size_um")
    write_image(folder / "images" / f"{sample.name}.tif", sample.image, axes, pixel_size_um)
    if sample.labels is not None:
        write_labels(folder / "labels" / f"{sample.name}.tif", sample.labels, pixel_size_um)


def _copy(place: Path, target: Path) -> None:
    """Copy a dataset that is on this computer already; a half copy is removed."""
    try:
        if place.is_dir():
            shutil.copytree(place, target)
        else:
            target.mkdir(parents=True)
            shutil.copy2(place, target)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(target, ignore_errors=True)
        raise OutputError(f"cannot copy {place} to {target}: {error}. Choose another folder.") from error
