"""HoVer-Net layout, as CPM-15/17 and CoNSeP come: ``Images/<name>.png`` with ``Labels/<name>.mat``.

Graham et al. 2019, 10.1016/j.media.2019.101563. Labels are ``inst_map`` of a MATLAB v5 or v7.3 file.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.label_files import read_instances
from napari_nucseg.data.layout import Found, is_image, read_picture, stem
from napari_nucseg.data.sample import Sample
from napari_nucseg.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_nucseg.data.tree import Tree

LAYOUT = "hovernet"
CONSEP_CLASSES = {
    1: "other",
    2: "inflammatory",
    3: "healthy epithelial",
    4: "malignant epithelial",
    5: "fibroblast",
    6: "muscle",
    7: "endothelial",
}
_IMAGE = re.compile(r"(?P<top>(?:.*/)?)images/[^/]+", re.IGNORECASE)
_LABELS = re.compile(r"(?P<top>(?:.*/)?)labels/(?P<stem>[^/]+)\.mat", re.IGNORECASE)


def find(tree: Tree) -> list[Found]:
    """Find all images in an ``Images`` folder beside a ``Labels`` folder of ``.mat`` files."""
    mats = {(match["top"], match["stem"]): file for file in tree.files if (match := _LABELS.fullmatch(file))}
    tops = {top for top, _ in mats}
    return [
        Found(file, partial(_read, tree, file, mats.get((match["top"], stem(file))), tuple(mats.values())))
        for file in tree.files
        if (match := _IMAGE.fullmatch(file)) and is_image(file) and match["top"] in tops
    ]


def _read(tree: Tree, image_file: str, mat_file: str | None, mats: tuple[str, ...], name: str) -> Sample:
    picture = read_picture(tree, image_file, LAYOUT)
    if mat_file is None:
        return Sample(name, picture.pixels, metadata=picture.metadata)
    place = tree.locate(mat_file)
    labels, arrays = read_instances(tree, mat_file, mats, picture)
    metadata = picture.metadata | {"labels_path": place}
    return Sample(name, picture.pixels, labels, _classes(arrays, labels, place), metadata)


def _classes(
    arrays: dict[str, NDArray[Any]], labels: NDArray[np.int32], place: str
) -> Mapping[int, str] | None:
    """CoNSeP's class of each nucleus: row i of ``inst_type`` belongs to the i-th smallest label value."""
    if "inst_type" not in arrays:
        return None
    numbers = np.unique(labels)
    numbers = numbers[numbers > 0]
    types = arrays["inst_type"].ravel().astype(int)
    if len(types) != len(numbers):
        raise DatasetError(
            f"{place} has {len(types)} classes in inst_type but {len(numbers)} nuclei in inst_map"
        )
    pairs = zip(numbers.tolist(), types.tolist(), strict=True)
    return {number: CONSEP_CLASSES.get(kind, f"class {kind}") for number, kind in pairs}
