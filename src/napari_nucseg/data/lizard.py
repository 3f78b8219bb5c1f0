"""Lizard: images in one or two folders, labels and classes in MATLAB files, folds in ``info.csv``.

``Lizard_Images1|2/<name>.png``, ``Lizard_Labels/Labels/<name>.mat``. Graham et al. 2021, arXiv:2108.11195.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.csv_table import read_table
from napari_nucseg.data.label_files import mat_array, read_instances
from napari_nucseg.data.layout import Found, is_image, read_picture, stem
from napari_nucseg.data.sample import Sample
from napari_nucseg.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_nucseg.data.tree import Tree

LAYOUT = "lizard"
CLASSES = {1: "neutrophil", 2: "epithelial", 3: "lymphocyte", 4: "plasma", 5: "eosinophil", 6: "connective"}
PIXEL_SIZE_UM = 0.5  # 20x objective, about 0.5 µm a pixel (Graham et al. 2021)
_IMAGE = re.compile(r"(?:.*/)?lizard_images\d*/[^/]+", re.IGNORECASE)
_LABELS = re.compile(r"(?:.*/)?lizard_labels/(?:.*/)?labels/[^/]+\.mat", re.IGNORECASE)
_INFO = re.compile(r"(?:.*/)?lizard_labels/(?:.*/)?info\.csv", re.IGNORECASE)


def find(tree: Tree) -> list[Found]:
    """Find all images of this layout; labels are joined by file name, wherever the image folder is."""
    mats = {stem(file): file for file in tree.files if _LABELS.fullmatch(file)}
    info = _Info(tree, tuple(file for file in tree.files if _INFO.fullmatch(file)))
    return [
        Found(file, partial(_read, tree, file, mats.get(stem(file)), tuple(mats.values()), info))
        for file in tree.files
        if _IMAGE.fullmatch(file) and is_image(file)
    ]


@dataclass(frozen=True)
class _Info:
    """Rows of ``info.csv`` by image name, read when the first image asks."""

    tree: Tree
    files: tuple[str, ...]

    @cached_property
    def rows(self) -> dict[str, dict[str, str]]:
        rows = {}
        for file in self.files:
            with self.tree.open(file) as stream, suppress(DatasetError):  # images are good without it
                for row in read_table(stream.read(), file)[1]:
                    rows[stem(row.get("Filename", ""))] = row
        return rows

    def metadata(self, name: str) -> dict[str, Any]:
        row = self.rows.get(name, {})
        return {new: row[old] for old, new in (("Source", "source"), ("Split", "fold")) if row.get(old)}


def _read(
    tree: Tree, image_file: str, mat_file: str | None, mats: tuple[str, ...], info: _Info, name: str
) -> Sample:
    picture = read_picture(tree, image_file, LAYOUT)
    metadata = {**picture.metadata, "pixel_size_um": PIXEL_SIZE_UM, **info.metadata(stem(image_file))}
    if mat_file is None:
        return Sample(name, picture.pixels, metadata=metadata)
    place = metadata["labels_path"] = tree.locate(mat_file)
    labels, arrays = read_instances(tree, mat_file, mats, picture)
    return Sample(name, picture.pixels, labels, _classes(arrays, labels, place), metadata)


def _classes(arrays: dict[str, NDArray[Any]], labels: NDArray[np.int32], place: str) -> Mapping[int, str]:
    """Class of each nucleus through ``id``, whose order need not be that of the label values."""
    ids = mat_array(arrays, "id", place).ravel().astype(int)
    kinds = mat_array(arrays, "class", place).ravel().astype(int)
    if len(ids) != len(kinds):
        raise DatasetError(f"{place} has {len(ids)} rows in 'id' but {len(kinds)} in 'class'")
    by_id = {
        i: CLASSES.get(kind, f"class {kind}") for i, kind in zip(ids.tolist(), kinds.tolist(), strict=True)
    }
    numbers = np.unique(labels)
    missing = [number for number in numbers[numbers > 0].tolist() if number not in by_id]
    if missing:
        raise DatasetError(f"{place}: nuclei {missing[:5]} of inst_map have no row in 'id'")
    return by_id
