"""Reader of the layouts this plugin knows: claims a path only if what lies in it is named as one of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info

from napari_nucseg._napari.layer_data import sample_layers, short_name
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.errors import DatasetError, NucSegError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_nucseg._napari.layer_data import LayerData
    from napari_nucseg.data.sample import Dataset

OURS = ("dsb2018", "lizard", "cpm", "hovernet")


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return a reading function for a dataset, or for one image or label file of it; None for all else."""
    if isinstance(path, list) or "://" in path:
        return None
    return read if find_dataset(Path(path)) is not None else None


def read(path: str | list[str]) -> list[LayerData]:
    """Read the one sample a file stands for, or the first of a dataset; says how to get at the others.

    Raises
    ------
    DatasetError
        If no sample can be read, with the reason of the first.
    """
    place = Path(path if isinstance(path, str) else path[0])
    dataset = find_dataset(place)
    if dataset is None:
        raise DatasetError(f"{place} holds none of the layouts {', '.join(OURS)}.")
    broken: list[str] = []
    sample = next(dataset.valid(lambda name, error: broken.append(str(error))), None)
    if sample is None:
        raise DatasetError(broken[0] if broken else f"{place} holds no images.")
    if len(dataset) > 1:
        show_info(_hint(dataset, sample.name, place))
    return sample_layers(sample)


def find_dataset(path: Path) -> Dataset | None:
    """Open the dataset at a path if it is in one of our layouts; only names are looked at, nothing is read."""
    try:
        if path.is_dir() or path.suffix.lower() in (".zip", ".png"):
            dataset = open_dataset(path)
        else:
            dataset = _around_label_file(path)
    except (NucSegError, OSError):
        return None
    return dataset if dataset is not None and dataset.layout in OURS else None


def _around_label_file(path: Path) -> Dataset | None:
    """Dataset of the one sample whose labels lie in this file."""
    if not path.is_file():
        return None
    if match := re.fullmatch(r"(.+)_mask\.txt", path.name):
        return _select(path.parent, match[1])
    if path.suffix == ".mat":
        # Labels/x.mat beside Images/, or Lizard_Labels/Labels/x.mat beside Lizard_Images1/
        for root in (path.parents[1], path.parents[2]):
            dataset = _select(root, path.stem)
            if dataset is not None:
                return dataset
    return None


def _select(root: Path, name: str) -> Dataset | None:
    try:
        dataset = open_dataset(root)
    except DatasetError:
        return None
    return dataset.select([name]) if dataset.layout in OURS and name in dataset.names else None


def _hint(dataset: Dataset, shown: str, place: Path) -> str:
    one_file = "image" if dataset.layout == "dsb2018" else "label file"
    return (
        f"{place.name} holds {len(dataset)} images; “{short_name(shown)}” is shown. For another, drop its "
        f"{one_file} on the viewer, or in Python: napari_nucseg.open_dataset(path)[i]"
    )
