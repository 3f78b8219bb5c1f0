"""Label images and MATLAB files, and the check that a mask fits its image; shared by all layouts."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_nucseg.data.images import read_image
from napari_nucseg.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_nucseg.data.layout import Picture
    from napari_nucseg.data.tree import Tree

Size = tuple[int, int]
_MAX_PIECES_PER_NUMBER = 10  # label images have hardly more than 1, pictures 40 to some thousand
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def as_labels(array: NDArray[Any], place: str) -> NDArray[np.int32]:
    """Return labels (Y, X) as int32 with the source's numbers, or say why the array holds no labels.

    Colour and alpha channels that only repeat the first are dropped.
    """
    array = np.squeeze(array)
    if array.ndim == 3 and array.shape[-1] in (2, 3, 4):
        colours = array[..., : 3 if array.shape[-1] > 2 else 1]
        if (colours != colours[..., :1]).any():
            raise DatasetError(
                f"{place} is a colour picture of shape {array.shape}; labels need one number a pixel"
            )
        array = colours[..., 0]
    if array.ndim > 2:
        raise DatasetError(
            f"{place} holds a stack of shape {array.shape}; labels of an image are (Y, X). Save each plane as an image "
            "of its own; or let 'nucseg evaluate' score stacks whose files name their axes, such as ZYX, with the "
            "folder of true labels, without images, as --truth"
        )
    if array.ndim != 2 or array.dtype.kind not in "buif":
        raise DatasetError(
            f"{place} holds {array.dtype} of shape {array.shape}; labels are whole numbers (Y, X)"
        )
    limits = np.iinfo(np.int32)
    if array.size and (not np.isfinite(array).all() or array.min() < 0 or array.max() > limits.max):
        raise DatasetError(f"{place} holds numbers outside 0…{limits.max}; labels are whole numbers from 0")
    labels = array.astype(np.int32)
    if array.dtype.kind == "f" and not np.array_equal(labels, array):
        raise DatasetError(f"{place} holds fractions; labels are whole numbers: is this a probability map?")
    return labels


def read_label_image(file: IO[bytes], place: str) -> tuple[NDArray[np.int32], bool]:
    """Read labels (Y, X) from an image file.

    Returns
    -------
    labels
        int32, numbered as in the file; a mask of one value and several pieces gets one number a piece.
    was_mask
        Whether the file was such a mask: touching nuclei are then one.
    """
    if file.read(3) == b"\xff\xd8\xff":
        raise DatasetError(f"{place} is a JPEG, which blurs label numbers: save labels as PNG or TIFF")
    file.seek(0)
    return number_pieces(as_labels(read_image(file, place, as_stored=True).pixels, place))


def number_pieces(labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], bool]:
    """Give each piece of a mask of one value its number; say whether it was such a mask of several pieces."""
    values = np.unique(labels)
    if len(values[values > 0]) != 1:
        return labels, False
    pieces, n_pieces = ndimage.label(labels)
    return (pieces.astype(np.int32), True) if n_pieces > 1 else (labels, False)


def check_numbering(labels: NDArray[np.int32], place: str) -> None:
    """Raise a ``DatasetError`` where a number stands for so many pieces that the numbers are no nuclei."""
    import skimage.measure  # late: only label files without an image need it

    numbers = np.unique(labels)
    n_numbers = np.count_nonzero(numbers)
    n_pieces = skimage.measure.label(labels, background=0).max(initial=0)
    if n_pieces > _MAX_PIECES_PER_NUMBER * n_numbers:
        raise DatasetError(
            f"{place} has {n_numbers} numbers in {n_pieces} separate pieces; labels have one number a nucleus: "
            "is it a picture, or a map of classes?"
        )


def read_instances(
    tree: Tree, file: str, others: tuple[str, ...], picture: Picture
) -> tuple[NDArray[np.int32], dict[str, NDArray[Any]]]:
    """Read the instance map (Y, X) of a MATLAB file, one of several, and all its arrays.

    Raises
    ------
    DatasetError
        If it cannot be read or does not fit its picture.
    """
    place = tree.locate(file)
    with tree.open(file) as stream:
        arrays = _read_mat(stream, place)
    labels = as_labels(mat_array(arrays, "inst_map", place), place)
    check_fit(picture, labels.shape, place, partial(sizes_in, tree, others, _instances_size))
    return labels, arrays


def _read_mat(file: IO[bytes], place: str) -> dict[str, NDArray[Any]]:
    """Read the numeric arrays of a MATLAB file, v5 through SciPy and v7.3 (HDF5) through h5py."""
    head = file.read(520)
    file.seek(0)
    try:
        if head.startswith(_HDF5_MAGIC) or head[512:520] == _HDF5_MAGIC:
            return _read_mat_v73(file)
        from scipy.io import loadmat

        return {
            k: v for k, v in loadmat(file).items() if isinstance(v, np.ndarray) and v.dtype.kind in "buif"
        }
    except Exception as error:  # loadmat and h5py raise many kinds on damaged files
        raise DatasetError(f"{place} is no readable MATLAB file ({type(error).__name__}: {error})") from error


def mat_array(arrays: Mapping[str, NDArray[Any]], key: str, place: str) -> NDArray[Any]:
    """Return one array of a MATLAB file, or say which there are."""
    if key not in arrays:
        raise DatasetError(f"{place} has no {key!r}; it holds {', '.join(sorted(arrays)) or 'no arrays'}")
    return arrays[key]


def sizes_in(
    tree: Tree, files: tuple[str, ...], size_of: Callable[[IO[bytes]], tuple[int, ...]]
) -> Mapping[str, tuple[int, ...]]:
    """Place and (height, width) of these masks; unreadable ones are left out: a hint must not fail on them."""
    sizes = {}
    for file in files:
        with suppress(Exception), tree.open(file) as stream:
            sizes[tree.locate(file)] = size_of(stream)
    return sizes


def _instances_size(file: IO[bytes]) -> tuple[int, ...]:
    """Height and width of the instance map in a MATLAB file."""
    return _read_mat(file, "mat")["inst_map"].shape


def check_fit(
    picture: Picture,
    labels_size: Size,
    labels_place: str,
    other_sizes: Callable[[], Mapping[str, tuple[int, ...]]] | None = None,
) -> None:
    """Raise a ``DatasetError`` where labels do not fit their picture (sizes are height, width in pixels).

    ``other_sizes`` gives place and size of the set's other masks; it is asked only where the fit fails, and
    those of the right size are named: two masks may have been swapped, as 04 and 05 of CPM-15 were.
    """
    if picture.size == labels_size:
        return
    fitting = [place for place, size in other_sizes().items() if size == picture.size] if other_sizes else []
    hint = f"; of the set's other masks {' and '.join(fitting)} would fit" if 0 < len(fitting) <= 3 else ""
    (mask_height, mask_width), (height, width) = labels_size, picture.size
    raise DatasetError(
        f"mask and image differ in size (width x height): {labels_place} is {mask_width} x {mask_height} px, "
        f"{picture.metadata['image_path']} is {width} x {height} px{hint}: check whether files were mixed up"
    )


def _read_mat_v73(file: IO[bytes]) -> dict[str, NDArray[Any]]:
    import h5py  # late: only v7.3 files need it

    with h5py.File(file, "r") as mat:
        # MATLAB stores column-major, HDF5 reads row-major: the axes come out reversed.
        return {key: np.asarray(item).T for key, item in mat.items() if isinstance(item, h5py.Dataset)}
