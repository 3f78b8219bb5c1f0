"""Files of labels that are scored: which image each belongs to, and the labels in it."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.data.images import read_image
from napari_nucseg.data.label_files import as_labels, check_numbering, number_pieces, read_label_image
from napari_nucseg.data.layout import flat_name, is_image, stem
from napari_nucseg.data.zarr_folder import LABELS_NOT_READ, is_zarr, zarr_in
from napari_nucseg.errors import DatasetError, NucSegError
from napari_nucseg.jobs.slices import STACKED, put_together, slices_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_ENDINGS = tuple(re.compile(rf"(.+)_{ending}", re.IGNORECASE) for ending in ("labels?", "cp_masks", "masks?"))


class PredictionFiles:
    """Label files of a folder, found by the names of a dataset's samples.

    ``<name>_labels`` comes before ``<name>_cp_masks`` and ``<name>_mask``, and these before ``<name>``. A sample
    named with its folders, ``b/a/cell``, has what ``segment_files`` writes for it, ``b_a_cell_labels``, with more
    folders before, or with fewer, ``a_cell_labels``, where that can be no other's; and ``cell_labels`` only where no
    other sample is a ``cell``, or these lie in folders below its own and have their files.

    Raises
    ------
    DatasetError
        If there is no such folder, or no image file in it.
    """

    def __init__(self, folder: Path, samples: Sequence[str]) -> None:
        self._folder = folder
        self._files = _by_image(folder)
        self._called: dict[str, list[str]] = defaultdict(list)
        for sample in samples:
            self._called[PurePosixPath(sample).name].append(sample)
        self._of_sample: dict[str, list[str]] = defaultdict(list)
        # of several that one file name stands for, the first: segment_files numbers the others
        by_flat_name = {flat_name(sample): sample for sample in reversed(samples) if "/" in sample}
        by_its_end = _by_its_end(samples)
        for name in self._files:
            words = name.split("_")
            # the longest first: x_a_cell is that of x/a/cell where there is one
            endings = ("_".join(words[start:]) for start in range(len(words)))
            if ending := next((ending for ending in endings if ending in by_flat_name), None):
                self._of_sample[by_flat_name[ending]].append(name)
            elif name in by_its_end:
                self._of_sample[by_its_end[name]].append(name)

    def find(self, sample: str) -> Path:
        """Return the file of a sample, of several that hold the same labels the first.

        Raises
        ------
        DatasetError
            Where there is none, several hold other labels, or it could be another sample's.
        """
        called, flat = PurePosixPath(sample).name, flat_name(sample)
        names = self._of_sample[sample] or [called]
        namesakes = self._called[called]
        if names == [called] and called in self._files and len(namesakes) > 1 and not self._is_last(sample):
            raise DatasetError(
                f"{self._files[called][0]} may belong to any of the {len(namesakes)} images called {called}: "
                f"name the prediction of this one {flat}_labels"
            )
        files = [file for name in names for file in self._files.get(name, [])]
        if len(files) > 1 and not _hold_the_same(files):
            raise DatasetError(f"{' and '.join(map(str, files))} both belong to it: leave one of them there")
        if not files:
            raise DatasetError(
                f"there is no prediction {flat}_labels or {flat} (TIFF or PNG) for it in {self._folder}"
            )
        return files[0]

    def _is_last(self, sample: str) -> bool:
        """Whether those it shares its plain name with lie in folders below its own, and have files of their own."""
        called = PurePosixPath(sample).name
        others = [other for other in self._called[called] if other != sample]
        return all(
            other.startswith(sample.removesuffix(called)) and self._of_sample[other] for other in others
        )


def read_labels(path: Path, true_shape: tuple[int, ...] = ()) -> tuple[NDArray[np.int32], bool]:
    """Read labels (Y, X) from a file, or (…, Y, X) of a stack, whose nuclei are numbered on from slice to slice.

    Parameters
    ----------
    true_shape
        Shape of the true labels, if known: a file of it that names neither Z nor T is taken for such a stack, too.

    Returns
    -------
    labels
        int32.
    was_mask
        Whether the file was a mask of one value, whose pieces were numbered: touching nuclei are then one.

    Raises
    ------
    DatasetError, ImageError
        If the file cannot be read, or holds no labels.
    """
    try:
        with path.open("rb") as file:
            if path.suffix.lower() not in (".tif", ".tiff"):
                labels, was_mask = read_label_image(file, str(path))
                check_numbering(labels, str(path))
                return labels, was_mask
            image = read_image(file, str(path), as_stored=True)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read as labels: {error.strerror or error}") from error
    axes = image.axes
    if image.pixels.shape == true_shape and not set(STACKED) & set(axes or ""):
        axes = f"{STACKED}YX"[-len(true_shape) :]
    slices = slices_of(image.pixels, axes)
    stored = [as_labels(part.pixels, str(path)) for part in slices]
    planes = [number_pieces(plane)[0] for plane in stored]
    for plane in planes:
        check_numbering(plane, str(path))
    was_mask = number_pieces(np.concatenate(stored))[1]
    return (put_together(slices, planes)[0] if len(planes) > 1 else planes[0]), was_mask


def _by_its_end(samples: Sequence[str]) -> dict[str, str]:
    """Return samples by their names without the first folders: where all images lie in these, results lack them."""
    ends: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        parts = sample.split("/")
        for start in range(1, len(parts) - 1):
            ends[flat_name("/".join(parts[start:]))].append(sample)
    called = {PurePosixPath(sample).name for sample in samples}
    return {end: of[0] for end, of in ends.items() if len(of) == 1 and end not in called}


def _hold_the_same(files: Sequence[Path]) -> bool:
    """Whether files hold the same labels; one that cannot be read as labels does not."""
    try:
        first, _ = read_labels(files[0])
        return all(np.array_equal(first, read_labels(file)[0]) for file in files[1:])
    except NucSegError:
        return False


def _by_image(folder: Path) -> dict[str, list[Path]]:
    """Label files by the name of their image, of each only those whose ending comes first."""
    if is_zarr(folder):
        raise DatasetError(f"{folder}: {LABELS_NOT_READ}")
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}: name the folder of the predicted label files")
    files = sorted(file for file in folder.iterdir() if is_image(file.name))
    if not files:
        todo = LABELS_NOT_READ if zarr_in(folder) else "name the folder 'nucseg segment' wrote to"
        raise DatasetError(f"{folder} holds no label images: {todo}")
    by_image: dict[str, list[Path]] = {}
    for ending in (*_ENDINGS, re.compile("(.+)")):
        found: dict[str, list[Path]] = defaultdict(list)
        for file in files:
            if match := ending.fullmatch(stem(file.name)):
                found[match[1]].append(file)
        by_image = found | by_image
    return by_image
