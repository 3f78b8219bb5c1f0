"""Made pictures with exact truth: offline samples, and images for tests and documents that nobody owns."""

from __future__ import annotations

from napari_nucseg.data.synthetic.fluorescence import synthetic_fluorescence
from napari_nucseg.data.synthetic.histology import synthetic_histology

__all__ = ["synthetic_fluorescence", "synthetic_histology"]
