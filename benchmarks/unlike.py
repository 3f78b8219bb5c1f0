"""Accuracy on held-back images changed on purpose: few photons, debris, haze, compression, other stains, other sizes.

    python benchmarks/unlike.py [--models NAME …] [--changes NAME …] [--every N] [--true-diameter]

The images are `train` rows of the groups that the recipes of the bundled models hold back (a tenth, by kind). A change
is the same for every model. Histology is changed in what it absorbs, fluorescence in what it sends.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import numpy as np
from _common import images_of, machine, option_parser, print_table
from PIL import Image
from skimage.color import hed_from_rgb, rgb_from_hed
from skimage.filters import gaussian
from skimage.transform import resize
from skimage.util import random_noise

from napari_nucseg import load_model
from napari_nucseg.learning.examples import hold_back, kind_of
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.nuclei.targets import median_diameter
from napari_nucseg.segmentation.segment import segment_steps
from napari_nucseg.segmentation.settings import SegmentationSettings
from napari_nucseg.steps import drain

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.network.model_file import Model

    Pixels = NDArray[np.float64]
    Change = Callable[[Pixels, float], Pixels]

HELD_BACK = 0.1
SIZES: dict[str, Change] = {
    "a third as large": lambda image, _: scaled(image, 1 / 3),
    "half as large": lambda image, _: scaled(image, 0.5),
    "twice as large": lambda image, _: scaled(image, 2),
    "four times as large": lambda image, _: scaled(image, 4),
    "twelve times as large": lambda image, _: scaled(image, 12),
}
FLUORESCENCE: dict[str, Change] = {
    "as it is": lambda image, _: image,
    "30 photons at the brightest": lambda image, _: photons(image, 30),
    "10 photons": lambda image, _: photons(image, 10),
    "JPEG of quality 15": lambda image, _: jpeg(image, 15),
    "four discs of debris, 3 times as bright": lambda image, d: debris(image, d, 3),
    "10 times as bright": lambda image, d: debris(image, d, 10),
    "haze of 1.5 nuclei": lambda image, d: hazy(image, 1.5 * d, 0.4),
    "haze of 5 nuclei": lambda image, d: hazy(image, 5 * d, 0.5),
    "ground rising to half of the brightest": lambda image, _: rising(image, 0.5),
    "to the brightest": lambda image, _: rising(image, 1),
    "1 % salt and pepper": lambda image, _: random_noise(image, "s&p", amount=0.01, rng=0),
    "gamma ½": lambda image, _: image**0.5,
    "gamma 2": lambda image, _: image**2,
    "blurred by a tenth of a nucleus": lambda image, d: blurred(image, d / 10),
    **SIZES,
}
HISTOLOGY: dict[str, Change] = {
    "as it is": lambda image, _: image,
    "half as much haematoxylin": lambda image, _: restained(image, (0.5, 1, 1)),
    "half as much eosin": lambda image, _: restained(image, (1, 0.5, 1)),
    "twice as much eosin": lambda image, _: restained(image, (1, 2, 1)),
    "half as much of both": lambda image, _: restained(image, (0.5, 0.5, 1)),
    "grey": lambda image, _: np.repeat(image.mean(-1, keepdims=True), 3, -1),
    "yellowish": lambda image, _: image * (1, 0.95, 0.75),
    "JPEG of quality 15": lambda image, _: jpeg(image, 15),
    "blurred by a tenth of a nucleus": lambda image, d: blurred(image, d / 10),
    **SIZES,
}


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--models", nargs="+", default=["nuclei-unet", "nuclei-unetpp"])
    parser.add_argument("--kinds", nargs="+", default=["fluorescence", "tnbc"])
    parser.add_argument("--changes", nargs="+", help="only these; all of them without it")
    parser.add_argument("--every", type=int, default=1, help="take every n-th image only, for a quick look")
    parser.add_argument(
        "--true-diameter", action="store_true", help="tell the model the true median diameter"
    )
    args = parser.parse_args()
    models = {name: load_model(name) for name in args.models}
    table: list[list[object]] = []
    for kind in args.kinds:
        samples = held_back(kind)[:: args.every]
        changes = FLUORESCENCE if kind == "fluorescence" else HISTOLOGY
        for title, change in changes.items():
            if args.changes and title not in args.changes:
                continue
            print(f"\r{kind}: {title}   ", end="", file=sys.stderr)
            figures = [score(samples, change, model, args.true_diameter) for model in models.values()]
            table.append([kind, len(samples), title, *figures])
    print(f"\n{machine()}\n\nAP50 / mean AP / AP90:\n")
    print_table(["images", "n", "changed", *models], table)


def held_back(kind: str) -> list[Sample]:
    """Images of a kind, or of TNBC, of the groups that no bundled model learns from."""
    read = [list(images_of(name, "train").valid()) for name in ("dsb2018", "tnbc")]
    _, held = hold_back([sample for samples in read for sample in samples], HELD_BACK)
    if kind == "tnbc":
        names = {sample.name for sample in read[1]}
        return [sample for sample in held if sample.name in names]
    return [sample for sample in held if kind_of(sample) == kind]


def score(samples: list[Sample], change: Change, model: Model, true_diameter: bool) -> str:
    """Segment all images, changed, and write what comes of it beside the truth; labels are brought to its size."""
    found = []
    for sample in samples:
        diameter_px = median_diameter(sample.labels) or 20.0
        pixels = sample.image[..., :3] if sample.image.ndim == 3 else sample.image
        image = change(np.asarray(pixels, float) / 255, diameter_px)
        scale = image.shape[0] / sample.labels.shape[0]
        settings = SegmentationSettings(diameter_px=diameter_px * scale if true_diameter else None)
        labels = drain(segment_steps(to_bytes(image), settings, model)).labels
        found.append(
            resize(labels, sample.labels.shape, order=0, preserve_range=True, anti_aliasing=False).astype(
                np.int32
            )
        )
    result = evaluate([sample.labels for sample in samples], found)
    return f"{result.ap50:.3f} / {result.mean_ap:.3f} / {float(result.pooled('ap90')):.3f}"


def photons(image: Pixels, n: float) -> Pixels:
    """Count light of at most n photons a pixel."""
    return np.random.default_rng(0).poisson(image / max(image.max(), 1e-6) * n) / n


def debris(image: Pixels, diameter_px: float, times: float) -> Pixels:
    """Put four discs of a nucleus's size into the image, this many times as bright as its brightest hundredth."""
    rng = np.random.default_rng(0)
    y, x = np.indices(image.shape[:2])
    bright = np.zeros(image.shape[:2], bool)
    for _ in range(4):
        cy, cx = rng.uniform(0, image.shape[0]), rng.uniform(0, image.shape[1])
        bright |= np.hypot(y - cy, x - cx) < diameter_px / 2
    changed = image.copy()
    changed[bright] = times * np.percentile(image, 99)
    return changed / max(changed.max(), 1e-6)


def hazy(image: Pixels, sigma_px: float, share: float) -> Pixels:
    """Let a share of the light, and as much as there may be of it, come from far out of focus."""
    haze = blurred(image, sigma_px)
    return (1 - share) * image + share * haze / max(haze.max(), 1e-9)


def rising(image: Pixels, height: float) -> Pixels:
    """Let the ground rise from left to right, to this height beside white."""
    ramp = np.linspace(0, height, image.shape[1])
    return (image + (ramp if image.ndim == 2 else ramp[:, np.newaxis])) / (1 + height)


def jpeg(image: Pixels, quality: int) -> Pixels:
    """Compress and read again."""
    file = io.BytesIO()
    Image.fromarray(to_bytes(image)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file), float) / 255


def blurred(image: Pixels, sigma_px: float) -> Pixels:
    """Blur as a lens out of focus does."""
    return np.asarray(gaussian(image, sigma_px, channel_axis=-1 if image.ndim == 3 else None))


def scaled(image: Pixels, factor: float) -> Pixels:
    """Resample to another number of pixels."""
    size = [round(n * factor) for n in image.shape[:2]]
    return np.asarray(resize(image, (*size, *image.shape[2:]), order=1, anti_aliasing=True))


def restained(image: Pixels, gains: tuple[float, float, float]) -> Pixels:
    """Change the amounts of haematoxylin, eosin and DAB (Ruifrok & Johnston 2001)."""
    density = -np.log(np.clip(image, 1 / 255, 1))
    return np.asarray(np.exp(-(density @ hed_from_rgb * gains) @ rgb_from_hed))


def to_bytes(image: Pixels) -> NDArray[np.uint8]:
    """Round 0…1 to bytes."""
    return np.asarray((np.clip(image, 0, 1) * 255).round(), np.uint8)


if __name__ == "__main__":
    main()
