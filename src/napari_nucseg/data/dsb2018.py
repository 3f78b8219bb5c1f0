"""2018 Data Science Bowl (BBBC038): one folder an image, one mask file or run-length row a nucleus.

``<id>/images/<id>.png`` with ``<id>/masks/*.png``, or ``stage1_train_labels.csv`` / ``stage1_solution.csv``
(``ImageId,EncodedPixels[,Height,Width,Usage]``). Caicedo et al. 2019, 10.1038/s41592-019-0612-7.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.csv_table import read_table
from napari_nucseg.data.images import read_image
from napari_nucseg.data.label_files import Size, check_fit
from napari_nucseg.data.layout import Found, is_image, read_picture
from napari_nucseg.data.sample import Sample
from napari_nucseg.data.tiff_images import is_tiff
from napari_nucseg.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucseg.data.layout import Picture
    from napari_nucseg.data.tree import Tree

LAYOUT = "dsb2018"
_IMAGE = re.compile(r"(?P<folder>(?:.*/)?(?P<id>[^/]+))/images/(?P=id)\.[^./]+")
_LABELS = re.compile(r"(?P<folder>.*[^/])/labels?/[^/]+")
_MASK = re.compile(r"(?P<folder>.*[^/])/masks/[^/]+")
CSV_COLUMNS = ("ImageId", "EncodedPixels")


def find(tree: Tree) -> list[Found]:
    """Find all images of this layout in a tree, at any depth, annotated or not."""
    folders = _image_folders(tree)
    masks: dict[str, list[str]] = defaultdict(list)
    for file in tree.files:
        if (match := _MASK.fullmatch(file)) and match["folder"] in folders and is_image(file):
            masks[match["folder"]].append(file)
    table = RunLengthTable(
        tree, tuple(file for file in tree.files if folders and _is_run_length_csv(tree, file))
    )
    return [
        Found(image, partial(_read, tree, image, tuple(masks[folder]), table))
        for folder, image in folders.items()
    ]


def _image_folders(tree: Tree) -> dict[str, str]:
    """Folder of each image to its file: the one image of an ``images`` folder, named as the folder above it.

    Where labels lie beside that it is a set of one image, as ``nucseg sample`` writes.
    """
    files = [file for file in tree.files if is_image(file)]
    n_beside = Counter(file.rpartition("/")[0] for file in files)
    matches = ((file, _IMAGE.fullmatch(file)) for file in files if n_beside[file.rpartition("/")[0]] == 1)
    others = {match["folder"] for match in map(_LABELS.fullmatch, files) if match}
    return {match["folder"]: file for file, match in matches if match and match["folder"] not in others}


def encode_labels(labels: NDArray[np.integer[Any]]) -> dict[int, str]:
    """Encode each nucleus of labels (Y, X) as ``start length …``, column by column, counted from 1.

    By their numbers, rising. All runs are found in one walk over the image, however many nuclei there are.
    """
    flat = labels.ravel(order="F")
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]])[: flat.size])
    lengths = np.diff(starts, append=flat.size)
    numbers = flat[starts]
    order = np.argsort(numbers, kind="stable")
    order = order[numbers[order] > 0]
    nuclei, first = np.unique(numbers[order], return_index=True)
    runs = np.stack([starts + 1, lengths], axis=1)[order]
    texts = (" ".join(map(str, part.ravel().tolist())) for part in np.split(runs, first[1:]))
    return dict(zip(nuclei.tolist(), texts, strict=False))


def decode_rle(text: str, shape: Size) -> NDArray[np.bool_]:
    """Decode ``start length …`` into a mask (Y, X) of this shape; ``DatasetError`` where it does not fit."""
    try:
        runs = np.array(text.split(), dtype=np.int64).reshape(-1, 2)
    except ValueError as error:
        raise DatasetError(f"run-length text {text[:40]!r} is no list of pairs 'start length'") from error
    starts, stops = runs[:, 0] - 1, runs[:, 0] - 1 + runs[:, 1]
    if len(runs) and (starts.min() < 0 or runs[:, 1].min() < 0 or stops.max() > shape[0] * shape[1]):
        raise DatasetError(
            f"run-length text {text[:40]!r} leaves the image of shape {shape}; pixels count from 1"
        )
    flat = np.zeros(shape[0] * shape[1], np.bool_)
    for start, stop in zip(starts, stops, strict=True):
        flat[start:stop] = True
    return flat.reshape(shape, order="F")


@dataclass(frozen=True)
class RunLengthTable:
    """All run-length rows of a tree's CSV files, read when the first image asks."""

    tree: Tree
    files: tuple[str, ...]

    @cached_property
    def rows(self) -> dict[str, list[dict[str, str]]]:
        """Rows by image id, each with the file it stands in as ``file``."""
        rows: dict[str, list[dict[str, str]]] = defaultdict(list)
        for file in self.files:
            with self.tree.open(file) as stream:
                for row in read_table(stream.read(), self.tree.locate(file))[1]:
                    rows[row["ImageId"]].append({**row, "file": file})
        return dict(rows)


def paint(nuclei: list[NDArray[np.intp]], shape: Size) -> tuple[NDArray[np.int32], int]:
    """Give nuclei the numbers 1, 2, … in their order, given the flat pixel indices of each.

    Where nuclei overlap the smaller one is on top, so that a nucleus upon another is not lost.

    Returns
    -------
    labels
        int32 of this shape; the number of an empty mask stays unused.
    overlap_px
        Pixels that more than one nucleus claimed.
    """
    claims = np.zeros(shape[0] * shape[1], np.int32)
    labels = np.zeros(shape[0] * shape[1], np.int32)
    for number in sorted(range(len(nuclei)), key=lambda i: -nuclei[i].size):
        labels[nuclei[number]] = number + 1
        claims[nuclei[number]] += 1
    return labels.reshape(shape), int((claims > 1).sum())


def _is_run_length_csv(tree: Tree, file: str) -> bool:
    if not file.lower().endswith(".csv"):
        return False
    with tree.open(file) as stream:
        header = stream.read(200)
    with suppress(DatasetError):
        return set(CSV_COLUMNS) <= set(read_table(header, file)[0])
    return False


def _read(tree: Tree, image_file: str, masks: tuple[str, ...], table: RunLengthTable, name: str) -> Sample:
    picture = read_picture(tree, image_file, LAYOUT)
    folder = image_file.rsplit("/images/", 1)[0]
    subset, _, image_id = folder.rpartition("/")
    metadata = picture.metadata | ({"subset": subset.rsplit("/", 1)[-1]} if subset else {})
    if masks:
        nuclei = [_read_mask(tree, mask, picture) for mask in masks]
        metadata["labels_path"] = tree.locate(folder + "/masks")
    elif rows := table.rows.get(image_id):
        nuclei = [_decode_row(tree, row, picture) for row in rows]
        metadata["labels_path"] = tree.locate(rows[0]["file"])
    else:
        return Sample(name, picture.pixels, metadata=metadata)
    labels, metadata["overlap_px"] = paint(nuclei, picture.size)
    metadata["n_empty_masks"] = sum(nucleus.size == 0 for nucleus in nuclei)
    return Sample(name, picture.pixels, labels, metadata=metadata)


def _read_mask(tree: Tree, file: str, picture: Picture) -> NDArray[np.intp]:
    """Flat pixel indices of the one nucleus in a mask file: what is not black, in a TIFF what is not stored as 0."""
    place = tree.locate(file)
    with tree.open(file) as stream:
        as_stored = is_tiff(stream)
        pixels = read_image(stream, place, as_stored=as_stored).pixels
    if pixels.ndim == 3:  # colour or alpha: alpha is opaque everywhere and says nothing
        colours = pixels[..., : 3 if pixels.shape[-1] > 2 else 1]
        pixels = np.any(colours, axis=-1, keepdims=False)
    check_fit(picture, pixels.shape[:2], place)
    return np.flatnonzero(pixels)


def _decode_row(tree: Tree, row: dict[str, str], picture: Picture) -> NDArray[np.intp]:
    """Flat pixel indices of the nucleus of one CSV row."""
    place = f"{tree.locate(row['file'])} (row of {row['ImageId']})"
    if row.get("Height") and row.get("Width"):
        size = (_pixels(row, "Height", place), _pixels(row, "Width", place))
        check_fit(picture, size, place)
    try:
        return np.flatnonzero(decode_rle(row["EncodedPixels"], picture.size))
    except DatasetError as error:
        raise DatasetError(f"{place}: {error}") from error


def _pixels(row: dict[str, str], column: str, place: str) -> int:
    """Read a size in pixels, also where a program wrote it as 40.0."""
    try:
        pixels = float(row[column])
    except ValueError:
        pixels = math.nan
    if not pixels.is_integer():
        raise DatasetError(f"{place} has {column} {row[column]!r}; it is a whole number of pixels")
    return int(pixels)
