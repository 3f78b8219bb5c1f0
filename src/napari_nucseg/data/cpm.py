"""CPM-15 as the challenge gave it: ``imageNN.png`` with ``imageNN_mask.txt`` in one folder.

A mask file is ``width height``, then one label a pixel, row by row. At the source the masks of images 04
and 05 are swapped; their sizes give it away. Vu et al. 2019, 10.3389/fbioe.2019.00053.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.data.label_files import as_labels, check_fit, sizes_in
from napari_nucseg.data.layout import Found, is_image, read_picture, stem
from napari_nucseg.data.sample import Sample
from napari_nucseg.errors import DatasetError

if TYPE_CHECKING:
    from typing import IO

    from numpy.typing import NDArray

    from napari_nucseg.data.tree import Tree

LAYOUT = "cpm"
_IMAGE = re.compile(r"(?P<base>(?:.*/)?image\d+)\.[^./]+")
_MASK = re.compile(r"(?P<base>(?:.*/)?image\d+)_mask\.txt")


def find(tree: Tree) -> list[Found]:
    """Find all images of this layout in folders that hold at least one ``imageNN_mask.txt``."""
    masks = {match["base"]: file for file in tree.files if (match := _MASK.fullmatch(file))}
    folders = {base.rpartition("/")[0] for base in masks}
    return [
        Found(file, partial(_read, tree, file, masks.get(match["base"]), tuple(masks.values())))
        for file in tree.files
        if (match := _IMAGE.fullmatch(file))
        and is_image(file)
        and match["base"].rpartition("/")[0] in folders
    ]


def _read_mask(stream: IO[bytes], place: str) -> NDArray[np.int32]:
    """Read labels (Y, X) from the challenge's text format."""
    height, width = _read_size(stream, place)
    try:
        values = np.array(stream.read().split(), dtype=np.int64)
    except ValueError as error:
        raise DatasetError(f"{place} holds something that is no whole number: {error}") from error
    if values.size != width * height:
        raise DatasetError(
            f"{place} says {width} x {height} px (width x height) = {width * height} labels, "
            f"but holds {values.size}: is the file whole?"
        )
    return as_labels(values.reshape(height, width), place)


def _read(tree: Tree, image_file: str, mask_file: str | None, masks: tuple[str, ...], name: str) -> Sample:
    picture = read_picture(tree, image_file, LAYOUT)
    picture.metadata["magnification"] = _magnification(image_file)
    if mask_file is None:
        return Sample(name, picture.pixels, metadata=picture.metadata)
    place = tree.locate(mask_file)
    with tree.open(mask_file) as stream:
        labels = _read_mask(stream, place)
    check_fit(picture, labels.shape, place, partial(sizes_in, tree, masks, _read_size))
    return Sample(name, picture.pixels, labels, None, {**picture.metadata, "labels_path": place})


def _magnification(image_file: str) -> int:
    """Objective power by README_training.txt of the challenge: 20x for images 01 to 07, 40x after."""
    return 20 if int(re.sub(r"\D", "", stem(image_file))) <= 7 else 40


def _read_size(stream: IO[bytes], place: str = "mask") -> tuple[int, int]:
    """Height and width, which the first line gives the other way round."""
    line = stream.readline(100).decode("ascii", errors="replace").strip()
    match = re.fullmatch(r"(\d+)\s+(\d+)", line)
    if match is None:
        raise DatasetError(f"{place} starts with {line[:40]!r}; a CPM mask starts with 'width height'")
    return int(match[2]), int(match[1])
