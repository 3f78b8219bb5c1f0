"""Megapixels a second that training takes in, beside the bare forward and backward pass. Nothing else may run.

    python benchmarks/training_speed.py                          # on a GPU where there is one
    python benchmarks/training_speed.py --model nuclei-unetpp --batch 64 --precision bfloat16

Crops of 256 px drawn, warped and recoloured as in any training run, weights stepped and averaged, losses told; bare:
the same network and losses on one batch that is already there. The share is how busy training keeps the processor.
"""

from __future__ import annotations

import tempfile
import time
from typing import TYPE_CHECKING

import torch
from _common import machine, option_parser, print_table

from napari_nucseg import load_model
from napari_nucseg.data.synthetic import synthetic_fluorescence
from napari_nucseg.learning.job import TrainingJob
from napari_nucseg.learning.patches import pack_patches
from napari_nucseg.learning.run import Run, supervise
from napari_nucseg.network.device import choose_device

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from napari_nucseg.learning.patches import PatchBank
    from napari_nucseg.network.device import Device

CROP_PX, PATCH_PX = 256, 320
WARM_UP_STEPS = 10


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--model", default="nuclei-unet")
    parser.add_argument("--batch", type=int, nargs="+", default=[32])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    args = parser.parse_args()
    device = choose_device(args.device, args.precision)
    rows = []
    for batch in args.batch:
        with tempfile.TemporaryDirectory() as folder:
            run = Run(_job(args, batch, folder), _bank(), device)
            bare, whole = _bare(run, args.steps), _whole(run, args.steps)
        rows.append([args.model, batch, bare, whole, f"{whole / bare:.0%}"])
    print(f"{device.description}, {device.precision} · {machine(device.precision)}\n")
    print_table(["model", "crops a step", "bare, megapixels/s", "training, megapixels/s", "share"], rows)


def _whole(run: Run, n_steps: int) -> float:
    """Megapixels a second of the tool's own loop."""
    steps = run.steps(resume=False)

    def step() -> None:
        next(steps)

    return _rate(step, run.job.batch_size, n_steps, run.device)


def _bare(run: Run, n_steps: int) -> float:
    """Megapixels a second of forward pass, losses and backward pass on one batch."""
    image, targets = run.augmenter(run.fields[: run.job.batch_size])
    image = image.contiguous(memory_format=torch.channels_last)

    def step() -> None:
        with run.device.autocast():
            heads = run.network.heads(image)
        loss = torch.stack(list(supervise(heads, targets, run.job.loss).values())).sum()
        run.network.zero_grad()
        run.scaler.scale(loss).backward()

    run.network.train()
    return _rate(step, run.job.batch_size, n_steps, run.device)


def _rate(step: Callable[[], None], batch: int, n_steps: int, device: Device) -> float:
    for _ in range(WARM_UP_STEPS):
        step()
    _wait(device)
    started = time.perf_counter()
    for _ in range(n_steps):
        step()
    _wait(device)
    return batch * n_steps * CROP_PX**2 / 1e6 / (time.perf_counter() - started)


def _wait(device: Device) -> None:
    if device.kind == "cuda":
        torch.cuda.synchronize()


def _bank() -> PatchBank:
    samples = [synthetic_fluorescence((1024, 1024), seed=seed) for seed in range(6)]
    return pack_patches(samples, canonical_diameter_px=None, patch_px=PATCH_PX)


def _job(args: argparse.Namespace, batch: int, folder: str) -> TrainingJob:
    return TrainingJob(
        output=folder,
        start=args.model,
        architecture=load_model(args.model).card.architecture,
        augment={"crop_px": CROP_PX},
        patch_px=PATCH_PX,
        batch_size=batch,
        steps=args.steps + WARM_UP_STEPS + 1,
        checkpoint_seconds=1e9,
    )


if __name__ == "__main__":
    main()
