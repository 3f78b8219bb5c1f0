"""Which files a batch reads and which it writes: a result is never taken for an image, nor an image replaced."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg.data.layout import flat_name, is_image, stem, suffixes_of, unique_names
from napari_nucseg.data.zarr_folder import NOT_READ, is_zarr, zarr_in
from napari_nucseg.errors import ImageError, OutputError
from napari_nucseg.files import sweep, unused_name
from napari_nucseg.jobs.outline_file import SUFFIX
from napari_nucseg.jobs.result_mark import SOFTWARE, is_marked, origin_of, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_nucseg.jobs.result_mark import Origin

_ENDS = ("labels.tif", "overlay.png", "overlay.tif", "table.csv", "outlines.geojson")
"""What the names of results end with."""
_RESULT = re.compile(r"(?P<name>.+)_(labels|overlay)")
FileIds = set[tuple[int, int]]


@dataclass(frozen=True)
class Outputs:
    """Which files are written, and where: for each image in a folder; of all, run lengths and a table in one CSV each.

    Files of the same names are replaced where a batch made them of the same image, others, and those of all, only with
    ``overwrite``. With ``skip_done`` labels that were made of the same image with the same settings are taken as they
    are; what else is asked for is made from them.
    """

    folder: Path
    overlay: bool = False
    table: bool = False
    outlines: bool = False
    run_lengths: Path | None = None
    one_table: Path | None = None
    overwrite: bool = False
    skip_done: bool = False


@dataclass(frozen=True)
class Targets:
    """The files that are written for one image."""

    labels: Path
    overlay: Path | None
    table: Path | None
    outlines: Path | None

    @classmethod
    def of(cls, outputs: Outputs, name: str, n_slices: int) -> Targets:
        """Name the files of an image; the outlines of a stack are a TIFF."""
        overlay = outputs.folder / f"{name}_overlay.{'png' if n_slices == 1 else 'tif'}"
        table = outputs.folder / f"{name}_table.csv"
        outlines = outputs.folder / f"{name}_outlines.geojson"
        return cls(
            outputs.folder / f"{name}_labels.tif",
            overlay if outputs.overlay else None,
            table if outputs.table else None,
            outlines if outputs.outlines else None,
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that are written."""
        return tuple(filter(None, (self.labels, self.overlay, self.table, self.outlines)))

    @property
    def left_alone(self) -> tuple[Path, ...]:
        """Those of the same image that are not asked for this time, but may have been before."""
        name = self.labels.name.removesuffix("_labels.tif")
        return tuple(
            path for end in _ENDS if (path := self.labels.with_name(f"{name}_{end}")) not in self.files
        )

    @property
    def lock(self) -> Path:
        """File that is there while a run writes them; its name is shorter than theirs, so it is never too long."""
        return self.labels.with_name(f".{self.labels.name.removesuffix('_labels.tif')}.lock")

    def check(self, images: FileIds, origin: Origin, *, overwrite: bool) -> None:
        """Refuse to replace an image of the batch, and without ``overwrite`` what no batch made of this image.

        Raises
        ------
        OutputError
            Naming the file.
        """
        for path in self.files:
            check_no_image(path, images)
            if os.path.isfile(path) and not overwrite:
                _check_ours(path, origin)


def _check_ours(path: Path, origin: Origin) -> None:
    """Refuse to replace a file that is not the result of this image, as far as it says so."""
    if not is_marked(path):
        raise OutputError(
            f"cannot write {path}: it is there already and does not say that {SOFTWARE} made it; results of "
            "earlier versions bear no such mark. Choose another folder for the results, or replace it with "
            "--overwrite."
        )
    there = origin_of(path)
    if there is not None and not there.is_same_image(origin):
        raise OutputError(
            f"cannot write {path}: it is there already, the result of another image of this name, {there.image} "
            f"(from {path.parent}). Choose another folder for the results, or replace it with --overwrite."
        )


def sweep_results(folder: Path) -> None:
    """Delete what runs that were killed left half-written of results in a folder."""
    if os.path.isdir(folder):  # False, not an error, for a name that is too long
        for end in _ENDS:
            sweep(folder, f"_{end}")


def file_ids(paths: Iterable[Path]) -> FileIds:
    """Return what tells files apart whatever their names; missing ones have nothing."""
    return {(found.st_dev, found.st_ino) for path in paths if (found := _stat(path))}


def state_of(path: Path) -> tuple[int, int] | None:
    """Return what changes where a file is written; None where it is missing."""
    found = _stat(path)
    return (found.st_size, found.st_mtime_ns) if found else None


def check_no_image(path: Path, images: FileIds) -> None:
    """Refuse to write where an image of the batch lies, under whatever name.

    Raises
    ------
    OutputError
        Naming the file.
    """
    if file_ids([path]) & images:
        raise OutputError(
            f"cannot write {path}: it is one of the images to be segmented. Choose another folder for the results."
        )


def check_files_of_all(outputs: Outputs, images: FileIds, names: Iterable[str]) -> None:
    """Refuse to write a file of all over an image or a result of the batch, and without ``overwrite`` over any file.

    They have no place for a mark that would tell ours from others.

    Raises
    ------
    OutputError
        Naming the file.
    """
    planned = (Targets.of(outputs, name, n_slices) for name in names for n_slices in (1, 2))
    taken = {_place(target) for targets in planned for target in targets.files}
    for path in filter(None, (outputs.run_lengths, outputs.one_table)):
        check_no_image(path, images)
        if _place(path) in taken:
            raise OutputError(
                f"cannot write {path}: another result of this run has that name. Choose another one."
            )
        taken.add(_place(path))
        if os.path.lexists(path) and not path.is_dir() and not outputs.overwrite:
            raise OutputError(
                f"cannot write {path}: it is there already, and does not say who wrote it. Choose another name, delete "
                "it, or replace it with --overwrite."
            )


def _place(path: Path) -> str:
    """Where a file lies, whatever the way to it; case is ignored, as some file systems do."""
    return os.path.join(os.path.realpath(path.parent), path.name).casefold()


def find_images(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    """Replace each folder by the image files directly in it, sorted; files stay as they are.

    What ``segment_files`` wrote is no image, nor are labels beside their image, nor hidden files. A pattern like
    ``*.tif`` that the shell left as it is stands for the files that fit it and are images by that rule. A result that
    is named is taken, unless it is one of an image that is named too.

    Raises
    ------
    ImageError
        If a name is empty, a folder holds no image or is one in zarr, or there is no such file at all.
    """
    images: list[Path] = []
    for named in paths:
        if not str(named):
            raise ImageError("got an empty name for an image: name image files, or a folder of them")
        for path in _expanded(Path(named)):
            if is_zarr(path):
                raise ImageError(f"{path}: {NOT_READ}")
            images += _images_in(path) if path.is_dir() else [path]
    beside = {(path.parent, name) for path, name in output_names(list(dict.fromkeys(images))).items()}
    beside |= {(path.parent, stem(path.name)) for path in images}
    return tuple(
        path
        for path in dict.fromkeys(images)
        if not ((name := _result_of(path)) and (path.parent, name) in beside and is_marked(path))
    )


def output_names(images: Sequence[Path], kept: Mapping[Path, str] | None = None) -> dict[Path, str]:
    """Name outputs by the image's stem, with folders and suffix where that alone is not unique, else by a number.

    Of the folders, those that hold all images are left out, so names do not depend on how the way to them is written.
    Names that are ``kept`` stay what they are.
    """
    kept = kept or {}
    places = _within_common_folder(images)
    names = unique_names(list(places.values()))
    taken = {name.casefold() for name in kept.values()}
    return {
        path: kept.get(path) or unused_name(flat_name(names[place]) or "image", taken)
        for path, place in places.items()
    }


def _within_common_folder(images: Sequence[Path]) -> dict[Path, str]:
    """Where images lie in the folder that holds all of them; whole paths where none does, as on drives of Windows."""
    places = {path: os.path.abspath(path) for path in images}
    try:
        common = os.path.commonpath([os.path.dirname(place) for place in places.values()])
    except ValueError:
        return {path: Path(place).as_posix() for path, place in places.items()}
    return {path: Path(place).relative_to(common).as_posix() for path, place in places.items()}


def names_of_before(images: Sequence[Path], folder: Path) -> dict[Path, str]:
    """Images whose results in a folder bear their plain names, with these; others may be called the same by now."""
    found = {}
    for path in images:
        plain = flat_name(stem(path.name))
        there = origin_of(folder / f"{plain}_labels.tif")
        if there is not None and there.image == place_of(path, folder):
            found[plain] = path
    return {path: plain for plain, path in found.items()}


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def _expanded(path: Path) -> list[Path]:
    """Files that fit a pattern and are no results; the path itself where it exists or nothing fits."""
    if not glob.has_magic(str(path)) or os.path.lexists(path):
        return [path]
    found = [Path(file) for file in sorted(glob.glob(str(path)))]
    stems = {folder: _stems(folder) for folder in {file.parent for file in found}}
    images = [file for file in found if file.is_dir() or not _is_result(file, stems[file.parent])]
    if found and not images:
        raise ImageError(f"{path} stands for nothing but results: name the images")
    return images or [path]


def _images_in(folder: Path) -> list[Path]:
    """Images directly in a folder, sorted, without hidden files and results; links to nothing are among them."""
    seen = (file for file in folder.iterdir() if not file.name.startswith(".") and is_image(file.name))
    stems = _stems(folder)
    images = [file for file in sorted(seen) if _may_be_file(file) and not _is_result(file, stems)]
    if not images:
        folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.suffix)
        there = suffixes_of(path.name for path in folder.iterdir() if path not in folders)
        such_as = f", such as {folders[0]}" if folders else ""
        todo = NOT_READ if zarr_in(folder) else f"name the folder of the images{such_as}"
        raise ImageError(f"{folder} holds no image directly in it, found {there}: {todo}")
    return images


def _may_be_file(path: Path) -> bool:
    """Whether it is a file, or a link to one that is not there: that is said when it is opened, not passed over."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _stems(folder: Path) -> set[str]:
    return {stem(file.name) for file in folder.iterdir() if is_image(file.name)}


def _is_result(file: Path, stems: set[str]) -> bool:
    """Whether a file is a result by its mark, or by its name that of an image beside it."""
    name = _result_of(file)
    return name in stems or ((name is not None or file.suffix in (".csv", SUFFIX)) and is_marked(file))


def _result_of(file: Path) -> str | None:
    """Name of the image whose result a file is by its own name."""
    match = _RESULT.fullmatch(stem(file.name))
    return match and match["name"]
