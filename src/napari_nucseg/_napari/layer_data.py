"""Samples as napari's layer data: an image and, where there is one, its ground truth. No Qt, no window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_nucseg.data.sample import Sample

LONGEST_NAME = 32
TRUTH_OPACITY = 0.4
SAMPLE = "sample"
"""Metadata key of the image and the labels of a sample: its name, by which they are paired."""

LayerData = tuple[Any, dict[str, Any], str]


def sample_layers(sample: Sample, *, visible: bool = True, show_truth: bool = True) -> list[LayerData]:
    """Image layer of a sample and, where it has labels, a Labels layer with the ground truth.

    Classes go into the Labels layer's features, one row a nucleus; the pixel size becomes scale and units.
    """
    pixels, placed = _as_napari_shows(sample)
    known = {SAMPLE: sample.name} | {
        k: v for k, v in sample.metadata.items() if k not in (SAMPLE, "axes", "pixel_size_um")
    }
    common = {**placed, "visible": visible, "metadata": known}
    name = short_name(sample.name)
    layers: list[LayerData] = [(pixels, {"name": name, **common}, "image")]
    if sample.labels is not None:
        truth = {"name": f"{name} ground truth", **_last_two(common), "opacity": TRUTH_OPACITY}
        truth["visible"] = visible and show_truth
        if sample.classes is not None:
            truth["features"] = _class_table(sample.labels, sample.classes)
        layers.append((sample.labels, truth, "labels"))
    return layers


def short_name(name: str) -> str:
    """Name as the layer list can show it: DSB2018's have 64 characters."""
    return name if len(name) <= LONGEST_NAME else f"{name[:8]}…"


def _as_napari_shows(sample: Sample) -> tuple[NDArray[Any], dict[str, Any]]:
    """Pixels with colour last and other channels first, and what places them in the world."""
    pixels = sample.image
    axes = str(sample.metadata.get("axes") or ("YX" if pixels.ndim == 2 else "YXC"))
    rgb = False
    if axes.endswith("YXC"):
        rgb = pixels.shape[-1] in (3, 4)
        if rgb and _is_grey(pixels):
            pixels, axes, rgb = np.ascontiguousarray(pixels[..., 0]), axes[:-1], False
        elif rgb:
            pixels = pixels[..., :3]
        else:
            pixels, axes = np.moveaxis(pixels, -1, -3), axes[:-3] + "CYX"
    spatial = axes[:-1] if rgb else axes
    size = sample.metadata.get("pixel_size_um")
    placed: dict[str, Any] = {"axis_labels": tuple(spatial.lower())}
    if size is not None:
        placed["scale"] = tuple(float(size) if a in "YX" else 1.0 for a in spatial)
        placed["units"] = tuple("µm" if a in "YX" else "pixel" for a in spatial)
    if pixels.ndim != 2:
        placed["rgb"] = rgb
    return pixels, placed


def _is_grey(pixels: NDArray[Any]) -> bool:
    """Whether a colour image is a grey one: shown as such, its contrast can be changed."""
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())


def _last_two(common: dict[str, Any]) -> dict[str, Any]:
    """Attributes of the labels, which have Y and X alone."""
    per_axis = ("scale", "units", "axis_labels")
    kept = {k: v for k, v in common.items() if k != "rgb"}
    return {k: v[-2:] if k in per_axis else v for k, v in kept.items()}


def _class_table(labels: NDArray[np.integer], classes: Mapping[int, str]) -> dict[str, list[Any]]:
    values = sorted(int(v) for v in np.unique(labels) if v > 0)
    return {"index": values, "class": [classes.get(v, "unknown") for v in values]}
