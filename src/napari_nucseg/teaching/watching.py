"""Looks at a network while it learns: how good it is on what is held out, and what it makes of the current view."""

from __future__ import annotations

import io
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_nucseg.data.images import read_image, to_planes
from napari_nucseg.errors import ImageError
from napari_nucseg.files import written_whole
from napari_nucseg.learning.losses import DISTANCE_WEIGHT
from napari_nucseg.teaching.pixels import as_image, shown_pixels
from napari_nucseg.teaching.scenes import look, look_at

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_nucseg.network.decoders import SegmentationNetwork
    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_file import Model
    from napari_nucseg.teaching.job import Preview
    from napari_nucseg.teaching.material import Tried
    from napari_nucseg.teaching.scenes import Scene, Seen

ENOUGH_NUCLEI = 100
"""Held-out nuclei from which on their AP tells which weights are best; the loss does where they are fewer.

With 24 nuclei the AP of one network moves by .1 from look to look while the loss falls steadily.
"""
OVERCONFIDENCE = 0.1
"""By what share the loss may rise in weights that are no worse: a network grows sure of itself before it errs more.

See Guo et al. 2017, arXiv:1706.04599, section 3.
"""
LEAST_PROBABILITY = 1e-3
"""No pixel counts more than one of this probability, however wrong it is."""
LOSS = "held_out_loss"
EQUAL = 0.01
"""What a loss of 1 counts against an AP50 of 1."""
PREVIEW_SECONDS = 4.0
PREVIEW_SHARE = 0.15
"""Largest share of the time that is spent on previews."""


def with_network(base: Model, network: SegmentationNetwork) -> Model:
    """Return the base with another network, on whatever device that is."""
    return replace(base, network=network, importance=None, _elsewhere={}, _heads={})


def score(model: Model, tried: Tried, device: Device) -> dict[str, float]:
    """Score a model on what is held out: its loss and, where nuclei are enough, AP50; nothing where none is."""
    if not tried.scenes:
        return {}
    seen = [look_at(model, scene, device) for scene in tried.scenes]
    comparison = tried.compared([s.labels for s in seen])
    scores = {LOSS: float(np.mean([_loss(s, scene) for s, scene in zip(seen, tried.scenes, strict=True)]))}
    return scores | ({"ap50": comparison.new} if comparison.n_nuclei else {})


def quality(scores: dict[str, float], n_nuclei: int) -> tuple[float, float]:
    """One number that is higher for better weights, and by how much it may be lower where weights are no worse.

    Of weights with the same AP50 those with the lower loss are better.
    """
    loss = scores.get(LOSS, math.inf)
    if "ap50" in scores and n_nuclei >= ENOUGH_NUCLEI:
        ap50 = scores["ap50"]
        return ap50 - EQUAL * loss, math.sqrt(ap50 * (1 - ap50) / n_nuclei)
    return -loss, OVERCONFIDENCE * loss if math.isfinite(loss) else 0.0


def _loss(seen: Seen, scene: Scene) -> float:
    """Cross-entropy of foreground and core and error of the distance where it is checked, as in training."""
    checked = scene.checked[scene.window.read]
    inside, distance, core = (target[checked] for target in scene.targets)
    foreground, height, middle = (found[checked] for found in seen.maps)
    error = _cross_entropy(foreground, inside) + _cross_entropy(middle, core)
    return float((error + DISTANCE_WEIGHT * np.abs(height - distance)).mean())


def _cross_entropy(probability: NDArray[np.float32], truth: NDArray[np.float32]) -> NDArray[np.float32]:
    right = np.where(truth > 0.5, probability, 1 - probability)
    return -np.log(np.clip(right, LEAST_PROBABILITY, 1))


class PreviewWriter:
    """Writes what a model makes of the user's view, now and then.

    Parameters
    ----------
    preview : the view.
    base : tells how images are shown.
    path : file to write, ``.npy``.
    device : where it looks.

    Raises
    ------
    ImageError
        If the view cannot be read.
    """

    def __init__(self, preview: Preview, base: Model, path: Path, device: Device) -> None:
        planes = to_planes(_pixels(preview.image), preview.axes, keep_units=False)
        self._pixels, self._path = shown_pixels(planes, preview.diameter_px, base, device), path
        self._image = as_image(self._pixels.values)
        self._next = 0.0

    def write(self, model: Model, device: Device) -> Path | None:
        """Write labels, int32 (Y, X), unless that was done a moment ago."""
        started = time.monotonic()
        if started < self._next:
            return None
        labels = look(model, self._image, self._pixels.diameter_px, device, self._pixels.filled).labels
        content = io.BytesIO()
        np.save(content, labels)
        with written_whole(self._path) as part:
            part.write_bytes(content.getvalue())
        now = time.monotonic()
        self._next = now + max(PREVIEW_SECONDS, (now - started) / PREVIEW_SHARE)
        return self._path


def _pixels(path: Path) -> NDArray[np.generic]:
    if path.suffix != ".npy":
        return read_image(path).pixels
    try:
        pixels: NDArray[np.generic] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ImageError(f"the preview image {path} cannot be read: {error}.") from error
    return pixels
