"""Reader of the layouts this plugin knows: claims a path only if what lies in it is named as one of them."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info

from napari_nucseg._napari.layer_data import sample_layers, short_name
from napari_nucseg.data.layout import is_image, stem
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.errors import NucSegError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_nucseg._napari.layer_data import LayerData
    from napari_nucseg.data.sample import Dataset
    from napari_nucseg.errors import DatasetError

OURS = ("dsb2018", "lizard", "cpm", "hovernet")


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """Return a reading function for a dataset, or for one image or label file of it; None for all else."""
    if isinstance(path, list) or "://" in path:
        return None
    dataset = find_dataset(Path(path))
    return None if dataset is None else partial(_read, dataset)


def _read(dataset: Dataset, path: str) -> list[LayerData]:
    """Read the one sample a file stands for, or the first of a dataset; says how to get at the others.

    Raises
    ------
    DatasetError
        If no sample can be read, with the reason of the first.
    """
    errors: list[DatasetError] = []
    sample = next(dataset.valid(lambda _, error: errors.append(error)), None)
    if sample is None:
        raise errors[0]
    if len(dataset) > 1:
        show_info(_hint(dataset, sample.name, Path(path)))
    return sample_layers(sample)


def find_dataset(path: Path) -> Dataset | None:
    """Open the dataset at a path if it is in one of our layouts; only names are looked at, nothing is read."""
    try:
        whole = path.is_dir() or path.suffix.lower() in (".zip", ".png")
        dataset = open_dataset(_image_of_folder(path.absolute())) if whole else _around_label_file(path)
    except (NucSegError, OSError):
        return None
    return dataset if dataset is not None and dataset.layout in OURS else None


def _image_of_folder(path: Path) -> Path:
    """Image of a folder that DSB2018 has for each, ``<id>/images/<id>.png``; the path itself where it is none."""
    images = path / "images"
    files = images.iterdir() if images.is_dir() else ()
    return next((file for file in files if stem(file.name) == path.name and is_image(file.name)), path)


def _around_label_file(path: Path) -> Dataset | None:
    """Dataset of the one sample whose labels lie in this file; only where a layout has its images is looked."""
    path = path.absolute()
    if not path.is_file():
        return None
    name, folders = path.stem, []
    if match := re.fullmatch(r"(image\d+)_mask\.txt", path.name):
        name, folders = match[1], [path.parent]
    elif path.suffix.lower() == ".mat" and path.parent.name.lower() == "labels":
        folders = _beside(path.parent, "images")
        if path.parents[1].name.lower() == "lizard_labels":
            folders += _beside(path.parents[1], r"lizard_images\d*")
    for image in (file for folder in folders for file in sorted(folder.iterdir())):
        if stem(image.name) == name and is_image(image.name):
            return open_dataset(image)
    return None


def _beside(folder: Path, pattern: str) -> list[Path]:
    """Folders beside this one whose names fit, in any case."""
    fits = re.compile(pattern, re.IGNORECASE).fullmatch
    return sorted(other for other in folder.parent.iterdir() if fits(other.name) and other.is_dir())


def _hint(dataset: Dataset, shown: str, place: Path) -> str:
    one_file = "image" if dataset.layout == "dsb2018" else "label file"
    return (
        f"{place.name} holds {len(dataset)} images; “{short_name(shown)}” is shown. For another, drop its "
        f"{one_file} on the viewer, or in Python: napari_nucseg.open_dataset(path)[i]"
    )
