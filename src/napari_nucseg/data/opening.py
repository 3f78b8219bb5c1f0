"""Open a dataset by what is in it: the one place that knows all layouts."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg.data import cpm, dsb2018, folder, hovernet, lizard
from napari_nucseg.data.layout import is_image, stem, suffixes_of, unique_names
from napari_nucseg.data.sample import Dataset
from napari_nucseg.data.tree import FolderTree, JoinedTree, open_tree
from napari_nucseg.data.zarr_folder import NOT_READ, is_zarr
from napari_nucseg.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_nucseg.data.layout import Found
    from napari_nucseg.data.tree import Tree

# The layouts whose file names say what they are; a plain folder is what is left.
_NAMED = {module.LAYOUT: module.find for module in (dsb2018, lizard, cpm, hovernet)}
LAYOUTS = (*_NAMED, folder.LAYOUT)
# Parts of one dataset that come as separate downloads: what to look for beside the one that was named.
_COMPANIONS = (
    (
        re.compile("|".join(folder.IMAGE_FOLDERS), re.IGNORECASE),
        re.compile("|".join(folder.LABEL_FOLDERS), re.IGNORECASE),
    ),
    (re.compile(r"lizard_images\d*", re.IGNORECASE), re.compile(r"lizard_labels(\.zip)?", re.IGNORECASE)),
    (re.compile(r"stage1_train"), re.compile(r"stage1_train_labels\.csv")),
    (re.compile(r"stage1_test"), re.compile(r"stage1_solution\.csv")),
)


def open_dataset(path: str | Path, layout: str | None = None) -> Dataset:
    """Open a dataset, recognised by its contents: a folder, the original zip read in place, or one image.

    Parameters
    ----------
    path
        Folder, zip (also a folder of zips, or a folder around the dataset's own) or image file. An image
        of a known layout gives the dataset of that image with its labels.
    layout
        One of ``LAYOUTS``, to allow only that one; needed where a folder holds several datasets.

    Raises
    ------
    DatasetError
        Where nothing, or more than one layout, is recognised.
    """
    if not str(path):
        raise DatasetError("got an empty name for a dataset: name its folder, its zip or an image")
    path = Path(path).expanduser()
    if layout is not None and layout not in LAYOUTS:
        raise DatasetError(f"got layout {layout!r}; allowed are {', '.join(LAYOUTS)}")
    if path.is_file() and is_image(path.name):
        return _open_image(path, layout)
    if is_zarr(path):
        raise DatasetError(f"{path}: {NOT_READ}")
    tree = _with_companions(path, open_tree(path))
    name, found = _recognise(tree, layout)
    return _dataset(
        name, path, tree, found, partial(folder.find_unused, tree) if name == folder.LAYOUT else dict
    )


def _dataset(
    layout: str,
    root: Path,
    tree: Tree,
    found: list[Found],
    unused: Callable[[], Mapping[str, tuple[str, ...]]] = dict,
) -> Dataset:
    names = unique_names([sample.image_file for sample in found])
    readers = {names[sample.image_file]: partial(sample.read, names[sample.image_file]) for sample in found}
    files = {name: file for file, name in names.items()}
    places = {name: tree.locate(file) for name, file in files.items()}
    return Dataset(layout, root, readers, files, places, unused)


def _recognise(tree: Tree, layout: str | None) -> tuple[str, list[Found]]:
    """Return the layout and its samples, or say what was seen instead."""
    named = {name: found for name, find in _NAMED.items() if layout in (None, name) and (found := find(tree))}
    if len(named) > 1:
        places = "; ".join(
            f"{name} ({len(found)} images, e.g. {found[0].image_file})" for name, found in named.items()
        )
        raise DatasetError(
            f"{tree.root} holds several datasets: {places}. Open the folder of one, or name its layout"
        )
    if named:
        return next(iter(named.items()))
    found = folder.find(tree) if layout in (None, folder.LAYOUT) else []
    if not found:
        zarr = any(is_zarr(Path(tree.locate(file))) for file in tree.files)
        raise DatasetError(
            f"{tree.root} holds no dataset of layout {layout or ', '.join(LAYOUTS)}: found {suffixes_of(tree.files)}. "
            f"{NOT_READ if zarr else 'Name the folder or zip that holds the images'}"
        )
    return folder.LAYOUT, found


def _open_image(path: Path, layout: str | None) -> Dataset:
    """Open one image with the labels its layout has for it."""
    path = path.absolute()
    tree = _tree_around(path)
    for name, find in {**_NAMED, folder.LAYOUT: folder.find}.items():
        dataset = _dataset(name, path, tree, find(tree) if layout in (None, name) else [])
        if image := next((image for image, place in dataset.places.items() if place == str(path)), None):
            return dataset.select([image])
    raise DatasetError(f"{path} is no image of layout {layout or ', '.join(LAYOUTS)}: is it a label file?")


def _tree_around(image: Path) -> Tree:
    """Files that may belong to one image: its folder, label folders in and beside it, the set's tables.

    Of an image in a subfolder of ``images`` they lie in such a subfolder, too. Nothing else is listed: the image may
    lie in a home folder of any size.
    """
    parent, top = image.parent, image.parents[min(2, len(image.parents) - 1)]
    tables = list(top.glob("stage1_*.csv"))
    if not tables and parent.name == "images" and parent.parent.name == stem(image.name):
        # one image of DSB2018: the tables lie in its subset's folder, or officially beside that
        tables = list(top.parent.glob("stage1_*.csv"))
        top = top.parent if tables else top
    files = [file for file in parent.iterdir() if file.is_file()]
    for around in {parent, parent.parent}:
        for beside in _label_folders(around):
            files += [beside / file for file in open_tree(beside).files]
    if parent.parent.name.lower() in folder.IMAGE_FOLDERS:
        for beside in _label_folders(parent.parent.parent):
            files += [file for file in (beside / parent.name).glob("*") if file.is_file()]
    files += tables
    return FolderTree(top, tuple(sorted({file.relative_to(top).as_posix() for file in files})))


def _label_folders(around: Path) -> list[Path]:
    names = (*folder.LABEL_FOLDERS, "lizard_labels")
    return [place for place in around.iterdir() if place.name.lower() in names and place.is_dir()]


def companions(path: Path) -> tuple[Path, ...]:
    """Folders, zips and tables of labels that lie beside a dataset that is named without them."""
    path = path.absolute()
    name = path.name.removesuffix(".zip")
    wanted = [companion for part, companion in _COMPANIONS if part.fullmatch(name)]
    return tuple(
        beside
        for beside in (sorted(path.parent.iterdir()) if wanted else ())
        if any(companion.fullmatch(beside.name) for companion in wanted)
        and (beside.suffix in (".csv", ".zip") or beside.is_dir())
    )


def _with_companions(path: Path, tree: Tree) -> Tree:
    path = path.absolute()
    places = companions(path) or _labels_of_part(path)
    around = Path(os.path.commonpath([path.parent, *(place.parent for place in places)]))

    def prefix(place: Path) -> str:
        return f"{place.relative_to(around).as_posix().removesuffix('.zip')}/"

    parts: list[tuple[str, Tree]] = [(prefix(path), tree)]
    for beside in places:
        if beside.suffix == ".csv":
            parts.append(("", FolderTree(beside.parent, (beside.name,))))
        else:
            parts.append((prefix(beside), open_tree(beside)))
    return JoinedTree(path, tuple(parts)) if len(parts) > 1 else tree


def _labels_of_part(path: Path) -> tuple[Path, ...]:
    """Folders with the labels of a folder within that of all images: of ``images/day1`` it is ``labels/day1``."""
    images = next((above for above in path.parents if above.name.lower() in folder.IMAGE_FOLDERS), None)
    if images is None:
        return ()
    places = [labels / path.relative_to(images) for labels in _label_folders(images.parent)]
    return tuple(place for place in places if place.is_dir())
