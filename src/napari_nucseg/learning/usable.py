"""Which images of the data that a job names can be learned from, and what is wrong with the others."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.counted import count_words, listed
from napari_nucseg.data.images import UNTOLD_PAGES, to_planes
from napari_nucseg.data.opening import open_dataset
from napari_nucseg.data.rows import check_names, read_rows, select_rows
from napari_nucseg.errors import ChannelError, ImageError
from napari_nucseg.learning.instances import why_no_instances

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.data.sample import Dataset, Sample
    from napari_nucseg.errors import DatasetError
    from napari_nucseg.learning.settings import DataSource

    OnError = Callable[[str, DatasetError], None]

NO_LABELS, NO_NUCLEI = "without labels", "whose labels hold no nucleus"
UNREAD = "whose labels are in a file of a kind that is not read (save them as PNG or TIFF)"
NAMES_SHOWN = 8
_SET_ASIDE = {"test", "testing", "val", "valid", "validation"}
"""Names of folders whose images one would not expect to be learned from."""


class Problems:
    """Collects what is wrong with images while the others are read."""

    def __init__(self) -> None:
        self._single: list[str] = []
        self._alike: dict[str, list[str]] = {}

    def usable(self, sources: Iterable[DataSource]) -> Iterator[Sample]:
        """Yield the samples that can be learned from."""
        for source in sources:
            dataset = open_dataset(source.path)
            if source.index is None:
                self._unused(dataset)
            samples = _samples(dataset, source, lambda name, error: self._single.append(f"{name}: {error}"))
            for sample in samples:
                if (usable := self._usable(sample, source.channel)) is not None:
                    yield usable

    def _unused(self, dataset: Dataset) -> None:
        """Tell of files that belong to no image, or lie where none are looked for."""
        for reason, files in dataset.unused().items():
            if files:
                self._single.append(
                    f"{count_words(len(files), 'file')} {reason}: {listed(files, NAMES_SHOWN)}"
                )

    def note(self, reason: str, names: Iterable[str]) -> None:
        """Take note of images left out for one reason, which goes on after "3 images"."""
        for name in names:
            self._alike.setdefault(reason, []).append(name)

    def lines(self) -> tuple[str, ...]:
        """One line for each image with a problem of its own, one for all that share one."""
        return (*self._single, *(_alike(reason, names) for reason, names in self._alike.items()))

    def _usable(self, sample: Sample, channel: int | None) -> Sample | None:
        """Return a sample as it is learned from; None, and a note, where that cannot be."""
        if sample.labels is None:
            self.note(UNREAD if "unread_labels_path" in sample.metadata else NO_LABELS, [sample.name])
            return None
        if not sample.labels.any():
            self.note(NO_NUCLEI, [sample.name])
            return None
        if why := why_no_instances(sample.labels):
            self.note(why, [sample.name])
            return None
        try:
            planes = _planes(sample, channel)
        except ChannelError as error:
            self.note(_which_channel(error.n_channels, channel), [sample.name])
            return None
        except ImageError as error:
            self.note(f"unfit for learning ({error}; save planes as images)", [sample.name])
            return None
        if planes.shape[1:] != sample.labels.shape:
            self._single.append(
                f"{sample.name}: image of {planes.shape[1:]} px, labels of {sample.labels.shape} px"
            )
            return None
        return _plain(sample, planes, channel)


def _planes(sample: Sample, channel: int | None) -> NDArray[Any]:
    """Bring a sample to planes (1 or 3, Y, X): those of a channel, where there are several to choose from."""
    axes: str | None = sample.metadata.get("axes")
    if axes and (pages := next((letter for letter in axes if letter in UNTOLD_PAGES), "")):
        axes = _told(axes, pages, sample.image.shape[axes.index(pages)], channel)
    try:
        return to_planes(sample.image, axes, channel, keep_units=False)
    except ChannelError as error:
        if channel is None or error.n_channels > 1:
            raise
        return to_planes(sample.image, axes, keep_units=False)


def _told(axes: str, pages: str, n_pages: int, channel: int | None) -> str:
    """Axes of an image whose file does not tell what its pages are: channels, where one of them is said."""
    can_be_channels = not set(axes) & set("CS")
    if can_be_channels and channel is not None:
        return axes.replace(pages, "C")
    how = f": where these are channels, say which one shows the nuclei with {_options(n_pages)}"
    raise ImageError(f"the file does not tell what its {n_pages} pages are{how if can_be_channels else ''}")


def _which_channel(n_channels: int, channel: int | None) -> str:
    """Say that an image's channels leave it open which one to learn from, after "3 images"."""
    said = "say which one shows the nuclei" if channel is None else f"none has number {channel}, choose one"
    return f"with {n_channels} channels: {said} with {_options(n_channels)}"


def _options(n_channels: int) -> str:
    return f"--channel 0 to {n_channels - 1}, in a job file with channel beside path"


def _plain(sample: Sample, planes: NDArray[Any], channel: int | None) -> Sample:
    """Give a sample an image whose axes need not be told: (Y, X), or colours (Y, X, 3)."""
    if channel is None and sample.metadata.get("axes") in (None, "YX", "YXC"):
        return sample
    image, axes = (planes[0], "YX") if len(planes) == 1 else (np.moveaxis(planes, 0, -1), "YXC")
    known = {"axes": axes, "one_channel": channel is not None and sample.image.size == image.size}
    return dataclasses.replace(sample, image=image, metadata={**sample.metadata, **known})


def _alike(reason: str, names: Sequence[str]) -> str:
    return f"{count_words(len(names), 'image')} {reason}: {listed(names, NAMES_SHOWN)}"


def _samples(dataset: Dataset, source: DataSource, on_error: OnError) -> Iterator[Sample]:
    if source.index is not None:
        every = read_rows(source.index, dataset=source.dataset)
        check_names(dataset, every, "--rows-dataset, or dataset beside the path")
        rows = read_rows(source.index, dataset=source.dataset, split=source.split, kind=source.kind)
        here = set(dataset.names)  # one index may describe several datasets
        yield from select_rows(dataset, [row for row in rows if row.name in here]).valid(on_error)
        return
    for sample in dataset.valid(on_error):
        folders = dataset.files.get(sample.name, "").casefold().split("/")[:-1]
        known = {
            "kind": source.kind or sample.metadata.get("kind"),
            "folder_set_aside": next((folder for folder in folders if folder in _SET_ASIDE), ""),
        }
        yield dataclasses.replace(sample, metadata={**sample.metadata, **known})
