"""The samples a user can open without data of their own: made, bundled, fetched, or lying in a folder they name."""

from __future__ import annotations

import os
import shutil
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from napari_nucseg.data import cache as user_cache
from napari_nucseg.data.download import DownloadProgress, explained, fetch_file, write_whole
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.remote_zip import RangesNotSupported, extract_members, fetch_members, readable_zip
from napari_nucseg.data.sample import Dataset, Sample
from napari_nucseg.data.sources import Archive, Source, find_source
from napari_nucseg.data.synthetic import synthetic_fluorescence, synthetic_histology
from napari_nucseg.errors import DatasetError, DownloadError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# Images of stage1_train the bundled models were not trained on; they show each kind of picture in the set once.
_FLUORESCENCE_IDS = (
    "958114e5f37d5e1420b410bd716753b3e874b175f2b6958ebf1ec2bdf776e41f",
    "63d981a107091e1e3059102ce08870744dde173afe324bc2274c17d42f661778",
    "245b995878370ef4ea977568b2b67f93d4ecaa9308761b9d3e148e0803780183",
    "1b6044e4858a9b7cee9b0028d8e54fbc8fb72e6c4424ab5b9f3859bfc72b33c5",
    "3bf7873f11823f4b64422f49c8248dd95c0d01f9ae9075ae3d233bbb21a3d875",
)
_HISTOLOGY_IDS = (
    "337b6eed0726f07531cd467cd62b6676c31a8c9e716bdbc49433986c022252cf",
    "79fe419488ba98494e3baa35c6fef9662eda1efe325d0ab0ac002f5383245d96",
    "15039b3acccc4257a1a442646a89b6e596b5eb4531637e6d8fa1c43203722c99",
    "4193474b2f1c72f735b13633b219d9cabdd43c21d9c2bb4dfc4809f104ba4c06",
    "87ea72894f6534b28e740cc34cf5c9eb75d0d8902687fce5fcc08a92e9f41386",
)


class FolderNeeded(DatasetError):
    """A dataset that a person has to fetch is not here; ``source`` has its page and licence."""

    def __init__(self, source: Source) -> None:
        super().__init__(
            f"this program does not fetch {source.title} (licence: {source.licence}). Get it from {source.page}, "
            "then name the folder or zip it lies in"
        )
        self.source = source


@dataclass(frozen=True)
class SampleData:
    """One entry of the sample menu.

    Attributes
    ----------
    name, title
        For programs and for people.
    make
        Makes the sample offline; None where it is fetched or lies in a user's folder.
    source_name
        Source the images come from; empty where they are made.
    image_ids
        Images to fetch out of the source's archive.
    download_mb
        What is transferred about, where the server allows ranges; else ``archive_mb``.
    """

    name: str
    title: str
    make: Callable[[], Sample] | None = None
    source_name: str = ""
    image_ids: tuple[str, ...] = ()
    download_mb: float = 0.0
    archive_mb: float = 0.0

    @property
    def source(self) -> Source:
        """Official place, licence and citation; ``SettingsError`` for made samples."""
        return find_source(self.source_name)


def immunohistochemistry() -> Sample:
    """Return scikit-image's picture of colonic glands (haematoxylin and DAB), which has no truth. Public domain."""
    import skimage.data  # late: importing the package must stay fast

    metadata = {"layout": "skimage", "kind": "histology", "axes": "YXC"}
    return Sample("immunohistochemistry", skimage.data.immunohistochemistry(), None, None, metadata)


SAMPLES: tuple[SampleData, ...] = (
    SampleData("synthetic-fluorescence", "Synthetic fluorescence", synthetic_fluorescence),
    SampleData("synthetic-histology", "Synthetic histology", synthetic_histology),
    SampleData("immunohistochemistry", "Immunohistochemistry", immunohistochemistry),
    SampleData("dsb2018-fluorescence", "DSB2018 fluorescence", None, "dsb2018", _FLUORESCENCE_IDS, 8, 83),
    SampleData("dsb2018-histology", "DSB2018 histology", None, "dsb2018", _HISTOLOGY_IDS, 8, 83),
    SampleData("lizard", "Lizard", None, "lizard"),
    SampleData("cpm", "CPM", None, "cpm"),
)


def find_sample(name: str) -> SampleData:
    """Return a sample by its name; ``SettingsError`` where there is none."""
    for sample in SAMPLES:
        if sample.name == name:
            return sample
    raise SettingsError(f"no sample {name!r}; there are {', '.join(sample.name for sample in SAMPLES)}")


def find_cached(name: str, cache: Path | None = None) -> Dataset | None:
    """Return a sample that needs no network: made, fetched before, or in a folder the user named; else None."""
    sample, cache = find_sample(name), cache or user_cache.cache_dir()
    if sample.make is not None:
        return Dataset("sample", Path(name), {name: sample.make})
    if sample.image_ids:
        return _open_fetched(sample, cache)
    folder = user_cache.remembered_folder(name, cache)
    try:
        return _open_named(sample, folder) if folder else None
    except DatasetError:  # moved or changed since: the user is asked again
        return None


def remember_folder(name: str, path: str | Path, cache: Path | None = None) -> Dataset:
    """Open a dataset the user fetched and remember its place for the next time.

    Raises
    ------
    DatasetError
        Where the folder holds something else.
    OutputError
        Where the cache, in which the place is remembered, cannot be written.
    """
    sample, path = find_sample(name), Path(path).expanduser()
    dataset = _open_named(sample, path)
    user_cache.remember(name, path, cache or user_cache.cache_dir())
    return dataset


def sample_steps(
    name: str, cache: Path | None = None, source: Source | None = None
) -> Generator[DownloadProgress, None, Dataset]:
    """Get a sample: from the cache where it is there, else from its official place.

    Parameters
    ----------
    name
        One of ``SAMPLES``.
    cache
        Folder to keep it in; the user's cache where None.
    source
        Another place to fetch from; the official one where None.

    Raises
    ------
    FolderNeeded
        Where a person has to fetch the dataset; ask for a folder and call ``remember_folder``.
    DownloadError
        Where fetching failed; what came so far is kept for the next try.
    """
    sample, cache = find_sample(name), cache or user_cache.cache_dir()
    cached = find_cached(name, cache)
    if cached is not None:
        return cached
    source = source or sample.source
    remote = source.archive
    if remote is None or not sample.image_ids:
        raise FolderNeeded(source)
    try:
        yield from _fetch(sample, source, remote, cache)
    except DownloadError:
        fetched = _open_fetched(sample, cache)
        if fetched is None:
            raise
        # another program was faster: all of it is there
        shutil.rmtree(_part(sample, cache), ignore_errors=True)
        return fetched
    fetched = _open_fetched(sample, cache)
    if fetched is None:
        raise DownloadError(f"{remote.url} no longer holds all images of {sample.title}: see {source.page}")
    return fetched


def _fetch(
    sample: SampleData, source: Source, remote: Archive, cache: Path
) -> Generator[DownloadProgress, None, None]:
    """Fill the sample's folder, which appears only when all of it is there."""
    folder = _folder(sample, cache)
    part = _part(sample, cache)
    url, archive = remote.url, cache / remote.name
    wanted = partial(_belongs_to, sample.image_ids)
    if folder.exists() and not part.exists():  # incomplete, or of an older version: keep what is there
        os.replace(folder, part)
    if not archive.exists():
        try:
            yield from fetch_members(url, wanted, part)
        except RangesNotSupported:
            yield from fetch_file(url, archive, size_bytes=remote.size_bytes, sha256=remote.sha256)
    if archive.exists():
        yield from _extract(archive, wanted, part)
    with explained(url, cache):
        write_whole(part / "SOURCE.txt", _terms(source).encode())
        os.replace(part, folder)


def _extract(
    archive: Path, wanted: Callable[[str], bool], folder: Path
) -> Generator[DownloadProgress, None, None]:
    """Take the entries out of an archive that lies in the cache; a damaged one is removed."""
    total = archive.stat().st_size
    try:
        with explained(str(archive), folder), readable_zip(archive), zipfile.ZipFile(archive) as opened:
            for step in extract_members(opened, wanted, folder):
                yield DownloadProgress(total, total, step.name)
    except DownloadError as error:
        if isinstance(error.__cause__, zipfile.BadZipFile):
            archive.unlink()
        raise


def _belongs_to(image_ids: tuple[str, ...], entry: str) -> bool:
    """Whether an archive's entry is the image or a mask of one of these."""
    parts = PurePosixPath(entry).parts
    return (
        len(parts) >= 3
        and parts[-3] in image_ids
        and parts[-2] in ("images", "masks")
        and parts[0] != "__MACOSX"
    )


def _folder(sample: SampleData, cache: Path) -> Path:
    return cache / sample.name


def _part(sample: SampleData, cache: Path) -> Path:
    return cache / f"{sample.name}.part"


def _open_fetched(sample: SampleData, cache: Path) -> Dataset | None:
    """Open the images fetched before, in the sample's order; None where any is missing."""
    folder = _folder(sample, cache)
    try:
        dataset = open_dataset(folder, layout="dsb2018") if folder.is_dir() else None
    except DatasetError:
        return None
    if dataset is None or not set(sample.image_ids) <= set(dataset.names):
        return None
    return dataset.select(sample.image_ids)


def _open_named(sample: SampleData, path: Path) -> Dataset:
    """Open the dataset in a folder the user named; ``DatasetError`` where it is another one."""
    dataset = open_dataset(path)
    allowed = {"lizard": ("lizard",), "cpm": ("cpm", "hovernet")}.get(sample.name, (dataset.layout,))
    if dataset.layout not in allowed:
        raise DatasetError(
            f"{path} holds a dataset of layout {dataset.layout}; {sample.title} is {' or '.join(allowed)}"
        )
    return dataset


def _terms(source: Source) -> str:
    return f"{source.title}\n{source.page}\nLicence: {source.licence}\nCite: {source.citation}\n"
