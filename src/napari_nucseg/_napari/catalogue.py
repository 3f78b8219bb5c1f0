"""Models and processors to choose from: found off the GUI thread, because asking imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nucseg._napari.torch_import import make_torch_safe

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_nucseg.network.device import Device
    from napari_nucseg.network.installed import ModelInfo


@dataclass(frozen=True)
class Catalogue:
    """What can be chosen here, the default first."""

    models: tuple[ModelInfo, ...]
    devices: tuple[Device, ...]


def read_catalogue() -> Generator[None, None, Catalogue]:
    """List models and processors; a generator, as all slow work is."""
    yield
    make_torch_safe()
    from napari_nucseg.network.device import list_devices
    from napari_nucseg.network.installed import list_models

    models = list_models()
    yield
    return Catalogue(models, list_devices())
