"""What to predict: three ways to tell nuclei apart, taught alike and each decoded by its own rule.

    python benchmarks/targets.py                          # about 20 minutes on two cores
    python benchmarks/targets.py --steps 40 --every 6     # a quick look

distance and core   what the package predicts: foreground, distance to the own edge, its upper half;
                    *by overlap* counts the core by soft Dice as well, as fine-tuning does
three classes       ground, inside, edge; insides are seeds, grown over the edges (Caicedo et al. 2019,
                    10.1002/cyto.a.23863)
offsets             foreground, and from each pixel the way to the middle of its nucleus, in diameters; ways are
                    followed, and places where many end are nuclei (Neven et al. 2019, 10.1109/CVPR.2019.00904)

Each begins with the bundled encoder and a decoder of random weights, sees the same crops of `train` rows of DSB2018 and
TNBC, and is scored on images of held-back groups at their true diameter, maps decoded on the image's own grid.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from _common import DATA, machine, option_parser, print_table
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.feature import peak_local_max
from skimage.segmentation import find_boundaries, watershed
from torch.nn import functional as F

from napari_nucseg.learning.average import RunningAverage
from napari_nucseg.learning.examples import group_of, kind_of, load_examples
from napari_nucseg.learning.job import TrainingJob, fill_sources
from napari_nucseg.learning.losses import map_losses, soft_dice
from napari_nucseg.learning.patches import PatchBank, cut, normalised
from napari_nucseg.learning.settings import Loss
from napari_nucseg.network.architectures import activate, build_network
from napari_nucseg.network.installed import DEFAULT_MODEL
from napari_nucseg.network.model_file import load_model
from napari_nucseg.network.tiling import pad_to_stride
from napari_nucseg.nuclei.decoding import DecodingSettings, decode
from napari_nucseg.nuclei.scoring import evaluate
from napari_nucseg.nuclei.targets import make_targets, median_diameter
from napari_nucseg.nuclei.tidying import keep_areas
from napari_nucseg.segmentation.rescale import rescale

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_nucseg.data.sample import Sample
    from napari_nucseg.network.model_file import Model

    Array = NDArray[np.float32]
    Labels = NDArray[np.int32]

PATCH_PX, CROP_PX, CROPS = 256, 192, 6
RATE, WARM_UP = 1e-3, 0.1
HELD_BACK = 0.12
EDGE_PX = 2
EDGE_WEIGHT = 3.0
OFFSET_WEIGHT = 5.0
VOTE_SIGMA, LEAST_APART, FARTHEST = 0.08, 0.3, 0.4
"""Spread of a vote, least distance of two middles, and farthest miss of one, in diameters."""
FEWEST_VOTES = 0.15
"""Votes of a middle, as a share of those a round nucleus of the median diameter gives."""


@dataclass(frozen=True)
class Way:
    """Targets (3, Y, X) of a crop's labels, a loss, what logits mean, and how maps (3, Y, X) are decoded."""

    name: str
    targets: Callable[[Labels], Array]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    activate: Callable[[torch.Tensor], torch.Tensor]
    decode: Callable[[Array, float], Labels]


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--every", type=int, default=1, help="score every n-th held-back image only")
    names = [way.name for way in WAYS]
    parser.add_argument("--ways", nargs="+", choices=names, default=names)
    args = parser.parse_args()
    folders = [DATA / "dsb2018" / "stage1_train", DATA / "tnbc"]
    sources = fill_sources((), folders, index=DATA / "index.csv")
    examples = load_examples(TrainingJob(data=sources, validation={"share": HELD_BACK}))
    base, held = load_model(DEFAULT_MODEL), examples.held_back[:: args.every]
    bank = Bank(examples.learned, base)
    print(f"{machine('float32')}\n\n{len(examples.learned)} images learned from, {len(held)} scored\n")
    rows: list[list[object]] = []
    for way in WAYS:
        for seed in args.seeds if way.name in args.ways else ():
            network = train(way, base, bank, args.steps, seed)
            rows += [[way.name, seed, *row] for row in scored(way, network, base, held)]
            print(rows[-3:], file=sys.stderr)
    print_table(["way", "seed", "kind", "images", "AP50", "mean AP", "decoding, ms a megapixel"], rows)


class Bank:
    """Patches of images (3, P, P) uint8 and labels (P, P) at the canonical scale, drawn as in training."""

    def __init__(self, samples: Sequence[Sample], base: Model) -> None:
        images, self.labels, sources = [], [], []
        for number, sample in enumerate(samples):
            image = normalised(sample, base.card.normalisation, clahe=base.card.clahe)
            image, labels = at_scale(image, sample.labels, base.card.canonical_diameter_px)
            stacked = np.concatenate([image * 255, labels[None]]).astype(np.float32)
            for patch in cut(stacked, PATCH_PX):  # type: ignore[type-var]  # any pixels
                images.append(patch[:3].round().astype(np.uint8))
                self.labels.append(patch[3].astype(np.int32))
                sources.append(number)
        kinds, groups = tuple(map(kind_of, samples)), tuple(map(group_of, samples))
        bank = PatchBank(torch.from_numpy(np.stack(images)), torch.tensor(sources), kinds, groups)
        self.images, self.weights = bank.fields.numpy(), bank.sampling_weights({}).numpy()

    def draw(self, random: np.random.Generator) -> tuple[Array, list[Labels]]:
        """Draw crops: cut, turned by right angles, mirrored, with another gamma."""
        crops, labels = [], []
        for n in random.choice(len(self.labels), CROPS, p=self.weights):
            y, x = random.integers(0, PATCH_PX - CROP_PX + 1, 2)
            window, turns = np.s_[..., y : y + CROP_PX, x : x + CROP_PX], int(random.integers(4))
            mirror = slice(None, None, random.choice([-1, 1]))
            image = (self.images[n][window] / 255).astype(np.float32) ** np.exp(random.normal(0, 0.3))
            crops.append(np.rot90(image, turns, axes=(1, 2))[..., mirror])
            labels.append(np.rot90(self.labels[n][window], turns)[..., mirror])
        return np.stack(crops).astype(np.float32), labels


def at_scale(image: Array, labels: Labels, diameter_px: float) -> tuple[Array, Labels]:
    """Bring an image (C, Y, X) and its labels to a median diameter."""
    scale = diameter_px / (median_diameter(labels) or diameter_px)
    shape = (max(1, round(labels.shape[0] * scale)), max(1, round(labels.shape[1] * scale)))
    rows, columns = (
        np.minimum(((np.arange(n) + 0.5) * old / n).astype(int), old - 1)
        for n, old in zip(shape, labels.shape, strict=True)
    )
    return rescale(np.array(image), shape), labels[np.ix_(rows, columns)]


def train(way: Way, base: Model, bank: Bank, steps: int, seed: int) -> torch.nn.Module:
    """Teach a network one way and return the running average of its weights."""
    torch.manual_seed(seed)
    network = build_network(base.card.architecture).to(memory_format=torch.channels_last)
    network.encoder.load_state_dict(base.network.encoder.state_dict())
    average = RunningAverage(network, 0.99)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=WARM_UP)
    for step in range(steps):
        images, labels = bank.draw(np.random.default_rng((seed, step)))
        targets = torch.from_numpy(np.stack([way.targets(np.ascontiguousarray(crop)) for crop in labels]))
        x = torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
        loss = way.loss(network(x), targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update(network)
        print(f"\r{way.name} {step + 1}/{steps} {loss.item():.3f}", end="", file=sys.stderr)
    return average.module.eval()


def scored(way: Way, network: torch.nn.Module, base: Model, held: Sequence[Sample]) -> list[list[object]]:
    """Score on whole images: a row a kind."""
    truth, found, seconds, pixels = defaultdict(list), defaultdict(list), 0.0, 0
    for sample in held:
        diameter_px = median_diameter(sample.labels) or base.card.canonical_diameter_px
        image = normalised(sample, base.card.normalisation, clahe=base.card.clahe)
        image, _ = at_scale(image, sample.labels, base.card.canonical_diameter_px)
        padded = pad_to_stride(image, base.card.architecture.stride_px)
        with torch.inference_mode():
            maps = way.activate(network(torch.from_numpy(padded)[None]))[0].numpy()
        maps = rescale(np.ascontiguousarray(maps[:, : image.shape[1], : image.shape[2]]), sample.labels.shape)
        started = time.perf_counter()
        labels = way.decode(maps, diameter_px)
        seconds, pixels = seconds + time.perf_counter() - started, pixels + labels.size
        truth[kind_of(sample)].append(sample.labels)
        found[kind_of(sample)].append(labels)
    rows: list[list[object]] = []
    for kind in sorted(truth):
        scores = evaluate(truth[kind], found[kind])
        rows.append([kind, len(truth[kind]), scores.ap50, scores.mean_ap, f"{1e9 * seconds / pixels:.0f}"])
    return rows


# ---- distance and core


def map_loss(logits: torch.Tensor, targets: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Sum of the losses of all maps."""
    return torch.stack(list(map_losses(logits, targets, loss).values())).sum()


def decode_maps(maps: Array, diameter_px: float) -> Labels:
    """Decode as the package does."""
    return decode(maps, diameter_px=diameter_px)


# ---- three classes


def class_targets(labels: Labels) -> Array:
    """Ground, inside, edge as three maps of 0 and 1."""
    rim = find_boundaries(labels, mode="inner")
    edge = ndimage.binary_dilation(rim, iterations=EDGE_PX - 1) & (labels > 0)
    return np.stack([labels == 0, (labels > 0) & ~edge, edge]).astype(np.float32)


def class_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy, edges emphasised, and soft Dice of the insides."""
    weights = torch.tensor([1.0, 1.0, EDGE_WEIGHT])
    return F.cross_entropy(logits, targets, weight=weights) + soft_dice(
        torch.logit(logits.softmax(1)[:, 1], eps=1e-6), targets[:, 1], torch.ones_like(targets[:, 1])
    )


def decode_classes(maps: Array, diameter_px: float) -> Labels:
    """Grow connected insides over the edges."""
    seeds, _ = ndimage.label(maps.argmax(0) == 1)
    seeds = without_small(seeds, diameter_px)
    return without_small(watershed(-maps[1], seeds, mask=maps[0] < 0.5), diameter_px)


# ---- offsets


def offset_targets(labels: Labels) -> Array:
    """Foreground, and the way (rows, columns) to the middle of the own nucleus in canonical diameters."""
    dense = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    areas = np.bincount(dense.ravel()).astype(float)
    places = np.indices(labels.shape)
    middles = [np.bincount(dense.ravel(), weights=p.ravel()) / areas for p in places]
    ways = [(m[dense] - p) / CANONICAL_PX * (labels > 0) for m, p in zip(middles, places, strict=True)]
    return np.stack([labels > 0, *ways]).astype(np.float32)


def offset_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy and Dice of the foreground, smooth L1 of the ways inside nuclei."""
    inside = targets[:, 0]
    ways = F.smooth_l1_loss(logits[:, 1:], targets[:, 1:], beta=0.1, reduction="none").sum(1)
    foreground = F.binary_cross_entropy_with_logits(logits[:, 0], inside)
    return (
        foreground
        + soft_dice(logits[:, 0], inside, torch.ones_like(inside))
        + OFFSET_WEIGHT * (ways * inside).sum() / inside.sum().clamp(min=1)
    )


def activate_offsets(logits: torch.Tensor) -> torch.Tensor:
    """Turn the first map into a probability."""
    return torch.cat([logits[:, :1].sigmoid(), logits[:, 1:]], 1)


def decode_offsets(maps: Array, diameter_px: float) -> Labels:
    """Let each pixel vote for a middle, find the places with many votes, and give it the nearest."""
    labels = np.zeros(maps.shape[1:], np.int32)
    rows, columns = np.nonzero(maps[0] > 0.5)
    ends = np.stack([rows, columns], 1) + diameter_px * maps[1:, rows, columns].T
    inside = np.clip(ends.round().astype(int), 0, np.array(labels.shape) - 1)
    votes = np.zeros(labels.shape, np.float32)
    np.add.at(votes, tuple(inside.T), 1)
    votes = ndimage.gaussian_filter(votes, VOTE_SIGMA * diameter_px)
    all_at_one = np.pi / 4 / (2 * np.pi * VOTE_SIGMA**2)
    least, apart_px = FEWEST_VOTES * all_at_one, max(1, round(LEAST_APART * diameter_px))
    middles = peak_local_max(votes, apart_px, threshold_abs=least, exclude_border=False)
    if len(middles):
        distance, nearest = cKDTree(middles).query(ends)
        labels[rows, columns] = np.where(distance < FARTHEST * diameter_px, nearest + 1, 0)
    return without_small(labels, diameter_px)


def without_small(labels: Labels, diameter_px: float) -> Labels:
    """Drop what is smaller than a twentieth of a nucleus, as the package does."""
    return keep_areas(labels, DecodingSettings().smallest_area_px(diameter_px))


CANONICAL_PX = load_model(DEFAULT_MODEL).card.canonical_diameter_px
WAYS = (
    Way("distance and core", make_targets, partial(map_loss, loss=Loss()), activate, decode_maps),
    Way(
        "distance and core by overlap",
        make_targets,
        partial(map_loss, loss=Loss(core="bce+dice")),
        activate,
        decode_maps,
    ),
    Way("three classes", class_targets, class_loss, lambda logits: logits.softmax(1), decode_classes),
    Way("offsets", offset_targets, offset_loss, activate_offsets, decode_offsets),
)

if __name__ == "__main__":
    main()
