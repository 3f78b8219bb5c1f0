"""Looks at a network while it learns: scores it on held-back images and draws a sample of what it finds."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg.learning.patches import normalised
from napari_nucseg.learning.picture import sample_picture
from napari_nucseg.learning.validation import predict, score_found
from napari_nucseg.network.model_file import Model

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_nucseg.learning.examples import Examples
    from napari_nucseg.network.decoders import SegmentationNetwork
    from napari_nucseg.network.device import Device
    from napari_nucseg.network.model_card import ModelCard


class Watch:
    """Scores and pictures of a network on the images of a job.

    Parameters
    ----------
    card : description of the model in the making.
    examples : those held back are scored; the first of them, else of those to learn from, is drawn.
    device : where to look.
    native : whether images stay at their own scale.
    """

    def __init__(self, card: ModelCard, examples: Examples, device: Device, *, native: bool) -> None:
        self.card, self.held_back, self.device, self.native = card, examples.held_back, device, native
        self.sample = (examples.held_back or examples.learned)[0]

    def __call__(self, network: SegmentationNetwork) -> tuple[Mapping[str, float], NDArray[np.uint8]]:
        """Return scores, none where no image is held back, and the picture (Y, X, 3) uint8."""
        assert self.sample.labels is not None
        model = Model(self.card, network, Path(self.card.name), "")
        found = predict(model, self.sample, self.device, native=self.native)
        image = normalised(self.sample, self.card.normalisation, clahe=self.card.clahe)
        picture = sample_picture(image, self.sample.labels, found.labels)
        others = (predict(model, sample, self.device, native=self.native) for sample in self.held_back[1:])
        # where none is held back, what was found is of an image to learn from, and none is scored
        held_back = zip(self.held_back, chain([found], others), strict=False)
        return score_found(held_back), picture
