"""What the layout modules share: the pixels of a sample, what they found, and names that stay unique."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucseg.data.dark_field import is_dark
from napari_nucseg.data.images import IMAGE_SUFFIXES, are_channels, read_image
from napari_nucseg.data.nuclear_dyes import first_of_nuclei
from napari_nucseg.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.data.label_files import Size
    from napari_nucseg.data.sample import Sample
    from napari_nucseg.data.tree import Tree


@dataclass(frozen=True)
class Found:
    """One sample a layout module recognised: its image file in the tree, and how to read it, given its name."""

    image_file: str
    read: Callable[[str], Sample]


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels of a sample; ``metadata["axes"]`` says what each axis is."""

    pixels: NDArray[Any]
    metadata: dict[str, Any]

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        axes = self.metadata["axes"]
        return self.pixels.shape[axes.index("Y")], self.pixels.shape[axes.index("X")]


def read_picture(tree: Tree, file: str, layout: str) -> Picture:
    """Read a sample's image; metadata gets ``layout``, ``image_path``, ``axes`` and what else the file tells.

    That is ``pixel_size_um``, and ``nuclei_channel`` where one of several channels is named for nuclei.

    Singleton axes are dropped, and the samples of a colour come last, as do three channels on a bright ground, none of
    which is named for nuclei. Others stay where they are: they need not be red, green and blue, and ``to_planes`` tells
    by their place.
    """
    place = tree.locate(file)
    with tree.open(file) as stream:
        image = read_image(stream, place)
    keep = [i for i, letter in enumerate(image.axes) if letter in "YX" or image.pixels.shape[i] > 1]
    axes = "".join(image.axes[i] for i in keep)
    pixels = image.pixels.reshape([image.pixels.shape[i] for i in keep])
    nuclear = first_of_nuclei(image.channels) if are_channels(axes) else None
    is_colour = axes == "CYX" and len(pixels) == 3 and nuclear is None and not is_dark(pixels)
    if axes.endswith("SYX") or is_colour:
        pixels, axes = np.moveaxis(pixels, -3, -1), axes[:-3] + "YXC"
    if not {"Y", "X"} <= set(axes):
        raise DatasetError(
            f"{place} has axes {image.axes} and shape {image.pixels.shape}; Y and X are needed"
        )
    metadata: dict[str, Any] = {"layout": layout, "image_path": place, "axes": axes}
    if nuclear is not None:
        metadata["nuclei_channel"] = nuclear
    if image.pixel_size_um is not None:
        metadata["pixel_size_um"] = image.pixel_size_um
    return Picture(pixels, metadata)


def is_image(file: str) -> bool:
    """Whether a file's suffix is an image's (its content decides the format later)."""
    return PurePosixPath(file).suffix.lower() in IMAGE_SUFFIXES


def suffixes_of(files: Iterable[str]) -> str:
    """Say of what kinds files are, as "3 x .czi, 1 x .txt", the commonest first."""
    suffixes = Counter(PurePosixPath(file).suffix.lower() or "no suffix" for file in files)
    return ", ".join(f"{count} x {suffix}" for suffix, count in suffixes.most_common(5)) or "no files"


def stem(file: str) -> str:
    """File name without folder and suffix; ``.ome.tif`` goes as a whole."""
    name = PurePosixPath(file).stem
    return name[:-4] if name.lower().endswith(".ome") else name


def unique_names(files: Sequence[str]) -> dict[str, str]:
    """Name each file by its stem; where stems meet, by its path without suffix, else by its whole path."""
    stems = Counter(stem(file) for file in files)
    paths = Counter(_without_suffix(file) for file in files)
    names = {}
    for file in files:
        if stems[stem(file)] == 1:
            names[file] = stem(file)
        else:
            names[file] = _without_suffix(file) if paths[_without_suffix(file)] == 1 else file
    return names


def flat_name(name: str) -> str:
    """Name of a file in one folder for all samples: of ``a/cell`` it is ``a_cell``."""
    return re.sub(r"[/\\:]+", "_", name).strip("_.")


def _without_suffix(file: str) -> str:
    return str(PurePosixPath(file).with_suffix(""))
