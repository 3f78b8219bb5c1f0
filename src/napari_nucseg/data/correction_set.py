"""Corrections of one image as a folder: what a person made of a prediction, for teaching or for going on tomorrow.

::

    name/
        correction.json   format and version; image (file, SHA-256, axes, pixel size); model; settings; counts
        image.tif         copy of the pixels, where they are not referred to
        labels.tif        edited labels, int32, 0 background, (Y, X) or a stack of it
        reviewed.tif      trust map, uint8 of the labels' shape: 0 unknown, 1 reviewed, 2 ignore
        prediction.tif    labels as the model predicted them, where that is known

A set is written beside its place and moved there when it is complete. What it replaces is kept until then; whatever
else lies in the folder stays.
"""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.arrays import in_memory
from napari_nucseg.data.correction_image import (
    find_image,
    pixels_sha256,
    read_pixels,
    reads_as_shown,
    reads_to_the_same,
    reference,
)
from napari_nucseg.data.correction_record import (
    COPIED_IMAGE,
    RECORD,
    CorrectionRecord,
    ImageRecord,
    read_record,
)
from napari_nucseg.data.set_place import is_leftover, place_of, put_in_place, real_folder
from napari_nucseg.errors import CorrectionSetError, ImageError, OutputError
from napari_nucseg.files import file_sha256, in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

LABELS, REVIEWED, PREDICTION = "labels.tif", "reviewed.tif", "prediction.tif"
_OWN = frozenset({RECORD, COPIED_IMAGE, LABELS, REVIEWED, PREDICTION})
_MAX_TRUST = 2


@dataclass(frozen=True, eq=False)
class CorrectionSet:
    """Corrections of one image, in memory.

    Attributes
    ----------
    image
        Pixels, axes as in ``axes``; to be saved, they need not be in memory (dask, zarr).
    axes
        One letter of TZCYX an axis of the image; the labels have those but C.
    labels
        (…, Y, X) int32, 0 background.
    trust
        uint8 of the labels' shape: 0 unknown, 1 reviewed, 2 ignore.
    prediction
        Labels as predicted, or None.
    name
        Of the image.
    pixel_size_um
        Side of a pixel in µm, None where it is not known.
    model_name, model_sha256, settings, counts
        As in :class:`CorrectionRecord`.
    image_path
        File the pixels were read from; None where they are a copy in the set.
    """

    image: NDArray[Any]
    axes: str
    labels: NDArray[np.int32]
    trust: NDArray[np.uint8]
    prediction: NDArray[np.int32] | None = None
    name: str = ""
    pixel_size_um: float | None = None
    model_name: str = ""
    model_sha256: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    image_path: Path | None = None


def save_correction_set(folder: str | Path, corrections: CorrectionSet) -> Path:
    """Write a set, whole or not at all; an older one at the same place is replaced, other files of the folder stay.

    The image is copied, or referred to where ``image_path`` is a file that reads to the same pixels.

    Raises
    ------
    CorrectionSetError
        If its parts do not belong together, or the folder is there and holds something else.
    ImageError
        If the image cannot be read.
    OutputError
        If it cannot be written.
    """
    given, folder = Path(folder), real_folder(folder)
    _check_parts(corrections, "these corrections")
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        is_empty = os.path.isdir(folder) and not any(folder.iterdir())
        if os.path.exists(folder) and not os.path.isfile(folder / RECORD) and not is_empty:
            raise CorrectionSetError(f"{folder} is there and holds no corrections. Choose a new folder.")
        part.mkdir(parents=True)
        _write_parts(part, folder, corrections)
        put_in_place(part, folder, _OWN)
    except OSError as error:
        raise OutputError(in_words(error, folder)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return given


def open_correction_set(folder: str | Path, image_path: Path | None = None) -> CorrectionSet:
    """Read a set.

    Parameters
    ----------
    folder
        Of the set.
    image_path
        Where the image it refers to is now, if that is known: it may have been moved or renamed.

    Raises
    ------
    CorrectionSetError
        If the folder is no set, of a newer version, damaged, or its image is missing or has changed.
    """
    folder = place_of(folder)
    record = read_record(folder)
    image_path = find_image(folder, record.image, image_path)
    as_shown: bool | None = record.image.as_shown
    if _sha256_of(image_path) != record.image.sha256:
        as_shown = reads_to_the_same(image_path, record.image)
    if as_shown is None:
        raise CorrectionSetError(
            f"the image {image_path} has changed since these corrections were saved in {folder}. "
            "Put the old file back, or make the corrections again."
        )
    optional = folder / PREDICTION
    corrections = CorrectionSet(
        image=_read(image_path, folder, as_shown=as_shown),
        axes=record.image.axes,
        labels=_as_type(_read(folder / LABELS, folder), np.int32, folder / LABELS),
        trust=_as_type(_read(folder / REVIEWED, folder), np.uint8, folder / REVIEWED),
        prediction=_as_type(_read(optional, folder), np.int32, optional) if optional.exists() else None,
        image_path=None if image_path.parent == folder else image_path,
        name=record.image.name,
        pixel_size_um=record.image.pixel_size_um,
        **{name: getattr(record, name) for name in ("model_name", "model_sha256", "settings", "counts")},
    )
    _check_parts(corrections, str(folder))
    return corrections


def is_correction_set(folder: str | Path) -> bool:
    """Whether a folder says it is a set."""
    return os.path.isfile(place_of(folder) / RECORD) and not is_leftover(folder)


def stamp_of(folder: str | Path) -> bytes | None:
    """Content of a set's record, which is another one each time it is saved; None where there is no set."""
    try:
        return (place_of(folder) / RECORD).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # something is there that is not known
        return b""


def _sha256_of(path: str | Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise CorrectionSetError(f"{path} cannot be read: {error.strerror or error}.") from error


def _check_parts(corrections: CorrectionSet, place: str) -> None:
    """Refuse parts that do not belong together."""
    image, axes = corrections.image, corrections.axes.upper().replace("S", "C")
    if len(axes) != image.ndim or not {"Y", "X"} <= set(axes):
        raise CorrectionSetError(f"{place}: got axes {axes!r} for an image of shape {image.shape}.")
    shape = tuple(n for n, axis in zip(image.shape, axes, strict=True) if axis != "C")
    parts: dict[str, NDArray[Any] | None] = {
        "labels": corrections.labels,
        "trust map": corrections.trust,
        "prediction": corrections.prediction,
    }
    for what, array in parts.items():
        if array is not None and array.shape != shape:
            raise CorrectionSetError(
                f"{place}: the {what} has shape {array.shape}, the image {shape} without channels. "
                "They must lie on the same pixels."
            )
    for what in ("labels", "prediction"):
        if (numbers := parts[what]) is not None:
            _check_numbers(numbers, f"{place}: the {what}")
    if corrections.trust.size and corrections.trust.max() > _MAX_TRUST:
        raise CorrectionSetError(f"{place}: the trust map holds other values than 0, 1 and 2.")


def _check_numbers(labels: NDArray[Any], what: str) -> None:
    """Refuse labels that int32 cannot hold."""
    allowed = f"whole numbers from 0 to {np.iinfo(np.int32).max:,} are allowed"
    if labels.dtype.kind not in "iu":
        raise CorrectionSetError(f"{what}: got {labels.dtype}; {allowed}.")
    if labels.size and (labels.min() < 0 or labels.max() > np.iinfo(np.int32).max):
        raise CorrectionSetError(
            f"{what}: got numbers from {labels.min():,} to {labels.max():,}; {allowed}. Renumber the nuclei."
        )


def _write_parts(part: Path, folder: Path, corrections: CorrectionSet) -> None:
    """Write all files, the record last."""
    _write_tiff(part / LABELS, corrections.labels.astype(np.int32))
    _write_tiff(part / REVIEWED, corrections.trust.astype(np.uint8))
    if corrections.prediction is not None:
        _write_tiff(part / PREDICTION, corrections.prediction.astype(np.int32))
    image_path, pixels = corrections.image_path, in_memory(corrections.image)
    as_shown = None if image_path is None else reads_as_shown(image_path, pixels)
    if image_path is None or as_shown is None:
        _write_tiff(part / COPIED_IMAGE, pixels)
        file, path, of_pixels = part / COPIED_IMAGE, COPIED_IMAGE, ""
    else:
        file, path = image_path, reference(image_path, folder)
        of_pixels = pixels_sha256(pixels)
    image = ImageRecord(
        path=path,
        sha256=_sha256_of(file),
        pixels_sha256=of_pixels,
        size_bytes=file.stat().st_size,
        as_shown=bool(as_shown),
        axes=corrections.axes,
        name=corrections.name,
        pixel_size_um=corrections.pixel_size_um,
    )
    record = CorrectionRecord(
        image=image,
        **{name: getattr(corrections, name) for name in ("model_name", "model_sha256", "settings", "counts")},
    )
    (part / RECORD).write_text(record.model_dump_json(indent=2), encoding="utf-8")


def _write_tiff(path: Path, pixels: NDArray[Any]) -> None:
    import tifffile  # late: it is only needed where something is written

    colour = pixels.ndim >= 3 and pixels.shape[-1] in (3, 4) and pixels.dtype == np.uint8
    array = pixels.astype(np.uint8) if pixels.dtype == bool else pixels
    tifffile.imwrite(path, array, photometric="rgb" if colour else "minisblack", compression="zlib")


def _read(path: Path, folder: Path, *, as_shown: bool = False) -> NDArray[Any]:
    if not path.is_file():
        raise CorrectionSetError(f"{folder} is incomplete: {path.name} is missing.")
    try:
        return read_pixels(path, as_shown=as_shown)
    except (ImageError, OSError) as error:
        raise CorrectionSetError(str(error)) from error


def _as_type(array: NDArray[Any], dtype: type[np.generic], path: Path) -> NDArray[Any]:
    if array.dtype.kind not in "iu":
        raise CorrectionSetError(f"{path} holds {array.dtype}; whole numbers are needed.")
    converted = array.astype(dtype)
    if not np.array_equal(converted, array):
        raise CorrectionSetError(f"{path} holds numbers outside the range of {np.dtype(dtype)}.")
    return converted
