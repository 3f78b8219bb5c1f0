"""Any plain folder of images, with or without labels beside them.

Labels lie in a folder of their own (``images/`` with ``labels/`` or ``masks/``, StarDist's copy of DSB2018
among them) or next to their image (``cell.png`` with ``cell_labels.tif``).
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from napari_nucseg.data.images import image_size
from napari_nucseg.data.label_files import Size, check_fit, read_label_image
from napari_nucseg.data.layout import Found, is_image, read_picture, stem, unique_names
from napari_nucseg.data.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_nucseg.data.tree import Tree

LAYOUT = "folder"
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "raw")
LABEL_FOLDERS = ("labels", "label", "masks", "mask", "annotations", "ground_truth", "gt")
_LABEL_STEMS = (
    re.compile(r"(?P<stem>.+)[_-](labels?|masks?|seg|gt)", re.IGNORECASE),
    re.compile(r"(?P<stem>.+)_cp_masks", re.IGNORECASE),  # Cellpose's: c0_cp_masks may be of c0_cp or of c0
)


def find(tree: Tree) -> list[Found]:
    """Find images and their labels: in ``images`` folders, else in the topmost folder that has any."""
    files = [file for file in tree.files if is_image(file)]
    stems = {(_folder(file), stem(file)) for file in files}
    in_folders = [file for file in files if _folder_name(file) in IMAGE_FOLDERS]
    images = [file for file in in_folders or _topmost(files) if not _is_labels_of_another(file, stems)]
    labels = _label_index(files)
    pairs = {image: _labels_of(image, labels) for image in images}
    names = unique_names(images)
    label_files = tuple(file for file in pairs.values() if file is not None)
    return [
        Found(names[image], image, partial(_read, tree, names[image], image, file, label_files))
        for image, file in pairs.items()
    ]


def _folder(file: str) -> str:
    return str(PurePosixPath(file).parent).lower()


def _folder_name(file: str) -> str:
    return PurePosixPath(file).parent.name.lower()


def _topmost(files: list[str]) -> list[str]:
    """Return the files of the smallest depth, those in folders of labels left out."""
    images = [file for file in files if _folder_name(file) not in LABEL_FOLDERS]
    depth = min((file.count("/") for file in images), default=0)
    return [file for file in images if file.count("/") == depth]


def _is_labels_of_another(file: str, stems: set[tuple[str, str]]) -> bool:
    """Whether an image of the same folder claims this file; ``cell_mask.png`` alone is an image."""
    return any((_folder(file), image) in stems for image in _image_stems(file))


def _image_stems(file: str) -> list[str]:
    """Stems of the images that a file may hold the labels of, by its name; the likeliest first."""
    matches = [pattern.fullmatch(stem(file)) for pattern in _LABEL_STEMS]
    return [match["stem"] for match in matches if match]


def _label_index(files: list[str]) -> dict[tuple[str, str], str]:
    """Label files by their folder and the stem of the image they belong to."""
    index: dict[tuple[str, str], str] = {}
    for file in files:
        for image in _image_stems(file):
            index.setdefault((_folder(file), image), file)
    for file in files:
        if _folder_name(file) in LABEL_FOLDERS:  # the same stem as the image comes before a suffixed one
            index[_folder(file), stem(file)] = file
    return index


def _labels_of(image: str, index: dict[tuple[str, str], str]) -> str | None:
    """Label file of an image: beside it, in a folder of labels within, or in one beside its own folder."""
    here = PurePosixPath(_folder(image))
    within = [here / name for name in LABEL_FOLDERS]
    beside = [here.parent / name for name in LABEL_FOLDERS] if here.name in IMAGE_FOLDERS else []
    for folder in (here, *within, *beside):
        if found := index.get((str(folder), stem(image))):
            return found
    return None


def _read(
    tree: Tree, name: str, image_file: str, label_file: str | None, label_files: tuple[str, ...]
) -> Sample:
    picture = read_picture(tree, image_file, LAYOUT)
    if label_file is None:
        return Sample(name, picture.pixels, None, None, picture.metadata)
    place = tree.locate(label_file)
    with tree.open(label_file) as stream:
        labels, was_mask = read_label_image(stream, place)
    others = partial(_sizes, tree, [file for file in label_files if file != label_file])
    check_fit(picture.size, labels.shape, picture.metadata["image_path"], place, others)
    metadata = {**picture.metadata, "labels_path": place, "labels_were_mask": was_mask}
    return Sample(name, picture.pixels, labels, None, metadata)


def _sizes(tree: Tree, files: list[str]) -> Mapping[str, Size]:
    """Place and (height, width) of these label images; unreadable ones are left out."""
    sizes = {}
    for file in files:
        try:
            with tree.open(file) as stream:
                sizes[tree.locate(file)] = image_size(stream)
        except Exception:  # a hint must not fail on some other broken file
            continue
    return sizes
