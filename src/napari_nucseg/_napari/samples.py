"""*File ▸ Open Sample ▸ NucSeg*: each command returns layer data; what has to be fetched is asked for first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg._napari.layer_data import sample_layers
from napari_nucseg.data.sample_data import find_cached, find_sample, sample_steps
from napari_nucseg.errors import NucSegError
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    from napari_nucseg._napari.layer_data import LayerData
    from napari_nucseg.data.sample import Dataset

MAX_SHOWN = 6


def synthetic_fluorescence() -> list[LayerData]:
    """Made nuclei in fluorescence, with exact truth."""
    return _open("synthetic-fluorescence")


def synthetic_histology() -> list[LayerData]:
    """Made nuclei in a stained section, with exact truth."""
    return _open("synthetic-histology")


def immunohistochemistry() -> list[LayerData]:
    """Glands of the colon, haematoxylin and DAB: scikit-image's picture, without truth."""
    return _open("immunohistochemistry")


def dsb2018_fluorescence() -> list[LayerData]:
    """Fluorescence images of the 2018 Data Science Bowl, fetched on first use."""
    return _open("dsb2018-fluorescence")


def dsb2018_histology() -> list[LayerData]:
    """Stained sections of the 2018 Data Science Bowl, fetched on first use."""
    return _open("dsb2018-histology")


def lizard() -> list[LayerData]:
    """First image of Lizard, from the folder the user names."""
    return _open("lizard")


def cpm() -> list[LayerData]:
    """First image of CPM-15 or CPM-17, from the folder the user names."""
    return _open("cpm")


def _open(name: str) -> list[LayerData]:
    """Layers of a sample.

    In a window an error is shown in words, and an image with no channels is returned: napari wants layer data, and for
    that it adds no layer and complains of nothing.
    """
    try:
        dataset = find_cached(name) or _get(name)
        if dataset is not None:
            return _layers(dataset, find_sample(name).title)
    except NucSegError as error:
        if not _has_window():
            raise
        from napari.utils.notifications import show_error

        show_error(str(error))
    return [(np.zeros((0, 1, 1), np.uint8), {"channel_axis": 0}, "image")]


def _get(name: str) -> Dataset | None:
    """Fetch a sample or ask for its folder; None where the user cancelled."""
    if _has_window():
        from napari_nucseg._napari.sample_dialogs import ask_for_sample

        return ask_for_sample(name)
    return drain(sample_steps(name))


def _layers(dataset: Dataset, title: str) -> list[LayerData]:
    """All images of a handful, the first one visible; of a large dataset the first one that can be read.

    The truth is there but hidden: a sample is opened to be segmented, and then to be compared.
    """
    few = len(dataset) <= MAX_SHOWN
    layers: list[LayerData] = []
    errors: list[NucSegError] = []
    for sample in dataset.valid(lambda _, error: errors.append(error)):
        named = replace(sample, name=title) if len(dataset) == 1 else sample
        layers += sample_layers(named, visible=not layers, show_truth=False)
        if not few:
            break
    if not layers:
        raise errors[0]
    return layers


def _has_window() -> bool:
    """Whether napari shows a window; without one nobody could answer a dialog."""
    import napari

    return napari.current_viewer() is not None
