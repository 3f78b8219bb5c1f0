"""Segment nuclei with U-Net and U-Net++: in napari, from Python and on the command line.

Importing this package loads neither torch nor napari: public names are resolved on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_nucseg.data.opening import open_dataset
    from napari_nucseg.data.sample import Dataset, Sample
    from napari_nucseg.learning.training import train
    from napari_nucseg.network.installed import list_models
    from napari_nucseg.network.installing import install_model
    from napari_nucseg.network.model_file import load_model
    from napari_nucseg.network.preferred import go_back, prefer_model, preferred_model
    from napari_nucseg.nuclei.scoring import Scores, evaluate
    from napari_nucseg.segmentation.segment import Segmentation, segment
    from napari_nucseg.teaching.finetuning import finetune

_HOMES = {
    "Dataset": "data.sample",
    "Sample": "data.sample",
    "Scores": "nuclei.scoring",
    "Segmentation": "segmentation.segment",
    "evaluate": "nuclei.scoring",
    "finetune": "teaching.finetuning",
    "go_back": "network.preferred",
    "install_model": "network.installing",
    "list_models": "network.installed",
    "load_model": "network.model_file",
    "open_dataset": "data.opening",
    "prefer_model": "network.preferred",
    "preferred_model": "network.preferred",
    "segment": "segmentation.segment",
    "train": "learning.training",
}

__all__ = [
    "Dataset",
    "Sample",
    "Scores",
    "Segmentation",
    "evaluate",
    "finetune",
    "go_back",
    "install_model",
    "list_models",
    "load_model",
    "open_dataset",
    "prefer_model",
    "preferred_model",
    "segment",
    "train",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the room a public name lives in, the first time it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
