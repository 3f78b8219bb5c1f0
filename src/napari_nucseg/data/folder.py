"""Any plain folder of images, with or without labels beside them.

Labels lie in a folder of their own (``images/`` with ``labels/`` or ``masks/``, StarDist's copy of DSB2018
among them; subfolders of the one as in the other) or next to their image (``cell.png`` with ``cell_labels.tif``).
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from napari_nucseg.data.images import image_size
from napari_nucseg.data.label_files import check_fit, read_label_image, sizes_in
from napari_nucseg.data.layout import Found, is_image, read_picture, stem
from napari_nucseg.data.sample import Sample
from napari_nucseg.data.zarr_folder import is_zarr

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
    images = _images(files)
    labels = _label_index(files)
    unread = _label_index(file for file in tree.files if not is_image(file))
    pairs = {image: _labels_of(image, labels) for image in images}
    label_files = tuple(file for file in pairs.values() if file is not None)
    return [
        Found(
            image,
            partial(_read, tree, image, file, label_files)
            if file is not None
            else partial(_read_alone, tree, image, _labels_of(image, unread)),
        )
        for image, file in pairs.items()
    ]


def find_unused(tree: Tree) -> dict[str, tuple[str, ...]]:
    """Files that look as if they were to be used and are not, by the reason, which goes on after "3 files"."""
    files = [file for file in tree.files if is_image(file)]
    images = set(_images(files))
    labels = _label_index(files)
    wanted = {place for image in images for place in _label_places(image)}
    others = [file for file in files if file not in images]
    unread = [file for file in tree.files if not is_image(file)]
    return {
        "in zarr, which is not read (save as TIFF)": tuple(
            file for file in unread if is_zarr(Path(tree.locate(file)))
        ),
        "of labels without an image": tuple(
            file for file in others if _is_below(file, LABEL_FOLDERS) and wanted.isdisjoint(_places(file))
        ),
        "with labels in folders below that of the images": tuple(
            file for file in others if not _is_below(file, LABEL_FOLDERS) and _labels_of(file, labels)
        ),
    }


def _images(files: list[str]) -> list[str]:
    stems = {(_folder(file), stem(file)) for file in files}
    in_folders = [file for file in files if _is_below(file, IMAGE_FOLDERS)]
    return [file for file in in_folders or _topmost(files) if not _is_labels_of_another(file, stems)]


def _folder(file: str) -> str:
    return str(PurePosixPath(file).parent).lower()


def _is_below(file: str, folders: tuple[str, ...]) -> bool:
    """Whether of the folders around a file the nearest of images or labels is one of these."""
    around = reversed(PurePosixPath(_folder(file)).parts)
    return next((name for name in around if name in IMAGE_FOLDERS + LABEL_FOLDERS), None) in folders


def _topmost(files: list[str]) -> list[str]:
    """Return the files of the smallest depth, those in folders of labels left out."""
    images = [file for file in files if not _is_below(file, LABEL_FOLDERS)]
    depth = min((file.count("/") for file in images), default=0)
    return [file for file in images if file.count("/") == depth]


def _is_labels_of_another(file: str, stems: set[tuple[str, str]]) -> bool:
    """Whether an image of the same folder claims this file; ``cell_mask.png`` alone is an image."""
    return any((_folder(file), image) in stems for image in _image_stems(file))


def _image_stems(file: str) -> list[str]:
    """Stems of the images that a file may hold the labels of, by its name; the likeliest first."""
    matches = [pattern.fullmatch(stem(file)) for pattern in _LABEL_STEMS]
    return [match["stem"] for match in matches if match]


def _label_index(files: Iterable[str]) -> dict[tuple[str, str], str]:
    """Label files by their folder and the stem of the image they belong to."""
    index: dict[tuple[str, str], str] = {}
    in_folders = []
    for file in files:
        for image in _image_stems(file):
            index.setdefault((_folder(file), image), file)
        if _is_below(file, LABEL_FOLDERS):
            in_folders.append(file)
    # the same stem as the image comes before a suffixed one
    return index | {(_folder(file), stem(file)): file for file in in_folders}


def _labels_of(image: str, index: Mapping[tuple[str, str], str]) -> str | None:
    """Label file of an image."""
    return next((index[place] for place in _label_places(image) if place in index), None)


def _label_places(image: str) -> list[tuple[str, str]]:
    """Where labels of an image may lie, as folder and stem, the likeliest first.

    Beside it, in a folder of labels within its own, or in one beside the folder of images it lies in, however deep,
    in the same subfolder.
    """
    here = PurePosixPath(_folder(image))
    folders = [here, *(here / name for name in LABEL_FOLDERS)]
    for level in reversed(range(len(here.parts))):
        if here.parts[level] in IMAGE_FOLDERS:
            above, below = PurePosixPath(*here.parts[:level]), here.parts[level + 1 :]
            folders += [above.joinpath(name, *below) for name in LABEL_FOLDERS]
    return [(str(folder), stem(image)) for folder in folders]


def _places(label_file: str) -> list[tuple[str, str]]:
    """Where a label file lies, as folder and stem of each image it may be of."""
    return [(_folder(label_file), image) for image in (stem(label_file), *_image_stems(label_file))]


def _read_alone(tree: Tree, image_file: str, unread: str | None, name: str) -> Sample:
    """Read an image without labels that can be read, though it may have others."""
    picture = read_picture(tree, image_file, LAYOUT)
    others = {} if unread is None else {"unread_labels_path": tree.locate(unread)}
    return Sample(name, picture.pixels, metadata={**picture.metadata, **others})


def _read(tree: Tree, image_file: str, label_file: str, label_files: tuple[str, ...], name: str) -> Sample:
    picture = read_picture(tree, image_file, LAYOUT)
    place = tree.locate(label_file)
    with tree.open(label_file) as stream:
        labels, was_mask = read_label_image(stream, place)
    check_fit(picture, labels.shape, place, partial(sizes_in, tree, label_files, image_size))
    metadata = {**picture.metadata, "labels_path": place, "labels_were_mask": was_mask}
    return Sample(name, picture.pixels, labels, metadata=metadata)
