"""Sample images as files, for a demonstration or for a room without a network."""

from __future__ import annotations

import os
import secrets
import shutil
from typing import TYPE_CHECKING

from napari_nucseg.data.opening import companions
from napari_nucseg.data.sample_data import find_cached, find_sample, sample_steps
from napari_nucseg.data.tree import list_folder
from napari_nucseg.errors import OutputError
from napari_nucseg.jobs.export import write_image, write_labels

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_nucseg.data.download import DownloadProgress
    from napari_nucseg.data.sample import Dataset, Sample


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
        If the files cannot be written, or something else lies at that place.
    """
    target = folder / name
    sample = find_sample(name)
    if sample.make is not None:
        dataset = yield from sample_steps(name)
        for made in dataset:
            _write(made, target)
        return target
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        if (cached := find_cached(name)) is not None:
            _copy(cached, name, folder)
    elif not sample.image_ids and find_cached(name, folder) is None:
        raise OutputError(f"{target} is there already and is no {sample.title}: choose another folder.")
    yield from sample_steps(name, cache=folder)
    return target


def _write(sample: Sample, folder: Path) -> None:
    axes, pixel_size_um = sample.metadata["axes"], sample.metadata.get("pixel_size_um")
    write_image(folder / "images" / f"{sample.name}.tif", sample.image, axes, pixel_size_um)
    if sample.labels is not None:
        write_labels(folder / "labels" / f"{sample.name}.tif", sample.labels, pixel_size_um)


def _copy(dataset: Dataset, name: str, folder: Path) -> None:
    """Copy a dataset that is on this computer already, and the labels beside it: whole or not at all."""
    place, target = dataset.root, folder / name
    beside = companions(place)
    for part in (place, *beside):
        if target.resolve().is_relative_to(part.resolve()):
            raise OutputError(
                f"{target} lies in the dataset {part} it would copy: choose a folder elsewhere."
            )
    copy = folder / f".{name}.{secrets.token_hex(4)}.part"
    try:
        if place.is_dir() and not beside:
            _copy_files(place, copy / name)
        else:
            for part in (place, *beside):
                _copy_files(part, copy / name / part.name)
        if not _is_like(find_cached(name, copy), dataset):
            raise OutputError(
                f"a copy of {place} has not the same images and labels: name the dataset's whole folder, or its zips"
            )
        if target.exists():
            target.rmdir()  # Windows replaces no folder, not even an empty one
        os.replace(copy / name, target)
    except OSError as error:
        raise OutputError(f"cannot copy {place} to {target}: {error}. Choose another folder.") from error
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _copy_files(place: Path, target: Path) -> None:
    """Copy one file, or the files of a folder that datasets are read from: links that lead back are not followed."""
    pairs = [(place, target)]
    if place.is_dir():
        pairs = [(place / file, target / file) for file in list_folder(place).files]
    for source, copy in pairs:
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, copy)


def _is_like(copy: Dataset | None, dataset: Dataset) -> bool:
    """Whether a copy opens with as many images, and with labels if the first image that can be read has them."""
    if copy is None or len(copy) != len(dataset):
        return False
    first = next(dataset.valid(), None)
    if first is None or first.labels is None:
        return True
    return copy[dataset.names.index(first.name)].labels is not None
